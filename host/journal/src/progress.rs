//! How far a run is: a part of its row, its holds and its open questions. All three are
//! written in the transaction of the records that they follow from.

use drydock_core::{OutcomeCode, RecoveryPointName, RunId, RunPhase, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::rows::{optional_word, word};
use crate::{HoldRow, QuestionRow, holds, pins, questions};

/// How far a run is, as its records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProgress {
    pub phase: RunPhase,
    /// Once it is committed somewhere, or was drilled.
    pub recovery_point: Option<RecoveryPointName>,
    /// Every hold that it asked for and has not surely let go; none that was released.
    pub holds: Vec<HoldRow>,
    /// Those that are open, in the order of their numbers.
    pub questions: Vec<QuestionRow>,
    /// It waits at a gate that lets others have its subjects meanwhile.
    pub frees_subjects: bool,
    /// None while the run is open.
    pub end: Option<RunEnd>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    pub outcome: OutcomeCode,
    /// The outcome with all that it tells, as JSON.
    pub details: String,
    pub finished: UnixTime,
}

/// How far the run is, if the journal has it.
pub(crate) fn find(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<RunProgress>> {
    let sql = "SELECT phase, recovery_point, frees_subjects, outcome, details, finished
        FROM runs WHERE run = ?1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([run.as_str()], progress_row)
        .optional()?;
    let Some(mut progress) = found else {
        return Ok(None);
    };
    fill(connection, run, &mut progress)?;
    Ok(Some(progress))
}

/// Reads what stands in tables of its own.
pub(crate) fn fill(
    connection: &Connection,
    run: &RunId,
    progress: &mut RunProgress,
) -> rusqlite::Result<()> {
    progress.holds = holds::of_run(connection, run)?;
    progress.questions = questions::of_run(connection, run)?;
    Ok(())
}

/// Enters all of a run that has just been entered.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    run: &RunId,
    progress: &RunProgress,
) -> rusqlite::Result<()> {
    update_row(transaction, run, progress)?;
    holds::replace(transaction, run, &progress.holds)?;
    questions::replace(transaction, run, &progress.questions)
}

/// Enters what has changed. Most records change nothing.
pub(crate) fn update(
    transaction: &Transaction<'_>,
    run: &RunId,
    before: &RunProgress,
    progress: &RunProgress,
) -> rusqlite::Result<()> {
    if before == progress {
        return Ok(());
    }
    update_row(transaction, run, progress)?;
    if before.holds != progress.holds {
        holds::replace(transaction, run, &progress.holds)?;
    }
    if before.questions != progress.questions {
        questions::replace(transaction, run, &progress.questions)?;
    }
    Ok(())
}

/// A run that has ended lets go of what it pinned as well.
fn update_row(
    transaction: &Transaction<'_>,
    run: &RunId,
    progress: &RunProgress,
) -> rusqlite::Result<()> {
    let end = progress.end.as_ref();
    let recovery_point = progress.recovery_point.as_ref();
    transaction
        .prepare_cached(
            "UPDATE runs SET phase = ?2, recovery_point = ?3, frees_subjects = ?4, outcome = ?5,
             details = ?6, finished = ?7 WHERE run = ?1",
        )?
        .execute(params![
            run.as_str(),
            progress.phase.word(),
            recovery_point.map(RecoveryPointName::as_str),
            progress.frees_subjects,
            end.map(|end| end.outcome.word()),
            end.map(|end| &end.details),
            end.map(|end| end.finished.0)
        ])?;
    if end.is_some() {
        pins::forget(transaction, run)?;
    }
    Ok(())
}

/// What the run's row has of it; holds and questions are still to be filled in.
pub(crate) fn progress_row(row: &Row<'_>) -> rusqlite::Result<RunProgress> {
    Ok(RunProgress {
        phase: word(row, "phase", RunPhase::of_word)?,
        recovery_point: row
            .get::<_, Option<String>>("recovery_point")?
            .map(RecoveryPointName::new),
        holds: Vec::new(),
        questions: Vec::new(),
        frees_subjects: row.get("frees_subjects")?,
        end: run_end(row)?,
    })
}

fn run_end(row: &Row<'_>) -> rusqlite::Result<Option<RunEnd>> {
    let Some(outcome) = optional_word(row, "outcome", OutcomeCode::of_word)? else {
        return Ok(None);
    };
    Ok(Some(RunEnd {
        outcome,
        details: row.get("details")?,
        finished: UnixTime(row.get("finished")?),
    }))
}
