//! What happened. Each is one record, but for those of [`Event::is_recorded`].

use std::collections::BTreeMap;

use drydock_core::{
    Fault, Finding, HoldEnd, Probed, QuestionId, RecoveryPointName, UnixTime, Value,
};
use drydock_point::model::{OutputEvent, PointAnswer};
use serde::{Deserialize, Serialize};

use super::{EffectId, Outcome, RunSpec};

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Created {
        spec: Box<RunSpec>,
        at: UnixTime,
    },
    /// A process resumed the run; every effect in flight is lost.
    Resumed {
        at: UnixTime,
    },
    /// An attempt tells something while it goes on.
    Emitted {
        effect: EffectId,
        emission: Emission,
    },
    /// An effect is over.
    Answered {
        effect: EffectId,
        answer: Answer,
    },
    /// An operator answered a question.
    Decided {
        question: QuestionId,
        choice: String,
        by: String,
    },
    /// Somebody asked the run to stop.
    Cancelled {
        reason: String,
    },
    /// The run took longer than its policy allows.
    Deadline {
        seconds: u64,
        /// What was being carried out then and where, for the operator.
        under_way: Vec<String>,
    },
    /// Taking back what the recovery point began did not come to an end in this time. What
    /// is left is left where it is.
    CleanupGivenUp {
        seconds: u64,
    },
    Finished {
        outcome: Outcome,
        at: UnixTime,
    },
}

/// What an attempt tells while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Emission {
    /// Of an output of the recovery point.
    Output(OutputEvent),
    /// What the step takes is of this instant: whatever stood for it may be let go.
    Cut,
    /// A session hold stands.
    Held { evidence: String },
    /// Something was left elsewhere that belongs to the recovery point.
    Kept { handle: String },
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// An attempt did its work, or a probe found that it was done.
    Done {
        done: Box<Done>,
    },
    Failed {
        fault: Fault,
        /// What the kind has to show of it all the same.
        #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
        body: serde_json::Value,
    },
    /// What a probe found.
    Probed {
        state: Probed,
    },
    /// An undo took place, or there was nothing to take back.
    Undone,
    /// An undo never will take place: what could do it is gone for good.
    Gone {
        fault: Fault,
    },
    Point {
        #[serde(rename = "of")]
        point: PointAnswer,
    },
    WaitOver,
}

/// What an attempt gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Done {
    /// It worked under degraded circumstances.
    pub degraded: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Why the run is degraded by it, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Value>,
    /// Of a session hold.
    pub hold: Option<HoldEnd>,
    /// The recovery point that the step worked on.
    pub recovery_point: Option<RecoveryPointName>,
    /// What the kind has to show of it.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub body: serde_json::Value,
}

impl Event {
    /// Whether the event is kept in the journal. The others only matter to the process in
    /// which they happen: how far a stream is, and the waits of the recovery point's own
    /// retries.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        !self.is_advance()
            && !matches!(
                self,
                Self::Answered {
                    answer: Answer::Point {
                        point: PointAnswer::WaitOver
                    },
                    ..
                }
            )
    }

    /// Whether it only says how far a stream is.
    #[must_use]
    pub fn is_advance(&self) -> bool {
        matches!(
            self,
            Self::Emitted {
                emission: Emission::Output(OutputEvent::Advanced { .. }),
                ..
            }
        )
    }
}

impl Answer {
    /// A failure with nothing to show.
    #[must_use]
    pub fn failed(fault: Fault) -> Self {
        Self::Failed {
            fault,
            body: serde_json::Value::Null,
        }
    }

    /// The fault of an effect that did not succeed.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Failed { fault, .. } | Self::Gone { fault } => Some(fault),
            Self::Point { point } => point.fault(),
            _ => None,
        }
    }
}
