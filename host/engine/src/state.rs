//! What is known of a run. The state changes by [`RunState::apply`] for what happened and by
//! [`RunState::started`] for what was asked for, and by nothing else, so that replaying a
//! run's records gives the state that the process had which wrote them. It has no clock:
//! each record brings its instant.

mod apply;
mod ask;
mod attempt;
mod node;
mod pass;
mod point;
mod settle;
mod timer;
mod undo;
mod unit;

use std::collections::BTreeMap;

use drydock_core::{Fault, QuestionId, StepName, UnixTime, Value};
use drydock_point::Point;
use drydock_point::model::AttemptEnd;

use crate::model::{Effect, EffectId, NodeSpec, Outcome, OutputRef, RunSpec};

pub use ask::{About, Decision, GATE_OUTPUT, Question};
pub use node::{Hold, HoldAt, Node, NodePhase, ProbeAt, Undo, UndoPhase};
pub use settle::Readiness;
pub use timer::{Purpose, Timer};
pub use unit::{Unit, UnitEnd, units};

/// Faults that are kept for an operator to read: the first ones tell the story, and
/// a run's state must not grow with the number of its retries.
const FAULTS_KEPT_MAX: usize = 64;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    pub spec: RunSpec,
    pub created: UnixTime,
    /// In the order of the specification.
    pub nodes: Vec<Node>,
    pub units: Vec<Unit>,
    pub point: Option<Point>,
    /// What was asked for and is not answered.
    pub in_flight: BTreeMap<EffectId, Effect>,
    /// Every question that was asked, the answered ones too.
    pub questions: BTreeMap<QuestionId, Question>,
    pub timers: BTreeMap<u64, Timer>,
    /// Why the run is being brought to an end before its time.
    pub ending: Option<Fault>,
    /// Why it would be, past a point of no return: an operator is asked.
    pub failing: Option<Fault>,
    /// An operator wants what was done left as it is.
    pub left: bool,
    /// Why nothing more is taken back of the recovery point.
    pub cleanup_given_up: Option<Fault>,
    pub finished: Option<Finished>,
    /// What went wrong on the way, the earliest first; the recovery point has its own.
    pub faults: Vec<NodeFault>,
    index: BTreeMap<StepName, usize>,
    now: UnixTime,
    effects: u64,
    timers_made: u64,
    questions_made: u32,
    begun: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub outcome: Outcome,
    pub at: UnixTime,
}

/// One failed effect of a node, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFault {
    /// The effect's word, e.g. `attempt`.
    pub effect: &'static str,
    pub step: StepName,
    pub fault: Fault,
}

impl RunState {
    /// A run that was just created.
    #[must_use]
    pub fn new(spec: RunSpec, created: UnixTime) -> Self {
        let steps = spec.nodes.iter().map(|node| node.step.clone());
        let index = steps.zip(0..).collect();
        let units = unit::units(&spec.nodes, &index);
        let nodes = (0..spec.nodes.len()).map(|node| Node::new(unit::unit_of(&units, node)));
        let nodes = nodes.collect();
        let point = spec.point.clone().map(Point::new);
        let mut state = Self {
            spec,
            created,
            nodes,
            units,
            point,
            in_flight: BTreeMap::new(),
            questions: BTreeMap::new(),
            timers: BTreeMap::new(),
            ending: None,
            failing: None,
            left: false,
            cleanup_given_up: None,
            finished: None,
            faults: Vec::new(),
            index,
            now: created,
            effects: 0,
            timers_made: 0,
            questions_made: 0,
            begun: 0,
        };
        state.settle();
        state
    }

    /// The number that the next effect gets; those of one decision follow each other.
    #[must_use]
    pub fn next_effect(&self) -> EffectId {
        EffectId(self.effects + 1)
    }

    /// Notes that an effect was recorded at this instant and is about to be carried out.
    pub fn started(&mut self, id: EffectId, effect: &Effect, at: UnixTime) {
        self.now = at;
        self.effects = self.effects.max(id.0);
        match effect {
            Effect::Attempt { node, .. } => self.attempt_started(node, id),
            Effect::Probe { node, .. } => self.probe_started(node, id),
            Effect::Undo { node, .. } => self.undo_started(node, id),
            Effect::Stop { attempt, .. } => self.stop_started(*attempt),
            Effect::LetGo { attempt } => self.let_go_started(*attempt),
            Effect::Ask { question, .. } => self.asked(*question),
            Effect::Point { point } => {
                if let Some(machine) = &mut self.point {
                    machine.started(point);
                }
            }
            Effect::Wait { timer, .. } => self.wait_started(*timer),
            Effect::Finish { .. } => {}
        }
        if effect.is_answered() || matches!(effect, Effect::Finish { .. }) {
            self.in_flight.insert(id, effect.clone());
        }
    }

