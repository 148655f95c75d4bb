//! The laws that every simulated run keeps, whatever goes wrong in its world.

use std::collections::{BTreeMap, BTreeSet};

use drydock_core::{HoldPhase, QuestionId, RunPhase, StepName, UnixTime, Value};
use drydock_engine::decide::decide;
use drydock_engine::model::{Effect, EffectId, Event, NodeSpec, When};
use drydock_engine::state::{About, NodePhase, RunState};
use drydock_engine::view::RunView;
use drydock_journal::Record;
use drydock_point::model::{NeedState, PointEffect};

use crate::simulator::replay_of;
use crate::world::{Broken, World};

pub use crate::laws_at_end::at_the_end;

/// What has to be remembered from one decision to the next.
#[derive(Default)]
pub struct Laws {
    /// The rank of each step's first attempt since it was last taken back, and by what the
    /// machine knows it.
    began: BTreeMap<StepName, (Option<u32>, usize)>,
    begun: usize,
}

type Numbered = [(EffectId, Effect)];

impl Laws {
    /// What was asked for may be asked for.
    pub fn of_what_started(
        &mut self,
        state: &RunState,
        event: &Event,
        effects: &Numbered,
    ) -> Result<(), Broken> {
        self.forget_undone(state, event);
        for (_, effect) in effects {
            match effect {
                Effect::Attempt { node, .. } => {
                    let spec = state.node_spec(node).ok_or(format!("no step {node}"))?;
                    may_begin(state, spec)?;
                    self.begun += 1;
                    let known = state.node(node).and_then(|node| node.began);
                    let began = self.began.entry(node.clone()).or_default();
                    if began.0 != known {
                        *began = (known, self.begun);
                    }
                }
                Effect::Undo { node, .. } => self.in_reverse(state, node)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// What a unit's pass left was taken back, and begins anew.
    fn forget_undone(&mut self, state: &RunState, event: &Event) {
        if matches!(
            event,
            Event::Answered { .. } | Event::Decided { .. } | Event::Resumed { .. }
        ) {
            self.began
                .retain(|step, _| state.node(step).is_some_and(|node| node.began.is_some()));
        }
    }

    /// Of the steps that are no holds, whatever began later is taken back first, and is not at
    /// work any more when the run ends.
    fn in_reverse(&self, state: &RunState, undone: &StepName) -> Result<(), Broken> {
        let nodes = || state.nodes.iter().zip(&state.spec.nodes);
        let is_hold = |spec: &NodeSpec| spec.hold.is_some();
        if state.node_spec(undone).is_some_and(is_hold) {
            return Ok(());
        }
        let rank = self
            .began
            .get(undone)
            .map(|began| began.1)
            .unwrap_or_default();
        let later = |spec: &NodeSpec| self.began.get(&spec.step).is_some_and(|r| r.1 > rank);
        for (node, spec) in nodes().filter(|(_, spec)| !is_hold(spec) && later(spec)) {
            let step = &spec.step;
            if node.undo.phase.is_open() {
                return Err(format!(
                    "{undone} is taken back before {step}, which began later"
                ));
            }
            let works = node.running().is_some() && spec.when == When::Success;
            if works && state.is_ending() {
                return Err(format!(
                    "{undone} is taken back while {step} works, which began later"
                ));
            }
        }
        Ok(())
    }
}

/// A step never begins before what it needs, and a hold is never asked for while a step
/// during it waits for something else.
fn may_begin(state: &RunState, spec: &NodeSpec) -> Result<(), Broken> {
    let step = &spec.step;
    for need in &spec.needs {
        let met = need_state(state, &need.step, spec);
        let is_enough = match (met, spec.when) {
            (NeedState::Open, _) => false,
            (NeedState::Failed, When::Success) => need.is_order,
            (NeedState::Met | NeedState::Failed, _) => true,
        };
        if !is_enough {
            return Err(format!("{step} begins, and {} is {met:?}", need.step));
        }
    }
    if spec.hold.is_none() {
        return Ok(());
    }
    let members = state
        .spec
        .nodes
        .iter()
        .filter(|member| member.during.contains(step));
    for member in members {
        let unit = |step: &StepName| state.node(step).and_then(|node| node.unit);
        let own = unit(&member.step);
        for need in member.needs.iter().filter(|need| unit(&need.step) != own) {
            if need_state(state, &need.step, member) == NeedState::Open {
                return Err(format!(
                    "hold {step} is asked for, and {} waits for {}",
                    member.step, need.step
                ));
            }
        }
    }
    Ok(())
}

fn need_state(state: &RunState, needed: &StepName, by: &NodeSpec) -> NeedState {
    let Some(node) = state.node(needed) else {
        let point = state.point.as_ref().and_then(|point| point.need(needed));
        return point.unwrap_or(NeedState::Failed);
    };
    let own = state.node(&by.step).and_then(|node| node.unit);
    let is_open = node
        .unit
        .is_some_and(|unit| Some(unit) != own && state.units[unit].end.is_none());
    match &node.phase {
        _ if is_open => NeedState::Open,
        NodePhase::Done => NeedState::Met,
        NodePhase::Failed(_) | NodePhase::Skipped(_) => NeedState::Failed,
        _ => NeedState::Open,
    }
}

/// Deciding again, with everything started, asks for nothing. No more steps run at once than
/// may. A run is Stuck when an undo asks, and only then.
pub fn after_a_decision(state: &RunState, event: &Event, effects: &Numbered) -> Result<(), Broken> {
    let again = decide(state, event);
    if !again.is_empty() {
        return Err(format!("after {effects:?} it still asks for {again:?}"));
    }
    let nodes = state.nodes.iter().zip(&state.spec.nodes);
    let running = nodes.filter(|(node, spec)| node.running().is_some() && spec.hold.is_none());
    let running = running.count();
    let most = state.spec.policy.steps_max as usize;
    if running > most {
        return Err(format!("{running} steps run at once, and {most} may"));
    }
    let mut open = state.open_questions();
    let undo = open.any(|(_, question)| matches!(question.about, About::Undo { .. }));
    let stuck = state.phase() == RunPhase::Stuck;
    if stuck == undo || state.finished.is_some() {
        Ok(())
    } else {
        Err(format!(
            "an undo asks: {undo}, and the run is {:?}",
            state.phase()
        ))
    }
}

/// Nothing is completed or committed before everything was verified.
pub fn may_count(state: &RunState, effect: &PointEffect) -> Result<(), Broken> {
    let counts = matches!(
        effect,
        PointEffect::CompleteUpload { .. } | PointEffect::CommitManifest { .. }
    );
    let verified = state
        .point
        .as_ref()
        .is_some_and(|point| point.is_verified());
    if counts && !verified {
        return Err(format!("{} before everything was verified", effect.word()));
    }
    Ok(())
}

/// Never one effect twice; never two attempts of one step; never more parts of one object at
/// once than the store takes, nor than four; nothing of an upload while it is aborted.
pub fn in_flight(effects: &BTreeMap<EffectId, Effect>, world: &World) -> Result<(), Broken> {
    let mut parts = BTreeMap::new();
    let effects: Vec<_> = effects.values().collect();
    let works = effects.iter().filter_map(|effect| effect.node());
    if works.clone().collect::<BTreeSet<_>>().len() < works.count() {
        return Err(format!("two effects work on one step: {effects:?}"));
    }
    for (index, effect) in effects.iter().enumerate() {
        if effects[..index].contains(effect) {
            return Err(format!("{effect:?} is in flight twice"));
        }
        if let Effect::Point {
            point: PointEffect::PutPart { store, output, .. },
        } = effect
        {
            *parts.entry((store, output)).or_insert(0) += 1;
        }
    }
    for ((store, output), count) in parts {
        if count > world.stores[store].parallel_max.min(4) {
            return Err(format!("{count} parts of {output} in flight to {store}"));
        }
        let undoing = |effect: &&Effect| {
            let undo = matches!(
                effect,
                Effect::Point {
                    point: PointEffect::AbortUpload { .. } | PointEffect::DeleteObject { .. }
                }
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

/// Each hold that stands in the world is one that everybody sees: the rows of holds in the
/// journal follow from the same phases, and a test of the driver compares them.
pub fn holds_are_known(state: &RunState, world: &World) -> Result<(), Broken> {
    let locks = world.actions.locks.values();
    let held = locks.filter_map(|id| world.actions.acts.get(id));
    let held = held.map(|act| &act.spec.step);
    let held: Vec<_> = held.chain(&world.actions.frozen).collect();
    if held.is_empty() {
        return Ok(());
    }
    let seen = RunView::of(state).holds;
    for step in held {
        let mut open = seen.iter().filter(|hold| hold.phase != HoldPhase::Released);
        if !open.any(|hold| hold.step == *step) {
            return Err(format!("{step} holds, and nobody sees that it does"));
        }
    }
    Ok(())
}

/// Whatever word of the question an operator answers with, it is taken.
pub fn is_answerable(state: &RunState, id: QuestionId) -> Result<(), Broken> {
    let question = state
        .questions
        .get(&id)
        .ok_or("the question is not there")?;
    if question.choices.is_empty() {
        return Err(format!("question {id} has no choices"));
    }
    for choice in &question.choices {
        let mut next = state.clone();
        let decided = Event::Decided {
            question: id,
            choice: choice.word.clone(),
            by: "a test".to_owned(),
        };
        next.apply(&decided, state.now());
        let is_open = next
            .questions
            .get(&id)
            .is_some_and(|open| open.asked.is_some() && open.answer.is_none());
        if is_open {
            return Err(format!("question {id} does not take {}", choice.word));
        }
    }
    Ok(())
}

/// A step has every value that it takes from others, and as it was given.
pub fn values_are_there(state: &RunState, world: &World, spec: &NodeSpec) -> Result<(), Broken> {
    let Ok(values) = state.inputs(&spec.step) else {
        let givers = spec.inputs.values();
        let mut given = givers.filter_map(|from| state.node(&from.step)?.done.as_ref());
        return if given.any(|done| done.outputs.is_empty()) || spec.when != When::Success {
            // An operator said that it was done, and knows no value.
            Ok(())
        } else {
            Err(format!("{} lacks a value that it takes", spec.step))
        };
    };
    for (name, from) in &spec.inputs {
        let given = world.actions.given.get(&from.step).copied();
        let lied = world.actions.lied.contains(&from.step);
        if !lied && values.get(name) != given.map(Value::Integer).as_ref() {
            return Err(format!(
                "{} takes {values:?}, and it was {given:?}",
                spec.step
            ));
        }
    }
    Ok(())
}

/// Replaying the records gives the state of the process, but for what a resume resets.
pub fn same_after_replay(
    live: &RunState,
    records: &[Record],
    at: UnixTime,
) -> Result<RunState, Broken> {
    let again = replay_of(records)?;
    let resume = Event::Resumed { at };
    let (mut live, mut resumed) = (live.clone(), again.clone());
    live.apply(&resume, at);
    resumed.apply(&resume, at);
    if live == resumed {
        Ok(again)
    } else {
        Err(format!("replay differs:\n{live:#?}\n{resumed:#?}"))
    }
}
