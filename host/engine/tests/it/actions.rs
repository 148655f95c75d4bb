//! What the steps of a graph do in the model world, and how they are taken back. An attempt
//! goes on line by line, so that it can end at any place.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use drydock_core::{
    ErrorClass, ErrorCode, Fault, HoldEnd, HoldKind, OutputId, Probed, Repeat, StepName, Value,
};
use drydock_engine::model::{Answer, Done, EffectId, Emission, NodeSpec};
use drydock_engine::state::{NodePhase, RunState};
use drydock_point::model::OutputEvent;

use crate::graph;
use crate::scripts::{self, Line};
use crate::world::{Broken, World};

/// What the steps have changed.
#[derive(Default)]
pub struct Actions {
    pub acts: BTreeMap<EffectId, Act>,
    /// Session holds: who has the lock of that name.
    pub locks: BTreeMap<String, EffectId>,
    /// State holds that stand.
    pub frozen: BTreeSet<StepName>,
    /// How far keyed steps are.
    pub keys: BTreeMap<StepName, Key>,
    /// What steps that can be taken back left in the world.
    pub facts: BTreeSet<StepName>,
    /// Steps that may run once, and of which nobody said that they did not.
    pub doubt: BTreeSet<StepName>,
    /// The thing that a step keeps elsewhere.
    pub kept: BTreeMap<StepName, String>,
    /// Whether a step's plugin never manages to take it back.
    pub never: BTreeMap<StepName, bool>,
    /// Steps about which a probe lied.
    pub lied: BTreeSet<StepName>,
    /// The value that each step gave last.
    pub given: BTreeMap<StepName, i64>,
    /// Whether every hold stood when a step made its cut, and which did not.
    pub cuts: BTreeMap<StepName, Result<(), StepName>>,
    /// Steps that were done and not taken back.
    did: BTreeSet<StepName>,
    kept_made: u32,
}

/// How far a keyed step is, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Begun,
    Done,
    Undone,
}

/// An attempt that goes on.
pub struct Act {
    pub spec: NodeSpec,
    pub stop: Option<Fault>,
    pub let_go: bool,
    lines: VecDeque<Line>,
    /// Whether it changed anything.
    did: bool,
    has_cut: bool,
    output: Option<OutputId>,
}

/// What an attempt says next.
pub enum Said {
    Nothing,
    Emission(Emission),
    Answer(Answer),
}

impl Actions {
    pub fn keeps(&self, handle: &str) -> bool {
        self.kept.values().any(|kept| kept == handle)
    }

    /// Whether a step was done, as an operator sees it.
    pub fn done_once(&self, step: &StepName) -> bool {
        self.did.contains(step)
    }

    /// Whether an attempt goes on by itself. A hold that stands, or waits for somebody
    /// else's, does not.
    pub fn is_active(&self, id: EffectId) -> bool {
        let Some(act) = self.acts.get(&id) else {
            return true;
        };
        if act.stop.is_some() {
            return true;
        }
        match act.lines.front() {
            Some(Line::Blocked) => false,
            Some(Line::Take) => !self.locks.contains_key(&graph::lock_of(&act.spec)),
            Some(Line::Stand) => act.let_go || !self.has_lock(id, act),
            _ => true,
        }
    }

    fn has_lock(&self, id: EffectId, act: &Act) -> bool {
        self.locks.get(&graph::lock_of(&act.spec)) == Some(&id)
    }

    /// Everything that a step did is gone.
    pub fn take_back(&mut self, step: &StepName) {
        self.facts.remove(step);
        self.did.remove(step);
        self.kept.remove(step);
        self.frozen.remove(step);
        if let Some(key) = self.keys.get_mut(step) {
            *key = Key::Undone;
        }
    }

    /// The process ended, and what only it held with it.
    pub fn crash(&mut self) {
        self.acts.clear();
        self.locks.clear();
    }

