//! The revisions of the recovery points that this node's runs stored: a restore goes beyond
//! them even where no target can be asked. Nothing else is kept of recovery points here;
//! the targets tell.

use drydock_core::{ClusterName, RecoveryPointName, TargetName};
use rusqlite::params;

use crate::Journal;
use crate::error::JournalError;

/// A recovery point at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointEntry {
    pub target: TargetName,
    pub cluster: ClusterName,
    pub name: RecoveryPointName,
    /// etcd's revision.
    pub revision: i64,
}

impl Journal {
    /// Enters a recovery point, or replaces what was entered of it.
    ///
    /// # Errors
    /// The database fails.
    pub fn put_point(&self, point: &PointEntry) -> Result<(), JournalError> {
        self.write("enter a recovery point", |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO recovery_points (target, cluster, name, revision)
                 VALUES (?1, ?2, ?3, ?4)",
                params![
                    point.target.as_str(),
                    point.cluster.as_str(),
                    point.name.as_str(),
                    point.revision
                ],
            )?;
            Ok(())
        })
    }
}
