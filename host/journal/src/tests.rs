//! The journal against real files: what is kept, what is refused and in which words.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use drydock_core::{
    ClusterName, HoldKind, HoldPhase, Name, OutcomeCode, QuestionId, RecoveryPointName, RunId,
    RunKind, RunPhase, RunSubject, ScheduleName, StepName, Subject, TargetId, TargetName, UnixTime,
};
use rusqlite::Connection;

use super::*;

mod claims;
mod holds;
mod occurrences;
mod rows;

fn new_run(name: &str, schedule: &str, created: i64) -> NewRun {
    NewRun {
        run: RunId::new(name),
        schedule: ScheduleName::new(schedule),
        cluster: ClusterName::new("c1"),
        kind: RunKind::Backup,
        subjects: vec![RunSubject::read(Subject::Cluster(ClusterName::new("c1")))],
        due: UnixTime(created),
        by_hand: false,
        created: UnixTime(created),
        despite: None,
        pins: Vec::new(),
    }
}

fn under_way() -> RunProgress {
    RunProgress {
        phase: RunPhase::Running,
        recovery_point: None,
        holds: Vec::new(),
        questions: Vec::new(),
        frees_subjects: false,
        end: None,
    }
}

fn ended(good: bool, finished: i64) -> RunProgress {
    RunProgress {
        phase: RunPhase::Finished,
        end: Some(end(good, finished)),
        ..under_way()
    }
}

/// Runs of all schedules or of one, more than any test makes.
fn all(schedule: Option<&str>) -> RunPage {
    RunPage {
        schedule: schedule.map(ScheduleName::new),
        before: None,
        count_max: 100,
    }
}

fn names(rows: &[RunRow]) -> Vec<String> {
    rows.iter().map(|row| row.run.to_string()).collect()
}

fn point(target: &str, name: &str, revision: i64) -> PointEntry {
    PointEntry {
        target: TargetName::new(target),
        cluster: ClusterName::new("c1"),
        name: RecoveryPointName::new(name),
        revision,
    }
}

fn record(kind: RecordKind, body: &str) -> NewRecord {
    NewRecord {
        kind,
        body: body.to_owned(),
        at: UnixTime(7),
    }
}

fn end(good: bool, finished: i64) -> RunEnd {
    RunEnd {
        outcome: if good {
            OutcomeCode::Succeeded
        } else {
            OutcomeCode::Failed
        },
        details: "{}".to_owned(),
        finished: UnixTime(finished),
    }
}

fn owner() -> LockOwner {
    LockOwner {
        command: "drydock run nightly".to_owned(),
        since: UnixTime(0),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn records_come_back_in_order_after_a_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunId::new("a.1");
    let journal = Journal::open(folder.path()).unwrap();
    let first = journal
        .begin(
            &new_run("a.1", "a", 5),
            &under_way(),
            &[
                record(RecordKind::Event, "1"),
                record(RecordKind::Effect, "2"),
            ],
        )
        .unwrap();
    let second = journal
        .append(&run, &under_way(), &[record(RecordKind::Event, "3")])
        .unwrap();
    assert_eq!((first, second), (vec![1, 2], vec![3]));
    drop(journal);
    let journal = Journal::open(folder.path()).unwrap();
    let records = journal.records(&run).unwrap();
    let bodies: Vec<_> = records
        .iter()
        .map(|r| (r.sequence, r.body.as_str()))
        .collect();
    assert_eq!(bodies, [(1, "1"), (2, "2"), (3, "3")]);
    assert_eq!(records[1].kind, RecordKind::Effect);
    assert_eq!(records[1].at, UnixTime(7));
    assert_eq!(journal.open_runs(None).unwrap()[0].run, run);
}

#[test]
fn every_commit_is_synced_to_a_write_ahead_log() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let connection = journal.connection();
    let pragma = |name: &str| -> String {
        connection
            .pragma_query_value(None, name, |row| {
                row.get::<_, rusqlite::types::Value>(0)
                    .map(|v| format!("{v:?}"))
            })
            .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("foreign_keys"), "Integer(1)");
}

