//! What the host found of an artifact: whether it is an etcd snapshot, a tar archive or just
//! bytes, and the figures of each. The journal keeps it with the output; the manifest, metrics
//! and screens read it as it is, and verify plugins get facts that are made of it.
//!
//! **Invariant:** what an artifact is follows from its first bytes alone. A snapshot that
//! turns out to be damaged is still a snapshot, with its damage in place of its figures.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{RecoveryPointName, Witness};

/// What an artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nature {
    Snapshot(SnapshotReport),
    Archive(ArchiveReport),
    /// Bytes of which nothing more is known.
    Bytes,
}

/// An etcd snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotReport {
    Sound(Box<SoundSnapshot>),
    Damaged(DamagedSnapshot),
}

/// What the bytes of a sound snapshot say, and what the cluster says of the same revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundSnapshot {
    pub figures: EtcdFigures,
    pub cluster: ClusterReport,
    pub descent: Descent,
}

/// The figures of a sound etcd snapshot, as a manifest holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdFigures {
    pub revision: i64,
    /// `hash` of `etcdutl snapshot status`.
    pub hash: u32,
    /// Null when the figures could not be had.
    pub hash_kv: Option<HashKv>,
    pub total_keys: u64,
    /// Bytes of the database file.
    pub total_size: u64,
    /// Storage version as etcdutl shows it; empty for old files.
    pub version: String,
    /// Id of the member that was read, in lower-case hex; null where no member was.
    #[serde(default, deserialize_with = "id")]
    pub member: Option<String>,
    /// The highest applied raft index of the members that answered when the snapshot
    /// was taken; null where it is not known.
    pub raft_index: Option<u64>,
    /// The highest raft term of the members that saw a leader then; null where it is not
    /// known.
    pub raft_term: Option<u64>,
    /// Revisions by which a later snapshot is told to be of this history or of another.
    pub witnesses: Vec<Witness>,
    /// Null when it was not counted.
    pub keys_per_resource: Option<KeysPerResource>,
}

/// How many of the live keys are of each resource. A line a value, none of which begins
/// with a word that the page's commands look for: hence a list, and no map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeysPerResource {
    /// The largest resources, in the order of their names.
    pub named: Vec<ResourceKeys>,
    /// All keys that are in none of them.
    pub other: u64,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceKeys {
    /// As kubectl names it, e.g. `pods` or `deployments.apps`.
    pub resource: String,
    pub keys: u64,
}

/// etcd's HashKV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashKv {
    pub hash: u32,
    pub compact_revision: i64,
    pub hash_revision: i64,
}

/// A snapshot whose figures nobody can have, as a manifest holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DamagedSnapshot {
    /// Id of the member that was read, in lower-case hex; null where no member was.
    #[serde(default, deserialize_with = "id")]
    pub member: Option<String>,
    pub damage: SnapshotDamage,
}

/// An etcd snapshot, as a manifest holds it.
///
/// **Invariant:** what tells of damage is never read as sound, whatever figures stand beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EtcdSection {
    Sound(EtcdFigures),
    /// A verify step passed it all the same.
    Damaged(DamagedSnapshot),
}

/// What is wrong with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotDamage {
    pub trailer: Trailer,
    /// How many problems there are.
    pub problems_total: u64,
    /// The first of them, a sentence each.
    pub problems: Vec<String>,
    /// Why the database, which is sound, is not etcd's; null where it is.
    pub not_etcd: Option<String>,
}

/// Whether the last 32 bytes of a snapshot are the SHA-256 of those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trailer {
    Match,
    Mismatch,
    Missing,
}

impl Trailer {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Mismatch => "mismatch",
            Self::Missing => "missing",
        }
    }
}

/// The cluster as it answered when the snapshot had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterReport {
    /// etcd's cluster id in lower-case hex; null when no member told.
    pub id: Option<String>,
    /// How many of `members`, from the first on, vote.
    pub voters: u64,
    pub quorum: bool,
    pub members: Vec<MemberReport>,
}

/// A member, and how its hash compares with the snapshot's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberReport {
    /// Lower-case hex; null when it did not tell.
    pub id: Option<String>,
    /// Null for a member that the Cluster document does not name.
    pub endpoint: Option<String>,
    pub learner: bool,
    /// Whether it answers at all; one that refuses does.
    pub reachable: bool,
    pub hash: Option<MemberHash>,
    pub comparison: Comparison,
}

