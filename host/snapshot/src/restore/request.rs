//! What a restore is asked for, and what it answers.

use std::path::PathBuf;
use std::time::Duration;

use super::cluster::InitialCluster;
use super::copy::CopiedBy;
use super::error::RestoreError;
use super::inspect::Findings;

/// How far revisions are bumped where nobody says otherwise: what etcd's
/// documentation on restoring advises, eleven days of a thousand changes a
/// second.
pub const BUMP_REVISIONS: u64 = 1_000_000_000;

/// What is to be restored, and where to.
#[derive(Debug, Clone)]
pub struct Request {
    /// All members of the new cluster.
    pub cluster: InitialCluster,
    /// Only this member. `data_dir` is then its folder; otherwise each member
    /// has a folder of its name in `data_dir`, and in `wal_dir`.
    pub only: Option<String>,
    /// Where the data goes; it must not exist or be empty.
    pub data_dir: PathBuf,
    /// Where the write-ahead logs go; it must not exist. Without it they go
    /// where etcd looks for them by itself.
    pub wal_dir: Option<PathBuf>,
    /// How far the revision is bumped.
    pub bump: Bump,
    /// Leave the alarms of the old cluster in force.
    pub keep_alarms: bool,
    /// Take a database that has no trailer, or a wrong one. Its pages are
    /// checked all the same.
    pub skip_hash_check: bool,
}

/// How far the new cluster's revision lies beyond the snapshot's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// It goes on from the snapshot's.
    None,
    /// So many revisions further; the ones before it answer `compacted`.
    By {
        /// How many; 0 is no bump.
        revisions: u64,
        /// etcd wants this said together with a bump, and never without.
        mark_compacted: bool,
    },
    /// [`BUMP_REVISIONS`] beyond the last revision known of the cluster; the ones before
    /// it answer `compacted`.
    Auto {
        /// The newest revision that the cluster is known to have had, e.g. as its
        /// newest recovery point or an earlier restore says. The snapshot's own
        /// otherwise.
        last_known_revision: Option<i64>,
    },
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The new cluster's id.
    pub cluster_id: u64,
    /// The members that were written, in the order of their names.
    pub members: Vec<RestoredMember>,
    /// The main revision of the snapshot's last row, 0 without rows.
    pub revision: i64,
    /// Where the new cluster's revisions go on, if that was bumped.
    pub bumped_to: Option<i64>,
    /// Major and minor of the etcd that wrote the snapshot, if it tells: from 3.6 on.
    pub storage_version: Option<String>,
    /// Alarms that the snapshot held and the new cluster does not.
    pub alarms_cleared: usize,
    /// How the snapshot was copied.
    pub copied_by: CopiedBy,
    /// How the other members' databases were made of the first.
    pub cloned_by: CopiedBy,
    /// Bytes of one database.
    pub database_bytes: u64,
    /// How long it took.
    pub times: Times,
}

/// A member that was written.
#[derive(Debug, Clone)]
pub struct RestoredMember {
    /// Its name.
    pub name: String,
    /// The id it will have.
    pub id: u64,
    /// What to start etcd with as `--data-dir`.
    pub data_dir: PathBuf,
    /// Where its log is. etcd has to be told only if that was asked for.
    pub wal_dir: PathBuf,
}

/// The time of each phase, one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Copying the snapshot for all members, and checking it.
    pub copied: Duration,
    /// Changing the databases, and the logs.
    pub written: Duration,
    /// Moving everything to its place.
    pub placed: Duration,
}

/// How far a restore has come, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The hidden folders are there.
    Begun,
    /// All databases are copied, and checked.
    Copied,
    /// All members are written, and safe.
    Written,
    /// The renames stand in the switch, if there are several.
    Decided,
    /// One of the renames is done.
    Moved,
    /// Everything is in its place.
    Placed,
}

impl Bump {
    /// Refuses what makes no sense for any snapshot.
    pub(crate) fn check(self) -> Result<(), RestoreError> {
        match self {
            Self::By {
                revisions: 0,
                mark_compacted: true,
            } => Err(RestoreError::MarkWithoutBump),
            Self::By {
                revisions: 1..,
                mark_compacted: false,
            } => Err(RestoreError::BumpUnmarked),
            _ => Ok(()),
        }
    }

    /// The revision that the new cluster goes on from, if not the snapshot's.
    pub(crate) fn target(self, findings: &Findings) -> Result<Option<i64>, RestoreError> {
        let own = findings.current_revision();
        let (from, by) = match self {
            Self::None | Self::By { revisions: 0, .. } => return Ok(None),
            Self::By { revisions, .. } => (own, revisions),
            Self::Auto {
                last_known_revision,
            } => (own.max(last_known_revision.unwrap_or(own)), BUMP_REVISIONS),
        };
        let target = from.checked_add_unsigned(by);
        let refused = RestoreError::BumpTooFar { revision: from, by };
        target.map(Some).ok_or(refused)
    }
}
