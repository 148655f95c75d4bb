//! What holds when a run is over: nothing is held, nothing is left that nobody tells of,
//! and the outcome says what there is.

use std::collections::BTreeSet;

use drydock_core::{Repeat, StepName};
use drydock_engine::model::{Outcome, When};
use drydock_engine::outcome::left_behind;
use drydock_engine::state::{NodePhase, RunState, UnitEnd};
use drydock_point::state::StoreStatus;

use crate::actions::Key;
use crate::laws::same_after_replay;
use crate::simulator::Simulation;
use crate::stores::RIVAL;
use crate::world::{Broken, World};

pub fn at_the_end(simulation: &Simulation, outcome: &Outcome) -> Result<(), Broken> {
    let (state, world) = (&simulation.state, &simulation.world);
    same_after_replay(state, &simulation.records, state.now())?;
    world.check_manifests()?;
    nothing_is_held(world)?;
    no_question_is_open(state)?;
    cuts_were_covered(state, world)?;
    taken_back(state, world)?;
    if *outcome == Outcome::Succeeded {
        everything_was_done(state, world)?;
    }
    if state.point.is_some() {
        nothing_unreported(state, world)?;
        doubt_is_told(state, outcome)?;
        spool_is_gone(world)?;
        commits_match(state, world, outcome)?;
    }
    Ok(())
}

fn nothing_is_held(world: &World) -> Result<(), Broken> {
    if world.actions.locks.is_empty() && world.actions.frozen.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "at the end {:?} and {:?} hold",
            world.actions.locks, world.actions.frozen
        ))
    }
}

fn no_question_is_open(state: &RunState) -> Result<(), Broken> {
    match state.open_questions().next() {
        Some((id, _)) => Err(format!("the run ended with question {id} open")),
        None => Ok(()),
    }
}