    /// The first of the holds of a step's unit that does not stand.
    fn missing_hold(&self, state: &RunState, step: &StepName) -> Result<(), StepName> {
        let unit = state.node(step).and_then(|node| node.unit);
        let holds = unit.map(|unit| state.units[unit].holds.as_slice());
        for index in holds.unwrap_or_default() {
            let (node, spec) = (&state.nodes[*index], &state.spec.nodes[*index]);
            let stands = match spec.hold.map(|hold| hold.kind) {
                Some(HoldKind::Session) => {
                    let holder = self.locks.get(&graph::lock_of(spec)).copied();
                    holder.is_some() && holder == node.running()
                }
                _ => self.frozen.contains(&spec.step),
            };
            if !stands {
                return Err(spec.step.clone());
            }
        }
        Ok(())
    }
}

impl World {
    /// An attempt begins.
    pub fn begin(&mut self, state: &RunState, id: EffectId, spec: &NodeSpec) -> Result<(), Broken> {
        let step = &spec.step;
        if self.finished.remove(step) && !self.spool_was_hit && spec.during.is_empty() {
            return Err(format!("{step} runs again though it had finished"));
        }
        if spec.repeat == Repeat::AtMostOnce && !self.actions.doubt.insert(step.clone()) {
            return Err(format!("{step} may run once and runs twice"));
        }
        if let Some(point) = &state.point
            && point.contributor(step).is_some()
        {
            self.first_output.insert(step.clone(), point.next_output());
            self.tidy_spool(point);
        }
        let act = Act {
            spec: spec.clone(),
            stop: None,
            let_go: false,
            lines: scripts::script(&mut self.random, &self.chaos, state, spec),
            did: false,
            has_cut: false,
            output: None,
        };
        self.actions.acts.insert(id, act);
        Ok(())
    }

    /// An attempt goes on.
    pub fn act(&mut self, state: &RunState, id: EffectId) -> Result<Said, Broken> {
        if !self.actions.is_active(id) {
            return Ok(Said::Nothing);
        }
        let mut act = self
            .actions
            .acts
            .remove(&id)
            .ok_or("nobody is at work on it")?;
        let said = self.act_on(state, id, &mut act)?;
        if matches!(said, Said::Answer(_)) {
            self.release(id);
        } else {
            self.actions.acts.insert(id, act);
        }
        Ok(said)
    }

    fn release(&mut self, id: EffectId) {
        self.actions.locks.retain(|_, holder| *holder != id);
    }

    fn act_on(&mut self, state: &RunState, id: EffectId, act: &mut Act) -> Result<Said, Broken> {
        let waits = !self.is_at_work(act);
        let contributes = act.spec.contributes;
        if let Some(stop) = &act.stop
            && (waits || contributes || self.random.chance(500))
        {
            return Ok(Said::Answer(self.failed(act, stop.clone())));
        }
        let line = act.lines.pop_front().ok_or("the attempt says no more")?;
        self.line(state, id, act, line)
    }

    fn is_at_work(&self, act: &Act) -> bool {
        !matches!(
            act.lines.front(),
            Some(Line::Blocked | Line::Take | Line::Held | Line::Stand)
        )
    }

    fn line(
        &mut self,
        state: &RunState,
        id: EffectId,
        act: &mut Act,
        line: Line,
    ) -> Result<Said, Broken> {
        let step = act.spec.step.clone();
        Ok(match line {
            Line::Blocked => Said::Nothing,
            Line::Take => return self.take_lock(id, act),
            Line::Held => Said::Emission(Emission::Held {
                evidence: format!("lock of {step}"),
            }),
            Line::Stand => Said::Answer(self.let_go(id, act)),
            Line::Cut => {
                act.has_cut = true;
                self.cut(state, &step);
                Said::Emission(Emission::Cut)
            }
            Line::Begin => {
                self.begin_key(act);
                Said::Nothing
            }
            Line::Keep => Said::Emission(self.keep(act)),
            Line::Do => {
                self.change(act);
                Said::Nothing
            }
            Line::Fail(fault) => Said::Answer(self.failed(act, fault)),
            Line::End => Said::Answer(self.ended(state, act)),
            output => self.output(state, act, output)?,
        })
    }

