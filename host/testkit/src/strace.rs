//! Programs whose system calls fail as they do on other file systems and kernels, by strace:
//! what no machine that runs the tests has.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::tools;

/// How strace marks a call that it tampered with.
const MARK: &str = "(INJECTED)";

/// Calls to tamper with, and the file in which each of them is told.
#[derive(Debug, Clone)]
pub struct Strace {
    program: PathBuf,
    log: PathBuf,
    folder: Option<PathBuf>,
    calls: Vec<String>,
    injections: Vec<String>,
}

impl Strace {
    /// Tampers with nothing yet; `log` is written anew by each program.
    ///
    /// # Errors
    /// As [`tools::strace`].
    pub fn new(log: &Path) -> Result<Self> {
        Ok(Self {
            program: tools::strace()?,
            log: log.to_owned(),
            folder: None,
            calls: Vec::new(),
            injections: Vec::new(),
        })
    }

    /// What becomes of a call, in the words of strace(1), e.g. `error=EPERM`. What is counted
    /// there (`when=`) is counted in each thread by itself.
    #[must_use]
    pub fn inject(mut self, call: &str, what: &str) -> Self {
        self.calls.push(call.to_owned());
        self.injections.push(format!("inject={call}:{what}"));
        self
    }

    /// Only calls on names in this folder itself.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Only writes down these calls.
    #[must_use]
    pub fn watch(mut self, call: &str) -> Self {
        self.calls.push(call.to_owned());
        self
    }

    /// The program under these conditions, with its arguments and variables; its exit code and
    /// the signal that ends it are its own.
    #[must_use]
    pub fn around(&self, program: &Command) -> Command {
        let mut command = Command::new(&self.program);
        // Only the calls that matter stop the program, and nobody's waits are in the way.
        command.args(["--follow-forks", "--seccomp-bpf", "--quiet=all"]);
        command.arg("--output").arg(&self.log);
        command.args(["-e", &format!("trace={}", self.calls.join(","))]);
        if let Some(folder) = &self.folder {
            command.arg("--trace-path").arg(folder);
        }
        for injection in &self.injections {
            command.args(["-e", injection]);
        }
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// How often a call was tampered with in the last program.
    ///
    /// # Errors
    /// When there is no log.
    pub fn injected(&self, call: &str) -> Result<usize> {
        self.count(call, |line| line.ends_with(MARK))
    }

    /// How often a call did what it was asked for.
    ///
    /// # Errors
    /// When there is no log.
    pub fn succeeded(&self, call: &str) -> Result<usize> {
        self.count(call, |line| line.ends_with(" = 0"))
    }

    fn count(&self, call: &str, counts: impl Fn(&str) -> bool) -> Result<usize> {
        let text = std::fs::read_to_string(&self.log)
            .with_context(|| format!("cannot read {}", self.log.display()))?;
        let of_call = |line: &&str| {
            let rest = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
            rest.starts_with(&format!("{call}(")) || rest.starts_with(&format!("<... {call} "))
        };
        Ok(text
            .lines()
            .filter(of_call)
            .filter(|line| counts(line))
            .count())
    }
}
