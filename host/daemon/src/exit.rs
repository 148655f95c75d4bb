//! How the process ends, and how it says why.

use std::fmt;
use std::process::ExitCode;

/// The exit codes that the command line promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// Done, but an operator must look.
    Degraded,
    /// Wrong usage or configuration.
    Usage,
    /// Somebody else is at it; try again later.
    TryLater,
}

/// An error with the exit code that it calls for.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

/// What a verb returns.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Usage,
            error: error.into(),
        }
    }

    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Failed,
            error: error.into(),
        }
    }

    pub fn try_later(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::TryLater,
            error: error.into(),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Degraded => 2,
            Exit::Usage => 64,
            Exit::TryLater => 75,
        })
    }
}

/// The one place where an error and what caused it become text.
pub struct Chain<'a>(pub &'a anyhow::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = String::new();
        for (depth, cause) in self.0.chain().enumerate() {
            let text = cause.to_string();
            // A wrapper that shows its source's text would otherwise say it twice.
            if text == last {
                continue;
            }
            if depth > 0 {
                f.write_str(": ")?;
            }
            f.write_str(&text)?;
            last = text;
        }
        Ok(())
    }
}

pub fn print_error(error: &anyhow::Error) {
    crate::cli::print::error_line(&format!("error: {}", Chain(error)));
}
