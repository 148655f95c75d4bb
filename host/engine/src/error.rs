//! Why a run cannot be started, resumed or gone on with. A run that fails is not an error
//! here: that is its outcome.

use drydock_core::RunId;
use drydock_journal::JournalError;

use crate::check::SpecProblem;
pub use crate::driver::DecideError;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(
        "the journal did not take what run {run} wanted to write; the run stops here and can be resumed"
    )]
    Journal {
        run: RunId,
        #[source]
        source: Box<JournalError>,
    },
    #[error("the journal cannot be read")]
    Read {
        #[source]
        source: Box<JournalError>,
    },
    #[error(
        "record {sequence} of run {run} cannot be read: was it written by another version of Drydock?"
    )]
    Record {
        run: RunId,
        sequence: u64,
        #[source]
        source: serde_json::Error,
    },
    #[error("run {run} cannot be resumed: its records do not begin with its creation")]
    NoBeginning { run: RunId },
    #[error("run {run} has ended; start a new one")]
    Ended { run: RunId },
    #[error("run {run} was started before: one occurrence is run once")]
    Exists { run: RunId },
    /// Another run keeps from others what this one works on. The journal's own sentence says
    /// which, and how to go on.
    #[error(transparent)]
    Blocked(Box<JournalError>),
    #[error("run {run} is being worked on by this process already")]
    Running { run: RunId },
    #[error("run {run} cannot be started: {problem}")]
    BadSpec { run: RunId, problem: SpecProblem },
    #[error(
        "the run cannot go on: a part of Drydock stopped in the middle of its work; look at the log and resume the run"
    )]
    Stopped,
}