/// What a member said of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberHash {
    pub hash_kv: u32,
    pub compact_revision: i64,
}

/// What a member's hash is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// The snapshot's HashKV as if compacted where this member is.
    Expected(u32),
    /// Nothing; why.
    NotComparable(String),
}

/// Where the snapshot stands among the recovery points before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descent {
    /// Id of the lineage that it belongs to.
    pub lineage: String,
    pub remark: Option<DescentRemark>,
    /// The last recovery point of the same lineage.
    pub previous: Option<PreviousPoint>,
}

/// What an operator has to know of where a lineage begins or goes on; sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DescentRemark {
    /// There was a recovery point before, and this snapshot does not follow it.
    Begins(String),
    /// It is taken to follow, and no revision of both shows that it does.
    Unsure(String),
}

/// The recovery point that a snapshot follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousPoint {
    pub recovery_point: RecoveryPointName,
    /// Lower-case hex.
    pub manifest_sha256: String,
    pub revision: i64,
    pub total_keys: u64,
}

/// A tar archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveReport {
    pub entries: u64,
    /// Bytes of the files' contents.
    pub bytes: u64,
    /// How many problems there are.
    pub problems_total: u64,
    /// The first of them, a sentence each.
    pub problems: Vec<String>,
    /// Entries whose names were compared with no other.
    pub names_unchecked: u64,
}

impl Nature {
    /// What is wrong with a damaged etcd snapshot.
    #[must_use]
    pub fn damage(&self) -> Option<&SnapshotDamage> {
        match self {
            Self::Snapshot(SnapshotReport::Damaged(snapshot)) => Some(&snapshot.damage),
            Self::Snapshot(SnapshotReport::Sound(_)) | Self::Archive(_) | Self::Bytes => None,
        }
    }

    /// The figures of a sound etcd snapshot.
    #[must_use]
    pub fn figures(&self) -> Option<&EtcdFigures> {
        match self {
            Self::Snapshot(report) => report.sound().map(|snapshot| &snapshot.figures),
            Self::Archive(_) | Self::Bytes => None,
        }
    }

    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        matches!(self, Self::Snapshot(_))
    }
}

impl EtcdSection {
    /// What is wrong with a damaged snapshot.
    #[must_use]
    pub fn damage(&self) -> Option<&SnapshotDamage> {
        match self {
            Self::Sound(_) => None,
            Self::Damaged(snapshot) => Some(&snapshot.damage),
        }
    }

    /// The figures of a sound snapshot.
    #[must_use]
    pub fn figures(&self) -> Option<&EtcdFigures> {
        match self {
            Self::Sound(figures) => Some(figures),
            Self::Damaged(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for EtcdSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let section = if value.get("damage").is_some() {
            serde_json::from_value(value).map(Self::Damaged)
        } else {
            serde_json::from_value(value).map(Self::Sound)
        };
        section.map_err(de::Error::custom)
    }
}

/// An empty id is nobody's.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let id = Option::<String>::deserialize(deserializer)?;
    Ok(id.filter(|id| !id.is_empty()))
}

/// One sentence: what is wrong first of all, and how much more is.
impl fmt::Display for SnapshotDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(foreign) = &self.not_etcd {
            return f.write_str(foreign);
        }
        f.write_str("the snapshot is damaged")?;
        if self.problems_total > 1 {
            write!(f, ", {} problems, the first of them", self.problems_total)?;
        }
        match self.problems.first() {
            Some(first) => write!(f, ": {first}"),
            None => Ok(()),
        }
    }
}

impl SnapshotReport {
    /// What is known of a sound snapshot.
    #[must_use]
    pub fn sound(&self) -> Option<&SoundSnapshot> {
        match self {
            Self::Sound(snapshot) => Some(snapshot),
            Self::Damaged(_) => None,
        }
    }

    /// Id of the member that was read, in lower-case hex.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        match self {
            Self::Sound(snapshot) => snapshot.figures.member.as_deref(),
            Self::Damaged(snapshot) => snapshot.member.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests;
