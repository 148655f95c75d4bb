//! What an operation on a snapshot answers when it cannot answer.

use std::io;
use std::path::PathBuf;

use crate::problem::{Problem, Problems};

/// Why a figure of a snapshot could not be given.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file could not be opened.
    #[error("cannot open the snapshot {}; check that it exists and may be read", path.display())]
    Open {
        /// The path as it was given.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The length could not be asked for.
    #[error("cannot ask for the length of the snapshot")]
    Size(#[source] io::Error),
    /// Bytes that the file's own length promises could not be read.
    #[error("cannot read {bytes} bytes at offset {offset} of the snapshot")]
    Read {
        /// Offset of the first byte asked for.
        offset: u64,
        /// How many bytes were asked for.
        bytes: usize,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The key index could not be kept on disk.
    #[error("cannot write the key index to the spill folder; give it more space or another folder")]
    Spill(#[source] io::Error),
    /// The file is damaged; the problems say where.
    #[error(transparent)]
    Damaged(#[from] Problems),
    /// The revision asked for lies before the last compaction.
    #[error("revision {revision} is compacted away; the oldest that can be asked for is {oldest}")]
    Compacted {
        /// The revision asked for.
        revision: i64,
        /// The oldest revision that has an answer.
        oldest: i64,
    },
    /// The revision asked for lies after the newest one.
    #[error("revision {revision} lies after the newest revision {newest} of the snapshot")]
    Future {
        /// The revision asked for.
        revision: i64,
        /// The newest revision of the file.
        newest: i64,
    },
    /// The compaction asked for lies outside what the file can answer.
    #[error(
        "a compaction at {compact_revision} cannot be compared: it must lie between {oldest}, \
         where this snapshot was compacted, and the revision {revision} that is hashed"
    )]
    NotComparable {
        /// The compaction asked for.
        compact_revision: i64,
        /// Where the file itself was compacted, -1 if never.
        oldest: i64,
        /// The revision that is hashed.
        revision: i64,
    },
}

impl From<Problem> for SnapshotError {
    fn from(problem: Problem) -> Self {
        Self::Damaged(Problems::from(problem))
    }
}

impl From<Fault> for SnapshotError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failure(error) => error,
            Fault::Damage(problem) => problem.into(),
        }
    }
}

/// What stops the reading of one page: damage, which is noted and walked
/// around, or a failure to read, which ends everything.
pub(crate) enum Fault {
    Damage(Problem),
    Failure(SnapshotError),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Damage(problem)
    }
}

impl From<SnapshotError> for Fault {
    fn from(error: SnapshotError) -> Self {
        Self::Failure(error)
    }
}
