//! Pruning: records, attempts and logs of old runs go, recovery points never do.

use drydock_core::{OutcomeCode, RunId, ScheduleName, UnixTime};
use rusqlite::{Transaction, params};

use crate::Journal;
use crate::error::JournalError;

/// What is kept of a schedule's ended runs. None keeps all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryLimits {
    /// So many of the newest runs that ended well.
    pub good_max: Option<u32>,
    /// So many of the newest runs that did not.
    pub bad_max: Option<u32>,
    /// Only runs that ended at or after this instant.
    pub finished_since: Option<UnixTime>,
    /// These in any case.
    pub kept: Vec<RunId>,
}

impl Journal {
    /// Removes ended runs of a schedule beyond the limits and says how many went. Runs
    /// without an end always stay.
    ///
    /// # Errors
    /// The database fails.
    pub fn prune(
        &self,
        schedule: &ScheduleName,
        limits: &HistoryLimits,
    ) -> Result<usize, JournalError> {
        self.write("prune history", |transaction| {
            transaction.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS kept (run TEXT PRIMARY KEY); DELETE FROM kept",
            )?;
            for run in &limits.kept {
                transaction.execute("INSERT OR IGNORE INTO kept VALUES (?1)", [run.as_str()])?;
            }
            let good = prune_beyond(transaction, schedule, true, limits.good_max)?;
            let bad = prune_beyond(transaction, schedule, false, limits.bad_max)?;
            let old = prune_older(transaction, schedule, limits.finished_since)?;
            Ok(good + bad + old)
        })
    }
}

fn prune_beyond(
    transaction: &Transaction<'_>,
    schedule: &ScheduleName,
    good: bool,
    keep_max: Option<u32>,
) -> rusqlite::Result<usize> {
    let Some(keep_max) = keep_max else {
        return Ok(0);
    };
    let codes = OutcomeCode::ALL
        .iter()
        .filter(|code| code.is_good() == good);
    let codes: Vec<_> = codes.map(|code| format!("'{}'", code.word())).collect();
    let sql = format!(
        "DELETE FROM runs WHERE run IN (
            SELECT run FROM runs WHERE schedule = ?1 AND outcome IN ({})
            ORDER BY finished DESC, rowid DESC LIMIT -1 OFFSET ?2)
         AND run NOT IN (SELECT run FROM kept)",
        codes.join(", ")
    );
    transaction.execute(&sql, params![schedule.as_str(), keep_max])
}

fn prune_older(
    transaction: &Transaction<'_>,
    schedule: &ScheduleName,
    since: Option<UnixTime>,
) -> rusqlite::Result<usize> {
    let Some(since) = since else {
        return Ok(0);
    };
    transaction.execute(
        "DELETE FROM runs WHERE schedule = ?1 AND finished < ?2
         AND run NOT IN (SELECT run FROM kept)",
        params![schedule.as_str(), since.0],
    )
}
