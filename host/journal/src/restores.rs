//! What restores bumped the revisions of a cluster to: the next restore of the same cluster
//! has to land beyond, whatever the recovery points tell.

use drydock_core::{ClusterName, UnixTime};
use rusqlite::params;

use crate::Journal;
use crate::error::JournalError;

/// A restore that bumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreEntry {
    pub cluster: ClusterName,
    /// The revision from which the restored cluster went on.
    pub bumped_to: i64,
    /// The recovery point or the file that was restored.
    pub source: String,
    pub at: UnixTime,
}

impl Journal {
    /// Enters a restore.
    ///
    /// # Errors
    /// The database fails.
    pub fn note_restore(&self, restore: &RestoreEntry) -> Result<(), JournalError> {
        self.write("enter a restore", |transaction| {
            transaction.execute(
                "INSERT INTO restores (cluster, bumped_to, source, at) VALUES (?1, ?2, ?3, ?4)",
                params![
                    restore.cluster.as_str(),
                    restore.bumped_to,
                    restore.source,
                    restore.at.0
                ],
            )?;
            Ok(())
        })
    }

    /// The newest revision of a cluster that this journal knows of: from its recovery
    /// points at all targets, and from restores.
    ///
    /// # Errors
    /// The database fails.
    pub fn known_revision(&self, cluster: &ClusterName) -> Result<Option<i64>, JournalError> {
        self.read("look for the newest revision", |connection| {
            let sql = "SELECT MAX(revision) FROM (
                SELECT revision FROM recovery_points WHERE cluster = ?1
                UNION ALL SELECT bumped_to FROM restores WHERE cluster = ?1)";
            connection.query_row(sql, [cluster.as_str()], |row| row.get(0))
        })
    }
}
