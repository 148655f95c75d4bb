//! `drydock init`, with and without `--restore-only`, and `drydock migrate`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What `init --dry-run` prints: texts by the names of their files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlannedFiles(pub BTreeMap<String, String>);

/// What `init` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMade {
    pub folder: String,
    /// Names in the folder.
    pub files: Vec<String>,
    /// The line by which others believe what this node signs.
    pub signer: String,
    /// Whose keys open the recovery points.
    pub recipients: Vec<String>,
    /// None where it was to be made offline.
    pub tried: Option<Tried>,
    /// What to do now, a command each.
    pub next: Vec<String>,
}

/// What `init --restore-only` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescueMade {
    pub folder: String,
    /// Names in the folder.
    pub files: Vec<String>,
    /// Whose recovery points are believed.
    pub signers: Vec<String>,
    /// What to do now, a command each.
    pub next: Vec<String>,
}

/// What `migrate cronjob` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MigratedCronJob {
    /// Texts by the names of their files.
    pub files: BTreeMap<String, String>,
    /// What nobody could tell from the manifest; each stands in a document too.
    pub questions: Vec<String>,
    /// Variables that the daemon has to be given.
    pub variables: Vec<NeededVariable>,
    pub left_out: Vec<LeftOut>,
}

/// A variable that documents name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededVariable {
    pub name: String,
    /// Where its value is today; never the value.
    pub from: String,
}

/// What a manifest says that stands in no document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub line: u64,
    pub what: String,
    pub why: String,
}

/// What came of trying the cluster and the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    pub endpoints: Vec<TriedEndpoint>,
    pub warnings: Vec<String>,
    /// Worth knowing, and no failure.
    pub notes: Vec<String>,
}

/// One member's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriedEndpoint {
    pub endpoint: String,
    /// Why there is no answer.
    pub error: Option<String>,
    /// Its keys are missing where there is no answer.
    #[serde(flatten)]
    pub member: Option<TriedMember>,
}

/// A member as it sees itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriedMember {
    /// Its id in lower-case hex.
    pub member: String,
    pub version: String,
    pub leader: KnownLeader,
    /// Bytes of its database.
    pub db_size: u64,
    pub learner: bool,
    pub revision: i64,
}

/// Whether a member knows of a leader, and whether it is that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownLeader {
    None,
    Itself,
    Another,
}

impl KnownLeader {
    /// The word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Itself => "itself",
            Self::Another => "another",
        }
    }
}
