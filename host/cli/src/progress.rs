//! A run's progress for whoever watches: a line that moves on a terminal, a line per
//! change of phase in a log otherwise. A terminal that takes nothing (Ctrl-S) holds
//! nothing up.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use dialoguer::console::Term;
use drydock_core::human_bytes;
use drydock_engine::{RunView, view::StoreView};
use drydock_terminal::stderr;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use tokio::sync::watch;

/// How often the line moves while nothing else does.
const TICK: Duration = Duration::from_millis(120);

/// Follows a run until its last word.
pub async fn follow(mut progress: watch::Receiver<RunView>) {
    let bar = bar();
    let mut last_phase = String::new();
    loop {
        let view = progress.borrow_and_update().clone();
        bar.set_message(line(&view));
        let phase = format!("{:?}", view.phase);
        if phase != last_phase {
            tracing::info!(run = %view.run, phase, "run goes on");
            last_phase = phase;
        }
        if view.outcome.is_some() || progress.changed().await.is_err() {
            break;
        }
    }
    bar.finish_and_clear();
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let target = ProgressDrawTarget::term_like(Box::new(Terminal(Term::stderr())));
    let bar = ProgressBar::with_draw_target(None, target);
    bar.set_style(
        ProgressStyle::with_template("{spinner} {elapsed} {msg}")
            .expect("the template is a constant of ours"),
    );
    bar.enable_steady_tick(TICK);
    bar
}

/// The terminal, drawn on by the same way as everything that goes to stderr. The escape
/// codes are those of ECMA-48.
#[derive(Debug)]
struct Terminal(Term);

impl Terminal {
    fn moved(by: usize, code: char) -> io::Result<()> {
        if by > 0 {
            stderr::draw(&format!("\u{1b}[{by}{code}"));
        }
        Ok(())
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, by: usize) -> io::Result<()> {
        Self::moved(by, 'A')
    }

    fn move_cursor_down(&self, by: usize) -> io::Result<()> {
        Self::moved(by, 'B')
    }

    fn move_cursor_right(&self, by: usize) -> io::Result<()> {
        Self::moved(by, 'C')
    }

    fn move_cursor_left(&self, by: usize) -> io::Result<()> {
        Self::moved(by, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        stderr::draw(&format!("{text}\n"));
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        stderr::draw(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        stderr::draw("\r\u{1b}[2K");
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What is under way, in one line: the backup steps, then each target with parts and bytes.
fn line(view: &RunView) -> String {
    if let Some(drill) = &view.drill {
        return format!("{}: drill {}", view.run, drill.state.word());
    }
    let sealed: u64 = view.outputs.iter().map(|output| output.sealed_bytes).sum();
    let steps = view.backups.iter();
    let steps = steps.map(|backup| format!("{} {}", backup.step, backup.state.word()));
    let mut line = format!(
        "{}: {} ({} sealed)",
        view.run,
        steps.collect::<Vec<_>>().join(", "),
        human_bytes(sealed)
    );
    for store in &view.stores {
        line.push_str("; ");
        line.push_str(&store_line(store));
    }
    line
}

fn store_line(store: &StoreView) -> String {
    let parts = match store.parts_total {
        Some(total) => format!("{} of {total} parts", store.parts),
        None => format!("{} parts", store.parts),
    };
    format!(
        "{}: {parts}, {} {}",
        store.target,
        human_bytes(store.bytes),
        store.state.word()
    )
}
