//! Schedules: `schedule list`.

use drydock_core::{ClusterName, OccurrenceEnd, OutcomeCode, RunId, ScheduleName};
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// An element of what `schedule list` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleSummary {
    pub name: ScheduleName,
    pub cluster: ClusterName,
    /// Its five fields, as they stand in the document.
    pub schedule: String,
    pub time_zone: String,
    pub suspend: bool,
    /// None where no instant comes any more.
    pub next: Option<Timestamp>,
    /// When the last occurrence was due.
    pub last: Option<Timestamp>,
    pub last_end: Option<LastEnd>,
    /// Why the last occurrence was not started.
    pub last_reason: Option<String>,
    pub last_run: Option<RunId>,
}

/// How an occurrence ended, or its run where that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastEnd {
    /// Its run has not ended.
    Started,
    Skipped,
    Missed,
    /// Its run failed, or could not be started.
    Failed,
    Succeeded,
    Degraded,
    Superseded,
}

impl LastEnd {
    /// The word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Skipped => "Skipped",
            Self::Missed => "Missed",
            Self::Failed => "Failed",
            Self::Succeeded => "Succeeded",
            Self::Degraded => "Degraded",
            Self::Superseded => "Superseded",
        }
    }
}

impl From<&OccurrenceEnd> for LastEnd {
    fn from(end: &OccurrenceEnd) -> Self {
        match end {
            OccurrenceEnd::Started { .. } => Self::Started,
            OccurrenceEnd::Skipped(_) => Self::Skipped,
            OccurrenceEnd::Missed(_) => Self::Missed,
            OccurrenceEnd::Failed(_) => Self::Failed,
        }
    }
}

impl From<OutcomeCode> for LastEnd {
    fn from(outcome: OutcomeCode) -> Self {
        match outcome {
            OutcomeCode::Succeeded => Self::Succeeded,
            OutcomeCode::Degraded => Self::Degraded,
            OutcomeCode::Failed => Self::Failed,
            OutcomeCode::Superseded => Self::Superseded,
        }
    }
}
