//! The index of recovery points: a cache of what the targets hold, so that a listing
//! or the comparison with the last backup needs no walk over a target.

use drydock_core::{ClusterName, RecoveryPointName, TargetName, UnixTime};
use rusqlite::{Row, Transaction, params};

use crate::Journal;
use crate::error::JournalError;
use crate::runs::collect;

/// A recovery point at a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointEntry {
    pub target: TargetName,
    pub cluster: ClusterName,
    pub name: RecoveryPointName,
    pub lineage: String,
    /// etcd's revision.
    pub revision: i64,
    pub total_key: i64,
    /// Lower-case hex of the manifest's sha256.
    pub manifest_digest: String,
    pub committed: UnixTime,
}

impl Journal {
    /// Enters a recovery point, or replaces what was entered of it.
    ///
    /// # Errors
    /// The database fails.
    pub fn put_point(&self, point: &PointEntry) -> Result<(), JournalError> {
        self.write("enter a recovery point", |transaction| {
            put(transaction, point)?;
            Ok(())
        })
    }

    /// Replaces everything that is known of one target.
    ///
    /// # Errors
    /// The database fails.
    pub fn replace_points(
        &self,
        target: &TargetName,
        points: &[PointEntry],
    ) -> Result<(), JournalError> {
        self.write("replace recovery points", |transaction| {
            transaction.execute(
                "DELETE FROM recovery_points WHERE target = ?1",
                [target.as_str()],
            )?;
            for point in points {
                put(transaction, point)?;
            }
            Ok(())
        })
    }

    /// Forgets a recovery point. No error when it is not there.
    ///
    /// # Errors
    /// The database fails.
    pub fn forget_point(
        &self,
        target: &TargetName,
        cluster: &ClusterName,
        name: &RecoveryPointName,
    ) -> Result<(), JournalError> {
        self.write("forget a recovery point", |transaction| {
            transaction.execute(
                "DELETE FROM recovery_points WHERE target = ?1 AND cluster = ?2 AND name = ?3",
                params![target.as_str(), cluster.as_str(), name.as_str()],
            )?;
            Ok(())
        })
    }

    /// The recovery points of one target or all, of one cluster or all, the newest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn points(
        &self,
        target: Option<&TargetName>,
        cluster: Option<&ClusterName>,
    ) -> Result<Vec<PointEntry>, JournalError> {
        self.read("list recovery points", |connection| {
            let sql = "SELECT target, cluster, name, lineage, revision, total_key,
                manifest_digest, committed FROM recovery_points
                WHERE (?1 IS NULL OR target = ?1) AND (?2 IS NULL OR cluster = ?2)
                ORDER BY committed DESC, name DESC, target";
            let target = target.map(TargetName::as_str);
            let cluster = cluster.map(ClusterName::as_str);
            collect(connection, sql, params![target, cluster], point_row)
        })
    }
}

fn put(transaction: &Transaction<'_>, point: &PointEntry) -> rusqlite::Result<usize> {
    transaction.execute(
        "INSERT OR REPLACE INTO recovery_points (target, cluster, name, lineage, revision,
         total_key, manifest_digest, committed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            point.target.as_str(),
            point.cluster.as_str(),
            point.name.as_str(),
            point.lineage,
            point.revision,
            point.total_key,
            point.manifest_digest,
            point.committed.0
        ],
    )
}

fn point_row(row: &Row<'_>) -> rusqlite::Result<PointEntry> {
    Ok(PointEntry {
        target: TargetName::new(row.get::<_, String>("target")?),
        cluster: ClusterName::new(row.get::<_, String>("cluster")?),
        name: RecoveryPointName::new(row.get::<_, String>("name")?),
        lineage: row.get("lineage")?,
        revision: row.get("revision")?,
        total_key: row.get("total_key")?,
        manifest_digest: row.get("manifest_digest")?,
        committed: UnixTime(row.get("committed")?),
    })
}
