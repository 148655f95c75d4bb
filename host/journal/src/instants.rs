//! The latest instant that the journal holds. A clock that shows an earlier one is wrong,
//! or was wrong then; an operator who says that it was then has it forgotten here.

use drydock_core::UnixTime;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::Journal;
use crate::error::JournalError;

/// The latest instant, and what was entered at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestInstant {
    pub at: UnixTime,
    /// E.g. `run nightly.20260102T030405Z`.
    pub what: String,
}

impl Journal {
    /// The latest instant at which anything was entered, but for those that were accepted
    /// as wrong.
    ///
    /// # Errors
    /// The database fails.
    pub fn latest_instant(&self) -> Result<Option<LatestInstant>, JournalError> {
        self.read("look for the latest instant", latest)
    }

    /// Accepts that the clock was ahead: instants later than `now` that are in the journal
    /// say nothing any more, and occurrences that were decided ahead of their time are
    /// forgotten, so that they are decided when they are due.
    ///
    /// # Errors
    /// The database fails.
    pub fn accept_clock(&self, now: UnixTime) -> Result<(), JournalError> {
        self.write("accept the clock", |transaction| {
            let Some(latest) = latest(transaction)?.filter(|latest| latest.at > now) else {
                return Ok(());
            };
            transaction.execute(
                "INSERT OR REPLACE INTO clock_accepted (after, through) VALUES (?1, ?2)",
                params![now.0, latest.at.0],
            )?;
            transaction.execute("DELETE FROM occurrences WHERE due > ?1", [now.0])?;
            transaction.execute("UPDATE schedules SET since = ?1 WHERE since > ?1", [now.0])?;
            Ok(())
        })
    }
}

/// Ended runs are bracketed by their two instants, so that only the records of open ones
/// are looked at.
const LATEST: &str = "
    SELECT at, what FROM (
        SELECT COALESCE(finished, created) AS at, 'run ' || run AS what FROM runs
        UNION ALL
        SELECT at, 'run ' || run FROM records
            WHERE run IN (SELECT run FROM runs WHERE finished IS NULL)
        UNION ALL
        SELECT decided_at, 'the occurrence of ' || schedule FROM occurrences
        UNION ALL
        SELECT since, 'the schedule ' || schedule FROM schedules)
    WHERE NOT EXISTS (SELECT 1 FROM clock_accepted WHERE at > after AND at <= through)
    ORDER BY at DESC LIMIT 1";

fn latest(connection: &Connection) -> rusqlite::Result<Option<LatestInstant>> {
    connection
        .prepare_cached(LATEST)?
        .query_row([], |row| {
            Ok(LatestInstant {
                at: UnixTime(row.get("at")?),
                what: row.get("what")?,
            })
        })
        .optional()
}
