//! The rules one by one, and a law: every occurrence ends once.

use drydock_core::Subject;
use drydock_documents::DstMode;

use super::*;
use crate::{CronExpr, Zone};

const QUARTER: i64 = 900;
/// 2026-01-01T00:00:00Z, a moment at which `*/15 * * * *` is due.
const START: i64 = 1_767_225_600;

fn planned(name: &str, expression: &str, policy: Policy) -> Planned {
    let cron = CronExpr::parse(expression).unwrap();
    let zone = Zone::parse("Etc/UTC").unwrap();
    Planned {
        schedule: ScheduleName::new(name),
        cluster: ClusterName::new("main"),
        kind: RunKind::Backup,
        subjects: vec![RunSubject::read(cluster("main"))],
        timetable: Timetable::new(cron, zone, DstMode::Default),
        policy,
        decided: UnixTime(START),
    }
}

fn quarterly(policy: Policy) -> State {
    State {
        schedules: vec![planned("a", "*/15 * * * *", policy)],
        active: Vec::new(),
    }
}

fn ends(state: &State, now: i64) -> Vec<OccurrenceEnd> {
    plan(state, UnixTime(now))
        .into_iter()
        .map(|decision| decision.end)
        .collect()
}

fn started() -> OccurrenceEnd {
    OccurrenceEnd::Started {
        replaces: Vec::new(),
    }
}

fn cluster(name: &str) -> Subject {
    Subject::Cluster(ClusterName::new(name))
}

fn active(run: &str, schedule: &str, of: &str, kind: RunKind) -> ActiveRun {
    ActiveRun {
        run: RunId::new(run),
        schedule: ScheduleName::new(schedule),
        cluster: ClusterName::new(of),
        kind,
        subjects: vec![RunSubject::read(cluster(of))],
        is_stuck: false,
        frees_subjects: false,
    }
}

#[test]
fn an_occurrence_starts_when_it_is_due_and_its_run_is_named_after_it() {
    let state = quarterly(Policy::default());
    assert_eq!(ends(&state, START + QUARTER - 1), []);
    let decisions = plan(&state, UnixTime(START + QUARTER));
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0].run.as_str(), "a.20260101T001500Z");
    assert_eq!(decisions[0].end, started());
    assert_eq!(decisions[0].end.word(), "Started");
}

#[test]
fn an_occurrence_that_was_decided_is_not_decided_again() {
    let mut state = quarterly(Policy::default());
    let now = UnixTime(START + QUARTER);
    let decision = plan(&state, now).remove(0);
    state.record(&decision);
    assert_eq!(plan(&state, now), []);
    assert_eq!(state.active.len(), 1);
    assert_eq!(next_wake(&state, now), Some(UnixTime(START + 2 * QUARTER)));
}

#[test]
fn a_run_that_was_taken_up_counts_as_active_until_it_ends() {
    let mut state = quarterly(Policy {
        concurrency: ConcurrencyPolicy::Forbid,
        ..Policy::default()
    });
    let run = active("a.0", "a", "main", RunKind::Backup);
    state.resumed(run.clone());
    state.resumed(run);
    assert_eq!(state.active.len(), 1);
    let overlap = SkipReason::Overlap {
        active: RunId::new("a.0"),
    };
    let now = START + QUARTER;
    assert_eq!(ends(&state, now), [OccurrenceEnd::Skipped(overlap)]);
    state.ended(&RunId::new("a.0"));
    assert_eq!(ends(&state, now), [started()]);
}

#[test]
fn an_occurrence_starts_its_jitter_after_it_was_due() {
    let planned = planned(
        "a",
        "*/15 * * * *",
        Policy {
            jitter_seconds: 60,
            ..Policy::default()
        },
    );
    let due = UnixTime(START + QUARTER);
    let starts = planned.starts(due);
    assert!((0..=60).contains(&(starts.0 - due.0)));
    let state = State {
        schedules: vec![planned],
        active: Vec::new(),
    };
    assert_eq!(next_wake(&state, UnixTime(START)), Some(starts));
}

#[test]
fn only_the_latest_of_several_is_started() {
    let state = quarterly(Policy::default());
    let later = |n: i64| MissReason::LaterDue {
        later: UnixTime(START + n * QUARTER),
    };
    assert_eq!(
        ends(&state, START + 3 * QUARTER + 100),
        [
            OccurrenceEnd::Missed(later(2)),
            OccurrenceEnd::Missed(later(3)),
            started()
        ]
    );
}

