//! The laws that every simulated run keeps, and the tests that run the seeds.

use std::collections::BTreeMap;

use drydock_core::UnixTime;
use drydock_engine::decide::{decide, left_behind};
use drydock_engine::model::{Effect, Event, Outcome};
use drydock_engine::state::{RunState, StoreStatus};

use crate::simulator::{Kill, Simulation, replay_of, simulate};
use crate::world::{Broken, Chaos, RIVAL, World};

/// Deciding again, with everything started, asks for nothing.
pub fn after_a_decision(state: &RunState, event: &Event, effects: &[Effect]) -> Result<(), Broken> {
    let again = decide(state, event);
    if again.is_empty() {
        Ok(())
    } else {
        Err(format!("after {effects:?} it still asks for {again:?}"))
    }
}

/// Never more parts of one object at once than the store takes, nor than four; never
/// one effect twice; never two backup steps; nothing of an upload while it is aborted.
pub fn in_flight(effects: &[Effect], world: &World) -> Result<(), Broken> {
    let mut parts = BTreeMap::new();
    let is_backup = |effect: &&Effect| matches!(effect, Effect::StartBackup { .. });
    if effects.iter().filter(is_backup).count() > 1 {
        return Err("two backup steps run at once".to_owned());
    }
    for (index, effect) in effects.iter().enumerate() {
        if effects[..index].contains(effect) {
            return Err(format!("{effect:?} is in flight twice"));
        }
        if let Effect::PutPart { store, output, .. } = effect {
            *parts.entry((store, output)).or_insert(0) += 1;
        }
    }
    for ((store, output), count) in parts {
        if count > world.stores[store].parallel_max().min(4) {
            return Err(format!("{count} parts of {output} in flight to {store}"));
        }
        let undoing = |effect: &Effect| {
            let undo = matches!(
                effect,
                Effect::AbortUpload { .. } | Effect::DeleteObject { .. }
            );
            undo && effect.store() == Some(store) && effect.output() == Some(*output)
        };
        if effects.iter().any(undoing) {
            return Err(format!(
                "{output} is undone at {store} while parts are sent"
            ));
        }
    }
    Ok(())
}

pub fn at_the_end(simulation: &Simulation, outcome: &Outcome) -> Result<(), Broken> {
    same_after_replay(simulation)?;
    nothing_unreported(simulation)?;
    simulation.world.check_manifests()?;
    doubt_is_told(simulation, outcome)?;
    spool_is_gone(simulation)?;
    commits_match(simulation, outcome)
}

/// Replaying the records gives the state of the process, but for what a resume resets.
fn same_after_replay(simulation: &Simulation) -> Result<(), Broken> {
    let resume = Event::RunResumed { at: UnixTime(3) };
    let mut live = simulation.state.clone();
    let mut again = replay_of(&simulation.records)?;
    live.apply(&resume);
    again.apply(&resume);
    if live == again {
        Ok(())
    } else {
        Err(format!("replay differs:\n{live:?}\n{again:?}"))
    }
}

/// No upload of ours is open and no object lies about that no manifest names, but for
/// what the outcome tells of. What belongs to another daemon is still there.
fn nothing_unreported(simulation: &Simulation) -> Result<(), Broken> {
    let told = left_behind(&simulation.state).join("\n");
    for (name, store) in &simulation.world.stores {
        let swept_in_vain = told.contains(&format!("target t-{name} may hold unfinished"));
        let manifest = store.manifest.clone().unwrap_or_default();
        for (session, upload) in &store.sessions {
            let reported = swept_in_vain || told.contains(&upload.object);
            if session != b"rival" && !reported {
                return Err(format!(
                    "an upload of {} is left open at {name}",
                    upload.object
                ));
            }
        }
        for object in store.objects.keys() {
            if !manifest.contains(object) && !told.contains(object) {
                return Err(format!("{object} is left at {name}"));
            }
        }
        if !store.sessions.contains_key(b"rival".as_slice()) {
            return Err(format!("an upload of another daemon was aborted at {name}"));
        }
    }
    Ok(())
}

/// Where nobody knows whether there is a recovery point, the outcome says so.
fn doubt_is_told(simulation: &Simulation, outcome: &Outcome) -> Result<(), Broken> {
    let told = match outcome {
        Outcome::Succeeded => String::new(),
        Outcome::Degraded { reasons } | Outcome::Superseded { reasons } => reasons.join("\n"),
        Outcome::Failed { fault } => fault.message.clone(),
    };
    let stores = simulation.state.stores.iter();
    for store in stores.filter(|store| store.is_in_doubt()) {
        let target = &store.target;
        if !told.contains(&format!("it is not known whether target {target} has")) {
            return Err(format!("{target} is in doubt, and it ended {outcome:?}"));
        }
    }
    match outcome {
        Outcome::Failed { fault } => {
            let mut stores = simulation.state.stores.iter();
            let doubt = stores.any(|store| store.is_in_doubt());
            if fault.may_be_done() == doubt {
                Ok(())
            } else {
                Err(format!("in doubt: {doubt}, and it ended {outcome:?}"))
            }
        }
        _ => Ok(()),
    }
}

fn spool_is_gone(simulation: &Simulation) -> Result<(), Broken> {
    if simulation.world.spool.is_empty() {
        Ok(())
    } else {
        Err("the spool is left".to_owned())
    }
}