#[test]
fn files_are_private() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    let journal = Journal::open(&folder).unwrap();
    journal
        .begin(&new_run("a.1", "a", 5), &under_way(), &[])
        .unwrap();
    assert_eq!(mode(&folder), 0o700);
    for name in [JOURNAL_FILE, "journal.db-wal", "journal.db-shm", COPY_FILE] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_run_begins_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    journal
        .begin(&new_run("a.1", "a", 5), &under_way(), &[])
        .unwrap();
    let error = journal
        .begin(
            &new_run("a.1", "a", 5),
            &under_way(),
            &[record(RecordKind::Event, "x")],
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "run a.1 is already in the journal: its occurrence was started before"
    );
    assert!(journal.records(&RunId::new("a.1")).unwrap().is_empty());
}

#[test]
fn a_run_that_ended_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let run = RunId::new("a.1");
    journal
        .begin(&new_run("a.1", "a", 5), &under_way(), &[])
        .unwrap();
    journal
        .append(&run, &ended(true, 9), &[record(RecordKind::Event, "end")])
        .unwrap();
    let error = journal
        .append(&run, &under_way(), &[record(RecordKind::Event, "x")])
        .unwrap_err();
    assert!(matches!(error, JournalError::RunEnded { .. }));
    assert_eq!(journal.records(&run).unwrap().len(), 1);
    let row = journal.run(&run).unwrap().unwrap();
    assert_eq!(row.progress, ended(true, 9));
    assert!(journal.open_runs(None).unwrap().is_empty());
}

#[test]
fn a_batch_is_kept_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let run = RunId::new("a.1");
    journal
        .begin(&new_run("a.1", "a", 5), &under_way(), &[])
        .unwrap();
    // A trigger stands for a database that fails in the middle of a batch.
    journal
        .connection()
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON records WHEN NEW.sequence = 2
             BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();
    let batch = [
        record(RecordKind::Event, "1"),
        record(RecordKind::Effect, "2"),
    ];
    assert!(journal.append(&run, &under_way(), &batch).is_err());
    assert!(journal.records(&run).unwrap().is_empty());
}

#[test]
fn unknown_runs_and_large_records_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let unknown = journal
        .append(&RunId::new("b.1"), &under_way(), &[])
        .unwrap_err();
    assert!(matches!(unknown, JournalError::RunUnknown { .. }));
    journal
        .begin(&new_run("a.1", "a", 5), &under_way(), &[])
        .unwrap();
    let large = record(RecordKind::Event, &"x".repeat(RECORD_BYTES_MAX + 1));
    let error = journal
        .append(&RunId::new("a.1"), &under_way(), &[large])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a record of run a.1 has 4194305 bytes and at most 4194304 are kept"
    );
}

#[test]
fn runs_are_listed_by_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    for (name, schedule, created) in [("a.1", "a", 1), ("b.1", "b", 2), ("a.2", "a", 3)] {
        journal
            .begin(&new_run(name, schedule, created), &under_way(), &[])
            .unwrap();
    }
    let a = ScheduleName::new("a");
    let listed = |schedule| names(&journal.runs(&all(schedule)).unwrap());
    assert_eq!(listed(None), ["a.2", "b.1", "a.1"]);
    assert_eq!(listed(Some("a")), ["a.2", "a.1"]);
    assert_eq!(names(&journal.open_runs(Some(&a)).unwrap()), ["a.1", "a.2"]);
}

#[test]
fn pruning_keeps_the_newest_and_never_touches_open_runs() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    for number in 1..=6 {
        let name = format!("a.{number}");
        journal
            .begin(
                &new_run(&name, "a", number),
                &under_way(),
                &[record(RecordKind::Event, "x")],
            )
            .unwrap();
        if number != 1 {
            journal
                .append(&RunId::new(&name), &ended(number % 2 == 0, number), &[])
                .unwrap();
        }
    }
    journal
        .begin(&new_run("b.1", "b", 1), &under_way(), &[])
        .unwrap();
    journal
        .append(&RunId::new("b.1"), &ended(true, 1), &[])
        .unwrap();
    let limits = HistoryLimits {
        good_max: Some(1),
        bad_max: Some(1),
        ..HistoryLimits::default()
    };
    assert_eq!(journal.prune(&ScheduleName::new("a"), &limits).unwrap(), 3);
    let left = journal.runs(&all(None)).unwrap();
    assert_eq!(names(&left), ["a.6", "a.5", "b.1", "a.1"]);
    assert!(journal.records(&RunId::new("a.2")).unwrap().is_empty());
    let old = HistoryLimits {
        finished_since: Some(UnixTime(6)),
        ..HistoryLimits::default()
    };
    let kept = HistoryLimits {
        kept: vec![RunId::new("a.5"), RunId::new("a.6")],
        good_max: Some(0),
        ..old.clone()
    };
    assert_eq!(journal.prune(&ScheduleName::new("a"), &kept).unwrap(), 0);
    assert_eq!(journal.prune(&ScheduleName::new("a"), &old).unwrap(), 1);
}

