//! Runs and their records.

use drydock_core::{
    ClusterName, OutcomeCode, RecoveryPointName, RunId, RunKind, RunPhase, RunSubject,
    ScheduleName, UnixTime,
};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::error::JournalError;
use crate::occurrences::mark_begun;
use crate::rows::{collect, optional_word, unreadable, word};
use crate::{Change, Journal};

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
}

/// How far a run is, as its records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunProgress {
    pub phase: RunPhase,
    /// Once it is committed somewhere, or was drilled.
    pub recovery_point: Option<RecoveryPointName>,
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
    /// run's id is the lock: of two that begin the same run one is refused.
    ///
    /// # Errors
    /// [`JournalError::RunExists`], a record too large, or the database fails.
    pub fn begin(
        &self,
        new: &NewRun,
        progress: &RunProgress,
        records: &[NewRecord],
    ) -> Result<Vec<u64>, JournalError> {
        check_sizes(&new.run, records)?;
        self.write("begin a run", |transaction| {
            if find(transaction, &new.run)?.is_some() {
                return Err(JournalError::RunExists {
                    run: new.run.clone(),
                }
                .into());
            }
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
            if require_open(transaction, run)?.progress != *progress {
                update_run(transaction, run, progress)?;
            }
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
            collect(
                connection,
                &sql,
                params![schedule, before, page.count_max],
                run_row,
            )
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
            connection
                .prepare_cached(&sql)?
                .query_row(params![schedule.as_str(), outcome], run_row)
                .optional()
        })
    }

    /// The runs without an end, or those of one schedule, the oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn open_runs(&self, schedule: Option<&ScheduleName>) -> Result<Vec<RunRow>, JournalError> {
        self.read("list open runs", |connection| {
            let sql = format!(
                "{SELECT_RUN} WHERE finished IS NULL AND (?1 IS NULL OR schedule = ?1)
                 ORDER BY created, rowid"
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

const SELECT_RUN: &str = "SELECT run, schedule, cluster, kind, due, by_hand, created, phase,
    recovery_point, outcome, details, finished,
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

fn require_open(transaction: &Transaction<'_>, run: &RunId) -> Result<RunRow, Change> {
    match find(transaction, run)? {
        None => Err(JournalError::RunUnknown { run: run.clone() }.into()),
        Some(row) if row.progress.end.is_some() => {
            Err(JournalError::RunEnded { run: run.clone() }.into())
        }
        Some(row) => Ok(row),
    }
}

fn find(connection: &Connection, run: &RunId) -> rusqlite::Result<Option<RunRow>> {
    connection
        .prepare_cached(&format!("{SELECT_RUN} WHERE run = ?1"))?
        .query_row([run.as_str()], run_row)
        .optional()
}

fn insert_run(
    transaction: &Transaction<'_>,
    new: &NewRun,
    progress: &RunProgress,
) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO runs (run, schedule, cluster, kind, due, by_hand, created, phase)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            new.run.as_str(),
            new.schedule.as_str(),
            new.cluster.as_str(),
            new.kind.word(),
            new.due.0,
            new.by_hand,
            new.created.0,
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
    update_run(transaction, &new.run, progress)
}

fn update_run(
    transaction: &Transaction<'_>,
    run: &RunId,
    progress: &RunProgress,
) -> rusqlite::Result<()> {
    let end = progress.end.as_ref();
    let recovery_point = progress.recovery_point.as_ref();
    transaction
        .prepare_cached(
            "UPDATE runs SET phase = ?2, recovery_point = ?3, outcome = ?4, details = ?5,
             finished = ?6 WHERE run = ?1",
        )?
        .execute(params![
            run.as_str(),
            progress.phase.word(),
            recovery_point.map(RecoveryPointName::as_str),
            end.map(|end| end.outcome.word()),
            end.map(|end| &end.details),
            end.map(|end| end.finished.0)
        ])?;
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
        progress: RunProgress {
            phase: word(row, "phase", RunPhase::of_word)?,
            recovery_point: row
                .get::<_, Option<String>>("recovery_point")?
                .map(RecoveryPointName::new),
            end: run_end(row)?,
        },
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
