//! Which runs may begin beside which, and what those are told that may not.

use super::*;

fn cluster() -> Subject {
    Subject::Cluster(ClusterName::new("c1"))
}

fn target() -> Subject {
    Subject::Target(TargetName::new("t1"))
}

fn backup(name: &str) -> NewRun {
    new_run(name, "backups", 5)
}

/// A run that writes the cluster and reads a target.
fn restore(name: &str) -> NewRun {
    NewRun {
        kind: RunKind::Actions,
        subjects: vec![RunSubject::write(cluster()), RunSubject::read(target())],
        ..new_run(name, "restores", 5)
    }
}

fn asking(phase: RunPhase, frees_subjects: bool) -> RunProgress {
    RunProgress {
        phase,
        questions: vec![QuestionRow {
            question: QuestionId(3),
            about: StepName::new("compare"),
            text: "go on?".to_owned(),
            choices: Vec::new(),
            asked: UnixTime(6),
        }],
        frees_subjects,
        ..under_way()
    }
}

fn begun(new: &NewRun, progress: &RunProgress) -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    journal.begin(new, progress, &[]).unwrap();
    (folder, journal)
}

#[test]
fn a_run_begins_only_beside_those_that_are_not_in_its_way() {
    let prune = NewRun {
        subjects: vec![RunSubject::write(target())],
        ..new_run("p.1", "prunes", 6)
    };
    let (working, stuck) = (under_way(), asking(RunPhase::Stuck, false));
    let (gate, freeing) = (
        asking(RunPhase::Asking, false),
        asking(RunPhase::Asking, true),
    );
    // The open run and how far it is, the new one, whether it begins.
    for (open, progress, new, begins) in [
        (backup("o.1"), &working, backup("b.1"), true),
        (backup("o.1"), &working, restore("r.1"), false),
        (backup("o.1"), &working, prune.clone(), true),
        (backup("o.1"), &stuck, restore("r.1"), true),
        (backup("o.1"), &ended(true, 6), restore("r.1"), true),
        (restore("o.1"), &working, backup("b.1"), false),
        (restore("o.1"), &working, restore("r.1"), false),
        (restore("o.1"), &working, prune.clone(), false),
        (restore("o.1"), &gate, backup("b.1"), false),
        (restore("o.1"), &freeing, backup("b.1"), true),
        (restore("o.1"), &freeing, restore("r.1"), true),
        (restore("o.1"), &stuck, backup("b.1"), true),
        (restore("o.1"), &stuck, restore("r.1"), false),
        (restore("o.1"), &stuck, prune, false),
        (restore("o.1"), &ended(false, 6), restore("r.1"), true),
    ] {
        let (_folder, journal) = begun(&open, progress);
        let begun = journal.begin(&new, &under_way(), &[record(RecordKind::Event, "x")]);
        let what = format!("{new:?} beside {open:?}, {:?}", progress.phase);
        assert_eq!(begun.is_ok(), begins, "{what}");
        assert_eq!(journal.run(&new.run).unwrap().is_some(), begins, "{what}");
        if let Err(error) = begun {
            assert!(matches!(error, JournalError::RunBlocked { .. }), "{error}");
        }
    }
}

#[test]
fn a_run_that_frees_its_subjects_takes_them_back_when_it_goes_on() {
    let (_folder, journal) = begun(&restore("o.1"), &asking(RunPhase::Asking, true));
    journal
        .append(&RunId::new("o.1"), &under_way(), &[])
        .unwrap();
    assert!(journal.begin(&backup("b.1"), &under_way(), &[]).is_err());
}

#[test]
fn one_run_is_passed_over_and_no_other() {
    let (_folder, journal) = begun(&restore("o.1"), &under_way());
    let despite = |name: &str, other: &str| NewRun {
        despite: Some(RunId::new(other)),
        ..restore(name)
    };
    let begin = |new: NewRun| journal.begin(&new, &under_way(), &[]);
    assert!(begin(despite("r.1", "o.2")).is_err());
    begin(despite("r.1", "o.1")).unwrap();
    let row = journal.run(&RunId::new("r.1")).unwrap().unwrap();
    assert_eq!(row.despite, Some(RunId::new("o.1")));
    // Both are in its way now.
    assert!(begin(despite("r.2", "o.1")).is_err());
}

#[test]
fn who_may_not_begin_is_told_who_is_in_the_way_and_how_to_mend_it() {
    for (open, progress, new, sentence) in [
        (
            backup("o.1"),
            under_way(),
            restore("r.1"),
            "run r.1 cannot begin: it writes cluster c1, and run o.1 reads that too; wait until o.1 has ended, or begin all the same with `--despite o.1`",
        ),
        (
            restore("o.1"),
            asking(RunPhase::Asking, false),
            backup("b.1"),
            "run b.1 cannot begin: it reads cluster c1, and run o.1 writes that too; o.1 waits for an answer to its question 3, which `drydock run show o.1` tells: give it with `drydock run decide o.1 3 CHOICE`, or begin all the same with `--despite o.1`",
        ),
        (
            restore("o.1"),
            asking(RunPhase::Stuck, false),
            restore("r.1"),
            "run r.1 cannot begin: it writes cluster c1, and run o.1 writes that too; o.1 is Stuck and waits for an answer to its question 3, which `drydock run show o.1` tells: give it with `drydock run decide o.1 3 CHOICE`, or begin all the same with `--despite o.1`",
        ),
    ] {
        let (_folder, journal) = begun(&open, &progress);
        let error = journal.begin(&new, &under_way(), &[]).unwrap_err();
        assert_eq!(error.to_string(), sentence);
        let JournalError::RunBlocked {
            by,
            is_stuck,
            question,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(by, open.run);
        assert_eq!(is_stuck, progress.phase == RunPhase::Stuck);
        assert_eq!(question, progress.questions.first().map(|q| q.question));
    }
}
