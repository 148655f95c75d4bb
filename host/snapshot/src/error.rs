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
    /// Nothing is known to be wrong with the file, and not all of it could be looked at.
    #[error("the snapshot may be sound, and this drydock cannot tell: {0}")]
    Limit(#[from] Limit),
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

/// A bound on memory that a sound file can exceed. It is no damage, and nobody may tell
/// it as such.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Pages that belong together are longer than what is held or counted.
    #[error(
        "page {page} with those that continue it is {bytes} bytes long, and {bytes_max} is the most that is looked at"
    )]
    RunTooLong {
        /// The first of the pages.
        page: u64,
        /// Their length.
        bytes: u64,
        /// The most that is looked at.
        bytes_max: u64,
    },
    /// The keys of one page are too long to be held together.
    #[error("the keys on page {page} are longer than {bytes_max} bytes, the most that is held")]
    KeysTooLong {
        /// The page.
        page: u64,
        /// The most that is held.
        bytes_max: u64,
    },
    /// The file has more pages than can be numbered.
    #[error("the file has {pages} pages, and {pages_max} is the most that is counted")]
    PagesTooMany {
        /// By its own meta page.
        pages: u64,
        /// The most that is counted.
        pages_max: u64,
    },
    /// Of a stream alone: what ties its pages together is too much to be remembered.
    #[error("what ties the pages together takes more than {bytes_max} bytes to remember")]
    LedgerFull {
        /// The most that is remembered.
        bytes_max: usize,
    },
}

impl From<Fault> for SnapshotError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failure(error) => error,
            Fault::Found(Trouble::Damage(problem)) => problem.into(),
            Fault::Found(Trouble::Limit(limit)) => limit.into(),
        }
    }
}

impl From<Trouble> for SnapshotError {
    fn from(trouble: Trouble) -> Self {
        Fault::Found(trouble).into()
    }
}

/// What is found where a page cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    Damage(Problem),
    Limit(Limit),
}

/// What stops the reading of one page: something found there, which is noted and walked
/// around, or a failure to read, which ends everything.
pub(crate) enum Fault {
    Found(Trouble),
    Failure(SnapshotError),
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Damage(problem)
    }
}

impl From<Limit> for Trouble {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::Found(trouble)
    }
}

impl From<Limit> for Fault {
    fn from(limit: Limit) -> Self {
        Self::Found(limit.into())
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Found(problem.into())
    }
}

impl From<SnapshotError> for Fault {
    fn from(error: SnapshotError) -> Self {
        Self::Failure(error)
    }
}
