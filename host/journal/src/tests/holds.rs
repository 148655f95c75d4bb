//! What a run holds, asks and pinned: rows beside its own.

use std::collections::BTreeSet;

use super::*;

fn hold(step: &str, phase: HoldPhase) -> HoldRow {
    HoldRow {
        step: StepName::new(step),
        kind: HoldKind::Session,
        phase,
        since: UnixTime(6),
        deadline: UnixTime(66),
        evidence: (phase != HoldPhase::Requested).then(|| "locked".to_owned()),
    }
}

fn question(number: u32, asked: i64) -> QuestionRow {
    let choice = |word: &str, means: &str| QuestionChoice {
        word: word.to_owned(),
        means: means.to_owned(),
    };
    QuestionRow {
        question: QuestionId(number),
        about: StepName::new("thaw"),
        text: "thaw failed ten times; is it \"mended\"?".to_owned(),
        choices: vec![
            choice("retry", "it is tried again"),
            choice("mended-by-hand", "it counts as undone"),
        ],
        asked: UnixTime(asked),
    }
}

/// Counts every row that is written from now on to the tables beside the runs.
fn count_writes(journal: &Journal) {
    let trigger = |table: &str, change: &str| {
        format!(
            "CREATE TEMP TRIGGER {table}_{change} AFTER {change} ON {table}
             BEGIN INSERT INTO writes VALUES (1); END;"
        )
    };
    let mut sql = "CREATE TEMP TABLE writes (x);".to_owned();
    for table in ["runs", "holds", "questions"] {
        for change in ["INSERT", "UPDATE", "DELETE"] {
            sql += &trigger(table, change);
        }
    }
    journal.connection().execute_batch(&sql).unwrap();
}

fn writes(journal: &Journal) -> i64 {
    let sql = "SELECT COUNT(*) FROM writes";
    let connection = journal.connection();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn hexes(pins: &[&str]) -> Vec<String> {
    pins.iter().map(|pin| pin.repeat(64)).collect()
}

#[test]
fn holds_and_questions_are_what_the_last_append_said() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let asked = RunProgress {
        phase: RunPhase::Stuck,
        // Not in the order of their names.
        holds: vec![
            hold("freeze", HoldPhase::Held),
            hold("drain", HoldPhase::Requested),
        ],
        questions: vec![question(2, 9), question(5, 7)],
        ..under_way()
    };
    for name in ["b.1", "a.1"] {
        let new = new_run(name, "a", 5);
        journal.begin(&new, &asked, &[]).unwrap();
    }
    let (a, b) = (RunId::new("a.1"), RunId::new("b.1"));
    assert_eq!(journal.run(&a).unwrap().unwrap().progress, asked);
    assert!(
        journal
            .runs(&all(None))
            .unwrap()
            .iter()
            .all(|row| row.progress == asked)
    );
    let later = RunProgress {
        holds: vec![hold("freeze", HoldPhase::LettingGo)],
        questions: vec![question(5, 7)],
        ..asked.clone()
    };
    journal.append(&a, &later, &[]).unwrap();
    let found = journal.open_runs(None).unwrap();
    assert_eq!(
        found
            .into_iter()
            .map(|row| row.progress)
            .collect::<Vec<_>>(),
        [asked.clone(), later]
    );
    let holds = journal.open_holds().unwrap();
    assert_eq!(
        holds,
        [
            (a.clone(), hold("freeze", HoldPhase::LettingGo)),
            (b.clone(), hold("freeze", HoldPhase::Held)),
            (b.clone(), hold("drain", HoldPhase::Requested)),
        ]
    );
    let questions = journal.open_questions().unwrap();
    assert_eq!(
        questions,
        [
            (a.clone(), question(5, 7)),
            (b.clone(), question(5, 7)),
            (b, question(2, 9)),
        ]
    );
    journal.append(&a, &ended(true, 9), &[]).unwrap();
    assert!(
        journal
            .open_holds()
            .unwrap()
            .iter()
            .all(|(run, _)| *run != a)
    );
    assert_eq!(journal.open_questions().unwrap().len(), 2);
}

#[test]
fn a_record_that_changes_no_progress_writes_no_row_but_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let run = RunId::new("a.1");
    let held = RunProgress {
        holds: vec![hold("freeze", HoldPhase::Held)],
        questions: vec![question(1, 6)],
        ..under_way()
    };
    journal.begin(&new_run("a.1", "a", 5), &held, &[]).unwrap();
    count_writes(&journal);
    let append = |progress: &RunProgress| {
        let records = [record(RecordKind::Event, "x")];
        journal.append(&run, progress, &records).unwrap();
        writes(&journal)
    };
    assert_eq!(append(&held), 0);
    // The run's row alone.
    let freeing = RunProgress {
        frees_subjects: true,
        ..held.clone()
    };
    assert_eq!(append(&freeing), 1);
    // And the hold, which goes.
    let let_go = RunProgress {
        holds: Vec::new(),
        ..freeing
    };
    assert_eq!(append(&let_go), 3);
    assert_eq!(journal.run(&run).unwrap().unwrap().progress, let_go);
}

#[test]
fn a_transaction_that_fails_keeps_the_holds_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let run = RunId::new("a.1");
    let held = RunProgress {
        holds: vec![hold("freeze", HoldPhase::Held)],
        ..under_way()
    };
    journal.begin(&new_run("a.1", "a", 5), &held, &[]).unwrap();
    journal
        .connection()
        .execute_batch(
            "CREATE TRIGGER broken BEFORE INSERT ON records
             BEGIN SELECT RAISE(ABORT, 'broken'); END",
        )
        .unwrap();
    let records = [record(RecordKind::Event, "x")];
    assert!(journal.append(&run, &under_way(), &records).is_err());
    assert_eq!(journal.run(&run).unwrap().unwrap().progress, held);
}

#[test]
fn what_open_runs_pinned_is_in_use_until_the_last_of_them_ends() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let begin = |name: &str, pins: &[&str]| {
        let new = NewRun {
            pins: hexes(pins),
            ..new_run(name, "a", 5)
        };
        journal.begin(&new, &under_way(), &[]).unwrap();
    };
    // A run may pin the same bytes for two steps.
    begin("a.1", &["1", "2", "2"]);
    begin("a.2", &["2", "3"]);
    let in_use = |pins: &[&str]| {
        let expected: BTreeSet<_> = hexes(pins).into_iter().collect();
        assert_eq!(journal.pins_in_use().unwrap(), expected);
    };
    in_use(&["1", "2", "3"]);
    journal
        .append(&RunId::new("a.1"), &ended(true, 9), &[])
        .unwrap();
    in_use(&["2", "3"]);
    let limits = HistoryLimits {
        good_max: Some(0),
        bad_max: Some(0),
        ..HistoryLimits::default()
    };
    assert_eq!(journal.prune(&ScheduleName::new("a"), &limits).unwrap(), 1);
    in_use(&["2", "3"]);
    journal
        .append(&RunId::new("a.2"), &ended(false, 9), &[])
        .unwrap();
    in_use(&[]);
}
