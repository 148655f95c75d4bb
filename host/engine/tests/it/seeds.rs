//! The tests that run seeds: whatever goes wrong, every law holds, and where little goes
//! wrong a recovery point comes of it.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

use drydock_core::RunId;
use drydock_engine::model::Outcome;
use drydock_engine::replay::{read_log, run_of};

use crate::cases::case_of;
use crate::chaos::{CALM, Chaos, EVERYTHING};
use crate::graph::{RUN, Shape};
use crate::laws::same_after_replay;
use crate::simulator::{Case, End, Failure, Kill, simulate};

fn end_of(case: &Case) -> End {
    simulate(case).unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// Runs seeds and counts how they ended.
fn run(shape: Shape, seeds: Range<u64>, chaos: Chaos) -> BTreeMap<&'static str, u32> {
    let mut ends = BTreeMap::new();
    for seed in seeds {
        let end = end_of(&Case::new(seed, shape, chaos));
        *ends.entry(end.outcome.word()).or_insert(0) += 1;
    }
    ends
}

/// Kills the process before and after each of its records, and gives every end.
fn killed_everywhere(case: Case) -> Vec<(Kill, End)> {
    let transactions = end_of(&case).simulation.transactions;
    let kills = (1..=transactions).flat_map(|n| [Kill::BeforeRecord(n), Kill::AfterRecord(n)]);
    kills
        .map(|kill| (kill, end_of(&case.killed(kill))))
        .collect()
}

#[test]
fn a_thousand_random_runs_keep_every_law() {
    let mut ends = BTreeMap::new();
    for seed in 0..1000 {
        *ends
            .entry(end_of(&case_of(seed)).outcome.word())
            .or_insert(0) += 1;
    }
    assert_eq!(ends.len(), 4, "{ends:?}");
}

/// Seeds that broke one once: runs that succeeded although steps were taken back, since the last
/// answer came in after a cancel or the run's deadline.
#[test]
fn seeds_that_broke_a_law_keep_it() {
    for seed in [34_230, 96_985] {
        assert_eq!(end_of(&case_of(seed)).outcome.word(), "Degraded", "{seed}");
    }
}

/// As it is kept of a run that broke a law.
#[test]
fn the_records_of_a_run_lead_to_the_same_state_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    for seed in 0..50 {
        let simulation = end_of(&case_of(seed)).simulation;
        let state = &simulation.state;
        let failure = Failure {
            broken: "none".to_owned(),
            story: String::new(),
            records: simulation.records,
        };
        failure.save(&path).unwrap();
        let kept = read_log(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(run_of(&kept), Some(RunId::new(RUN)), "seed {seed}");
        same_after_replay(state, &kept, state.now()).unwrap();
    }
}

#[test]
fn a_calm_world_always_succeeds() {
    let calm = Chaos {
        output_discarded: 200,
        ..CALM
    };
    let all = BTreeMap::from([("Succeeded", 200)]);
    assert_eq!(run(Shape::Point, 0..200, calm), all);
    assert_eq!(run(Shape::Graph, 0..200, CALM), all);
}

#[test]
fn the_shipped_schedules_succeed_in_a_calm_world() {
    for shape in [Shape::Quickstart, Shape::Drill, Shape::Nightly] {
        let all = BTreeMap::from([("Succeeded", 20)]);
        assert_eq!(run(shape, 0..20, CALM), all, "{shape:?}");
    }
}

#[test]
fn crashes_alone_never_cost_a_recovery_point() {
    let crashes = Chaos {
        crash: 120,
        output_discarded: 200,
        ..CALM
    };
    let all = BTreeMap::from([("Succeeded", 200)]);
    assert_eq!(run(Shape::Point, 0..200, crashes), all);
    // A stream that begins anew after the hold was let go is a failure of its own.
    let crashes = Chaos { crash: 120, ..CALM };
    assert_eq!(run(Shape::Graph, 0..200, crashes), all);
}

#[test]
fn a_lost_spool_costs_only_another_backup() {
    let crashes = Chaos {
        crash: 120,
        spool_lost: 500,
        ..CALM
    };
    let ends = run(Shape::Point, 0..200, crashes);
    assert!(!ends.contains_key("Failed"), "{ends:?}");
}

#[test]
fn everything_at_once_keeps_the_laws_and_meets_every_outcome() {
    let ends = run(Shape::Point, 0..600, EVERYTHING);
    assert_eq!(ends.len(), 4, "{ends:?}");
}

#[test]
fn unreliable_stores_keep_the_laws() {
    let chaos = Chaos {
        transient: 300,
        answer_lost: 200,
        crash: 60,
        ..CALM
    };
    run(Shape::Point, 0..300, chaos);
}

#[test]
fn commits_that_are_cut_off_or_refused_keep_the_laws() {
    let chaos = Chaos {
        permanent: 80,
        crash: 200,
        cancel: 20,
        spool_lost: 300,
        ..CALM
    };
    run(Shape::Point, 0..400, chaos);
}

/// One store's answer is lost for good, another one's bytes are lost with the machine: what
/// the first one's manifest names stays, although the backup is made anew.
#[test]
fn a_manifest_that_became_visible_keeps_what_it_names() {
    let chaos = Chaos {
        transient: 150,
        commit_fails: 600,
        crash: 100,
        spool_lost: 700,
        rival: 100,
        ..CALM
    };
    let cancelled = Chaos {
        cancel: 30,
        store_dies: 20,
        ..chaos
    };
    for shape in [Shape::Point, Shape::Graph] {
        run(shape, 0..400, chaos);
        run(shape, 0..200, cancelled);
    }
}

#[test]
fn a_process_killed_at_each_record_of_a_commit_that_fails_keeps_what_a_manifest_names() {
    let chaos = Chaos {
        commit_fails: 900,
        ..CALM
    };
    for seed in 0..10 {
        killed_everywhere(Case::new(seed, Shape::Point, chaos));
    }
}

#[test]
fn a_process_killed_at_each_record_still_commits_once() {
    let calm = Chaos {
        output_discarded: 300,
        ..CALM
    };
    for seed in 0..8 {
        for (kill, end) in killed_everywhere(Case::new(seed, Shape::Point, calm)) {
            assert_eq!(end.outcome, Outcome::Succeeded, "seed {seed}, {kill:?}");
        }
    }
}

#[test]
fn a_process_killed_at_each_record_of_a_graph_still_does_everything() {
    for seed in 0..10 {
        for (kill, end) in killed_everywhere(Case::new(seed, Shape::Graph, CALM)) {
            assert_eq!(end.outcome, Outcome::Succeeded, "seed {seed}, {kill:?}");
        }
    }
}

#[test]
fn a_process_killed_at_each_record_of_a_graph_that_fails_keeps_every_law() {
    let failing = Chaos {
        step_fails: 300,
        undo_fails: 200,
        ..CALM
    };
    for seed in 0..12 {
        killed_everywhere(Case::new(seed, Shape::Graph, failing));
    }
}

#[test]
fn a_process_killed_at_each_record_of_a_failing_run_leaves_nothing() {
    let no = Chaos {
        verdict_no: 1000,
        ..CALM
    };
    for seed in 0..6 {
        for (kill, end) in killed_everywhere(Case::new(seed, Shape::Point, no)) {
            let failed = matches!(end.outcome, Outcome::Failed { .. });
            assert!(failed, "seed {seed}, {kill:?}");
            let mut stores = end.simulation.world.stores.values();
            assert!(stores.all(|store| store.objects.is_empty()));
        }
    }
}