    /// A copy for the runner, without what only the machine needs of long uploads.
    #[must_use]
    pub fn for_runner(&mut self) -> Self {
        let point = self.point.as_mut().map(Point::for_runner);
        let own = self.point.take();
        let copy = Self {
            point,
            ..self.clone()
        };
        self.point = own;
        copy
    }

    /// The instant of the last record.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// The node of that step.
    #[must_use]
    pub fn node(&self, step: &StepName) -> Option<&Node> {
        self.index.get(step).map(|index| &self.nodes[*index])
    }

    /// The node of that step as it was pinned.
    #[must_use]
    pub fn node_spec(&self, step: &StepName) -> Option<&NodeSpec> {
        self.index.get(step).map(|index| &self.spec.nodes[*index])
    }

    /// The values that a node takes from others, by its own names.
    ///
    /// # Errors
    /// The reference to a value that its step did not give.
    pub fn inputs(&self, step: &StepName) -> Result<BTreeMap<String, Value>, OutputRef> {
        let spec = self.node_spec(step);
        let inputs = spec.into_iter().flat_map(|spec| &spec.inputs);
        inputs
            .map(|(name, from)| {
                let done = self.node(&from.step).and_then(|node| node.done.as_ref());
                let value = done.and_then(|done| done.outputs.get(&from.output));
                let value = value.cloned().ok_or_else(|| from.clone())?;
                Ok((name.clone(), value))
            })
            .collect()
    }

    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether every node is over, no unit runs anew, and nothing more is to be expected of
    /// the recovery point's targets.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.nodes.iter().all(Node::is_over)
            && self.units.iter().all(|unit| unit.end.is_some())
            && self.point.as_ref().is_none_or(Point::is_settled)
    }

    /// Whether others may work on the run's subjects: a gate waits that says so.
    #[must_use]
    pub fn frees_subjects(&self) -> bool {
        let nodes = self.nodes.iter().zip(&self.spec.nodes);
        let mut gates = nodes.filter_map(|(node, spec)| Some((node, spec.gate.as_ref()?)));
        gates.any(|(node, gate)| gate.frees_subjects && node.phase == NodePhase::Asking)
    }

    /// Whether the effect brings an ending run forward, so that nobody wants it any more.
    /// Holds and what is taken back are not: they end by themselves.
    #[must_use]
    pub fn is_forward(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Attempt { node, .. } => self.node_spec(node).is_some_and(|spec| {
                spec.hold.is_none() && spec.when == crate::model::When::Success
            }),
            Effect::Point { point } => !point.is_cleanup(),
            _ => false,
        }
    }

    fn index_of(&self, step: &StepName) -> Option<usize> {
        self.index.get(step).copied()
    }

    /// Brings the run to an end from outside, unless there is nothing left to stop.
    pub(crate) fn stop(&mut self, fault: Fault) {
        if !self.is_settled() {
            self.end(fault);
        }
    }

    /// Brings the run to an end before its time. The first reason counts. Past a point of no
    /// return an operator is asked instead.
    pub(crate) fn end(&mut self, fault: Fault) {
        if self.is_ending() || self.failing.is_some() {
            return;
        }
        let nodes = self.nodes.iter().zip(&self.spec.nodes);
        let mut passed = nodes.filter(|(node, spec)| spec.no_return && node.began.is_some());
        if let Some((_, spec)) = passed.next() {
            let step = spec.step.clone();
            self.failing = Some(fault);
            return self.want_question(About::NoReturn(step));
        }
        self.end_now(fault);
    }

    fn end_now(&mut self, fault: Fault) {
        if let Some(point) = &mut self.point {
            point.ending(&fault);
        }
        self.ending = Some(fault);
    }

    fn keep_fault(&mut self, effect: &'static str, index: usize, fault: &Fault) {
        if self.faults.len() < FAULTS_KEPT_MAX {
            self.faults.push(NodeFault {
                effect,
                step: self.spec.nodes[index].step.clone(),
                fault: fault.clone(),
            });
        }
    }

    /// Tells the recovery point how an attempt ended, where the node contributes to it.
    fn tell_point(&mut self, index: usize, end: &AttemptEnd) {
        let spec = &self.spec.nodes[index];
        if let Some(point) = self.point.as_mut().filter(|_| spec.contributes) {
            point.attempt_ended(&spec.step, end);
        }
    }
}
