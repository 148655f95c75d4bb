//! The words of a step that changes the world: what its manifest says, and what comes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{HoldKind, SubjectAccess, ValueType};

/// Most outputs that a manifest may declare: each stands in the run's record.
pub const OUTPUTS_MAX: usize = 64;

/// Longest handle of something kept elsewhere, and longest evidence of a hold, in bytes.
pub const HANDLE_BYTES_MAX: usize = 4096;

/// What a step says of itself, before anything of it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ActionManifest {
    /// What may be done with an attempt of which nobody knows whether it was done.
    pub repeat: Repeat,
    /// Whether it can be taken back.
    #[serde(default)]
    pub undo: bool,
    /// How it holds something for other steps, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldKind>,
    /// The values that it gives to later steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, ValueType>,
    /// What it does with the run's cluster.
    #[serde(default = "writes")]
    pub access: SubjectAccess,
}

/// What may be done with a step of which nobody knows whether it was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// It runs again.
    #[default]
    Idempotent,
    /// It is asked by its key what became of it.
    Keyed,
    /// An operator is asked.
    AtMostOnce,
}

/// Whether a session hold held until it was let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldEnd {
    ToTheEnd,
    Lost { why: String },
}

/// Whether a hold is wanted any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldOrder {
    GoOn,
    LetGo,
}

/// What a probe found, where it is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probed {
    NotBegun,
    Begun,
    Undone,
    /// A state hold stands.
    Held,
    /// A state hold does not stand any more.
    Lost,
}

impl Default for ActionManifest {
    fn default() -> Self {
        Self {
            repeat: Repeat::default(),
            undo: false,
            hold: None,
            outputs: BTreeMap::new(),
            access: writes(),
        }
    }
}

/// Whoever does not say that it only reads is taken to write.
fn writes() -> SubjectAccess {
    SubjectAccess::Writes
}
