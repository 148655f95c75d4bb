//! How an occurrence of a schedule ended. What is kept and compared is the end and its
//! reason as data; `Display` makes a sentence of a reason, for screens and logs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{RunId, RunSubject, SubjectAccess, UnixTime};

/// How an occurrence ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end")]
pub enum OccurrenceEnd {
    /// Its run is to be started, after these runs were told to stop.
    Started { replaces: Vec<RunId> },
    /// It could have been started, and a rule said no.
    Skipped(SkipReason),
    /// It was too late to start it.
    Missed(MissReason),
    /// Its run was to be started, and could not be.
    Failed(FailReason),
}

/// Why an occurrence was skipped. `Display` is a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum SkipReason {
    Suspended,
    /// It is a drill, and the node cannot open recovery points.
    NoIdentity,
    /// A run of the same cluster is active.
    Overlap {
        active: RunId,
    },
    /// It works on something that an active run works on as well, and one of the two
    /// writes it.
    Blocked {
        active: RunId,
        /// With what the occurrence's run would do with it.
        subject: RunSubject,
    },
}

/// Why an occurrence was missed. `Display` is a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum MissReason {
    /// A later occurrence was due as well.
    LaterDue {
        later: UnixTime,
    },
    DeadlinePassed {
        late_seconds: i64,
    },
    /// It is late, and `catchUp: none`.
    NotCaughtUp {
        late_seconds: i64,
    },
}

/// Why the run of an occurrence could not be started. `Display` is a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum FailReason {
    /// The daemon stopped in between, and the schedule is gone.
    ScheduleGone,
    /// The daemon stopped in between, and a later occurrence is due.
    LaterDue,
    /// A run of this id was made before, and has ended.
    RunExisted { run: RunId },
    /// It was told to stop before it began.
    Cancelled { message: String },
    /// It was tried as long as there was time. The last try's problem.
    CannotStart { message: String },
}

impl OccurrenceEnd {
    /// The word of one whose run is to be started.
    pub const STARTED: &'static str = "Started";

    /// Every word that an end can have.
    pub const WORDS: [&'static str; 4] = [Self::STARTED, "Skipped", "Missed", "Failed"];

    /// The word of the state, as the journal and metrics have it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Started { .. } => Self::STARTED,
            Self::Skipped(_) => "Skipped",
            Self::Missed(_) => "Missed",
            Self::Failed(_) => "Failed",
        }
    }

    /// Why it ended so, as a sentence; none for one that was started.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Started { .. } => None,
            Self::Skipped(reason) => Some(reason.to_string()),
            Self::Missed(reason) => Some(reason.to_string()),
            Self::Failed(reason) => Some(reason.to_string()),
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended => f.write_str("the schedule is suspended"),
            Self::NoIdentity => f.write_str(
                "this node has no identity that opens recovery points: name one as spec.drill.identity of its configuration, or let another node drill with nodes: of the schedule",
            ),
            Self::Overlap { active } => write!(f, "the run {active} of the same cluster is active"),
            Self::Blocked { active, subject } => blocked(f, active, subject),
        }
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LaterDue { later } => {
                write!(f, "a later occurrence was due as well, at {later}")
            }
            Self::DeadlinePassed { late_seconds } => write!(
                f,
                "it could be started only {late_seconds} s late, after startingDeadlineSeconds"
            ),
            Self::NotCaughtUp { late_seconds } => write!(
                f,
                "it could be started only {late_seconds} s late, and catchUp is none"
            ),
        }
    }
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScheduleGone => f.write_str(
                "its run had not begun when the daemon stopped, and its schedule is none of this node's any more",
            ),
            Self::LaterDue => f.write_str(
                "its run had not begun when the daemon stopped, and a later occurrence is due",
            ),
            Self::RunExisted { run } => write!(
                f,
                "the run {run} was made before, while the clock was ahead: its recovery point stands for this occurrence, and the next one makes its own"
            ),
            Self::Cancelled { message } | Self::CannotStart { message } => f.write_str(message),
        }
    }
}

fn blocked(f: &mut fmt::Formatter<'_>, active: &RunId, subject: &RunSubject) -> fmt::Result {
    let RunSubject { subject, access } = subject;
    match access {
        SubjectAccess::Reads => write!(f, "it reads {subject}, which the run {active} writes"),
        SubjectAccess::Writes => {
            write!(f, "it writes {subject}, on which the run {active} works")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, to_value};

    use super::*;
    use crate::{ClusterName, Subject};

    fn told(end: &OccurrenceEnd) -> Value {
        let value = to_value(end).unwrap();
        let again: OccurrenceEnd = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(&again, end);
        assert_eq!(value["end"], end.word());
        assert!(OccurrenceEnd::WORDS.contains(&end.word()));
        value
    }

    #[test]
    fn an_end_is_a_word_a_reason_and_its_details() {
        let active = RunId::new("a.1");
        let started = OccurrenceEnd::Started {
            replaces: vec![active.clone()],
        };
        assert_eq!(
            told(&started),
            json!({"end": "Started", "replaces": ["a.1"]})
        );
        assert_eq!(started.reason(), None);
        let skipped = OccurrenceEnd::Skipped(SkipReason::Overlap { active });
        assert_eq!(
            told(&skipped),
            json!({"end": "Skipped", "reason": "overlap", "active": "a.1"})
        );
        let reason = SkipReason::Blocked {
            active: RunId::new("r.1"),
            subject: RunSubject::read(Subject::Cluster(ClusterName::new("c1"))),
        };
        assert_eq!(
            reason.to_string(),
            "it reads cluster c1, which the run r.1 writes"
        );
        assert_eq!(
            told(&OccurrenceEnd::Skipped(reason)),
            json!({"end": "Skipped", "reason": "blocked", "active": "r.1",
                "subject": {"kind": "cluster", "name": "c1", "access": "reads"}})
        );
        let reason = SkipReason::Blocked {
            active: RunId::new("r.1"),
            subject: RunSubject::write(Subject::Cluster(ClusterName::new("c1"))),
        };
        assert_eq!(
            reason.to_string(),
            "it writes cluster c1, on which the run r.1 works"
        );
        let suspended = OccurrenceEnd::Skipped(SkipReason::Suspended);
        assert_eq!(
            told(&suspended),
            json!({"end": "Skipped", "reason": "suspended"})
        );
        let missed = OccurrenceEnd::Missed(MissReason::LaterDue { later: UnixTime(7) });
        assert_eq!(
            told(&missed),
            json!({"end": "Missed", "reason": "later-due", "later": 7})
        );
        let message = "no certificate".to_owned();
        let failed = OccurrenceEnd::Failed(FailReason::CannotStart { message });
        assert_eq!(
            told(&failed),
            json!({"end": "Failed", "reason": "cannot-start", "message": "no certificate"})
        );
        assert_eq!(failed.reason().as_deref(), Some("no certificate"));
    }
}
