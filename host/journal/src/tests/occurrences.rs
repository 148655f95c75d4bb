//! Decisions, how they outlive a restart, and the clock that was wrong.

use drydock_core::{
    FailReason, MissReason, OccurrenceEnd, RunId, ScheduleName, SkipReason, UnixTime,
};

use super::{ended, new_run, under_way};
use crate::{Journal, KnownSchedule, Occurrence};

fn known(schedule: &str, timetable: &str) -> KnownSchedule {
    KnownSchedule {
        schedule: ScheduleName::new(schedule),
        timetable: timetable.to_owned(),
    }
}

fn started() -> OccurrenceEnd {
    OccurrenceEnd::Started {
        replaces: Vec::new(),
    }
}

fn skipped() -> OccurrenceEnd {
    let active = RunId::new("b.7");
    OccurrenceEnd::Skipped(SkipReason::Overlap { active })
}

fn missed() -> OccurrenceEnd {
    OccurrenceEnd::Missed(MissReason::NotCaughtUp { late_seconds: 61 })
}

fn occurrence(schedule: &str, due: i64, end: OccurrenceEnd) -> Occurrence {
    Occurrence {
        schedule: ScheduleName::new(schedule),
        due: UnixTime(due),
        end,
        run: RunId::new(format!("{schedule}.{due}")),
        decided_at: UnixTime(due),
    }
}

/// How far `a` was decided once `known` is in force at `now`.
fn through(journal: &Journal, timetable: &str, now: i64) -> (i64, bool) {
    let decided = journal.plan_schedules(&[known("a", timetable)], UnixTime(now));
    let first = decided.unwrap().remove(0);
    (first.through.0, first.is_new)
}

#[test]
fn a_schedule_is_planned_from_the_instant_at_which_it_was_first_seen() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(through(&journal, "hourly", 100), (100, true));
    assert_eq!(through(&journal, "hourly", 200), (100, false));
    drop(journal);
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(through(&journal, "hourly", 300), (100, false));
    journal.decide(&[occurrence("a", 250, missed())]).unwrap();
    assert_eq!(through(&journal, "hourly", 300), (250, false));
    // Another timetable owes nothing of the past, and neither does one that came back.
    assert_eq!(through(&journal, "daily", 400), (400, true));
    journal.plan_schedules(&[], UnixTime(450)).unwrap();
    assert_eq!(through(&journal, "daily", 500), (500, true));
}

#[test]
fn an_occurrence_is_decided_once_and_a_batch_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    journal.decide(&[occurrence("a", 1, skipped())]).unwrap();
    let twice = [occurrence("a", 2, started()), occurrence("a", 1, started())];
    assert!(journal.decide(&twice).is_err());
    let all = journal.occurrences(&ScheduleName::new("a"), 10).unwrap();
    assert_eq!(all, [occurrence("a", 1, skipped())]);
}

#[test]
fn an_occurrence_waits_for_its_run_until_that_has_begun_or_failed() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    let due = [
        occurrence("a", 1, started()),
        occurrence("a", 2, started()),
        occurrence("b", 2, missed()),
    ];
    journal.decide(&due).unwrap();
    assert_eq!(journal.pending_occurrences().unwrap(), due[..2]);
    journal
        .begin(&new_run("a.1", "a", 1), &under_way(), &[])
        .unwrap();
    assert_eq!(journal.pending_occurrences().unwrap(), due[1..2]);
    // The run's record may be pruned; the occurrence does not start again.
    journal
        .append(&RunId::new("a.1"), &ended(true, 3), &[])
        .unwrap();
    let none = crate::HistoryLimits {
        good_max: Some(0),
        ..crate::HistoryLimits::default()
    };
    journal.prune(&ScheduleName::new("a"), &none).unwrap();
    let why = FailReason::CannotStart {
        message: "no certificate".to_owned(),
    };
    journal
        .fail_occurrence(&ScheduleName::new("a"), UnixTime(2), &why)
        .unwrap();
    assert_eq!(journal.pending_occurrences().unwrap(), []);
    let last = journal.last_occurrences().unwrap();
    assert_eq!((&last[0].end, last.len()), (&OccurrenceEnd::Failed(why), 2));
}

#[test]
fn pruning_keeps_the_last_occurrence_of_each_schedule_and_those_that_wait() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    journal
        .decide(&[
            occurrence("a", 1, missed()),
            occurrence("a", 2, started()),
            occurrence("a", 3, skipped()),
            occurrence("b", 1, missed()),
        ])
        .unwrap();
    assert_eq!(journal.prune_occurrences(UnixTime(9)).unwrap(), 1);
    assert_eq!(journal.pending_occurrences().unwrap().len(), 1);
    assert_eq!(journal.last_occurrences().unwrap().len(), 2);
}

#[test]
fn the_latest_instant_is_named_with_what_was_entered_at_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    assert_eq!(journal.latest_instant().unwrap(), None);
    through(&journal, "hourly", 5);
    let latest = || journal.latest_instant().unwrap().unwrap();
    assert_eq!(
        (latest().at.0, latest().what.as_str()),
        (5, "the schedule a")
    );
    journal
        .begin(&new_run("a.1", "a", 6), &under_way(), &[])
        .unwrap();
    assert_eq!((latest().at.0, latest().what.as_str()), (6, "run a.1"));
    let record = crate::NewRecord {
        kind: crate::RecordKind::Event,
        body: "{}".to_owned(),
        at: UnixTime(8),
    };
    journal
        .append(&RunId::new("a.1"), &under_way(), &[record])
        .unwrap();
    assert_eq!((latest().at.0, latest().what.as_str()), (8, "run a.1"));
    journal.decide(&[occurrence("a", 9, missed())]).unwrap();
    assert_eq!(latest().what, "the occurrence of a");
}

#[test]
fn an_accepted_clock_forgets_what_was_decided_ahead_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).unwrap();
    through(&journal, "hourly", 5);
    journal
        .decide(&[
            occurrence("a", 50, missed()),
            occurrence("a", 500, missed()),
        ])
        .unwrap();
    journal.accept_clock(UnixTime(100)).unwrap();
    assert_eq!(journal.latest_instant().unwrap().unwrap().at, UnixTime(50));
    assert_eq!(through(&journal, "hourly", 100), (50, false));
    // What is entered from now on counts again once it is later than what was accepted.
    journal.decide(&[occurrence("a", 501, missed())]).unwrap();
    assert_eq!(journal.latest_instant().unwrap().unwrap().at, UnixTime(501));
    journal.accept_clock(UnixTime(900)).unwrap();
    assert_eq!(journal.latest_instant().unwrap().unwrap().at, UnixTime(501));
}
