//! What a backup step produces. A bounded queue leads to one worker thread that owns the
//! daemon's sink, so that receiving from the network overlaps with hashing, compressing
//! and encrypting, and so that no lock is held over a write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use drydock_core::{CALL_BYTES_MAX, ErrorClass, ErrorCode, Fault};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::sink::too_large;
use crate::Work;
use crate::work::check_bytes;

/// Messages on their way to the sink. A message is at most [`CALL_BYTES_MAX`], usually
/// 32 KiB (a message of etcd's stream), so this is 16 MiB at worst and enough to keep
/// both ends busy.
const QUEUE_MESSAGES_MAX: usize = 16;

/// Longest artifact name; with the suffixes of sealing it still fits into a file name
/// of 255 bytes.
const NAME_CHARACTERS_MAX: usize = 128;

/// Where the bytes of outputs go; the daemon implements it over spool, checker and
/// sealer. One output is open at a time. The calls come from one thread, in order, and
/// may block.
pub trait OutputSink: Send {
    /// Opens the next output. `name` is valid by the rules of `wit/artifact.wit`.
    ///
    /// # Errors
    /// The plugin gets the fault; no output is open afterwards.
    fn open(&mut self, name: &str, secret: bool) -> Result<(), Fault>;

    /// Appends to the open output, at most [`CALL_BYTES_MAX`].
    ///
    /// # Errors
    /// The output is broken from then on and is discarded with this fault.
    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault>;

    /// The open output is whole.
    ///
    /// # Errors
    /// The output does not count; it is closed all the same, without a `discard`.
    fn finish(&mut self) -> Result<(), Fault>;

    /// Gives the open output up.
    fn discard(&mut self, reason: Fault);
}

/// Creates outputs for one attempt of a backup step.
pub struct Outputs {
    worker: JoinHandle<()>,
    opener: OutputOpener,
}

/// The part of [`Outputs`] that a plugin's calls use. Clones are the same.
#[derive(Clone)]
pub struct OutputOpener {
    commands: mpsc::Sender<Command>,
    work: Work,
}

/// An output that is being produced. Clones are the same output.
#[derive(Clone)]
pub struct Output {
    commands: mpsc::Sender<Command>,
    number: u64,
    state: Arc<Mutex<State>>,
    /// Bytes that were handed over.
    written: Arc<AtomicU64>,
    work: Work,
}

#[derive(Debug, Clone)]
enum State {
    Open,
    Broken(Fault),
    Closed,
}

enum Command {
    Open {
        name: String,
        secret: bool,
        answer: oneshot::Sender<Result<u64, Fault>>,
    },
    Write {
        number: u64,
        bytes: Vec<u8>,
    },
    Finish {
        number: u64,
        answer: oneshot::Sender<Result<(), Fault>>,
    },
    Discard {
        number: u64,
        reason: Fault,
    },
}

/// The worker's view: which output is open, and what broke it.
struct Worker {
    sink: Box<dyn OutputSink>,
    opened: u64,
    open: Option<Option<Fault>>,
}

impl Outputs {
    /// Starts the worker on the blocking threads of the current tokio runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(sink: Box<dyn OutputSink>) -> Self {
        let (commands, queue) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let worker = tokio::task::spawn_blocking(move || Worker::new(sink).run(queue));
        Self {
            worker,
            opener: OutputOpener {
                commands,
                work: Work::default(),
            },
        }
    }

    /// What the plugin's calls go through.
    #[must_use]
    pub fn opener(&self) -> OutputOpener {
        self.opener.clone()
    }

    /// Ends the worker once every [`Output`] and [`OutputOpener`] is gone; an output that
    /// is still open is discarded. After this nothing calls the sink any more.
    ///
    /// # Errors
    /// `sink-panicked` when the sink panicked.
    pub async fn close(self) -> Result<(), Fault> {
        drop(self.opener);
        self.worker.await.map_err(|error| {
            Fault::permanent(
                ErrorCode::SinkPanicked,
                format!("the output's worker ended: {error}"),
            )
        })
    }
}

impl OutputOpener {
    /// The same opener; every write to its outputs that is taken is a sign of life of `work`.
    #[must_use]
    pub fn part_of(self, work: &Work) -> Self {
        Self {
            work: work.clone(),
            ..self
        }
    }

    /// Opens an output.
    ///
    /// # Errors
    /// `bad-name`, `output-open` when another output is not finished yet, or what the
    /// sink says.
    pub async fn create(&self, name: &str, secret: bool) -> Result<Output, Fault> {
        check_name(name)?;
        let (answer, answered) = oneshot::channel();
        let command = Command::Open {
            name: name.to_owned(),
            secret,
            answer,
        };
        self.commands
            .send(command)
            .await
            .map_err(|_| worker_gone())?;
        let number = answered.await.map_err(|_| worker_gone())??;
        Ok(Output {
            commands: self.commands.clone(),
            number,
            state: Arc::new(Mutex::new(State::Open)),
            written: Arc::default(),
            work: self.work.clone(),
        })
    }
}