#[test]
fn a_deadline_that_passed_is_a_miss() {
    let policy = Policy {
        starting_deadline_seconds: Some(100),
        ..Policy::default()
    };
    let state = quarterly(policy);
    assert_eq!(ends(&state, START + QUARTER + 100), [started()]);
    let missed = MissReason::DeadlinePassed { late_seconds: 101 };
    assert_eq!(
        ends(&state, START + QUARTER + 101),
        [OccurrenceEnd::Missed(missed)]
    );
    assert_eq!(
        missed.to_string(),
        "it could be started only 101 s late, after startingDeadlineSeconds"
    );
}

#[test]
fn a_schedule_that_does_not_catch_up_starts_nothing_late() {
    let policy = Policy {
        catch_up: CatchUp::None,
        ..Policy::default()
    };
    let state = quarterly(policy);
    assert_eq!(ends(&state, START + QUARTER + 60), [started()]);
    let missed = MissReason::NotCaughtUp { late_seconds: 61 };
    assert_eq!(
        ends(&state, START + QUARTER + 61),
        [OccurrenceEnd::Missed(missed)]
    );
}

#[test]
fn a_suspended_schedule_skips_and_starts_nothing_when_it_is_resumed() {
    let mut state = quarterly(Policy {
        suspend: true,
        ..Policy::default()
    });
    let now = UnixTime(START + 2 * QUARTER);
    let decisions = plan(&state, now);
    let skipped = OccurrenceEnd::Skipped(SkipReason::Suspended);
    assert!(decisions.iter().all(|decision| decision.end == skipped));
    assert_eq!(decisions.len(), 2);
    decisions.iter().for_each(|decision| state.record(decision));
    state.schedules[0].policy.suspend = false;
    assert_eq!(plan(&state, now), []);
}

#[test]
fn overlap_is_judged_by_cluster() {
    let forbid = Policy {
        concurrency: ConcurrencyPolicy::Forbid,
        ..Policy::default()
    };
    let mut state = quarterly(forbid);
    state.active = vec![active("b.1", "b", "other", RunKind::Backup)];
    assert_eq!(ends(&state, START + QUARTER), [started()]);
    state.active = vec![active("b.1", "b", "main", RunKind::Backup)];
    let overlap = SkipReason::Overlap {
        active: RunId::new("b.1"),
    };
    assert_eq!(
        overlap.to_string(),
        "the run b.1 of the same cluster is active"
    );
    assert_eq!(
        ends(&state, START + QUARTER),
        [OccurrenceEnd::Skipped(overlap)]
    );
    state.schedules[0].policy.concurrency = ConcurrencyPolicy::Allow;
    assert_eq!(ends(&state, START + QUARTER), [started()]);
}

#[test]
fn two_schedules_of_one_cluster_that_are_due_at_once_do_not_both_start() {
    let forbid = Policy {
        concurrency: ConcurrencyPolicy::Forbid,
        ..Policy::default()
    };
    let mut state = quarterly(forbid);
    state.schedules.push(planned("b", "0,15 * * * *", forbid));
    let overlap = SkipReason::Overlap {
        active: RunId::new("a.20260101T001500Z"),
    };
    assert_eq!(
        ends(&state, START + QUARTER),
        [started(), OccurrenceEnd::Skipped(overlap)]
    );
}

#[test]
fn replacing_stops_runs_of_the_same_schedule_only() {
    let replace = Policy {
        concurrency: ConcurrencyPolicy::Replace,
        ..Policy::default()
    };
    let mut state = quarterly(replace);
    state.active = vec![active("a.0", "a", "main", RunKind::Backup)];
    let replaces = vec![RunId::new("a.0")];
    let decision = plan(&state, UnixTime(START + QUARTER)).remove(0);
    assert_eq!(decision.end, OccurrenceEnd::Started { replaces });
    let mut after = state.clone();
    after.record(&decision);
    assert_eq!(after.active.len(), 1);
    assert_eq!(after.active[0].run, decision.run);
    state
        .active
        .push(active("b.0", "b", "main", RunKind::Backup));
    let overlap = SkipReason::Overlap {
        active: RunId::new("b.0"),
    };
    assert_eq!(
        ends(&state, START + QUARTER),
        [OccurrenceEnd::Skipped(overlap)]
    );
}

