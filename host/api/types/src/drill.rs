//! What a drill found: `drydock drill`, and the file beside the report's page.

use drydock_core::{ClusterName, RecoveryPointName, TargetName};
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A drill's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillReport {
    pub format_version: u32,
    pub verdict: Verdict,
    /// Why the verdict is not `pass`, in a sentence.
    pub reason: Option<String>,
    pub cluster: ClusterName,
    pub recovery_point: RecoveryPointName,
    pub target: TargetName,
    /// 64 lower-case hex digits.
    pub manifest_sha256: String,
    /// Id of the key that signed the manifest.
    pub signer: String,
    pub node: String,
    pub drydock_version: String,
    /// Major and minor version of the etcd that was booted.
    pub etcd_version: String,
    /// When the drill began.
    pub started: Timestamp,
    /// When the backup step began to read the data.
    pub data_taken: Timestamp,
    /// Between the two: what would have been lost (RPO) had the cluster gone then.
    pub data_age_seconds: u64,
    pub data_bytes: u64,
    /// From the first byte fetched to members that all have a leader (RTO, as far as a
    /// machine can measure it); none when it did not come to that.
    pub recovery_milliseconds: Option<u64>,
    pub phases: Vec<Timed>,
    pub checks: Vec<Check>,
}

/// A part of a drill whose time is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Scratch folder, programs, certificates: no part of a recovery.
    Prepare,
    /// Bytes from the target, their digests compared, unsealed and decompressed on the way.
    Fetch,
    /// Every page of the snapshot, its trailer, its figures.
    Check,
    /// The members' data folders.
    Restore,
    /// Until every member has a leader.
    Boot,
    /// Hashes, revisions and counts of the members.
    Compare,
    /// A kube-apiserver, until it is ready, and the lists.
    ApiServer,
    /// Servers and folder go.
    End,
}

/// How a drill, or one of its checks, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Pass,
    Fail,
    /// There was nothing to compare with.
    Skipped,
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub expected: String,
    pub found: String,
    pub verdict: Verdict,
}

/// The time of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    pub phase: Phase,
    pub milliseconds: u64,
}

impl Verdict {
    /// The word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }
}

impl From<bool> for Verdict {
    fn from(passes: bool) -> Self {
        if passes { Self::Pass } else { Self::Fail }
    }
}
