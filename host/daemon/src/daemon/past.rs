//! What the journal tells a daemon that starts: the last success of every schedule, so
//! that a restart does not blind an alert.

use drydock_core::ScheduleName;
use drydock_engine::RunView;
use drydock_engine::replay::replay;
use drydock_journal::{Journal, RunRow};

/// The newest run of the schedule that ended well, as it was then. A run whose records
/// cannot be read is passed over: another version of Drydock wrote it.
pub fn last_good(journal: &Journal, schedule: &ScheduleName) -> Option<RunView> {
    let rows = journal
        .runs(Some(schedule))
        .inspect_err(|error| tracing::warn!(%schedule, %error, "earlier runs cannot be read"))
        .ok()?;
    let row = newest_good(&rows)?;
    let records = journal.records(&row.run).ok()?;
    let state = replay(&row.run, &records)
        .inspect_err(
            |error| tracing::warn!(run = %row.run, %error, "an earlier run cannot be read"),
        )
        .ok()?;
    Some(RunView::of(&state))
}

/// The run that ended last among those that ended well.
pub fn newest_good(rows: &[RunRow]) -> Option<&RunRow> {
    rows.iter()
        .filter(|row| row.end.as_ref().is_some_and(|end| end.good))
        .max_by_key(|row| row.end.as_ref().map(|end| end.finished))
}