impl Output {
    /// Appends bytes. What the sink says to them comes back from `finish` at the latest.
    ///
    /// # Errors
    /// `too-large` past [`CALL_BYTES_MAX`] in one call or [`crate::WORK_BYTES_MAX`] in all,
    /// `output-closed`, or what broke the output.
    pub async fn write(&self, bytes: Vec<u8>) -> Result<(), Fault> {
        if bytes.len() > CALL_BYTES_MAX {
            return Err(too_large(bytes.len()));
        }
        self.ready()?;
        let (number, moved) = (self.number, bytes.len());
        let whole = self.written.fetch_add(moved as u64, Ordering::Relaxed) + moved as u64;
        check_bytes("append to", "the output", whole)?;
        self.commands
            .send(Command::Write { number, bytes })
            .await
            .map_err(|_| worker_gone())?;
        self.work.moved(moved);
        Ok(())
    }

    /// A stream into this output died: from now on it can only be discarded.
    pub fn break_off(&self, fault: &Fault) {
        let mut state = self.lock();
        if matches!(*state, State::Open) {
            *state = State::Broken(fault.clone());
        }
    }

    /// Declares the output whole.
    ///
    /// # Errors
    /// `output-closed`, what broke the output, or what the sink says.
    pub async fn finish(&self) -> Result<(), Fault> {
        self.ready()?;
        *self.lock() = State::Closed;
        let (answer, answered) = oneshot::channel();
        let number = self.number;
        self.commands
            .send(Command::Finish { number, answer })
            .await
            .map_err(|_| worker_gone())?;
        answered.await.map_err(|_| worker_gone())?
    }

    /// Gives the output up, unless it is finished.
    pub async fn discard(&self) {
        let before = std::mem::replace(&mut *self.lock(), State::Closed);
        let reason = match before {
            State::Closed => return,
            State::Broken(fault) => fault,
            State::Open => given_up(),
        };
        let number = self.number;
        // A worker that is gone has discarded the output already.
        let _ = self
            .commands
            .send(Command::Discard { number, reason })
            .await;
    }

    fn ready(&self) -> Result<(), Fault> {
        match &*self.lock() {
            State::Open => Ok(()),
            State::Broken(fault) => Err(fault.clone()),
            State::Closed => Err(closed()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn new(sink: Box<dyn OutputSink>) -> Self {
        Self {
            sink,
            opened: 0,
            open: None,
        }
    }

    fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(command) = queue.blocking_recv() {
            self.obey(command);
        }
        self.discard(given_up());
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open {
                name,
                secret,
                answer,
            } => {
                // Whoever asked may be gone; the output is then discarded at the end.
                let _ = answer.send(self.open(&name, secret));
            }
            Command::Write { number, bytes } if number == self.opened => self.write(bytes),
            Command::Finish { number, answer } if number == self.opened => {
                let _ = answer.send(self.finish());
            }
            Command::Discard { number, reason } if number == self.opened => self.discard(reason),
            // A handle of an earlier output: what it says no longer matters.
            Command::Write { .. } | Command::Discard { .. } => {}
            Command::Finish { answer, .. } => {
                let _ = answer.send(Err(closed()));
            }
        }
    }

    fn open(&mut self, name: &str, secret: bool) -> Result<u64, Fault> {
        if self.open.is_some() {
            return Err(Fault::permanent(
                ErrorCode::OutputOpen,
                format!(
                    "output {name} cannot be created while another one is open: finish or drop that one first"
                ),
            ));
        }
        self.sink.open(name, secret)?;
        self.opened += 1;
        self.open = Some(None);
        Ok(self.opened)
    }

    fn write(&mut self, bytes: Vec<u8>) {
        if let Some(broken @ None) = &mut self.open
            && let Err(fault) = self.sink.write(bytes)
        {
            *broken = Some(fault);
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        match self.open.take() {
            None => Err(closed()),
            Some(None) => self.sink.finish(),
            Some(Some(fault)) => {
                self.sink.discard(fault.clone());
                Err(fault)
            }
        }
    }

    fn discard(&mut self, reason: Fault) {
        if let Some(broken) = self.open.take() {
            self.sink.discard(broken.unwrap_or(reason));
        }
    }
}

/// The rule of `wit/artifact.wit` for an artifact's name.
fn check_name(name: &str) -> Result<(), Fault> {
    let long = name.chars().count() > NAME_CHARACTERS_MAX;
    let starts_badly = name.is_empty() || name.starts_with(['.', '-']);
    let strange = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if !long && !starts_badly && !name.contains(strange) {
        return Ok(());
    }
    Err(Fault::permanent(
        ErrorCode::BadName,
        format!(
            "{:?} cannot name an artifact: use 1 to {NAME_CHARACTERS_MAX} letters, digits, `.`, `_` or `-`, not starting with `.` or `-`",
            name.chars().take(NAME_CHARACTERS_MAX).collect::<String>()
        ),
    ))
}

fn given_up() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::GivenUp,
        "the plugin gave the output up before it was finished",
    )
}

fn closed() -> Fault {
    Fault::permanent(
        ErrorCode::OutputClosed,
        "the output is already finished or given up",
    )
}

fn worker_gone() -> Fault {
    Fault::transient(
        ErrorCode::OutputClosed,
        "the attempt that the output belongs to has ended",
    )
}

#[cfg(test)]
mod tests;
