//! Runs and their records.

use drydock_core::{ClusterName, OutcomeCode, RunId, RunKind, RunSubject, ScheduleName, UnixTime};
use rusqlite::{Connection, Row, Transaction, params};

use crate::claims::refuse_blocked;
use crate::error::JournalError;
use crate::occurrences::mark_begun;
use crate::progress::{RunProgress, progress_row};
use crate::rows::{collect, unreadable, word};
use crate::{Change, Journal, pins, progress};

/// Largest record. The largest that the engine writes carries a manifest of at most
/// 1 MiB as JSON text, whose escapes may double it.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A run that is about to begin: what never changes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub kind: RunKind,
    /// What it works on, each once.
    pub subjects: Vec<RunSubject>,
    pub due: UnixTime,
    pub by_hand: bool,
    pub created: UnixTime,
    /// The open run that is in its way and is passed over.
    pub despite: Option<RunId>,
    /// The SHA-256 in hex of everything that it pinned.
    pub pins: Vec<String>,
}

/// A run as the journal's index of runs has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub kind: RunKind,
    /// In the order of their kinds and names.
    pub subjects: Vec<RunSubject>,
    pub due: UnixTime,
    pub by_hand: bool,
    pub created: UnixTime,
    /// The open run that was in its way when it began, and was passed over.
    pub despite: Option<RunId>,
    pub progress: RunProgress,
}

/// Which runs are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPage {
    /// Only runs of this schedule.
    pub schedule: Option<ScheduleName>,
    /// Only runs that were created before this one.
    pub before: Option<RunId>,
    pub count_max: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    Event,
    Effect,
}

/// A record to be written. `body` is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    pub kind: RecordKind,
    pub body: String,
    pub at: UnixTime,
}

/// A record as it was written. Sequences count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub sequence: u64,
    pub kind: RecordKind,
    pub body: String,
    pub at: UnixTime,
}

impl Journal {
    /// Enters a run together with its first records, in one synced transaction. The
    /// run's id is the lock: of two that begin the same run one is refused. So is a run
    /// that an open one is in the way of.
    ///
    /// # Errors
    /// [`JournalError::RunExists`], [`JournalError::RunBlocked`], a record too large, or the
    /// database fails.
    pub fn begin(
        &self,
        new: &NewRun,
        progress: &RunProgress,
        records: &[NewRecord],
    ) -> Result<Vec<u64>, JournalError> {
        check_sizes(&new.run, records)?;
        self.write("begin a run", |transaction| {
            if progress::find(transaction, &new.run)?.is_some() {
                return Err(JournalError::RunExists {
                    run: new.run.clone(),
                }
                .into());
            }
            refuse_blocked(transaction, new)?;
            insert_run(transaction, new, progress)?;
            mark_begun(transaction, &new.run)?;
            Ok(insert_records(transaction, &new.run, records)?)
        })
    }

    /// Adds records to an open run and enters how far it is now, which may be its end, in
    /// one synced transaction. Gives the records' sequences.
    ///
    /// # Errors
    /// The run is unknown or has ended, a record is too large, or the database fails.
    pub fn append(
        &self,
        run: &RunId,
        progress: &RunProgress,
        records: &[NewRecord],
    ) -> Result<Vec<u64>, JournalError> {
        check_sizes(run, records)?;
        self.write("add records", |transaction| {
            let before = require_open(transaction, run)?;
            progress::update(transaction, run, &before, progress)?;
            Ok(insert_records(transaction, run, records)?)
        })
    }

    /// The run of this id, if the journal has it.
    ///
    /// # Errors
    /// The database fails.
    pub fn run(&self, run: &RunId) -> Result<Option<RunRow>, JournalError> {
        self.read("look up a run", |connection| find(connection, run))
    }

    /// A page of runs, the newest first. Empty when the run that they are to be older than
    /// is unknown.
    ///
    /// # Errors
    /// The database fails.
    pub fn runs(&self, page: &RunPage) -> Result<Vec<RunRow>, JournalError> {
        self.read("list runs", |connection| {
            // Runs of one second are told apart by the order in which they were entered.
            let sql = format!(
                "{SELECT_RUN} WHERE (?1 IS NULL OR schedule = ?1)
                 AND (?2 IS NULL OR (created, rowid) <
                     (SELECT created, rowid FROM runs WHERE run = ?2))
                 ORDER BY created DESC, rowid DESC LIMIT ?3"
            );
            let schedule = page.schedule.as_ref().map(ScheduleName::as_str);
            let before = page.before.as_ref().map(RunId::as_str);
            gather(connection, &sql, params![schedule, before, page.count_max])
        })
    }

    /// The run of a schedule that ended last, or the last that ended so.
    ///
    /// # Errors
    /// The database fails.
    pub fn last_ended(
        &self,
        schedule: &ScheduleName,
        outcome: Option<OutcomeCode>,
    ) -> Result<Option<RunRow>, JournalError> {
        self.read("look for the last run", |connection| {
            let sql = format!(
                "{SELECT_RUN} WHERE schedule = ?1 AND finished IS NOT NULL
                 AND (?2 IS NULL OR outcome = ?2)
                 ORDER BY finished DESC, created DESC, rowid DESC LIMIT 1"
            );
            let outcome = outcome.map(OutcomeCode::word);
            first(connection, &sql, params![schedule.as_str(), outcome])
        })
    }

