//! A run as one of its steps sees it, while it goes on.

use crate::{ErrorCode, Fault, RecoveryPointName, ScheduleName, StepName, StepState};

/// Most reasons that are told of one run: the first ones tell the story.
pub const REASONS_MAX: usize = 64;

/// A run as it stood at some instant. It goes on, and may end otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSoFar {
    pub schedule: ScheduleName,
    /// Why it has failed, if it has.
    pub failure: Option<Fault>,
    /// Why it is degraded, a sentence each; [`REASONS_MAX`] at most.
    pub reasons: Vec<String>,
    /// Once it is committed at one target at least.
    pub recovery_point: Option<RecoveryPointName>,
    /// Verify and store steps come last.
    pub steps: Vec<StepSoFar>,
}

/// One step of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSoFar {
    pub step: StepName,
    /// The word of its kind.
    pub kind: String,
    pub state: StepState,
    /// Of one that failed, whatever is being taken back of it since.
    pub code: Option<ErrorCode>,
    /// Why it failed or was skipped.
    pub why: Option<String>,
}
