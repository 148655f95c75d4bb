//! Attempts of steps with their logs: what an operator reads afterwards. Nothing is
//! decided by them.

use drydock_core::{RunId, StepName, UnixTime};
use rusqlite::{Row, params};

use crate::Journal;
use crate::error::JournalError;
use crate::rows::collect;

/// Bytes of log text that are kept of one attempt. A plugin's panic stands at the
/// end, so the end is what is kept.
pub const LOG_BYTES_MAX: usize = 256 * 1024;

/// One try of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub step: StepName,
    /// From 1.
    pub attempt: u32,
    pub started: UnixTime,
    /// None while it is under way, and for ever when a crash cut it off.
    pub ended: Option<UnixTime>,
    /// What came of it, as JSON.
    pub result: Option<String>,
    /// What its plugin could reach, as JSON; none where no plugin was called.
    pub grants: Option<String>,
    pub log: String,
}

impl Journal {
    /// Enters an attempt, or replaces what was entered of it. A log that is too long
    /// loses its beginning.
    ///
    /// # Errors
    /// The run is unknown, or the database fails.
    pub fn put_attempt(&self, run: &RunId, attempt: &Attempt) -> Result<(), JournalError> {
        self.write("enter an attempt", |transaction| {
            transaction.execute(
                "INSERT INTO attempts (run, step, attempt, started, ended, result, grants, log)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (run, step, attempt) DO UPDATE SET
                 started = ?4, ended = ?5, result = ?6, grants = ?7, log = ?8",
                params![
                    run.as_str(),
                    attempt.step.as_str(),
                    attempt.attempt,
                    attempt.started.0,
                    attempt.ended.map(|at| at.0),
                    attempt.result,
                    attempt.grants,
                    end_of(&attempt.log)
                ],
            )?;
            Ok(())
        })
    }

    /// The attempts of a run in the order in which they started.
    ///
    /// # Errors
    /// The database fails.
    pub fn attempts(&self, run: &RunId) -> Result<Vec<Attempt>, JournalError> {
        self.read("read attempts", |connection| {
            let sql = "SELECT step, attempt, started, ended, result, grants, log FROM attempts
                WHERE run = ?1 ORDER BY started, step, attempt";
            collect(connection, sql, params![run.as_str()], attempt_row)
        })
    }
}

fn attempt_row(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        step: StepName::new(row.get::<_, String>("step")?),
        attempt: row.get("attempt")?,
        started: UnixTime(row.get("started")?),
        ended: row.get::<_, Option<i64>>("ended")?.map(UnixTime),
        result: row.get("result")?,
        grants: row.get("grants")?,
        log: row.get("log")?,
    })
}

/// The last [`LOG_BYTES_MAX`] bytes, from the start of a character on.
fn end_of(log: &str) -> &str {
    let start = log.len().saturating_sub(LOG_BYTES_MAX);
    &log[log.ceil_char_boundary(start)..]
}
