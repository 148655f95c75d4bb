//! What runs pinned: components and documents that stay in the state folder, each under its
//! digest, as long as a run without an end may read them.

use std::collections::BTreeSet;

use drydock_core::RunId;
use rusqlite::{Transaction, params};

use crate::Journal;
use crate::error::JournalError;
use crate::rows::collect;

impl Journal {
    /// The digests (SHA-256 in hex) of everything that runs without an end pinned.
    ///
    /// # Errors
    /// The database fails.
    pub fn pins_in_use(&self) -> Result<BTreeSet<String>, JournalError> {
        self.read("look for what runs pinned", |connection| {
            let sql = "SELECT DISTINCT sha256 FROM run_pins";
            let pins = collect(connection, sql, &[], |row| row.get("sha256"))?;
            Ok(pins.into_iter().collect())
        })
    }
}

/// Enters what a run pinned.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    run: &RunId,
    pins: &[String],
) -> rusqlite::Result<()> {
    let mut insert = transaction
        .prepare_cached("INSERT OR IGNORE INTO run_pins (run, sha256) VALUES (?1, ?2)")?;
    for pin in pins {
        insert.execute(params![run.as_str(), pin])?;
    }
    Ok(())
}

/// Forgets what a run pinned: it has ended.
pub(crate) fn forget(transaction: &Transaction<'_>, run: &RunId) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM run_pins WHERE run = ?1", [run.as_str()])?;
    Ok(())
}