    /// It is free unless another attempt has it, which is waited for.
    fn take_lock(&mut self, id: EffectId, act: &mut Act) -> Result<Said, Broken> {
        let lock = graph::lock_of(&act.spec);
        match self.actions.locks.entry(lock) {
            Entry::Vacant(free) => {
                free.insert(id);
            }
            Entry::Occupied(_) => act.lines.push_front(Line::Take),
        }
        Ok(Said::Nothing)
    }

    fn let_go(&mut self, id: EffectId, act: &Act) -> Answer {
        let had = self.actions.has_lock(id, act);
        self.release(id);
        if self.random.chance(self.chaos.answer_lost) {
            return Answer::failed(self.any_fault());
        }
        let hold = if had && act.let_go {
            HoldEnd::ToTheEnd
        } else {
            HoldEnd::Lost {
                why: "the other side closed it".to_owned(),
            }
        };
        done(Done {
            hold: Some(hold),
            ..Done::default()
        })
    }

    fn cut(&mut self, state: &RunState, step: &StepName) {
        let stood = self.actions.missing_hold(state, step);
        self.actions.cuts.insert(step.clone(), stood);
    }

    fn begin_key(&mut self, act: &mut Act) {
        if act.spec.repeat == Repeat::Keyed {
            act.did = true;
            let key = self.actions.keys.entry(act.spec.step.clone());
            let key = key.or_insert(Key::Begun);
            if *key == Key::Undone {
                *key = Key::Begun;
            }
        }
    }

    /// By its key it is the same thing in each attempt, until it is taken back.
    fn keep(&mut self, act: &mut Act) -> Emission {
        act.did = true;
        let step = act.spec.step.clone();
        self.actions.facts.insert(step.clone());
        let made = &mut self.actions.kept_made;
        let handle = self.actions.kept.entry(step.clone()).or_insert_with(|| {
            *made += 1;
            format!("{step}#{made}")
        });
        Emission::Kept {
            handle: handle.clone(),
        }
    }

    fn change(&mut self, act: &mut Act) {
        act.did = true;
        let step = act.spec.step.clone();
        if act.spec.repeat == Repeat::Keyed {
            self.actions.keys.insert(step.clone(), Key::Done);
        }
        if act.spec.hold.is_some() {
            self.actions.frozen.insert(step.clone());
        }
        self.actions.did.insert(step.clone());
        let value = i64::try_from(self.random.below(1000)).unwrap();
        self.actions.given.entry(step.clone()).or_insert(value);
        if act.spec.undo {
            self.actions.facts.insert(step);
        }
    }

    /// Of what happened nobody says that it did not.
    fn failed(&mut self, act: &Act, fault: Fault) -> Answer {
        let is_sure = !act.did && self.random.chance(500);
        Answer::failed(if is_sure { fault.not_done() } else { fault })
    }

    fn ended(&mut self, state: &RunState, act: &Act) -> Answer {
        let step = &act.spec.step;
        if !act.has_cut {
            self.cut(state, step);
        }
        if self.random.chance(self.chaos.answer_lost) {
            return Answer::failed(self.any_fault());
        }
        self.done_of(&act.spec)
    }

    fn done_of(&self, spec: &NodeSpec) -> Answer {
        let value = self.actions.given.get(&spec.step).copied();
        let names = spec.outputs.keys();
        let outputs = names.map(|name| (name.clone(), Value::Integer(value.unwrap_or_default())));
        done(Done {
            outputs: outputs.collect(),
            ..Done::default()
        })
    }

    fn output(&mut self, state: &RunState, act: &mut Act, line: Line) -> Result<Said, Broken> {
        if let Line::Open(name) = &line {
            let point = state.point.as_ref().ok_or("an output without a point")?;
            let output = point.next_output();
            act.output = Some(output);
            return Ok(Said::Emission(Emission::Output(OutputEvent::Opened {
                output,
                name: name.clone(),
                secret: true,
                object_suffix: format!("{:016x}", output.0),
                extension: "zst.age".to_owned(),
            })));
        }
        let output = act.output.ok_or("an output that was not opened")?;
        let event = match line {
            Line::Advance(sealed_bytes) => {
                self.spool.insert(output, sealed_bytes);
                OutputEvent::Advanced {
                    output,
                    sealed_bytes,
                }
            }
            Line::Seal(size) => {
                self.spool.insert(output, size);
                let sealed = Box::new(graph::sealed_output(output, size));
                OutputEvent::Sealed { sealed }
            }
            _ => {
                let reason = Fault::transient(ErrorCode::StreamBroken, "the stream broke");
                OutputEvent::Discarded { output, reason }
            }
        };
        Ok(Said::Emission(Emission::Output(event)))
    }