/// A run that writes the cluster.
fn restore(schedule: &str) -> ActiveRun {
    ActiveRun {
        subjects: vec![RunSubject::write(cluster("main"))],
        ..active("r.0", schedule, "main", RunKind::Actions)
    }
}

fn blocked(subject: RunSubject) -> OccurrenceEnd {
    OccurrenceEnd::Skipped(SkipReason::Blocked {
        active: RunId::new("r.0"),
        subject,
    })
}

const CONCURRENCY: [ConcurrencyPolicy; 3] = [
    ConcurrencyPolicy::Allow,
    ConcurrencyPolicy::Forbid,
    ConcurrencyPolicy::Replace,
];

#[test]
fn a_run_that_writes_a_cluster_excludes_every_backup_of_it() {
    for concurrency in CONCURRENCY {
        let mut state = quarterly(Policy {
            concurrency,
            ..Policy::default()
        });
        let now = START + QUARTER;
        state.active = vec![restore("a")];
        let excluded = blocked(RunSubject::read(cluster("main")));
        assert_eq!(ends(&state, now), [excluded]);
        let stuck = ActiveRun {
            is_stuck: true,
            ..restore("a")
        };
        let freeing = ActiveRun {
            frees_subjects: true,
            ..restore("a")
        };
        for run in [stuck, freeing] {
            state.active = vec![run];
            assert_eq!(ends(&state, now), [started()]);
        }
    }
}

#[test]
fn a_schedule_that_writes_waits_for_everybody_but_the_run_that_it_replaces() {
    let now = START + QUARTER;
    let writes = || RunSubject::write(cluster("main"));
    let backup = ActiveRun {
        run: RunId::new("r.0"),
        ..active("b.0", "b", "main", RunKind::Backup)
    };
    let stuck_backup = ActiveRun {
        is_stuck: true,
        ..backup.clone()
    };
    let stuck_restore = ActiveRun {
        is_stuck: true,
        ..restore("a")
    };
    for concurrency in CONCURRENCY {
        let mut state = quarterly(Policy {
            concurrency,
            ..Policy::default()
        });
        state.schedules[0].kind = RunKind::Actions;
        state.schedules[0].subjects = vec![writes()];
        for run in [&backup, &stuck_restore, &restore("other")] {
            state.active = vec![run.clone()];
            assert_eq!(ends(&state, now), [blocked(writes())]);
        }
        state.active = vec![stuck_backup.clone()];
        assert_eq!(ends(&state, now), [started()]);
        state.active = vec![restore("a")];
        let expected = if concurrency == ConcurrencyPolicy::Replace {
            OccurrenceEnd::Started {
                replaces: vec![RunId::new("r.0")],
            }
        } else {
            blocked(writes())
        };
        assert_eq!(ends(&state, now), [expected]);
    }
}

#[test]
fn a_stuck_run_of_the_same_kind_is_no_overlap_and_is_not_replaced() {
    for concurrency in CONCURRENCY {
        let mut state = quarterly(Policy {
            concurrency,
            ..Policy::default()
        });
        state.active = vec![ActiveRun {
            is_stuck: true,
            ..active("a.0", "a", "main", RunKind::Backup)
        }];
        assert_eq!(ends(&state, START + QUARTER), [started()]);
    }
}

#[test]
fn jitter_is_the_same_every_time_and_differs_between_occurrences() {
    let policy = Policy {
        jitter_seconds: 300,
        ..Policy::default()
    };
    let one = planned("a", "0 * * * *", policy);
    let jitter = |n: i64| {
        let due = UnixTime(START + n * 3600);
        one.start_of(due, one.timetable.next_after(due)).0 - due.0
    };
    let all: Vec<i64> = (1..200).map(jitter).collect();
    assert_eq!(all, (1..200).map(jitter).collect::<Vec<_>>());
    assert!(all.iter().all(|seconds| (0..=300).contains(seconds)));
    let mut distinct = all.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 90, "{} of 199", distinct.len());
    // What other nodes and later versions must agree on.
    assert_eq!(all[..4], JITTER_OF_A);
}

