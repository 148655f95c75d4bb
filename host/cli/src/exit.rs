//! How the process ends, and which error of another crate ends it how. What a verb itself
//! finds wrong has its exit code where it is told: [`Failure`](crate::Failure) takes both.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use drydock_capability_artifact::spool::SpoolError;
use drydock_core::{Fault, reason};
use drydock_documents::{FileError, FileErrors};
use drydock_drill::DrillError;
use drydock_engine::{DecideError, EngineError};
use drydock_journal::{JournalError, LockError, OpenError};
use drydock_node::{LoadError, NoSuchDocument, RegistryError, UnreadComponent};
use drydock_repository::{RepositoryError, keys, names::NameError, sign};
use drydock_runs::{PrepareError, ServiceError, StartError};
use drydock_sandbox::{AdmitError, ManifestError, SandboxError};
use drydock_scheduler::SchedulerError;
use drydock_scratch::ScratchError;
use drydock_snapshot::restore::{ClusterError, RestoreError};
use drydock_snapshot::{Problem, Problems, SnapshotError};
use drydock_terminal::interrupt::{Interrupted, SignalError};
use drydock_terminal::print::{self, PrintError, Unwritten};
use tokio::task::JoinError;

/// What shells say of a program that was ended because nobody read on: 128 and SIGPIPE.
const READER_LEFT: u8 = 141;

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

    /// The same when everything is over. A verb that only tells something and was not heard
    /// out ends as other programs do; of one that did something, its work counts.
    pub(crate) fn once_printed(self, only_tells: bool) -> Self {
        let Some(error) = print::unwritten() else {
            return self;
        };
        if error.kind() == io::ErrorKind::BrokenPipe {
            return match self {
                Self::Done if only_tells => Self::Of(READER_LEFT),
                exit => exit,
            };
        }
        print::note(&format!(
            "error: stdout cannot be written: {}; what was printed there is not whole",
            reason(error)
        ));
        match self {
            Self::Done | Self::Degraded => Self::Failed,
            exit => exit,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that says how the process ends when nobody does anything about it.
pub trait Ends: Error + Send + Sync + 'static {
    fn exit(&self) -> Exit;
}

/// What says the same in whichever way it goes wrong.
macro_rules! end_with {
    ($exit:ident: $($error:ty),+ $(,)?) => {
        $(impl Ends for $error {
            fn exit(&self) -> Exit {
                Exit::$exit
            }
        })+
    };
}

// Documents and the command line are the operator's.
end_with!(Usage: FileError, FileErrors, NoSuchDocument, ClusterError);

end_with!(
    Failed: AdmitError,
    Fault,
    Interrupted,
    JoinError,
    JournalError,
    ManifestError,
    NameError,
    OpenError,
    Problem,
    Problems,
    RepositoryError,
    SandboxError,
    SignalError,
    SnapshotError,
    SpoolError,
    UnreadComponent,
    io::Error,
    keys::KeyError,
    serde_json::Error,
    sign::KeyError,
);

// Nothing went wrong otherwise; `Exit::once_printed` says the rest.
end_with!(Done: Unwritten);

impl Ends for PrintError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unwritten(error) => error.exit(),
            Self::Json(error) => error.exit(),
        }
    }
}

impl Ends for LoadError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unread { .. }
            | Self::Document(_)
            | Self::Documents(_)
            | Self::NoFolder { .. }
            | Self::InnerFolder { .. } => Exit::Usage,
            Self::NoTemporary { .. } => Exit::Failed,
        }
    }
}

impl Ends for RegistryError {
    fn exit(&self) -> Exit {
        match self {
            Self::Sandbox(error) => error.exit(),
            Self::Signers(error) => error.exit(),
            Self::Document(_)
            | Self::NoSuchPlugin { .. }
            | Self::NotAdmitted(_)
            | Self::NoRequests(_)
            | Self::OtherWorld { .. }
            | Self::ConfigRefused { .. } => Exit::Usage,
            Self::NoAnswer { .. } | Self::NotPinned { .. } => Exit::Failed,
            Self::At { error, .. } => error.exit(),
        }
    }
}

impl Ends for LockError {
    fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } | Self::NoFolder { .. } => Exit::Failed,
            Self::InUse { .. } => Exit::TryLater,
        }
    }
}

impl Ends for ServiceError {
    fn exit(&self) -> Exit {
        match self {
            Self::Handles { .. } | Self::Stopped(_) => Exit::Failed,
            Self::Lock(error) => error.exit(),
            Self::Open(error) => error.exit(),
            Self::Journal(error) => error.exit(),
            Self::Clock(_) => Exit::TryLater,
            Self::Registry(error) => error.exit(),
        }
    }
}

impl Ends for PrepareError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoSuch(error) => error.exit(),
            Self::Document(error) => error.exit(),
            Self::Registry(error) => error.exit(),
            Self::NoIdentity | Self::Several(_) => Exit::Usage,
            Self::Stopped(_) => Exit::Failed,
        }
    }
}