    /// The runs without an end, or those of one schedule, the oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn open_runs(&self, schedule: Option<&ScheduleName>) -> Result<Vec<RunRow>, JournalError> {
        self.read("list open runs", |connection| open(connection, schedule))
    }

    /// All records of a run in order; none when the run is unknown.
    ///
    /// # Errors
    /// The database fails.
    pub fn records(&self, run: &RunId) -> Result<Vec<Record>, JournalError> {
        self.read("read records", |connection| {
            let sql =
                "SELECT sequence, kind, body, at FROM records WHERE run = ?1 ORDER BY sequence";
            collect(connection, sql, params![run.as_str()], record_row)
        })
    }
}

const SELECT_RUN: &str = "SELECT run, schedule, cluster, kind, due, by_hand, created, despite,
    phase, recovery_point, frees_subjects, outcome, details, finished,
    (SELECT json_group_array(json_object('kind', kind, 'name', name, 'access', access))
        FROM run_subjects WHERE run_subjects.run = runs.run) AS subjects
    FROM runs";

fn check_sizes(run: &RunId, records: &[NewRecord]) -> Result<(), JournalError> {
    match records.iter().find(|r| r.body.len() > RECORD_BYTES_MAX) {
        Some(record) => Err(JournalError::RecordTooLarge {
            run: run.clone(),
            bytes: record.body.len(),
            bytes_max: RECORD_BYTES_MAX,
        }),
        None => Ok(()),
    }
}

fn require_open(transaction: &Transaction<'_>, run: &RunId) -> Result<RunProgress, Change> {
    match progress::find(transaction, run)? {
        None => Err(JournalError::RunUnknown { run: run.clone() }.into()),
        Some(progress) if progress.end.is_some() => {
            Err(JournalError::RunEnded { run: run.clone() }.into())
        }
        Some(progress) => Ok(progress),
    }
}

fn find(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<RunRow>> {
    let sql = format!("{SELECT_RUN} WHERE run = ?1");
    first(connection, &sql, params![run.as_str()])
}

/// The runs without an end, the oldest first.
pub(crate) fn open(
    connection: &Connection,
    schedule: Option<&ScheduleName>,
) -> rusqlite::Result<Vec<RunRow>> {
    let sql = format!(
        "{SELECT_RUN} WHERE finished IS NULL AND (?1 IS NULL OR schedule = ?1)
         ORDER BY created, rowid"
    );
    let schedule = schedule.map(ScheduleName::as_str);
    gather(connection, &sql, params![schedule])
}

/// Runs a query for runs, of which each is then made whole.
fn gather(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<RunRow>> {
    let mut rows = collect(connection, sql, values, run_row)?;
    for row in &mut rows {
        progress::fill(connection, &row.run, &mut row.progress)?;
    }
    Ok(rows)
}

fn first(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Option<RunRow>> {
    Ok(gather(connection, sql, values)?.into_iter().next())
}

fn insert_run(
    transaction: &Transaction<'_>,
    new: &NewRun,
    progress: &RunProgress,
) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO runs (run, schedule, cluster, kind, due, by_hand, created, despite, phase)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            new.run.as_str(),
            new.schedule.as_str(),
            new.cluster.as_str(),
            new.kind.word(),
            new.due.0,
            new.by_hand,
            new.created.0,
            new.despite.as_ref().map(RunId::as_str),
            progress.phase.word()
        ],
    )?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO run_subjects (run, kind, name, access) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for RunSubject { subject, access } in &new.subjects {
        let values = params![
            new.run.as_str(),
            subject.kind(),
            subject.name(),
            access.word()
        ];
        insert.execute(values)?;
    }
    pins::insert(transaction, &new.run, &new.pins)?;
    progress::insert(transaction, &new.run, progress)
}

fn insert_records(
    transaction: &Transaction<'_>,
    run: &RunId,
    records: &[NewRecord],
) -> rusqlite::Result<Vec<u64>> {
    let last: i64 = transaction
        .prepare_cached("SELECT COALESCE(MAX(sequence), 0) FROM records WHERE run = ?1")?
        .query_row([run.as_str()], |row| row.get(0))?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO records (run, sequence, kind, body, at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let sequences = last + 1..;
    sequences
        .zip(records)
        .map(|(sequence, record)| {
            insert.execute(params![
                run.as_str(),
                sequence,
                record.kind.word(),
                record.body,
                record.at.0
            ])?;
            Ok(sequence.unsigned_abs())
        })
        .collect()
}

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let subjects: String = row.get("subjects")?;
    Ok(RunRow {
        run: RunId::new(row.get::<_, String>("run")?),
        schedule: ScheduleName::new(row.get::<_, String>("schedule")?),
        cluster: ClusterName::new(row.get::<_, String>("cluster")?),
        kind: word(row, "kind", RunKind::of_word)?,
        subjects: serde_json::from_str(&subjects)
            .map_err(|error| unreadable(format!("the subjects of a run: {error}")))?,
        due: UnixTime(row.get("due")?),
        by_hand: row.get("by_hand")?,
        created: UnixTime(row.get("created")?),
        despite: row.get::<_, Option<String>>("despite")?.map(RunId::new),
        progress: progress_row(row)?,
    })
}

fn record_row(row: &Row<'_>) -> rusqlite::Result<Record> {
    let kind = match row.get::<_, String>("kind")?.as_str() {
        "event" => RecordKind::Event,
        _ => RecordKind::Effect,
    };
    Ok(Record {
        sequence: row.get::<_, i64>("sequence")?.unsigned_abs(),
        kind,
        body: row.get("body")?,
        at: UnixTime(row.get("at")?),
    })
}

impl RecordKind {
    fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Effect => "effect",
        }
    }
}
