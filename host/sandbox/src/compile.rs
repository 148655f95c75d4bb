//! Compiling a component within limits.
//!
//! Compilers are large programs, and what they take for a component can only be found out
//! by letting them: wasmtime does not call a component that takes for ever to compile a
//! fault. So it is done in a process of its own that has a bounded time and memory, an
//! empty environment and no power that could be taken away; the compiler's memory goes
//! with it. Tests and tools that bring their own components can do without.
//!
//! The parent writes the seconds (8 bytes, little-endian) and the component to the
//! worker's stdin; the worker answers on stdout with [`COMPILED`] and the code, or with
//! [`REFUSED`] and a reason.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal};

use crate::engine;
use drydock_core::plain;

/// First byte of the worker's answer.
const COMPILED: u8 = 0;
const REFUSED: u8 = 1;

/// Memory of the worker: a node of a control plane has it to spare for some seconds.
pub(crate) const MEMORY_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Largest code that is taken: it has about ten times the component's size.
pub(crate) const CODE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Bytes of the worker's stderr that are looked at: a panic's message.
const STDERR_BYTES_MAX: u64 = 4096;

/// Longest reason that is told of a component that is none.
const REASON_BYTES_MAX: usize = 1000;

/// How to start the process that compiles: it must call [`worker`] with its stdin and
/// stdout, and be of the same build as its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

/// Why there is no code. Admission makes sentences of it.
#[derive(Debug)]
pub(crate) enum CompileError {
    /// What the worker says of the component.
    Refused(String),
    /// The same without a worker, or code that cannot be loaded.
    Invalid(wasmtime::Error),
    /// It took longer than this.
    Time(Duration),
    /// More than [`MEMORY_BYTES_MAX`].
    Memory,
    /// More code than [`CODE_BYTES_MAX`].
    Size,
    /// How the worker ended.
    Crashed(String),
    /// The worker cannot be started or talked to.
    Start(io::Error),
}

impl From<wasmtime::Error> for CompileError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Invalid(error)
    }
}

/// How the worker's process ended, and what it left.
struct Finished {
    status: ExitStatus,
    answer: io::Result<Vec<u8>>,
    stderr: String,
}

impl Compiler {
    /// Machine code for `component`. Blocks, for `time_max` at most.
    pub(crate) fn compile(
        &self,
        component: &[u8],
        time_max: Duration,
    ) -> Result<Vec<u8>, CompileError> {
        let mut child = self.start().map_err(CompileError::Start)?;
        let finished = attend(&mut child, component, time_max).map_err(CompileError::Start)?;
        let Some(finished) = finished else {
            return Err(CompileError::Time(time_max));
        };
        finished.code(time_max)
    }

    fn start(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }
}

impl Finished {
    fn code(self, time_max: Duration) -> Result<Vec<u8>, CompileError> {
        use std::os::unix::process::ExitStatusExt as _;
        let is = |signal: Signal| self.status.signal() == Some(signal.as_raw());
        if is(Signal::XCPU) {
            return Err(CompileError::Time(time_max));
        }
        // Rust aborts when there is no memory; the kernel kills when there is none at all.
        let lacked_memory = self.stderr.contains("memory allocation");
        if is(Signal::KILL) || (is(Signal::ABORT) && lacked_memory) {
            return Err(CompileError::Memory);
        }
        let mut answer = self.answer.map_err(CompileError::Start)?;
        if answer.len() as u64 > CODE_BYTES_MAX {
            return Err(CompileError::Size);
        }
        match (self.status.success(), answer.first()) {
            (true, Some(&COMPILED)) => {
                answer.remove(0);
                Ok(answer)
            }
            (true, Some(&REFUSED)) => {
                let reason = String::from_utf8_lossy(&answer[1..]);
                Err(CompileError::Refused(plain(&reason, REASON_BYTES_MAX)))
            }
            _ => Err(CompileError::Crashed(match self.stderr.trim() {
                "" => self.status.to_string(),
                stderr => format!("{}, {stderr}", self.status),
            })),
        }
    }
}

/// Feeds the worker and takes its answer; none when it took too long and was killed.
fn attend(child: &mut Child, component: &[u8], time_max: Duration) -> io::Result<Option<Finished>> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A worker that is gone hears nothing; how it went is told by its status.
            let _ = stdin.map(|mut pipe| ask(&mut pipe, component, time_max));
        });
        let (sender, answers) = mpsc::channel();
        scope.spawn(move || {
            // Nobody listens any more once the time is over.
            let _ = sender.send(read_up_to(stdout, CODE_BYTES_MAX + 1));
        });
        let stderr = scope.spawn(move || read_up_to(stderr, STDERR_BYTES_MAX));
        let answer = answers.recv_timeout(time_max).ok();
        let is_whole = |bytes: &Vec<u8>| bytes.len() as u64 <= CODE_BYTES_MAX;
        if !matches!(&answer, Some(Ok(bytes)) if is_whole(bytes)) {
            child.kill()?;
        }
        let status = child.wait()?;
        let stderr = stderr.join().map_err(|_| io::ErrorKind::Other)??;
        Ok(answer.map(|answer| Finished {
            status,
            answer,
            stderr: plain(&String::from_utf8_lossy(&stderr), STDERR_BYTES_MAX as usize),
        }))
    })
}

fn ask(pipe: &mut impl Write, component: &[u8], time_max: Duration) -> io::Result<()> {
    pipe.write_all(&time_max.as_secs().to_le_bytes())?;
    pipe.write_all(component)
}

/// What the pipe holds, the rest of it left unread past `bytes_max`.
fn read_up_to(pipe: Option<impl Read>, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(bytes_max).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Does a worker's work: confines this process, takes a component from `input` and writes
/// what became of it to `output`. To be called by a process that does nothing else.
///
/// # Errors
/// The pipes or the limits failed; the process is to end with a failure.
pub fn worker(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut seconds = [0; 8];
    input.read_exact(&mut seconds)?;
    confine(u64::from_le_bytes(seconds))?;
    let mut component = Vec::new();
    input.read_to_end(&mut component)?;
    let (word, bytes) = match engine::engine().and_then(|e| e.precompile_component(&component)) {
        Ok(code) => (COMPILED, code),
        Err(error) => (REFUSED, format!("{error:#}").into_bytes()),
    };
    output.write_all(&[word])?;
    output.write_all(&bytes)?;
    output.flush()
}

/// Limits that hold even when the parent is gone. Memory is counted as data, not as
/// addresses: threads and allocators reserve far more of those than they use.
fn confine(seconds: u64) -> io::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Data, MEMORY_BYTES_MAX),
        (Resource::Cpu, seconds.saturating_mul(cores).max(1)),
    ];
    // When memory runs out, the kernel is to take this process and not its parent.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    for (resource, most) in limits {
        // One that is lower already stays so.
        let inherited = rustix::process::getrlimit(resource).maximum;
        let most = Some(inherited.map_or(most, |inherited| inherited.min(most)));
        let limit = Rlimit {
            current: most,
            maximum: most,
        };
        rustix::process::setrlimit(resource, limit)?;
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(rustix::thread::set_no_new_privs(true)?)
}
