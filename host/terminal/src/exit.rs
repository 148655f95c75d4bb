//! How the process ends.

use std::process::ExitCode;

use drydock_node::{Failure, FailureKind};

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

/// What a verb returns.
pub type Outcome = Result<Exit, Failure>;

impl Exit {
    #[must_use]
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

impl From<FailureKind> for Exit {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Usage => Self::Usage,
            FailureKind::Failed => Self::Failed,
            FailureKind::TryLater => Self::TryLater,
            FailureKind::Trouble => Self::Trouble,
            FailureKind::Unheard => Self::Done,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
