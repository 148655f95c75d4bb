//! What a run is to everybody but the engine: its kind, what it works on, how far it is and
//! how it ended. The journal keeps these as words.

use serde::{Deserialize, Serialize};

use crate::{ClusterName, TargetName};

/// An enum whose values are words, in the journal as well as in JSON.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$about])* #[serde(rename = $word)] $value,)+
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$value,)+];

            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }

            /// The value of this word, if it is one of them.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }
    };
}

words!(
    /// What a run does.
    RunKind {
        Backup = "backup",
        Drill = "drill",
    }
);

words!(
    /// How far a run is.
    RunPhase {
        Drilling = "drilling",
        BackingUp = "backing-up",
        /// Every backup step is finished; verification, uploads or commits are under way.
        Storing = "storing",
        /// What the run began is being taken back.
        Ending = "ending",
        Finished = "finished",
    }
);

words!(
    /// How a run ended. The engine's outcome has the details.
    OutcomeCode {
        Succeeded = "Succeeded",
        Degraded = "Degraded",
        Failed = "Failed",
        Superseded = "Superseded",
    }
);

words!(
    /// How far a step is.
    StepState {
        Pending = "pending",
        Running = "running",
        /// It is tried again, after a while.
        Waiting = "waiting",
        Done = "done",
        Failed = "failed",
    }
);

words!(
    /// What a run does with a subject. Adding recovery points to a target is no write.
    SubjectAccess {
        Reads = "reads",
        Writes = "writes",
    }
);

/// How far a run is with one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StorePhase {
    Uploading,
    /// Everything is there, nothing is completed.
    Staged,
    /// Everything is completed and read back; the manifest is missing.
    Completed,
    Committed,
    Superseded,
    GivenUp,
    /// Nothing more is tried, and nobody knows whether the recovery point is there.
    Indeterminate,
}

/// Something that a run works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Subject {
    Cluster(ClusterName),
    Target(TargetName),
}

/// A subject and what the run does with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSubject {
    #[serde(flatten)]
    pub subject: Subject,
    pub access: SubjectAccess,
}

impl OutcomeCode {
    /// Whether the recovery point exists at one target at least, or did not fail the drill.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Succeeded | Self::Degraded)
    }
}

impl StorePhase {
    /// The word for people; JSON has it in kebab-case.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Uploading => "Uploading",
            Self::Staged => "Staged",
            Self::Completed => "Completed",
            Self::Committed => "Committed",
            Self::Superseded => "Superseded",
            Self::GivenUp => "GivenUp",
            Self::Indeterminate => "Indeterminate",
        }
    }
}

impl Subject {
    /// The word of the subject's kind, as JSON has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cluster(_) => "cluster",
            Self::Target(_) => "target",
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Cluster(name) => name.as_str(),
            Self::Target(name) => name.as_str(),
        }
    }
}

impl RunSubject {
    /// A subject that is only looked at.
    #[must_use]
    pub fn read(subject: Subject) -> Self {
        Self {
            subject,
            access: SubjectAccess::Reads,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn words_are_read_back_and_are_those_of_json() {
        for phase in RunPhase::ALL {
            assert_eq!(RunPhase::of_word(phase.word()), Some(*phase));
            assert_eq!(to_value(phase).unwrap(), phase.word());
        }
        assert_eq!(RunKind::of_word("restore"), None);
    }

    #[test]
    fn a_subject_is_one_flat_object() {
        let subject = RunSubject::read(Subject::Target(TargetName::new("t1")));
        let value = to_value(&subject).unwrap();
        let expected = json!({"kind": "target", "name": "t1", "access": "reads"});
        assert_eq!(value, expected);
        assert_eq!(subject.subject.kind(), value["kind"]);
        assert_eq!(subject.subject.name(), value["name"]);
        assert_eq!(
            serde_json::from_value::<RunSubject>(value).unwrap(),
            subject
        );
    }
}
