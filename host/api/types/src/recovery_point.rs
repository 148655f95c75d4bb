//! Recovery points: `recovery-point list`, `verify` and `fetch`.

use drydock_core::{ClusterName, RecoveryPointName, TargetName, nature::EtcdSection};
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// An element of what `recovery-point list` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryPointSummary {
    pub recovery_point: RecoveryPointName,
    pub cluster: ClusterName,
    pub target: TargetName,
    pub state: RecoveryPointState,
    /// Why the state is no better.
    pub reason: Option<String>,
    /// Its keys are missing where the manifest cannot be believed or read.
    #[serde(flatten)]
    pub contents: Option<RecoveryPointContents>,
}

/// What is known of a recovery point without reading its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecoveryPointState {
    /// The manifest cannot be believed.
    Refused,
    /// The manifest could not be read.
    Unread,
    /// An object is gone or has another size, or the newest drill or reading failed.
    Failed,
    /// The manifest is signed. What it names could not be looked at.
    Listed,
    /// Every object that the manifest names is there in its size.
    Complete,
    /// The same, and all bytes were read back and found to be what the manifest says.
    Verified,
}

/// What a signed manifest and the marks beside it say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryPointContents {
    pub taken: Timestamp,
    /// As the manifest has it; none where no artifact is an etcd snapshot.
    pub etcd: Option<EtcdSection>,
    pub artifacts: Vec<ArtifactSummary>,
    /// 64 lower-case hex digits.
    pub manifest_sha256: String,
    /// When all bytes were read back; none where the state is not `Verified`.
    pub verified: Option<Timestamp>,
    /// The newest mark of a drill.
    pub mark: Option<ListedMark>,
}

/// An artifact in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactSummary {
    pub name: String,
    pub media_type: String,
    /// Before compression and sealing.
    pub plain_bytes: u64,
}

/// What a mark says of its recovery point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkWord {
    Drilled,
    Failed,
    Restored,
    Verified,
    Damaged,
}

/// A mark that lies beside a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum ListedMark {
    /// One that can be believed.
    Sound {
        mark: MarkWord,
        at: Timestamp,
        node: String,
        reason: Option<String>,
        recovery_milliseconds: Option<u64>,
        /// Id of the key that signed it.
        signer: String,
    },
    Refused {
        mark: MarkWord,
        /// Why it says nothing.
        refused: String,
    },
    Unread {
        mark: MarkWord,
        /// Why it could not be read.
        unread: String,
    },
}

/// What `recovery-point verify` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedRecoveryPoint {
    pub recovery_point: RecoveryPointName,
    pub target: TargetName,
    pub pass: bool,
    /// The mark that was put beside it.
    pub mark: Option<MarkWord>,
    pub artifacts: Vec<VerifiedArtifact>,
}

/// What reading an artifact back found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedArtifact {
    pub artifact: String,
    /// Its bytes are what the manifest says.
    pub sound: bool,
    /// Its bytes are not; where it is neither sound nor damaged, it could not be read.
    pub damaged: bool,
    /// It was unsealed and decompressed as well.
    pub opened: bool,
    pub reason: Option<String>,
}

/// An element of what `recovery-point fetch` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedArtifact {
    pub artifact: String,
    /// The file that was written.
    pub file: String,
}

/// What `recovery-point fetch --extract` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtractedArtifact {
    pub artifact: String,
    /// The folder that was made.
    pub folder: String,
    pub files: u64,
    pub folders: u64,
    /// Symbolic and hard ones.
    pub links: u64,
    pub pipes: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Entries that did not get their owner or group.
    pub owners_lost: u64,
    /// Extended attributes that could not be put back.
    pub attributes_lost: u64,
    pub devices_left_out: u64,
}

impl RecoveryPointState {
    /// The word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::Unread => "Unread",
            Self::Failed => "Failed",
            Self::Listed => "Listed",
            Self::Complete => "Complete",
            Self::Verified => "Verified",
        }
    }
}

impl MarkWord {
    /// The word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Drilled => "drilled",
            Self::Failed => "failed",
            Self::Restored => "restored",
            Self::Verified => "verified",
            Self::Damaged => "damaged",
        }
    }
}
