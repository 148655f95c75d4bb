//! Occurrences: what was decided about every due instant of every schedule, and since
//! when a schedule is planned at all. Both outlive a restart, so that nothing is decided
//! twice and nothing is lost between a decision and its run.

use drydock_core::{FailReason, OccurrenceEnd, RunId, ScheduleName, UnixTime};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde_json::Value;

use crate::Journal;
use crate::error::JournalError;
use crate::rows::{collect, unreadable};

/// The key of an end's word in its JSON; it has a column of its own.
const END: &str = "end";

/// A schedule that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSchedule {
    pub schedule: ScheduleName,
    /// Everything that says when it is due, as one text. Another text is another
    /// timetable: what the new one would have had due before is not made up for.
    pub timetable: String,
}

/// How far a schedule was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub schedule: ScheduleName,
    /// The last occurrence that ended, or the instant since which it is planned.
    pub through: UnixTime,
    /// The schedule, or its timetable, was not known before.
    pub is_new: bool,
}

/// An occurrence that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    pub schedule: ScheduleName,
    pub due: UnixTime,
    pub end: OccurrenceEnd,
    /// The id of its run, whether it was started or not.
    pub run: RunId,
    pub decided_at: UnixTime,
}

impl Journal {
    /// Makes these the schedules that are planned, in one synced transaction: notes `now`
    /// for those that are new, forgets those that are not among them. Says how far each
    /// was decided, in the order in which they were given.
    ///
    /// # Errors
    /// The database fails.
    pub fn plan_schedules(
        &self,
        known: &[KnownSchedule],
        now: UnixTime,
    ) -> Result<Vec<Decided>, JournalError> {
        self.write("note the schedules", |transaction| {
            let before = collect(transaction, "SELECT schedule FROM schedules", &[], |row| {
                row.get::<_, String>(0)
            })?;
            for name in before {
                if !known.iter().any(|k| k.schedule.as_str() == name) {
                    transaction.execute("DELETE FROM schedules WHERE schedule = ?1", [&name])?;
                }
            }
            let decided = known.iter().map(|k| note(transaction, k, now));
            Ok(decided.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Enters decisions, all or none, in one synced transaction.
    ///
    /// # Errors
    /// The database fails; one of them was decided before.
    pub fn decide(&self, occurrences: &[Occurrence]) -> Result<(), JournalError> {
        self.write("enter what was decided", |transaction| {
            for occurrence in occurrences {
                insert(transaction, occurrence)?;
            }
            Ok(())
        })
    }

    /// Ends a started occurrence as `Failed`: its run could not be started.
    ///
    /// # Errors
    /// The database fails.
    pub fn fail_occurrence(
        &self,
        schedule: &ScheduleName,
        due: UnixTime,
        reason: &FailReason,
    ) -> Result<(), JournalError> {
        let end = OccurrenceEnd::Failed(reason.clone());
        self.write("end an occurrence", |transaction| {
            transaction.execute(
                "UPDATE occurrences SET ending = ?3, details = ?4 WHERE schedule = ?1 AND due = ?2",
                params![schedule.as_str(), due.0, end.word(), details(&end)],
            )?;
            Ok(())
        })
    }

    /// Occurrences that were decided to start and whose run has not begun: the process
    /// died, or was drained, in between. The oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn pending_occurrences(&self) -> Result<Vec<Occurrence>, JournalError> {
        self.read("look for occurrences without a run", |connection| {
            let sql = format!("{SELECT} WHERE ending = ?1 AND begun = 0 ORDER BY due, schedule");
            collect(connection, &sql, &[&OccurrenceEnd::STARTED], occurrence_row)
        })
    }

    /// The latest occurrence of each schedule.
    ///
    /// # Errors
    /// The database fails.
    pub fn last_occurrences(&self) -> Result<Vec<Occurrence>, JournalError> {
        self.read("read the last occurrences", |connection| {
            let sql = format!(
                "{SELECT} WHERE due = (SELECT MAX(due) FROM occurrences AS other
                 WHERE other.schedule = occurrences.schedule) ORDER BY schedule"
            );
            collect(connection, &sql, &[], occurrence_row)
        })
    }

    /// The occurrences of one schedule, the newest first, at most `count_max`.
    ///
    /// # Errors
    /// The database fails.
    pub fn occurrences(
        &self,
        schedule: &ScheduleName,
        count_max: u32,
    ) -> Result<Vec<Occurrence>, JournalError> {
        self.read("read occurrences", |connection| {
            let sql = format!("{SELECT} WHERE schedule = ?1 ORDER BY due DESC LIMIT ?2");
            collect(
                connection,
                &sql,
                params![schedule.as_str(), count_max],
                occurrence_row,
            )
        })
    }

    /// Removes occurrences that were due before an instant and says how many went. The
    /// last of each schedule stays, since it says how far the schedule was decided, and
    /// so do those that wait for their run.
    ///
    /// # Errors
    /// The database fails.
    pub fn prune_occurrences(&self, before: UnixTime) -> Result<usize, JournalError> {
        self.write("prune occurrences", |transaction| {
            Ok(transaction.execute(
                "DELETE FROM occurrences WHERE due < ?1 AND NOT (ending = ?2 AND begun = 0)
                 AND due < (SELECT MAX(due) FROM occurrences AS other
                 WHERE other.schedule = occurrences.schedule)",
                params![before.0, OccurrenceEnd::STARTED],
            )?)
        })
    }
}

/// Marks the occurrence of a run that begins, if it has one.
pub(crate) fn mark_begun(transaction: &Transaction<'_>, run: &RunId) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE occurrences SET begun = 1 WHERE run = ?1",
        [run.as_str()],
    )?;
    Ok(())
}

const SELECT: &str = "SELECT schedule, due, ending, details, run, decided_at FROM occurrences";

fn insert(transaction: &Transaction<'_>, occurrence: &Occurrence) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "INSERT INTO occurrences (schedule, due, ending, details, run, begun, decided_at)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
        )?
        .execute(params![
            occurrence.schedule.as_str(),
            occurrence.due.0,
            occurrence.end.word(),
            details(&occurrence.end),
            occurrence.run.as_str(),
            occurrence.decided_at.0
        ])
}

