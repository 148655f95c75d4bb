//! A run's progress for whoever watches: a line that moves on a terminal, a line per
//! change of phase in a log otherwise. A terminal that takes nothing (Ctrl-S) holds
//! nothing up.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use dialoguer::console::Term;
use drydock_core::{StepState, human_bytes};
use drydock_engine::{RunView, view::StepView};
use drydock_point::view::StoreView;
use drydock_terminal::stderr;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use tokio::sync::watch;

/// How often the line moves while nothing else does.
const TICK: Duration = Duration::from_millis(120);

/// Steps that the line names whatever they are at; of more, those that something is done
/// about.
const STEPS_SHOWN_MAX: usize = 4;

/// Follows a run until its last word, or until it goes on no more before somebody answers a
/// question of it.
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
        let is_over = view.outcome.is_some() || view.only_asks;
        if is_over || progress.changed().await.is_err() {
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

/// What is under way, in one line: the steps, then each target with parts and bytes.
fn line(view: &RunView) -> String {
    let shows_all = view.steps.len() <= STEPS_SHOWN_MAX;
    let steps = view.steps.iter();
    let steps = steps.filter(|step| shows_all || is_under_way(step));
    let steps = steps.map(|step| format!("{} {}", step.step, step.state.word()));
    let steps: Vec<_> = steps.collect();
    let mut line = format!("{}: {}", view.run, steps.join(", "));
    if !view.stores.is_empty() {
        let sealed: u64 = view.outputs.iter().map(|output| output.sealed_bytes).sum();
        line.push_str(&format!(" ({} sealed)", human_bytes(sealed)));
    }
    for store in &view.stores {
        line.push_str("; ");
        line.push_str(&store_line(store));
    }
    line
}

fn is_under_way(step: &StepView) -> bool {
    match step.state {
        StepState::Running
        | StepState::Waiting
        | StepState::Asking
        | StepState::Held
        | StepState::Undoing => true,
        StepState::Pending
        | StepState::Done
        | StepState::Failed
        | StepState::Skipped
        | StepState::Undone => false,
    }
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
