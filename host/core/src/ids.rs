//! Ids as types of their own, so that one cannot be taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// `metadata.name` of a schedule.
    ScheduleName
);
text_id!(
    /// `metadata.name` of a cluster.
    ClusterName
);
text_id!(
    /// `metadata.name` of a target.
    TargetName
);
text_id!(
    /// A step's name inside its schedule.
    StepName
);
text_id!(
    /// One execution of a schedule. Scheduled: `<schedule>.<due, e.g.
    /// 20260102T030405Z>`. By hand: the same and `.m<8 hex>`, so that it never
    /// meets a scheduled one.
    RunId
);
text_id!(
    /// A recovery point's name, the same text as the id of the run that made it.
    RecoveryPointName
);
text_id!(
    /// `sha256:` and 64 lower-case hex digits of a plugin's component.
    PluginDigest
);

text_id!(
    /// Which target it is, whatever its name: 32 lower-case hex digits, drawn at random
    /// when it is first stored at.
    TargetId
);

impl RunId {
    /// The id of an occurrence, or of a run by hand when `by_hand` gives 8 hex digits.
    #[must_use]
    pub fn of(schedule: &ScheduleName, due: crate::UnixTime, by_hand: Option<&str>) -> Self {
        let stamp: String = due
            .to_string()
            .chars()
            .filter(|c| !matches!(c, '-' | ':'))
            .collect();
        match by_hand {
            Some(hex) => Self(format!("{schedule}.{stamp}.m{hex}")),
            None => Self(format!("{schedule}.{stamp}")),
        }
    }

    /// The recovery point that this run makes.
    #[must_use]
    pub fn recovery_point(&self) -> RecoveryPointName {
        RecoveryPointName(self.0.clone())
    }
}

impl PluginDigest {
    /// The digest of a component's bytes.
    #[must_use]
    pub fn of(component: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(format!(
            "sha256:{}",
            hex::encode(sha2::Sha256::digest(component))
        ))
    }
}

/// An output of a run, counted from 1 in the order in which the run's backup step
/// created them. A discarded output keeps its number; its successor gets the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutputId(pub u32);

impl fmt::Display for OutputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A question of a run to an operator, counted from 1 in the order in which the run asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuestionId(pub u32);

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