/// Notes one schedule and says how far it was decided.
fn note(
    transaction: &Transaction<'_>,
    known: &KnownSchedule,
    now: UnixTime,
) -> rusqlite::Result<Decided> {
    let name = known.schedule.as_str();
    let before = transaction
        .prepare_cached("SELECT since FROM schedules WHERE schedule = ?1 AND timetable = ?2")?
        .query_row(params![name, known.timetable], |row| row.get::<_, i64>(0))
        .optional()?;
    let since = before.unwrap_or(now.0);
    if before.is_none() {
        transaction.execute(
            "INSERT OR REPLACE INTO schedules (schedule, timetable, since) VALUES (?1, ?2, ?3)",
            params![name, known.timetable, since],
        )?;
    }
    let last: Option<i64> = transaction
        .prepare_cached("SELECT MAX(due) FROM occurrences WHERE schedule = ?1")?
        .query_row([name], |row| row.get(0))?;
    Ok(Decided {
        schedule: known.schedule.clone(),
        through: UnixTime(last.map_or(since, |last| last.max(since))),
        is_new: before.is_none(),
    })
}

fn occurrence_row(row: &Row<'_>) -> rusqlite::Result<Occurrence> {
    Ok(Occurrence {
        schedule: ScheduleName::new(row.get::<_, String>("schedule")?),
        due: UnixTime(row.get("due")?),
        end: end(row)?,
        run: RunId::new(row.get::<_, String>("run")?),
        decided_at: UnixTime(row.get("decided_at")?),
    })
}

/// An end without its word, as JSON.
fn details(end: &OccurrenceEnd) -> String {
    let mut value = serde_json::to_value(end).expect("an end is plain data");
    if let Value::Object(fields) = &mut value {
        fields.remove(END);
    }
    value.to_string()
}

fn end(row: &Row<'_>) -> rusqlite::Result<OccurrenceEnd> {
    let details: String = row.get("details")?;
    let unreadable =
        |error: serde_json::Error| unreadable(format!("the end of an occurrence: {error}"));
    let mut value: Value = serde_json::from_str(&details).map_err(unreadable)?;
    value[END] = row.get::<_, String>("ending")?.into();
    serde_json::from_value(value).map_err(unreadable)
}
