//! What a run's row tells without its records.

use super::*;

#[test]
fn a_row_tells_what_a_run_is_and_how_far_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let run = RunId::new("d.1");
    let new = NewRun {
        kind: RunKind::Drill,
        subjects: vec![
            RunSubject::read(Subject::Cluster(ClusterName::new("c1"))),
            RunSubject::read(Subject::Node(Name::parse("cp-1").unwrap())),
            RunSubject::write(Subject::Target(TargetName::new("t1"))),
        ],
        ..new_run("d.1", "d", 5)
    };
    let row = || journal.run(&run).unwrap().unwrap();
    let mut progress = RunProgress {
        phase: RunPhase::Storing,
        ..under_way()
    };
    journal.begin(&new, &progress, &[]).unwrap();
    assert_eq!((row().kind, row().subjects), (new.kind, new.subjects));
    assert_eq!(row().progress, progress);
    progress.recovery_point = Some(RecoveryPointName::new("p1"));
    journal.append(&run, &progress, &[]).unwrap();
    assert_eq!(row().progress, progress);
    progress.phase = RunPhase::Finished;
    progress.end = Some(end(false, 9));
    journal.append(&run, &progress, &[]).unwrap();
    assert_eq!(row().progress, progress);
    // Subjects go with their run.
    let none = HistoryLimits {
        bad_max: Some(0),
        ..HistoryLimits::default()
    };
    assert_eq!(journal.prune(&new.schedule, &none).unwrap(), 1);
    let left = journal
        .connection()
        .query_row("SELECT COUNT(*) FROM run_subjects", [], |row| {
            row.get::<_, i64>(0)
        });
    assert_eq!(left.unwrap(), 0);
}

#[test]
fn a_row_changes_with_its_records_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let run = RunId::new("a.1");
    let new = new_run("a.1", "a", 5);
    journal.begin(&new, &under_way(), &[]).unwrap();
    // A trigger stands for a database that fails in the middle of a batch.
    journal
        .connection()
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON records
             BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();
    let record = record(RecordKind::Event, "1");
    assert!(journal.append(&run, &ended(true, 9), &[record]).is_err());
    let row = journal.run(&run).unwrap().unwrap();
    assert_eq!(row.progress, under_way());
}

#[test]
fn a_word_that_is_not_known_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let new = new_run("a.1", "a", 5);
    journal.begin(&new, &under_way(), &[]).unwrap();
    let sql = "UPDATE runs SET phase = 'waiting'";
    journal.connection().execute_batch(sql).unwrap();
    let error = journal.run(&RunId::new("a.1")).unwrap_err();
    assert_eq!(
        drydock_core::chain(&error),
        format!(
            "cannot look up a run: what the journal {} holds cannot be read (\"waiting\" is no phase that is known), so it is damaged or another Drydock wrote it: start that one, or move it and its -wal and -shm files away; the recovery points at the targets are not touched",
            journal.path().display()
        )
    );
    let sql = "UPDATE runs SET outcome = 'Failed', finished = 6, phase = 'finished'";
    journal.connection().execute_batch(sql).unwrap();
    let error = journal.run(&RunId::new("a.1")).unwrap_err();
    assert!(matches!(error, JournalError::Unreadable { .. }), "{error}");
}

#[test]
fn runs_come_in_pages_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    // Two of them in the same second.
    for (name, schedule, created) in [
        ("a.1", "a", 1),
        ("b.1", "b", 2),
        ("a.2", "a", 2),
        ("a.3", "a", 3),
    ] {
        let new = new_run(name, schedule, created);
        journal.begin(&new, &under_way(), &[]).unwrap();
    }
    let page = |schedule: Option<&str>, before: Option<&str>| {
        let page = RunPage {
            before: before.map(RunId::new),
            count_max: 2,
            ..all(schedule)
        };
        names(&journal.runs(&page).unwrap())
    };
    assert_eq!(page(None, None), ["a.3", "a.2"]);
    assert_eq!(page(None, Some("a.2")), ["b.1", "a.1"]);
    assert_eq!(page(None, Some("a.1")), [""; 0]);
    assert_eq!(page(Some("a"), Some("a.3")), ["a.2", "a.1"]);
    assert_eq!(page(None, Some("unknown")), [""; 0]);
}

#[test]
fn the_last_run_of_a_schedule_is_the_one_that_ended_last() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let ends = [
        ("a.1", "a", Some((true, 9))),
        ("a.2", "a", Some((false, 8))),
        ("a.3", "a", Some((true, 7))),
        ("a.4", "a", None),
        ("b.1", "b", Some((true, 10))),
    ];
    for (number, (name, schedule, end)) in (1..).zip(ends) {
        let new = new_run(name, schedule, number);
        journal.begin(&new, &under_way(), &[]).unwrap();
        if let Some((good, finished)) = end {
            let end = ended(good, finished);
            journal.append(&new.run, &end, &[]).unwrap();
        }
    }
    let last = |outcome| {
        let row = journal.last_ended(&ScheduleName::new("a"), outcome);
        row.unwrap().map(|row| row.run.to_string())
    };
    assert_eq!(last(None).as_deref(), Some("a.1"));
    assert_eq!(last(Some(OutcomeCode::Failed)).as_deref(), Some("a.2"));
    assert_eq!(last(Some(OutcomeCode::Succeeded)).as_deref(), Some("a.1"));
    assert_eq!(last(Some(OutcomeCode::Superseded)), None);
}

#[test]
fn runs_of_one_second_stand_in_the_order_in_which_they_were_entered() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let entered = ["a.2", "a.3", "a.1"];
    for name in entered {
        let new = new_run(name, "a", 5);
        journal.begin(&new, &under_way(), &[]).unwrap();
    }
    assert_eq!(names(&journal.open_runs(None).unwrap()), entered);
    assert_eq!(
        names(&journal.runs(&all(None)).unwrap()),
        ["a.1", "a.3", "a.2"]
    );
    for name in entered {
        let run = RunId::new(name);
        journal.append(&run, &ended(true, 9), &[]).unwrap();
    }
    let schedule = ScheduleName::new("a");
    let last = journal.last_ended(&schedule, None).unwrap().unwrap();
    assert_eq!(last.run, RunId::new("a.1"));
    let limits = HistoryLimits {
        good_max: Some(1),
        ..HistoryLimits::default()
    };
    assert_eq!(journal.prune(&schedule, &limits).unwrap(), 2);
    assert_eq!(names(&journal.runs(&all(None)).unwrap()), ["a.1"]);
}