/// In a pass that counts, every hold stood when each step made its cut, unless a probe lied
/// about it.
fn cuts_were_covered(state: &RunState, world: &World) -> Result<(), Broken> {
    for unit in state
        .units
        .iter()
        .filter(|unit| unit.end == Some(UnitEnd::Whole))
    {
        for member in &unit.members {
            let step = &state.spec.nodes[*member].step;
            if state.nodes[*member].phase != NodePhase::Done {
                continue;
            }
            match world.actions.cuts.get(step) {
                Some(Err(hold)) if !world.actions.lied.contains(hold) => {
                    return Err(format!("{step} made its cut, and {hold} did not stand"));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// What a run that did not come to its end did is taken back, or told of.
fn taken_back(state: &RunState, world: &World) -> Result<(), Broken> {
    if !state.is_ending() {
        return Ok(());
    }
    let told = left_behind(state).join("\n");
    let committed = state
        .point
        .as_ref()
        .is_some_and(|point| point.is_committed());
    for step in &world.actions.facts {
        let is_told = told.contains(&format!("step {step} "));
        let belongs = committed && state.node_spec(step).is_some_and(|spec| spec.contributes);
        if !is_told && !belongs {
            return Err(format!("what {step} did is left, and nobody tells: {told}"));
        }
    }
    Ok(())
}

/// A run that succeeded did everything, and what it did is there.
fn everything_was_done(state: &RunState, world: &World) -> Result<(), Broken> {
    for (node, spec) in state.nodes.iter().zip(&state.spec.nodes) {
        let step = &spec.step;
        let is_meant = match spec.when {
            When::Success | When::Always => true,
            When::Failure => false,
        };
        if !is_meant {
            continue;
        }
        if node.phase != NodePhase::Done {
            return Err(format!("it succeeded, and {step} is {:?}", node.phase));
        }
        let lied = world.actions.lied.contains(step);
        let works = spec.hold.is_none() && spec.gate.is_none() && !lied;
        let undone = |step: &StepName| !world.actions.facts.contains(step);
        if works && spec.undo && undone(step) {
            return Err(format!("it succeeded, and what {step} did is not there"));
        }
        let key = world.actions.keys.get(step);
        if works && spec.repeat == Repeat::Keyed && key != Some(&Key::Done) {
            return Err(format!("it succeeded, and {step} is {key:?} by its key"));
        }
    }
    let given_up = |unit: &&drydock_engine::state::Unit| unit.end != Some(UnitEnd::Whole);
    match state.units.iter().find(given_up) {
        Some(unit) => Err(format!("it succeeded, and a unit is {:?}", unit.end)),
        None => Ok(()),
    }
}

/// No upload of ours is open and no object lies about that no manifest names, but for
/// what the outcome tells of. What belongs to another daemon is still there.
fn nothing_unreported(state: &RunState, world: &World) -> Result<(), Broken> {
    let told = state.point.as_ref().map(|point| point.left_behind());
    let told = told.unwrap_or_default().join("\n");
    for (name, store) in &world.stores {
        let swept_in_vain = told.contains(&format!("target t-{name} may hold unfinished"));
        let manifest = store.manifest.clone().unwrap_or_default();
        let named: BTreeSet<_> = manifest.lines().collect();
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
            if !named.contains(object.as_str()) && !told.contains(object) {
                return Err(format!("{object} is left at {name}"));
            }
        }
        if !store.sessions.contains_key(b"rival".as_slice()) {
            return Err(format!("an upload of another daemon was aborted at {name}"));
        }
    }
    Ok(())
}

/// Where nobody knows whether there is a recovery point, the outcome says so. A run that
/// failed for another reason than its recovery point tells of that.
fn doubt_is_told(state: &RunState, outcome: &Outcome) -> Result<(), Broken> {
    let told = match outcome {
        Outcome::Succeeded => String::new(),
        Outcome::Degraded { reasons } | Outcome::Superseded { reasons } => reasons.join("\n"),
        Outcome::Failed { fault } => fault.message.clone(),
    };
    if disproved(state) {
        return Ok(());
    }
    let stores = || state.point.iter().flat_map(|point| point.stores());
    for store in stores().filter(|store| store.is_in_doubt()) {
        let target = &store.target;
        if !told.contains(&format!("it is not known whether target {target} has")) {
            return Err(format!("{target} is in doubt, and it ended {outcome:?}"));
        }
    }
    let doubt = stores().any(|store| store.is_in_doubt());
    match outcome {
        Outcome::Failed { fault } if fault.may_be_done() != doubt => {
            Err(format!("in doubt: {doubt}, and it ended {outcome:?}"))
        }
        _ => Ok(()),
    }
}

/// Whether a step found that what was stored is not sound.
fn disproved(state: &RunState) -> bool {
    let nodes = state.nodes.iter().zip(&state.spec.nodes);
    let mut proving = nodes.filter(|(_, spec)| spec.proves);
    proving.any(|(node, _)| node.fault().is_some())
}

fn spool_is_gone(world: &World) -> Result<(), Broken> {
    if world.spool.is_empty() {
        Ok(())
    } else {
        Err("the spool is left".to_owned())
    }
}

/// A store says committed exactly when it holds this run's manifest, unless nobody can
/// know; and the outcome says what the stores say.
fn commits_match(state: &RunState, world: &World, outcome: &Outcome) -> Result<(), Broken> {
    let (mut committed, mut there) = (0, 0);
    let stores = state.point.iter().flat_map(|point| point.stores());
    let all = stores.clone().count();
    let minimum = state.spec.point.as_ref();
    let minimum = minimum.map_or(0, |point| point.minimum_targets as usize);
    let mut enough = true;
    for store in stores {
        let manifest = world.stores[&store.step].manifest.as_deref();
        let ours = manifest.is_some_and(|text| text != RIVAL);
        let says = store.status == StoreStatus::Committed;
        committed += usize::from(says);
        let has = says || store.status == StoreStatus::Superseded;
        there += usize::from(has);
        enough &= has || !store.required;
        if says != ours && !(ours && store.is_in_doubt()) {
            return Err(format!(
                "{} says {:?} and has {manifest:?}",
                store.step, store.status
            ));
        }
    }
    enough &= there >= minimum;
    let fits = match outcome {
        Outcome::Succeeded => committed == all,
        Outcome::Degraded { .. } => committed > 0 && enough,
        Outcome::Failed { .. } if disproved(state) => true,
        Outcome::Failed { .. } => committed == 0 || !enough,
        Outcome::Superseded { .. } => committed == 0,
    };
    if fits {
        Ok(())
    } else {
        Err(format!(
            "{committed} of {all} committed, and it ended {outcome:?}"
        ))
    }
}
