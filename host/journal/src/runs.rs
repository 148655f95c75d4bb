//! Runs and their records.

use drydock_core::{ClusterName, RunId, ScheduleName, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::error::JournalError;
use crate::occurrences::mark_begun;
use crate::{Change, Journal};

/// Largest record. The largest that the engine writes carries a manifest of at most
/// 1 MiB as JSON text, whose escapes may double it.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A run that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub due: UnixTime,
    pub by_hand: bool,
    pub created: UnixTime,
}

/// A run as the journal's index of runs has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub due: UnixTime,
    pub by_hand: bool,
    pub created: UnixTime,
    /// None while the run is open.
    pub end: Option<RunEnd>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// Whether it counts as successful when history is pruned.
    pub good: bool,
    /// The outcome as JSON.
    pub outcome: String,
    pub finished: UnixTime,
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
    /// run's id is the lock: of two that begin the same run one is refused.
    ///
    /// # Errors
    /// [`JournalError::RunExists`], a record too large, or the database fails.
    pub fn begin(&self, new: &NewRun, records: &[NewRecord]) -> Result<Vec<u64>, JournalError> {
        check_sizes(&new.run, records)?;
        self.write("begin a run", |transaction| {
            if find(transaction, &new.run)?.is_some() {
                return Err(JournalError::RunExists {
                    run: new.run.clone(),
                }
                .into());
            }
            insert_run(transaction, new)?;
            mark_begun(transaction, &new.run)?;
            Ok(insert_records(transaction, &new.run, records)?)
        })
    }

    /// Adds records to an open run, in one synced transaction. Gives their sequences.
    ///
    /// # Errors
    /// The run is unknown or has ended, a record is too large, or the database fails.
    pub fn append(&self, run: &RunId, records: &[NewRecord]) -> Result<Vec<u64>, JournalError> {
        check_sizes(run, records)?;
        self.write("add records", |transaction| {
            require_open(transaction, run)?;
            Ok(insert_records(transaction, run, records)?)
        })
    }

    /// Adds the last records of a run and enters its end, in one synced transaction.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn finish(
        &self,
        run: &RunId,
        records: &[NewRecord],
        end: &RunEnd,
    ) -> Result<Vec<u64>, JournalError> {
        check_sizes(run, records)?;
        self.write("end a run", |transaction| {
            require_open(transaction, run)?;
            let sequences = insert_records(transaction, run, records)?;
            transaction.execute(
                "UPDATE runs SET state = 'terminal', good = ?2, outcome = ?3, finished = ?4
                 WHERE run = ?1",
                params![run.as_str(), end.good, end.outcome, end.finished.0],
            )?;
            Ok(sequences)
        })
    }

    /// The run of this id, if the journal has it.
    ///
    /// # Errors
    /// The database fails.
    pub fn run(&self, run: &RunId) -> Result<Option<RunRow>, JournalError> {
        self.read("look up a run", |connection| find(connection, run))
    }

    /// All runs, or those of one schedule, the newest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn runs(&self, schedule: Option<&ScheduleName>) -> Result<Vec<RunRow>, JournalError> {
        self.read("list runs", |connection| {
            let sql = format!(
                "{SELECT_RUN} WHERE ?1 IS NULL OR schedule = ?1 ORDER BY created DESC, rowid DESC"
            );
            collect(
                connection,
                &sql,
                params![schedule.map(ScheduleName::as_str)],
                run_row,
            )
        })
    }

    /// The runs without an end, or those of one schedule, the oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn open_runs(&self, schedule: Option<&ScheduleName>) -> Result<Vec<RunRow>, JournalError> {
        self.read("list open runs", |connection| {
            let sql = format!(
                "{SELECT_RUN} WHERE state = 'open' AND (?1 IS NULL OR schedule = ?1)
                 ORDER BY created, run"
            );
            collect(
                connection,
                &sql,
                params![schedule.map(ScheduleName::as_str)],
                run_row,
            )
        })
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

const SELECT_RUN: &str = "SELECT run, schedule, cluster, due, by_hand, created, state, good,
    outcome, finished FROM runs";

/// Runs a query and gathers its rows.
pub(crate) fn collect<T>(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    row: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection
        .prepare_cached(sql)?
        .query_map(values, row)?
        .collect()
}

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

fn require_open(transaction: &Transaction<'_>, run: &RunId) -> Result<(), Change> {
    match find(transaction, run)? {
        None => Err(JournalError::RunUnknown { run: run.clone() }.into()),
        Some(row) if row.end.is_some() => Err(JournalError::RunEnded { run: run.clone() }.into()),
        Some(_) => Ok(()),
    }
}

fn find(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<RunRow>> {
    connection
        .prepare_cached(&format!("{SELECT_RUN} WHERE run = ?1"))?
        .query_row([run.as_str()], run_row)
        .optional()
}

fn insert_run(transaction: &Transaction<'_>, new: &NewRun) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO runs (run, schedule, cluster, due, by_hand, state, created)
         VALUES (?1, ?2, ?3, ?4, ?5, 'open', ?6)",
        params![
            new.run.as_str(),
            new.schedule.as_str(),
            new.cluster.as_str(),
            new.due.0,
            new.by_hand,
            new.created.0
        ],
    )?;
    Ok(())
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
    let terminal = row.get::<_, String>("state")? == "terminal";
    let end = match terminal {
        true => Some(RunEnd {
            good: row.get("good")?,
            outcome: row.get("outcome")?,
            finished: UnixTime(row.get("finished")?),
        }),
        false => None,
    };
    Ok(RunRow {
        run: RunId::new(row.get::<_, String>("run")?),
        schedule: ScheduleName::new(row.get::<_, String>("schedule")?),
        cluster: ClusterName::new(row.get::<_, String>("cluster")?),
        due: UnixTime(row.get("due")?),
        by_hand: row.get("by_hand")?,
        created: UnixTime(row.get("created")?),
        end,
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
