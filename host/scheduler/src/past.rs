//! What the journal tells a daemon that starts: the last success of every schedule and its
//! last degraded run, so that a restart does not blind an alert, and how its last run ended.

use drydock_core::{FailReason, OccurrenceEnd, OutcomeCode, RunId, ScheduleName, UnixTime};
use drydock_engine::{RunView, model::Outcome, replay::replay};
use drydock_journal::{Journal, JournalError, Occurrence, RunRow};
use drydock_runs::cause;

/// What is told of a schedule's last run as long as the journal cannot be asked.
pub const UNTOLD: &str = "how the last run ended is not known yet: the journal could not be read";

/// The schedule's newest run that succeeded and its newest degraded one, as they were then,
/// the older of the two first. A run whose records cannot be read is passed over.
pub fn last_good(journal: &Journal, schedule: &ScheduleName) -> Vec<RunView> {
    let newest = newest_good(journal, schedule)
        .inspect_err(|error| tracing::warn!(%schedule, %error, "earlier runs cannot be read"))
        .unwrap_or_default();
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
    let last = journal.last_ended(schedule, None)?;
    let mut failed = occurrences.iter().filter_map(|one| match &one.end {
        OccurrenceEnd::Failed(why) if one.schedule == *schedule => Some((one.due, why)),
        _ => None,
    });
    let failed = failed.find(|(due, _)| last.as_ref().is_none_or(|row| row.due < *due));
    if let Some((due, why)) = failed {
        return Ok(Some(not_started(due, why)));
    }
    Ok(last.as_ref().and_then(told_of_row))
}

fn told_of_row(row: &RunRow) -> Option<String> {
    let end = row.progress.end.as_ref()?;
    match serde_json::from_str(&end.details) {
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
pub fn not_started(due: UnixTime, why: &FailReason) -> String {
    let why = why.to_string().replace('\n', " ");
    format!("the last run, due {due}, could not be started: {why}")
}

/// Of the runs that succeeded and of those that were degraded the one that ended last, the
/// older of the two first.
///
/// # Errors
/// The journal fails.
pub fn newest_good(
    journal: &Journal,
    schedule: &ScheduleName,
) -> Result<Vec<RunRow>, JournalError> {
    let succeeded = journal.last_ended(schedule, Some(OutcomeCode::Succeeded))?;
    let degraded = journal.last_ended(schedule, Some(OutcomeCode::Degraded))?;
    let mut newest: Vec<_> = succeeded.into_iter().chain(degraded).collect();
    newest.sort_by_key(|row| row.progress.end.as_ref().map(|end| end.finished));
    Ok(newest)
}
