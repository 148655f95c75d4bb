//! What the journal tells a daemon that starts: the last success of every schedule and its
//! last degraded run, so that a restart does not blind an alert, and how its last run ended.

use drydock_core::{RunId, ScheduleName, UnixTime};
use drydock_engine::{RunView, model::Outcome, replay::replay};
use drydock_journal::{Journal, JournalError, Occurrence, RunRow};
use drydock_runs::cause;

/// The journal's word for an occurrence whose run could not be started.
const FAILED: &str = "Failed";

/// What is told of a schedule's last run as long as the journal cannot be asked.
pub const UNTOLD: &str = "how the last run ended is not known yet: the journal could not be read";

/// The schedule's newest run that succeeded and its newest degraded one, as they were then,
/// the older of the two first. A run whose records cannot be read is passed over: another
/// version of Drydock wrote it.
pub fn last_good(journal: &Journal, schedule: &ScheduleName) -> Vec<RunView> {
    let rows = journal
        .runs(Some(schedule))
        .inspect_err(|error| tracing::warn!(%schedule, %error, "earlier runs cannot be read"))
        .unwrap_or_default();
    let newest = newest_good(&rows);
    newest.iter().filter_map(|row| view(journal, row)).collect()
}

fn view(journal: &Journal, row: &RunRow) -> Option<RunView> {
    let unread = |error: &dyn std::error::Error| tracing::warn!(run = %row.run, %error, "an earlier run cannot be read");
    let records = journal.records(&row.run);
    let records = records.inspect_err(|error| unread(error)).ok()?;
    let state = replay(&row.run, &records);
    let state = state.inspect_err(|error| unread(error)).ok()?;
    Some(RunView::of(&state))
}

/// What is to be looked at of the run that ended last, or of an occurrence after it whose
/// run could not be started.
///
/// # Errors
/// The journal fails.
pub fn last_end(
    journal: &Journal,
    occurrences: &[Occurrence],
    schedule: &ScheduleName,
) -> Result<Option<String>, JournalError> {
    let rows = journal.runs(Some(schedule))?;
    let ended = rows.iter().filter(|row| row.end.is_some());
    let last = ended.max_by_key(|row| row.end.as_ref().map(|end| end.finished));
    let mut failed = occurrences
        .iter()
        .filter(|one| one.schedule == *schedule && one.end == FAILED);
    let failed = failed.find(|one| last.is_none_or(|row| row.due < one.due));
    if let Some(failed) = failed {
        let why = failed.reason.as_deref().unwrap_or_default();
        return Ok(Some(not_started(failed.due, why)));
    }
    Ok(last.and_then(told_of_row))
}

fn told_of_row(row: &RunRow) -> Option<String> {
    let end = row.end.as_ref()?;
    match serde_json::from_str(&end.outcome) {
        Ok(outcome) => told(&row.run, &outcome),
        Err(error) => Some(format!("how run {} ended cannot be read: {error}", row.run)),
    }
}

/// What is to be looked at of a run that has ended.
pub fn told(run: &RunId, outcome: &Outcome) -> Option<String> {
    let cause = cause::of(outcome)?;
    Some(format!(
        "the last run, {run}, ended {}: {}",
        outcome.word(),
        cause.replace('\n', " ")
    ))
}

/// The same of an occurrence whose run could not be started.
pub fn not_started(due: UnixTime, why: &str) -> String {
    let why = why.replace('\n', " ");
    format!("the last run, due {due}, could not be started: {why}")
}

/// Of the runs that succeeded and of those that were degraded the one that ended last, the
/// older of the two first.
pub fn newest_good(rows: &[RunRow]) -> Vec<&RunRow> {
    let ended = |wanted: fn(&Outcome) -> bool| {
        let rows = rows.iter();
        rows.filter(|row| outcome(row).is_some_and(|outcome| wanted(&outcome)))
            .max_by_key(|row| finished(row))
    };
    let succeeded = ended(|outcome| matches!(outcome, Outcome::Succeeded));
    let degraded = ended(|outcome| matches!(outcome, Outcome::Degraded { .. }));
    let mut newest: Vec<_> = succeeded.into_iter().chain(degraded).collect();
    newest.sort_by_key(|row| finished(row));
    newest
}

fn outcome(row: &RunRow) -> Option<Outcome> {
    let end = row.end.as_ref().filter(|end| end.good)?;
    serde_json::from_str(&end.outcome)
        .inspect_err(
            |error| tracing::warn!(run = %row.run, %error, "an earlier outcome cannot be read"),
        )
        .ok()
}

fn finished(row: &RunRow) -> Option<UnixTime> {
    row.end.as_ref().map(|end| end.finished)
}
