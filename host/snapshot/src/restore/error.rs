//! Why a restore was refused or failed, each in one sentence.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::SnapshotError;
use crate::problem::{Problem, Problems};

use super::cluster::ClusterError;
use super::inspect::STORAGE_VERSION_MAX;
use super::place::PlaceError;

/// Why nothing was restored. Whatever was written is gone again.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The cluster is described wrongly.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The snapshot cannot be read, or is damaged.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// There is nothing to hold the bytes against.
    #[error(
        "the snapshot has no SHA-256 trailer, so nobody can tell whether it is whole; if it was \
         copied out of a member's data folder, skip the hash check"
    )]
    TrailerMissing,
    /// A newer etcd wrote it.
    #[error(
        "the snapshot has storage version {version} and this drydock knows {} at most; use a newer \
         drydock",
        known()
    )]
    Newer {
        /// Major and minor of what was found.
        version: String,
    },
    /// The bump would leave the old revisions readable.
    #[error(
        "a revision bump has to mark the old revisions as compacted, or clients go on with what \
         they remember of the lost ones; add --mark-compacted, or leave --bump-revision out"
    )]
    BumpUnmarked,
    /// There is nothing to mark.
    #[error(
        "marking revisions as compacted goes with a bump; add --bump-revision N, or leave --mark-compacted out"
    )]
    MarkWithoutBump,
    /// Revisions end.
    #[error(
        "revision {revision} cannot be bumped by {by}: revisions end at {}",
        i64::MAX
    )]
    BumpTooFar {
        /// The revision of the snapshot.
        revision: i64,
        /// By how much it was to be bumped.
        by: u64,
    },
    /// Nothing can be restored there.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Something is there already.
    #[error(
        "{} is not empty and a restore overwrites nothing; name another folder, or move this one \
         away",
        path.display()
    )]
    NotEmpty {
        /// The data folder.
        path: PathBuf,
    },
    /// There is a log already.
    #[error(
        "{} exists and a restore overwrites nothing; name another folder for the write-ahead log, \
         or move this one away",
        path.display()
    )]
    WalExists {
        /// The folder for the log.
        path: PathBuf,
    },
    /// The data folder would lie among the logs.
    #[error(
        "the folder {} for the write-ahead log lies around the data folder {}; name one beside it, \
         or none",
        wal.display(),
        data.display()
    )]
    WalAround {
        /// The folder for the log.
        wal: PathBuf,
        /// The data folder.
        data: PathBuf,
    },
    /// Another process is at it.
    #[error(
        "another restore into {} is under way; wait for it, or end it first",
        path.display()
    )]
    Busy {
        /// The data folder.
        path: PathBuf,
    },
    /// A dead restore left something that was used since.
    #[error(
        "{} was put in place by a restore that died before it was done, and has been changed \
         since; move it away, and restore again",
        path.display()
    )]
    HalfUsed {
        /// A folder that the dead restore put in place.
        path: PathBuf,
    },
    /// The disk is too small.
    #[error(
        "{} has {free} bytes free and the restore needs {needed}; free some, or name a folder on a \
         larger disk",
        path.display()
    )]
    Space {
        /// A folder on that disk.
        path: PathBuf,
        /// Bytes that a user may still take.
        free: u64,
        /// Bytes that will be written.
        needed: u64,
    },
    /// [`Watch::stop`](super::Watch::stop) said so.
    #[error("the restore was interrupted; nothing is left behind")]
    Interrupted,
    /// The system refused something.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// A verb, and what leads from it to the path.
        doing: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl RestoreError {
    /// For `map_err`: what was done, and to what.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

impl From<Problem> for RestoreError {
    fn from(problem: Problem) -> Self {
        Self::Snapshot(problem.into())
    }
}

impl From<Problems> for RestoreError {
    fn from(problems: Problems) -> Self {
        Self::Snapshot(problems.into())
    }
}

fn known() -> String {
    let (major, minor) = STORAGE_VERSION_MAX;
    format!("{major}.{minor}")
}
