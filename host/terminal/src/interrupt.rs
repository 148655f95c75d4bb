//! Signals that ask this process to end: SIGINT and SIGTERM.
//!
//! A thread of its own listens from the first moment at which somebody has to take
//! something back. At the first signal the verb under way is asked to stop; it has
//! [`FIRST_WALL_MAX`] for that. A second signal leaves it [`SECOND_WALL_MAX`], a third
//! nothing. Whatever hangs then, a disk, a server, a plugin, ends with the process: what
//! lies half done is hidden and is cleared away, or taken up, by the next one, as after a
//! crash. While nobody has anything to take back, the first signal ends the process.
//!
//! The daemon has signals of its own, and uses [`end_within`] for its last moments.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::print;
use crate::stderr;

/// From a first signal to the end of the process, at most. A verb that takes back what
/// it began needs milliseconds.
const FIRST_WALL_MAX: Duration = Duration::from_millis(2_500);

/// The same from a second signal: enough for a sentence.
const SECOND_WALL_MAX: Duration = Duration::from_millis(300);

/// How long the last sentence of a process may wait for its reader.
const LAST_WORDS_WALL_MAX: Duration = Duration::from_millis(200);

/// What shells add to the number of the signal that ended a program.
const BY_SIGNAL: i32 = 128;

static HEED: Mutex<Heed> = Mutex::new(Heed::Nobody);

/// Who deals with signals just now.
#[derive(Clone, Copy)]
enum Heed {
    /// Nobody has anything to take back.
    Nobody,
    /// A verb, and the exit code of the process when it is cut off.
    Verb(u8),
    /// Somebody who has signal handlers of his own.
    Itself,
}

/// While it lives, signals ask the verb to stop.
pub struct Interrupts {
    seen: watch::Receiver<u32>,
    /// Whoever dealt with them before, and does so again afterwards.
    before: Heed,
}

impl Interrupts {
    /// From now on; `cut_off` is the exit code if the verb does not stop in time.
    ///
    /// # Errors
    /// No thread, or no signal handler, can be had.
    pub fn heed(cut_off: u8) -> Result<Self, SignalError> {
        Self::as_of(Heed::Verb(cut_off))
    }

    /// Signals are somebody else's affair from now on.
    ///
    /// # Errors
    /// As [`Interrupts::heed`].
    pub fn leave_alone() -> Result<Self, SignalError> {
        Self::as_of(Heed::Itself)
    }

    fn as_of(heed: Heed) -> Result<Self, SignalError> {
        // All is there before the first signal can come.
        let seen = drydock_node::interrupt::listen();
        let before = set(heed);
        let ours = Self { seen, before };
        listen()?;
        Ok(ours)
    }

    /// The next signal.
    pub async fn next(&mut self) {
        if self.seen.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        // Whoever deals with signals itself was woken by one that is about to be told here
        // as well, and takes back what it began until the process ends.
        if !matches!(heeded(), Heed::Itself) {
            set(self.before);
        }
    }
}

/// A verb stopped in time.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing is left behind")]
pub struct Interrupted;

/// No thread, or no signal handler, can be had.
#[derive(Debug, thiserror::Error)]
#[error("signals cannot be listened to: {0}")]
pub struct SignalError(String);

/// Ends the process with `code` unless it has ended by itself by then.
pub fn end_within(limit: Duration, code: u8) {
    let thread = std::thread::Builder::new().name("end".to_owned());
    let started = thread.spawn(move || {
        // Nobody sends: this only waits.
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(limit);
        leave(
            "something did not stop in time and ends with the process",
            code.into(),
        );
    });
    if let Err(error) = started {
        tracing::warn!(%error, "nothing cuts off what does not stop in time");
    }
}

/// Gives whoever it was before.
fn set(heed: Heed) -> Heed {
    let mut now = HEED.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *now, heed)
}

fn heeded() -> Heed {
    *HEED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread, once in a process, and waits until it hears.
fn listen() -> Result<(), SignalError> {
    static LISTENING: OnceLock<Result<(), String>> = OnceLock::new();
    let listening = LISTENING.get_or_init(|| {
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("signals".to_owned());
        let spawned = thread.spawn(move || {
            if let Err(error) = attend(&ready) {
                let _ = ready.send(Err(error.to_string()));
            }
        });
        spawned.map_err(|error| error.to_string())?;
        started
            .recv()
            .unwrap_or_else(|_| Err("its thread ended".to_owned()))
    });
    listening.clone().map_err(SignalError)
}

fn attend(ready: &std::sync::mpsc::Sender<Result<(), String>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let _ = ready.send(Ok(()));
        let mut end = None;
        loop {
            let kind = tokio::select! {
                _ = interrupts.recv() => SignalKind::interrupt(),
                _ = terminations.recv() => SignalKind::terminate(),
                code = reached(end) => leave(CUT_OFF, code),
            };
            end = told(kind, end);
        }
    })
}

const CUT_OFF: &str = "interrupted; what did not stop in time ended with the process: the next one takes it up, or clears it away";

/// Passes a signal on. Says until when the process may go on, and with which code it ends.
fn told(kind: SignalKind, end: Option<(Instant, i32)>) -> Option<(Instant, i32)> {
    match heeded() {
        Heed::Itself => end,
        Heed::Nobody => leave("interrupted", BY_SIGNAL + kind.as_raw_value()),
        Heed::Verb(cut_off) => {
            let code = cut_off.into();
            let left = match drydock_node::interrupt::count() {
                1 => FIRST_WALL_MAX,
                2 => SECOND_WALL_MAX,
                _ => leave(CUT_OFF, code),
            };
            let until = Instant::now() + left;
            Some((end.map_or(until, |(before, _)| before.min(until)), code))
        }
    }
}

async fn reached(end: Option<(Instant, i32)>) -> i32 {
    match end {
        Some((until, code)) => {
            sleep_until(until).await;
            code
        }
        None => std::future::pending().await,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "main waits for something that does not come back, and this is in its place"
)]
fn leave(why: &str, code: i32) -> ! {
    print::note(why);
    stderr::flush(LAST_WORDS_WALL_MAX);
    std::process::exit(code)
}
