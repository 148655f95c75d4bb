//! Holds of runs that may still be there: what whoever lets them go, or warns of them, goes
//! by when nothing else of the run is left.

use drydock_core::{HoldKind, HoldPhase, RunId, StepName, UnixTime};
use rusqlite::{Connection, Row, Transaction, params};

use crate::Journal;
use crate::error::JournalError;
use crate::rows::{collect, word};

/// A hold that a run asked for and has not surely let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRow {
    /// The step that holds.
    pub step: StepName,
    pub kind: HoldKind,
    pub phase: HoldPhase,
    /// When it was asked for.
    pub since: UnixTime,
    /// When it is to be let go at the latest.
    pub deadline: UnixTime,
    /// What the step told of it once it was taken; the step's own words.
    pub evidence: Option<String>,
}

impl Journal {
    /// The holds of all runs, in the order of their runs' ids.
    ///
    /// # Errors
    /// The database fails.
    pub fn open_holds(&self) -> Result<Vec<(RunId, HoldRow)>, JournalError> {
        self.read("look for holds", |connection| {
            let sql = format!("{SELECT} ORDER BY run, position");
            collect(connection, &sql, &[], |row| {
                Ok((RunId::new(row.get::<_, String>("run")?), hold_row(row)?))
            })
        })
    }
}

const SELECT: &str = "SELECT run, step, kind, phase, since, deadline, evidence FROM holds";

/// The holds of one run, in the order in which they were written.
pub(crate) fn of_run(connection: &Connection, run: &RunId) -> rusqlite::Result<Vec<HoldRow>> {
    let sql = format!("{SELECT} WHERE run = ?1 ORDER BY position");
    collect(connection, &sql, params![run.as_str()], hold_row)
}

/// Makes these the holds of the run.
pub(crate) fn replace(
    transaction: &Transaction<'_>,
    run: &RunId,
    holds: &[HoldRow],
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM holds WHERE run = ?1")?
        .execute([run.as_str()])?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO holds (run, position, step, kind, phase, since, deadline, evidence)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (position, hold) in (0_i64..).zip(holds) {
        insert.execute(params![
            run.as_str(),
            position,
            hold.step.as_str(),
            hold.kind.word(),
            hold.phase.word(),
            hold.since.0,
            hold.deadline.0,
            hold.evidence
        ])?;
    }
    Ok(())
}

fn hold_row(row: &Row<'_>) -> rusqlite::Result<HoldRow> {
    Ok(HoldRow {
        step: StepName::new(row.get::<_, String>("step")?),
        kind: word(row, "kind", HoldKind::of_word)?,
        phase: word(row, "phase", HoldPhase::of_word)?,
        since: UnixTime(row.get("since")?),
        deadline: UnixTime(row.get("deadline")?),
        evidence: row.get("evidence")?,
    })
}