/// The jitter of schedule `a` at four full hours of 2026-01-01, computed with another
/// program from the definition of the hash.
const JITTER_OF_A: [i64; 4] = [81, 260, 113, 7];

#[test]
fn jitter_ends_before_the_next_occurrence() {
    let policy = Policy {
        jitter_seconds: 86_400,
        ..Policy::default()
    };
    let state = quarterly(policy);
    let one = &state.schedules[0];
    for n in 1..200 {
        let due = UnixTime(START + n * QUARTER);
        let next = UnixTime(due.0 + QUARTER);
        let start = one.start_of(due, Some(next));
        assert!(start >= due && start < next);
    }
    let wake = next_wake(&state, UnixTime(START)).unwrap();
    assert_eq!(ends(&state, wake.0 - 1), []);
    assert_eq!(ends(&state, wake.0), [started()]);
}

#[test]
fn a_long_sleep_is_worked_off_in_batches() {
    let mut state = quarterly(Policy::default());
    let now = UnixTime(START + 2500 * QUARTER);
    let mut sizes = Vec::new();
    while next_wake(&state, now) == Some(now) {
        let decisions = plan(&state, now);
        sizes.push(decisions.len());
        decisions.iter().for_each(|decision| state.record(decision));
    }
    assert_eq!(sizes, [1000, 1000, 500]);
    assert_eq!(state.active.len(), 1);
}

/// However irregularly somebody plans, each occurrence ends once, in order, never
/// before it is due, and none is left out.
#[test]
fn every_occurrence_ends_exactly_once() {
    let mut seed = 7_u64;
    let mut below = |limit: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % limit
    };
    for round in 0..200 {
        let policy = Policy {
            suspend: below(8) == 0,
            starting_deadline_seconds: (below(2) == 0).then(|| below(2000)),
            concurrency: ConcurrencyPolicy::Forbid,
            catch_up: if below(2) == 0 {
                CatchUp::Latest
            } else {
                CatchUp::None
            },
            jitter_seconds: below(2000),
            ..Policy::default()
        };
        let mut state = quarterly(policy);
        let mut now = START;
        let mut ended = Vec::new();
        for _ in 0..40 {
            now += i64::try_from(below(3000)).unwrap();
            for decision in plan(&state, UnixTime(now)) {
                assert!(decision.due.0 <= now);
                ended.push(decision.due.0);
                state.record(&decision);
            }
            if below(2) == 0 {
                state.active.clear();
            }
        }
        let expected: Vec<i64> = (1..=i64::try_from(ended.len()).unwrap())
            .map(|n| START + n * QUARTER)
            .collect();
        assert_eq!(ended, expected, "round {round}");
        let open = (now - START) / QUARTER - i64::try_from(ended.len()).unwrap();
        assert!((0..=1).contains(&open), "round {round}: {open} open");
    }
}

#[test]
fn a_drill_without_an_identity_is_skipped_and_says_why() {
    let mut state = quarterly(Policy {
        lacks_identity: true,
        ..Policy::default()
    });
    state.schedules[0].kind = RunKind::Drill;
    let skipped = OccurrenceEnd::Skipped(SkipReason::NoIdentity);
    assert_eq!(ends(&state, START + QUARTER), [skipped]);
    assert_eq!(
        SkipReason::NoIdentity.to_string(),
        "this node has no identity that opens recovery points: name one as spec.drill.identity of its configuration, or let another node drill with nodes: of the schedule"
    );
}

#[test]
fn a_drill_and_a_backup_of_one_cluster_do_not_hold_each_other_up() {
    let forbid = Policy {
        concurrency: ConcurrencyPolicy::Forbid,
        ..Policy::default()
    };
    let now = START + QUARTER;
    for (own, other) in [
        (RunKind::Drill, RunKind::Backup),
        (RunKind::Backup, RunKind::Drill),
    ] {
        let mut state = quarterly(forbid);
        state.schedules[0].kind = own;
        state.active = vec![active("b.0", "b", "main", other)];
        assert_eq!(ends(&state, now), [started()]);
        state.active = vec![active("b.0", "b", "main", own)];
        assert!(matches!(
            ends(&state, now)[..],
            [OccurrenceEnd::Skipped(SkipReason::Overlap { .. })]
        ));
    }
}