impl Ends for EngineError {
    fn exit(&self) -> Exit {
        match self {
            // The other run ends some time, or is answered.
            Self::Blocked(_) => Exit::TryLater,
            Self::Journal { .. }
            | Self::Read { .. }
            | Self::Record { .. }
            | Self::NoBeginning { .. }
            | Self::Ended { .. }
            | Self::Exists { .. }
            | Self::Running { .. }
            | Self::BadSpec { .. }
            | Self::Stopped => Exit::Failed,
        }
    }
}

impl Ends for DecideError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoQuestion { .. } | Self::NoChoice { .. } => Exit::Usage,
            Self::Answered { .. } | Self::NotRunning { .. } => Exit::Failed,
        }
    }
}

impl Ends for StartError {
    fn exit(&self) -> Exit {
        match self {
            Self::Engine(error) => error.exit(),
            Self::Prepare(error) => error.exit(),
            Self::Journal(error) => error.exit(),
            Self::Pin(_) | Self::Pinned(_) | Self::OtherSpec { .. } | Self::Stopped(_) => {
                Exit::Failed
            }
        }
    }
}

impl Ends for SchedulerError {
    fn exit(&self) -> Exit {
        match self {
            Self::Service(error) => error.exit(),
            Self::Signals(_) | Self::Listen { .. } | Self::NoPort { .. } | Self::Address { .. } => {
                Exit::Failed
            }
        }
    }
}

impl Ends for ScratchError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoProgram { .. } => Exit::Usage,
            Self::Scratch { .. }
            | Self::NoSpace { .. }
            | Self::Program { .. }
            | Self::Certificates(_)
            | Self::Write { .. }
            | Self::NoPort
            | Self::Start { .. }
            | Self::Slow { .. }
            | Self::Ended { .. }
            | Self::Silent { .. } => Exit::Failed,
        }
    }
}

impl Ends for DrillError {
    fn exit(&self) -> Exit {
        match self {
            Self::Scratch(error) => error.exit(),
            Self::NoObjects | Self::OtherPrefix { .. } => Exit::Usage,
            Self::Repository(_)
            | Self::Snapshot(_)
            | Self::Restore(_)
            | Self::NoSnapshot { .. }
            | Self::OlderEtcd { .. }
            | Self::Encryption(_)
            | Self::Data(_)
            | Self::Member(_)
            | Self::Stopped => Exit::Failed,
        }
    }
}

impl Ends for RestoreError {
    fn exit(&self) -> Exit {
        match self {
            Self::Cluster(_) | Self::BumpUnmarked | Self::MarkWithoutBump | Self::Place(_) => {
                Exit::Usage
            }
            Self::Busy { .. } => Exit::TryLater,
            Self::Snapshot(_)
            | Self::TrailerMissing
            | Self::Newer { .. }
            | Self::BumpTooFar { .. }
            | Self::NotEmpty { .. }
            | Self::WalExists { .. }
            | Self::WalAround { .. }
            | Self::HalfUsed { .. }
            | Self::Space { .. }
            | Self::Interrupted
            | Self::Io { .. } => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drydock_documents::{Position, SourceSpan};

    use super::*;
    use crate::{Context as _, Failure};

    #[test]
    fn what_wraps_an_error_does_not_change_how_it_ends() {
        let span = SourceSpan {
            file: Arc::from("n.yaml"),
            at: Position::START,
        };
        let slow = RegistryError::NoAnswer {
            plugin: "sloth".to_owned(),
            subject: "step backup".to_owned(),
        };
        let located = PrepareError::from(slow.at_span(&span));
        assert_eq!(StartError::from(located).exit(), Exit::Failed);
        let wrong = PrepareError::from(span.error("it is wrong"));
        assert_eq!(StartError::from(wrong).exit(), Exit::Usage);
        let in_use = LockError::InUse {
            folder: "/s".into(),
            owner: "another".to_owned(),
        };
        let daemon = SchedulerError::from(ServiceError::from(in_use));
        assert_eq!(Failure::from(daemon).exit, Exit::TryLater);
    }

    #[test]
    fn what_could_not_be_done_stands_before_all_causes() {
        let failure = Failure::undone("a is not made".to_owned(), io::Error::other("b"));
        assert_eq!(failure.to_string(), "a is not made: b");
        let again = Failure::undone("c is not made".to_owned(), failure);
        assert_eq!(again.to_string(), "c is not made: a is not made: b");
    }

    #[test]
    fn what_could_not_be_done_ends_as_its_reason_does() {
        let in_use = LockError::InUse {
            folder: "/s".into(),
            owner: "another".to_owned(),
        };
        let ends: [(Result<(), Failure>, Exit); 3] = [
            (Err(in_use).context("a is not made"), Exit::TryLater),
            (
                Err(Failure::usage("b")).context("a is not made"),
                Exit::Usage,
            ),
            (
                Err(io::Error::other("b")).context("a is not made"),
                Exit::Failed,
            ),
        ];
        for (failed, exit) in ends {
            let failure = failed.unwrap_err();
            assert_eq!(failure.exit, exit, "{failure}");
        }
    }
}
