//! The journal: what happened to every run, kept in one SQLite file in the state
//! folder, and the lock that makes one process the owner of that folder.
//!
//! The crate refuses to know what an event or an effect means: the engine writes its
//! records as JSON and reads them back in order. Beside them stands a row a run, which says
//! what the run is, how far it is and how it ended, with rows for its holds and its open
//! questions. The journal also keeps what open runs pinned, attempts with their logs, the revisions of recovery points, and what restores bumped revisions to.
//!
//! Data passes through like this: the engine hands over a batch of [`NewRecord`]s with the
//! [`RunProgress`] that they lead to, [`Journal::append`] writes both in one transaction and
//! syncs it, and only then does the engine act. After a restart [`Journal::open_runs`] names
//! the runs that have no end, and [`Journal::records`] gives their records in order. Lists
//! read rows, a page at a time: [`Journal::runs`].
//!
//! Every call blocks; callers on an async runtime use `spawn_blocking`.
//!
//! **Invariant:** a batch is there whole and synced when `append` returns `Ok`, and
//! not at all otherwise.
//!
//! **Invariant:** the sequence numbers of a run are 1, 2, 3 and so on without a gap,
//! and no record is ever changed.
//!
//! **Invariant:** a run's row is written with the records that it follows from: whoever
//! replays them finds the same.
//!
//! **Invariant:** a run begins only when no open run is in its way, but for the one that it
//! was told to pass over; that is looked at in the transaction that begins it.
//!
//! **Invariant:** a run without an end is never pruned, and what it pinned counts as in use.
//!
//! **Invariant:** an occurrence is decided once: schedule and due instant are its key, and
//! its run's beginning is noted in the transaction that begins the run.
//!
//! A crash leaves the last committed transaction: SQLite's write-ahead log is synced
//! with each commit and is taken up at the next open. A copy of the journal as it was
//! at the last good start lies beside it as `journal.copy.db`.

mod attempts;
mod claims;
mod error;
mod history;
mod holds;
mod instants;
mod lock;
mod occurrences;
mod pins;
mod points;
mod progress;
mod questions;
mod restores;
mod rows;
mod runs;
mod schema;
mod targets;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use attempts::{Attempt, LOG_BYTES_MAX};
pub use error::{JournalError, LockError, OpenError};
pub use history::HistoryLimits;
pub use holds::HoldRow;
pub use instants::LatestInstant;
pub use lock::{LockOwner, StateLock};
pub use occurrences::{Decided, KnownSchedule, Occurrence};
pub use points::PointEntry;
pub use progress::{RunEnd, RunProgress};
pub use questions::{QuestionChoice, QuestionRow};
pub use restores::RestoreEntry;
pub use runs::{NewRecord, NewRun, RECORD_BYTES_MAX, Record, RecordKind, RunPage, RunRow};
pub use schema::{COPY_FILE, JOURNAL_FILE, SCHEMA_VERSION};

/// The open journal. Cheap to share behind an `Arc`; calls take turns.
pub struct Journal {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Journal {
    /// Opens the journal of a state folder for writing, making folder (0700) and file
    /// (0600) where they are missing, checks it, brings its schema up to date and
    /// refreshes the copy. The caller holds the folder's [`StateLock`].
    ///
    /// # Errors
    /// The file cannot be used, is damaged, was written by a newer version, or is not
    /// a journal.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(JOURNAL_FILE);
        let connection = schema::open(folder, &path)?;
        Ok(Self::over(path, connection))
    }

    /// Opens an existing journal for reading only, beside the process that owns it.
    ///
    /// # Errors
    /// As [`Journal::open`]; also when there is no journal yet.
    pub fn open_reader(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(JOURNAL_FILE);
        let connection = schema::open_reader(&path)?;
        Ok(Self::over(path, connection))
    }

    /// Opens an existing journal beside the process that owns it, for one small change that
    /// the owner reads when it needs it. Nobody may enter anything of a run that way.
    ///
    /// # Errors
    /// As [`Journal::open_reader`].
    pub fn open_beside(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(JOURNAL_FILE);
        let connection = schema::open_beside(&path)?;
        Ok(Self::over(path, connection))
    }

    /// The journal's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn over(path: PathBuf, connection: Connection) -> Self {
        Self {
            path,
            connection: Mutex::new(connection),
        }
    }

    /// A panic elsewhere cannot leave a transaction half done: dropping it rolls back.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        query(&self.connection()).map_err(|source| self.failed(doing, source))
    }

    /// Runs `change` in one transaction. Its error rolls everything back.
    fn write<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Change>,
    ) -> Result<T, JournalError> {
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|source| self.failed(doing, source))?;
        let value = change(&transaction).map_err(|change| match change {
            Change::Refused(error) => *error,
            Change::Database(source) => self.failed(doing, source),
        })?;
        transaction
            .commit()
            .map_err(|source| self.failed(doing, source))?;
        Ok(value)
    }

    fn failed(&self, doing: &'static str, source: rusqlite::Error) -> JournalError {
        let path = self.path.clone();
        match rows::what_is_unreadable(&source) {
            Some(what) => JournalError::Unreadable { doing, path, what },
            None => JournalError::Database {
                doing,
                path,
                source,
            },
        }
    }
}

/// Why a transaction is rolled back.
enum Change {
    Refused(Box<JournalError>),
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Change {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database(source)
    }
}

impl From<JournalError> for Change {
    fn from(error: JournalError) -> Self {
        Self::Refused(Box::new(error))
    }
}