#[test]
fn attempts_keep_the_end_of_a_long_log() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let run = RunId::new("a.1");
    journal
        .begin(&new_run("a.1", "a", 5), &under_way(), &[])
        .unwrap();
    let mut attempt = Attempt {
        step: StepName::new("snapshot"),
        attempt: 1,
        started: UnixTime(1),
        ended: None,
        result: None,
        grants: None,
        log: String::new(),
    };
    journal.put_attempt(&run, &attempt).unwrap();
    attempt.ended = Some(UnixTime(2));
    attempt.grants = Some("{}".to_owned());
    attempt.log = format!("{}panicked", "é".repeat(LOG_BYTES_MAX));
    journal.put_attempt(&run, &attempt).unwrap();
    let kept = journal.attempts(&run).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].ended, Some(UnixTime(2)));
    assert_eq!(kept[0].grants.as_deref(), Some("{}"));
    assert!(kept[0].log.len() <= LOG_BYTES_MAX && kept[0].log.ends_with("épanicked"));
}

#[test]
fn a_target_is_known_by_its_id_until_another_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let local = TargetName::new("local");
    assert!(matches!(
        Journal::open_beside(folder.path()),
        Err(OpenError::Missing { .. })
    ));
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(journal.target_id(&local).unwrap(), None);
    let cluster = ClusterName::new("c1");
    let (first, second) = (TargetId::new("a".repeat(32)), TargetId::new("b".repeat(32)));
    let set = |journal: &Journal, id| journal.set_target_id(&local, id, UnixTime(1)).unwrap();
    assert_eq!(set(&journal, &first), None);
    journal.put_point(&point("local", "p1", 5)).unwrap();
    journal.put_point(&point("other", "p1", 3)).unwrap();
    assert_eq!(set(&journal, &first).as_ref(), Some(&first));
    assert_eq!(journal.known_revision(&cluster).unwrap(), Some(5));
    // Beside the process that holds the folder, which sees it at its next look.
    let beside = Journal::open_beside(folder.path()).unwrap();
    assert_eq!(set(&beside, &second).as_ref(), Some(&first));
    assert_eq!(journal.target_id(&local).unwrap(), Some(second));
    assert_eq!(journal.known_revision(&cluster).unwrap(), Some(3));
}

#[test]
fn a_newer_journal_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(JOURNAL_FILE);
    drop(Journal::open(folder.path()).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 9)
        .unwrap();
    let before = fs::read(&path).unwrap();
    let error = Journal::open(folder.path()).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "the journal {} has schema version 9, and this Drydock reads versions up to 1: start the newer Drydock that wrote it, or name another state folder",
            path.display()
        )
    );
    assert!(before == fs::read(&path).unwrap());
    assert!(matches!(
        Journal::open_reader(folder.path()),
        Err(OpenError::Newer { .. })
    ));
}

#[test]
fn a_damaged_journal_is_refused_and_its_copy_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(JOURNAL_FILE);
    let journal = Journal::open(folder.path()).unwrap();
    let bodies = vec![record(RecordKind::Event, &"x".repeat(900)); 400];
    journal
        .begin(&new_run("a.1", "a", 5), &under_way(), &bodies)
        .unwrap();
    drop(journal);
    drop(Journal::open(folder.path()).unwrap());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let error = Journal::open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("is damaged"), "{error}");
    assert!(
        error.contains("journal.copy.db; move the damaged file"),
        "{error}"
    );
    // What the sentence says to do works.
    fs::rename(folder.path().join(COPY_FILE), &path).unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(journal.records(&RunId::new("a.1")).unwrap().len(), 400);
}