    /// A process that ends: an attempt may have come some lines further.
    pub fn act_unheard(&mut self, state: &RunState, id: EffectId) -> Result<(), Broken> {
        for _ in 0..self.random.below(4) {
            let Some(act) = self.actions.acts.get(&id) else {
                return Ok(());
            };
            if act.spec.contributes && act.output.is_some() {
                return Ok(());
            }
            let _ = self.act(state, id)?;
        }
        Ok(())
    }

    /// A hold is lost while it stands: an attempt's lock, or what a step froze.
    pub fn lose_hold(&mut self) {
        let locks = self.actions.locks.keys().cloned();
        let locks: Vec<_> = locks.collect();
        let frozen: Vec<_> = self.actions.frozen.iter().cloned().collect();
        let count = locks.len() + frozen.len();
        if count == 0 {
            return;
        }
        let place = usize::try_from(self.random.below(count as u64)).unwrap();
        match locks.get(place) {
            Some(lock) => {
                self.actions.locks.remove(lock);
            }
            None => {
                self.actions.frozen.remove(&frozen[place - locks.len()]);
            }
        }
    }

    /// Takes a step back, or does not manage to.
    pub fn undo(&mut self, step: &StepName) -> Result<Answer, Broken> {
        if self.actions.acts.values().any(|act| act.spec.step == *step) {
            return Err(format!("{step} is taken back while it runs"));
        }
        let per_mille = self.chaos.undo_never;
        let random = &mut self.random;
        let never = self.actions.never.entry(step.clone());
        let never = *never.or_insert_with(|| random.chance(per_mille));
        if never || self.random.chance(self.chaos.undo_fails) {
            let fault = Fault::transient(ErrorCode::of("stuck"), "it cannot be taken back");
            return Ok(Answer::failed(fault));
        }
        self.actions.take_back(step);
        self.check_manifests()?;
        if self.random.chance(self.chaos.answer_lost) {
            return Ok(Answer::failed(self.any_fault()));
        }
        Ok(Answer::Undone)
    }

    /// What became of a step: the truth, or now and then a lie.
    pub fn probe(&mut self, state: &RunState, step: &StepName) -> Result<Answer, Broken> {
        if self.random.chance(self.chaos.transient) {
            let fault = Fault::transient(ErrorCode::of("busy"), "busy");
            return Ok(Answer::failed(fault));
        }
        let lies = self.random.chance(self.chaos.probe_lies);
        if lies {
            self.actions.lied.insert(step.clone());
        }
        let spec = state.node_spec(step).ok_or(format!("no step {step}"))?;
        let is_unknown = state
            .node(step)
            .is_some_and(|node| matches!(node.phase, NodePhase::Unknown { .. }));
        if !is_unknown {
            let stands = self.actions.frozen.contains(step) != lies;
            let state = if stands { Probed::Held } else { Probed::Lost };
            return Ok(Answer::Probed { state });
        }
        let key = self.actions.keys.get(step).copied();
        let found = if lies {
            let answers = [None, Some(Key::Begun), Some(Key::Done), Some(Key::Undone)];
            self.random.pick(&answers)
        } else {
            key
        };
        Ok(match found {
            None => probed(Probed::NotBegun),
            Some(Key::Begun) => probed(Probed::Begun),
            Some(Key::Undone) => probed(Probed::Undone),
            Some(Key::Done) => self.done_of(spec),
        })
    }
}

pub fn done(done: Done) -> Answer {
    Answer::Done {
        done: Box::new(done),
    }
}

fn probed(state: Probed) -> Answer {
    Answer::Probed { state }
}

/// How an attempt ends that was asked to.
pub fn stopped() -> Fault {
    Fault::new(ErrorClass::Cancelled, ErrorCode::Cancelled, "stopped")
}
