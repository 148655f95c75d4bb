//! Programs that end with this process, however it ends.
//!
//! The kernel can kill a child when its parent is gone (`PR_SET_PDEATHSIG`, prctl(2)).
//! Asking for it between fork and exec needs unsafe code, so this program starts itself
//! under a hidden verb, asks there, and becomes the program that was wanted; the request
//! survives that. It follows the thread that forked: so one thread, which lives as long
//! as its children, starts them all.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::ScratchError;
use drydock_core::reason;

/// Bytes at the end of a log that are looked at for the reason of an end.
const LOG_END_BYTES: usize = 16 * 1024;

/// Lines of a log that an error repeats, and characters of each.
const LOG_LINES_MAX: usize = 3;
const LOG_LINE_CHARS_MAX: usize = 300;

/// This same program, even when its file was replaced since.
const OURSELVES: &str = "/proc/self/exe";

/// Where children are born. Dropping it ends the thread and so, should any be left, them.
#[derive(Debug)]
pub struct Nursery {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

struct Order {
    command: Command,
    born: Sender<io::Result<Child>>,
}

/// A program under way. Dropping it kills it and waits for that.
#[derive(Debug)]
pub struct Guarded {
    pub name: String,
    child: Child,
    log: Option<PathBuf>,
}

/// What to start.
pub struct Wanted<'a> {
    /// For sentences.
    pub name: &'a str,
    pub program: &'a Path,
    pub arguments: Vec<OsString>,
    /// All it finds in its environment.
    pub environment: Vec<(&'static str, OsString)>,
    /// Where stdout and stderr go.
    pub log: &'a Path,
}

impl Nursery {
    /// # Errors
    /// [`ScratchError::Start`] when no thread can be had.
    pub fn new() -> Result<Self, ScratchError> {
        let (orders, taken) = channel();
        let thread = std::thread::Builder::new()
            .name("nursery".to_owned())
            .spawn(move || serve(&taken))
            .map_err(|error| start_error("a thread", &error))?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Starts a server: no stdin, output into its log, a process group of its own, so that
    /// an interrupt from the terminal reaches us first.
    ///
    /// # Errors
    /// [`ScratchError::Start`].
    pub fn server(&self, wanted: Wanted<'_>) -> Result<Guarded, ScratchError> {
        let failed = |error: &io::Error| start_error(wanted.name, error);
        let log = File::create_new(wanted.log).map_err(|error| failed(&error))?;
        let again = log.try_clone().map_err(|error| failed(&error))?;
        let mut command = guarded(wanted.program, wanted.arguments);
        command
            .env_clear()
            .envs(wanted.environment)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(again)
            .process_group(0);
        let child = self.spawn(command).map_err(|error| failed(&error))?;
        Ok(Guarded {
            name: wanted.name.to_owned(),
            child,
            log: Some(wanted.log.to_owned()),
        })
    }

    /// Starts a command of the operator's: our stdin, stdout, stderr and environment, and
    /// `more` in it.
    ///
    /// # Errors
    /// [`ScratchError::Start`].
    pub fn command(
        &self,
        words: &[OsString],
        more: (&str, &Path),
    ) -> Result<Guarded, ScratchError> {
        let (program, arguments) = words.split_first().ok_or_else(|| ScratchError::Start {
            name: "the command".to_owned(),
            why: "it has no words".to_owned(),
        })?;
        let name = program.to_string_lossy().into_owned();
        let mut command = guarded(Path::new(program), arguments.to_vec());
        command.env(more.0, more.1);
        let child = self
            .spawn(command)
            .map_err(|error| start_error(&name, &error))?;
        Ok(Guarded {
            name,
            child,
            log: None,
        })
    }

    fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts programs has ended");
        let (born, taken) = channel();
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        let sent = orders.send(Order { command, born });
        sent.map_err(|_| gone())?;
        taken.recv().map_err(|_| gone())?
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // It holds nothing that could be lost.
            let _ = thread.join();
        }
    }
}

impl Guarded {
    /// How it ended; none while it runs.
    #[must_use]
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Why it ended, as far as its log tells.
    #[must_use]
    pub fn death(&mut self, exit: ExitStatus) -> ScratchError {
        ScratchError::Ended {
            name: self.name.clone(),
            exit,
            why: self.last_words(),
        }
    }

    /// The last lines of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = self.log.as_deref().map(std::fs::read);
        let bytes = log.and_then(Result::ok).unwrap_or_default();
        let end = &bytes[bytes.len().saturating_sub(LOG_END_BYTES)..];
        let text = String::from_utf8_lossy(end);
        let said: Vec<String> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.chars().take(LOG_LINE_CHARS_MAX).collect())
            .collect();
        if said.is_empty() {
            return "it said nothing".to_owned();
        }
        said[said.len().saturating_sub(LOG_LINES_MAX)..].join(" | ")
    }

    /// Asks it to stop, as an operator would.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // One that has ended already takes no signal, which is what was wanted.
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It is gone already, or ends by this; waiting tells.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(orders: &Receiver<Order>) {
    while let Ok(mut order) = orders.recv() {
        // Whoever asked and went away gets no child: dropping the answer would leave one.
        let born = order.command.spawn();
        if let Err(lost) = order.born.send(born)
            && let Ok(mut child) = lost.0
        {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The hidden verb of this program by which it becomes another one.
pub const GUARDED_VERB: &str = "run-guarded";

/// The command line by which this program becomes another one.
fn guarded(program: &Path, arguments: Vec<OsString>) -> Command {
    let mut command = Command::new(OURSELVES);
    command
        .arg(GUARDED_VERB)
        .arg(std::process::id().to_string())
        .arg(program)
        .args(arguments);
    command
}

/// Becomes `words[0]`, to be killed with the process `parent`. Comes back only to say why
/// that is not possible.
#[must_use]
pub fn become_guarded(parent: u32, words: &[OsString]) -> String {
    let Some((program, arguments)) = words.split_first() else {
        return "name the program to become".to_owned();
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return format!("the kernel does not kill with the parent: {error}");
    }
    // It may have died before the request; then nobody would ever kill us.
    let is_parent = |pid: Pid| u32::try_from(pid.as_raw_nonzero().get()) == Ok(parent);
    if !getppid().is_some_and(is_parent) {
        return "the process that wanted this is gone".to_owned();
    }
    let error = Command::new(program).args(arguments).exec();
    format!("{} cannot be run: {}", program.display(), reason(&error))
}

fn start_error(name: &str, error: &io::Error) -> ScratchError {
    ScratchError::Start {
        name: name.to_owned(),
        why: reason(error),
    }
}