#[test]
fn a_file_that_is_no_database_or_was_emptied_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(JOURNAL_FILE);
    fs::write(&path, "not a database, but long enough to have a header of one hundred bytes, which is what SQLite reads first of all").unwrap();
    let error = Journal::open(folder.path()).err().unwrap().to_string();
    assert!(
        error.contains("is damaged") && error.contains("there is no copy"),
        "{error}"
    );
    fs::remove_file(&path).unwrap();
    drop(Journal::open(folder.path()).unwrap());
    fs::write(&path, "").unwrap();
    for opened in [
        Journal::open_reader(folder.path()),
        Journal::open(folder.path()),
    ] {
        let error = opened.err().unwrap().to_string();
        assert!(
            error.contains("it is empty") && error.contains("a copy from"),
            "{error}"
        );
    }
}

#[test]
fn another_programs_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(JOURNAL_FILE);
    // The second is what a Drydock that was never released called its own.
    for marks in [
        "CREATE TABLE t (x)",
        "PRAGMA application_id = 0x44727944; PRAGMA user_version = 4",
    ] {
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(marks).unwrap();
        for opened in [
            Journal::open(folder.path()),
            Journal::open_reader(folder.path()),
        ] {
            assert_eq!(
                opened.err().unwrap().to_string(),
                format!(
                    "{} was not made by this Drydock: move it away, or name another state folder in the node's configuration",
                    path.display()
                )
            );
        }
    }
}

#[test]
fn a_reader_works_beside_the_owner_and_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Journal::open_reader(folder.path()),
        Err(OpenError::Missing { .. })
    ));
    // The owner has made the file, and no journal of it yet.
    fs::write(folder.path().join(JOURNAL_FILE), "").unwrap();
    assert!(matches!(
        Journal::open_reader(folder.path()),
        Err(OpenError::Missing { .. })
    ));
    let journal = Journal::open(folder.path()).unwrap();
    let reader = Journal::open_reader(folder.path()).unwrap();
    journal
        .begin(&new_run("a.1", "a", 5), &under_way(), &[])
        .unwrap();
    assert_eq!(reader.runs(&all(None)).unwrap().len(), 1);
    assert!(
        reader
            .append(
                &RunId::new("a.1"),
                &under_way(),
                &[record(RecordKind::Event, "x")]
            )
            .is_err()
    );
}

#[test]
fn the_lock_names_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let lock = StateLock::acquire(folder.path(), &owner()).unwrap();
    assert_eq!(mode(lock.path()), 0o600);
    let error = StateLock::acquire(folder.path(), &owner())
        .unwrap_err()
        .to_string();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let sentence = format!(
        "the state folder {} is in use by process {} on {}, `drydock run nightly` since 1970-01-01T00:00:00Z: wait until it is done or stop it, then try again",
        folder.path().display(),
        std::process::id(),
        host.trim()
    );
    assert_eq!(error, sentence);
    drop(lock);
    let again = StateLock::acquire(folder.path(), &owner()).unwrap();
    assert!(again.path().exists());
}

#[test]
fn a_lock_that_outlived_its_owner_is_free() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lock"), "process 1 on elsewhere, a much longer line than the next owner writes, `x` since 1970-01-01T00:00:00Z\n").unwrap();
    let lock = StateLock::acquire(folder.path(), &owner()).unwrap();
    assert!(
        !fs::read_to_string(lock.path())
            .unwrap()
            .contains("elsewhere")
    );
}

#[test]
fn what_restores_bumped_to_is_entered_beside_the_owner() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = ClusterName::new("c1");
    let missing = Journal::open_beside(folder.path()).err().unwrap();
    assert!(matches!(missing, OpenError::Missing { .. }));
    let _lock = StateLock::acquire(folder.path(), &owner()).unwrap();
    let owned = Journal::open(folder.path()).unwrap();
    assert_eq!(owned.known_revision(&cluster).unwrap(), None);
    // What is entered anew replaces what was there.
    owned.put_point(&point("t", "p", 99)).unwrap();
    owned.put_point(&point("t", "p", 41)).unwrap();
    assert_eq!(owned.known_revision(&cluster).unwrap(), Some(41));
    let beside = Journal::open_beside(folder.path()).unwrap();
    for bumped_to in [1_000_000_041, 500] {
        let restore = RestoreEntry {
            cluster: cluster.clone(),
            bumped_to,
            source: "p".to_owned(),
            at: UnixTime(2),
        };
        beside.note_restore(&restore).unwrap();
    }
    let known = owned.known_revision(&cluster).unwrap();
    assert_eq!(known, Some(1_000_000_041));
    let other = ClusterName::new("c2");
    assert_eq!(owned.known_revision(&other).unwrap(), None);
}
