//! How the process ends, and how it says why.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use drydock_core::files::FileError;
use drydock_core::without_os_number;

/// The exit codes that the command line promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    /// Done, but an operator must look.
    Degraded,
    /// Wrong usage or configuration.
    Usage,
    /// A comparison could not be made: where 1 says that things differ.
    Trouble,
    /// Somebody else is at it; try again later.
    TryLater,
    /// What a command ended with that the operator let us run.
    Of(u8),
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

    /// What the operator is told.
    pub fn sentence(&self) -> String {
        Chain(&self.error).to_string()
    }

    /// The same at a place in a document, unless it tells of a place already.
    pub fn placed(self, place: &FileError) -> Self {
        if self.error.is::<FileError>() {
            return self;
        }
        let message = self.sentence();
        Self {
            exit: self.exit,
            error: FileError {
                message,
                ..place.clone()
            }
            .into(),
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

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Degraded => 2,
            Self::Usage => 64,
            Self::Trouble => 70,
            Self::TryLater => 75,
            Self::Of(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The one place where an error and what caused it become text.
pub struct Chain<'a>(pub &'a anyhow::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error: &(dyn Error + 'static) = self.0.as_ref();
        f.write_str(&chain(error))
    }
}

/// An error and its causes.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut whole = without_os_number(&error.to_string());
    let mut last = whole.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = without_os_number(&cause.to_string());
        // A wrapper that shows its source's text would otherwise say it twice.
        if text != last {
            whole.push_str(": ");
            whole.push_str(&text);
            last = text;
        }
        source = cause.source();
    }
    whole
}

/// What the operating system says, without the number that only programmers know.
pub fn reason(error: &std::io::Error) -> String {
    without_os_number(&error.to_string())
}

pub fn print_error(error: &anyhow::Error) {
    crate::cli::print::error_line(&format!("error: {}", Chain(error)));
}
