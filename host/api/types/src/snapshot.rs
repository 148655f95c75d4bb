//! Snapshots: the verbs of `drydock snapshot`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `snapshot status` prints, in the words of `etcdutl snapshot status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// CRC-32C over the file; it differs between members.
    pub hash: u32,
    pub revision: i64,
    /// Keys that are alive at that revision.
    pub total_key: u64,
    /// Bytes of all pages.
    pub total_size: i64,
    /// The storage version; empty in files of etcd 3.5.
    pub version: String,
}

/// What `snapshot hashkv` prints: etcd's `HashKV`, on which the members of a cluster agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotHashKv {
    pub hash: u32,
    pub hash_revision: i64,
    /// -1 where nothing was compacted.
    pub compact_revision: i64,
}

/// What `snapshot verify` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotCheck {
    pub file: String,
    pub verdict: SnapshotVerdict,
    /// How many there are.
    pub problems: u64,
    /// The first of them, a sentence each.
    pub listed: Vec<String>,
}

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotVerdict {
    #[default]
    #[serde(rename = "sound")]
    Sound,
    #[serde(rename = "damaged")]
    Damaged,
    /// A sound database of another program.
    #[serde(rename = "not etcd's")]
    NotEtcd,
}

/// An element of what `snapshot ls` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedObject {
    /// None where the key is no object's.
    pub resource: Option<String>,
    pub namespace: Option<String>,
    pub name: String,
    /// When it was changed last.
    pub revision: i64,
    pub version: i64,
    /// Of its value.
    pub bytes: u64,
}

/// An element of what `snapshot ls --by` prints of resources and namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceUsed {
    /// None for what belongs to none.
    pub name: Option<String>,
    #[serde(flatten)]
    pub space: Space,
}

/// What something takes. Bytes are those of keys and values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Space {
    pub keys: u64,
    pub bytes: u64,
    /// Revisions that are not the newest, deletions among them; a compaction drops them.
    pub old_revisions: u64,
    pub old_bytes: u64,
}

/// An element of what `snapshot history` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRevision {
    pub revision: i64,
    pub change: RevisionChange,
    pub version: i64,
    /// Of its value.
    pub bytes: u64,
    /// Its id in lower-case hex.
    pub lease: Option<String>,
}

/// What a revision did to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionChange {
    Created,
    Changed,
    Deleted,
}

/// What `snapshot diff` prints of two snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotDiff {
    /// The first of them; `by_resource` counts all.
    pub differences: Vec<ObjectDifference>,
    pub by_resource: BTreeMap<String, DifferenceCounts>,
    /// Keys that are the same in both.
    pub same: u64,
}

/// An object that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDifference {
    pub change: ObjectChange,
    pub resource: String,
    pub namespace: Option<String>,
    pub name: String,
    pub revision_before: Option<i64>,
    pub revision_after: Option<i64>,
}

/// How an object differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectChange {
    Added,
    Removed,
    Changed,
}

/// How many objects of a resource differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceCounts {
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
}

/// An element of what `snapshot diff` prints of one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Names joined by dots, places in lists in brackets: `spec.containers[0].image`.
    pub field: String,
    /// The field's value, whatever it is; null where only the second object has it.
    pub before: Option<Value>,
    /// Null where only the first object has it.
    pub after: Option<Value>,
}

/// What `snapshot restore` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoredCluster {
    /// In lower-case hex.
    pub cluster_id: String,
    pub token: String,
    pub members: Vec<RestoredFolders>,
    /// That of the snapshot.
    pub revision: i64,
    /// From which the new cluster goes on, if that was bumped.
    pub bumped_to: Option<i64>,
    pub remembered: BumpMemory,
    /// Major and minor version of the etcd that wrote the snapshot, if it tells.
    pub storage_version: Option<String>,
    pub alarms_cleared: u64,
    /// Of one member.
    pub database_bytes: u64,
    pub copied_by: CopyMethod,
    /// How the other members' databases were made of the first.
    pub cloned_by: CopyMethod,
    pub seconds: RestoreSeconds,
}

/// A member's folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoredFolders {
    pub name: String,
    /// In lower-case hex.
    pub id: String,
    pub data_dir: String,
    pub wal_dir: String,
}

/// Where it is remembered what was bumped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BumpMemory {
    /// As a mark beside the recovery point.
    pub mark: bool,
    /// In this node's journal.
    pub journal: bool,
}

/// How the bytes of a database came to where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyMethod {
    /// The file system shares the blocks.
    Reflink,
    /// The kernel copied.
    Kernel,
    /// They were read and written.
    ReadWrite,
}

/// The time of each phase of a restore, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RestoreSeconds {
    /// Copying and checking.
    pub copied: f64,
    /// Changing the databases, and the logs.
    pub written: f64,
    /// Moving everything to its place.
    pub placed: f64,
}

impl SnapshotVerdict {
    /// The word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Damaged => "damaged",
            Self::NotEtcd => "not etcd's",
        }
    }
}

impl RevisionChange {
    /// The word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }
}

impl ObjectChange {
    /// The word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}