/// A store says committed exactly when it holds this run's manifest, unless nobody can
/// know; and the outcome says what the stores say.
fn commits_match(simulation: &Simulation, outcome: &Outcome) -> Result<(), Broken> {
    let mut committed = 0;
    for store in &simulation.state.stores {
        let manifest = simulation.world.stores[&store.step].manifest.as_deref();
        let ours = manifest.is_some_and(|text| text != RIVAL);
        let says = store.status == StoreStatus::Committed;
        committed += usize::from(says);
        if says != ours && !(ours && store.is_in_doubt()) {
            return Err(format!(
                "{} says {:?} and has {manifest:?}",
                store.step, store.status
            ));
        }
    }
    let all = simulation.state.stores.len();
    let fits = match outcome {
        Outcome::Succeeded => committed == all,
        Outcome::Degraded { .. } => committed > 0,
        Outcome::Failed { .. } | Outcome::Superseded { .. } => committed == 0,
    };
    if fits {
        Ok(())
    } else {
        Err(format!(
            "{committed} of {all} committed, and it ended {outcome:?}"
        ))
    }
}

/// Runs seeds and counts how they ended.
fn run(seeds: std::ops::Range<u64>, chaos: Chaos) -> BTreeMap<&'static str, u32> {
    let mut ends = BTreeMap::new();
    for seed in seeds {
        match simulate(seed, chaos, None) {
            Ok(end) => *ends.entry(end.outcome.word()).or_insert(0) += 1,
            Err(broken) => panic!("{broken}"),
        }
    }
    ends
}

const EVERYTHING: Chaos = Chaos {
    transient: 60,
    answer_lost: 30,
    commit_fails: 100,
    permanent: 5,
    store_dies: 2,
    backup_fails: 150,
    output_discarded: 150,
    verdict_no: 30,
    crash: 40,
    spool_lost: 200,
    cancel: 1,
    rival: 50,
};

#[test]
fn a_calm_world_always_succeeds() {
    let calm = Chaos {
        output_discarded: 200,
        ..Chaos::default()
    };
    assert_eq!(run(0..200, calm), BTreeMap::from([("Succeeded", 200)]));
}

#[test]
fn crashes_alone_never_cost_a_recovery_point() {
    let crashes = Chaos {
        crash: 120,
        output_discarded: 200,
        ..Chaos::default()
    };
    assert_eq!(run(0..200, crashes), BTreeMap::from([("Succeeded", 200)]));
}

#[test]
fn a_lost_spool_costs_only_another_backup() {
    let crashes = Chaos {
        crash: 120,
        spool_lost: 500,
        ..Chaos::default()
    };
    let ends = run(0..200, crashes);
    assert!(!ends.contains_key("Failed"), "{ends:?}");
}

#[test]
fn everything_at_once_keeps_the_laws_and_meets_every_outcome() {
    let ends = run(0..600, EVERYTHING);
    assert_eq!(ends.len(), 4, "{ends:?}");
}

#[test]
fn unreliable_stores_keep_the_laws() {
    let chaos = Chaos {
        transient: 300,
        answer_lost: 200,
        crash: 60,
        ..Chaos::default()
    };
    run(0..300, chaos);
}

#[test]
fn commits_that_are_cut_off_or_refused_keep_the_laws() {
    let chaos = Chaos {
        permanent: 80,
        crash: 200,
        cancel: 20,
        spool_lost: 300,
        ..Chaos::default()
    };
    run(0..400, chaos);
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
        ..Chaos::default()
    };
    run(0..400, chaos);
    let cancelled = Chaos {
        cancel: 30,
        store_dies: 20,
        ..chaos
    };
    run(0..200, cancelled);
}

#[test]
fn a_process_killed_at_each_record_of_a_commit_that_fails_keeps_what_a_manifest_names() {
    let chaos = Chaos {
        commit_fails: 900,
        ..Chaos::default()
    };
    for seed in 0..10 {
        let transactions = simulate(seed, chaos, None).unwrap().simulation.transactions;
        for n in 1..=transactions {
            for kill in [Kill::BeforeRecord(n), Kill::AfterRecord(n)] {
                simulate(seed, chaos, Some(kill)).unwrap_or_else(|broken| panic!("{broken}"));
            }
        }
    }
}

#[test]
fn a_process_killed_at_each_record_still_commits_once() {
    let calm = Chaos {
        output_discarded: 300,
        ..Chaos::default()
    };
    for seed in 0..12 {
        let transactions = simulate(seed, calm, None).unwrap().simulation.transactions;
        for n in 1..=transactions {
            for kill in [Kill::BeforeRecord(n), Kill::AfterRecord(n)] {
                let end =
                    simulate(seed, calm, Some(kill)).unwrap_or_else(|broken| panic!("{broken}"));
                assert_eq!(end.outcome, Outcome::Succeeded, "seed {seed}, {kill:?}");
            }
        }
    }
}

#[test]
fn a_process_killed_at_each_record_of_a_failing_run_leaves_nothing() {
    let no = Chaos {
        verdict_no: 1000,
        ..Chaos::default()
    };
    for seed in 0..6 {
        let transactions = simulate(seed, no, None).unwrap().simulation.transactions;
        for n in 1..=transactions {
            for kill in [Kill::BeforeRecord(n), Kill::AfterRecord(n)] {
                let end =
                    simulate(seed, no, Some(kill)).unwrap_or_else(|broken| panic!("{broken}"));
                assert!(
                    matches!(end.outcome, Outcome::Failed { .. }),
                    "seed {seed}, {kill:?}"
                );
                let stores = end.simulation.world.stores.values();
                assert!(stores.into_iter().all(|store| store.objects.is_empty()));
            }
        }
    }
}
