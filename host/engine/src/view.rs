//! A run as it stands, for whoever watches or asks.

use drydock_core::{
    ClusterName, Fault, Finding, GrantRecord, HoldKind, HoldPhase, OutputId, PluginDigest,
    QuestionId, RecoveryPointName, RunId, RunKind, RunPhase, ScheduleName, StepName, StepState,
    UnixTime,
};
use drydock_point::Point;
use drydock_point::model::{PointSpec, StepPin};
use drydock_point::view::{self as point_view, OutputView, StoreView};

use crate::model::{Choice, Effect, NodeSpec, Origin, Outcome, RunSpec};
use crate::state::{
    About, Decision, HoldAt, Node, NodePhase, Purpose, Question, RunState, UndoPhase,
};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub due: UnixTime,
    pub kind: RunKind,
    pub origin: Origin,
    pub created: UnixTime,
    pub finished: Option<UnixTime>,
    pub phase: RunPhase,
    /// Nothing goes on until an operator answers, whatever the phase is.
    pub only_asks: bool,
    /// Others may work on the run's subjects while it waits at a gate.
    pub frees_subjects: bool,
    pub outcome: Option<Outcome>,
    /// Once it is committed somewhere, or was worked on.
    pub recovery_point: Option<RecoveryPointName>,
    /// In the order of the document.
    pub steps: Vec<StepView>,
    /// Those that count.
    pub outputs: Vec<OutputView>,
    pub stores: Vec<StoreView>,
    /// Every hold that was asked for.
    pub holds: Vec<HoldView>,
    /// Every question, those that were answered too.
    pub questions: Vec<QuestionView>,
    /// The plugin of each step, and what it may do in this run.
    pub pins: Vec<PinView>,
    /// What went wrong on the way, whether or not it mattered in the end.
    pub faults: Vec<FaultView>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    pub step: StepName,
    pub kind: String,
    pub attempts: u32,
    pub failures: u32,
    pub state: StepState,
    /// Why it failed, or never ran.
    pub reason: Option<String>,
    /// What the step told when it finished.
    pub findings: Vec<Finding>,
    /// What its kind has to show of it; null for nothing.
    pub body: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldView {
    pub step: StepName,
    pub kind: HoldKind,
    pub phase: HoldPhase,
    pub since: UnixTime,
    pub deadline: UnixTime,
    pub evidence: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionView {
    pub question: QuestionId,
    pub about: StepName,
    pub text: String,
    pub choices: Vec<Choice>,
    pub asked: UnixTime,
    pub answer: Option<Decision>,
}

/// A step's plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinView {
    pub step: StepName,
    pub plugin: String,
    pub version: String,
    pub digest: PluginDigest,
    /// What it may do.
    pub grants: GrantRecord,
    /// For a verify step, the backup steps that it judges.
    pub verifies: Vec<StepName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultView {
    pub effect: &'static str,
    /// The node that it was about.
    pub step: Option<StepName>,
    pub store: Option<StepName>,
    pub output: Option<OutputId>,
    pub fault: Fault,
}

impl RunView {
    #[must_use]
    pub fn of(state: &RunState) -> Self {
        let spec = &state.spec;
        let nodes = || state.nodes.iter().zip(&spec.nodes);
        let (outputs, stores) = state
            .point
            .as_ref()
            .map(point_view::of)
            .map_or_else(Default::default, |point| (point.outputs, point.stores));
        Self {
            run: spec.run.clone(),
            schedule: spec.schedule.clone(),
            cluster: spec.cluster.clone(),
            due: spec.due,
            kind: spec.kind,
            origin: spec.origin.clone(),
            created: state.created,
            finished: state.finished.as_ref().map(|finished| finished.at),
            phase: state.phase(),
            only_asks: state.only_asks(),
            frees_subjects: state.frees_subjects(),
            outcome: state.finished.as_ref().map(|f| f.outcome.clone()),
            recovery_point: state.recovery_point(),
            steps: nodes().map(|(node, spec)| step(node, spec)).collect(),
            outputs,
            stores,
            holds: nodes()
                .filter_map(|(node, spec)| hold(node, spec))
                .collect(),
            questions: questions(state),
            pins: pins(spec),
            faults: faults(state),
        }
    }

    /// The questions that wait for an answer.
    pub fn open_questions(&self) -> impl Iterator<Item = &QuestionView> {
        self.questions
            .iter()
            .filter(|question| question.answer.is_none())
    }
}

impl RunState {
    /// How far the run is.
    #[must_use]
    pub fn phase(&self) -> RunPhase {
        let gathered = self.point.as_ref().is_some_and(Point::is_gathered);
        match () {
            () if self.finished.is_some() => RunPhase::Finished,
            () if self.is_stuck() => RunPhase::Stuck,
            () if self.only_asks() => RunPhase::Asking,
            () if self.is_ending() => RunPhase::Ending,
            () if gathered => RunPhase::Storing,
            () => RunPhase::Running,
        }
    }

    /// Whether an undo waits for an operator.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let mut open = self.open_questions();
        open.any(|(_, question)| matches!(question.about, About::Undo { .. }))
    }

    /// Whether nothing goes on until an operator answers. A hold that will be let go and a
    /// step that will be tried again go on.
    #[must_use]
    pub fn only_asks(&self) -> bool {
        let only_waits = |effect: &Effect| match effect {
            Effect::Wait { timer, .. } => self.is_idle_wait(*timer),
            _ => false,
        };
        self.in_flight.values().all(only_waits) && self.open_questions().next().is_some()
    }

    /// Whether nobody waits for the timer any more, or it only bounds a step.
    fn is_idle_wait(&self, timer: u64) -> bool {
        let purpose = self.timers.get(&timer).map(|timer| timer.purpose);
        purpose.is_none_or(|purpose| matches!(purpose, Purpose::StepDeadline(_)))
    }

    /// The recovery point, once it is committed somewhere; of a run that makes none, the one
    /// that it worked on.
    #[must_use]
    pub fn recovery_point(&self) -> Option<RecoveryPointName> {
        if let Some(point) = &self.point {
            return point.is_committed().then(|| self.spec.run.recovery_point());
        }
        let done = self.nodes.iter().filter_map(|node| node.done.as_ref());
        done.filter_map(|done| done.recovery_point.clone()).next()
    }
}

fn step(node: &Node, spec: &NodeSpec) -> StepView {
    let done = node.done.as_ref();
    let body = done.map(|done| done.body.clone());
    StepView {
        step: spec.step.clone(),
        kind: spec.kind.clone(),
        attempts: node.attempts,
        failures: node.failures,
        state: step_state(node),
        reason: match &node.phase {
            NodePhase::Failed(fault) => Some(fault.message.clone()),
            NodePhase::Skipped(why) => Some(why.clone()),
            _ => None,
        },
        findings: done.map(|done| done.findings.clone()).unwrap_or_default(),
        body: body.unwrap_or_else(|| node.shown.clone()),
    }
}

/// How far a node is, to everybody but the engine.
pub(crate) fn step_state(node: &Node) -> StepState {
    match (&node.undo.phase, &node.phase) {
        (UndoPhase::Done | UndoPhase::ByHand, _) if node.hold.is_none() => StepState::Undone,
        (UndoPhase::Asking, _) => StepState::Asking,
        (UndoPhase::Wanted | UndoPhase::Running(_) | UndoPhase::Waiting, _) => StepState::Undoing,
        (_, NodePhase::Done | NodePhase::Running(_)) if node.holds() => StepState::Held,
        (_, NodePhase::Pending) => StepState::Pending,
        (_, NodePhase::Running(_)) => StepState::Running,
        (_, NodePhase::Unknown { .. } | NodePhase::Waiting) => StepState::Waiting,
        (_, NodePhase::Asking) => StepState::Asking,
        (_, NodePhase::Done) => StepState::Done,
        (_, NodePhase::Failed(_)) => StepState::Failed,
        (_, NodePhase::Skipped(_)) => StepState::Skipped,
    }
}

fn hold(node: &Node, spec: &NodeSpec) -> Option<HoldView> {
    let hold = node.hold.as_ref()?;
    Some(HoldView {
        step: spec.step.clone(),
        kind: spec.hold?.kind,
        phase: hold_phase(hold.at),
        since: hold.held.unwrap_or(hold.asked),
        deadline: hold.deadline,
        evidence: hold.evidence.clone(),
    })
}

/// How far a hold is, to everybody but the engine.
pub(crate) fn hold_phase(at: HoldAt) -> HoldPhase {
    match at {
        HoldAt::Asked => HoldPhase::Requested,
        HoldAt::Held => HoldPhase::Held,
        HoldAt::Leaving | HoldAt::Telling => HoldPhase::LettingGo,
        HoldAt::Released(_) => HoldPhase::Released,
    }
}

fn questions(state: &RunState) -> Vec<QuestionView> {
    let asked = state.questions.iter();
    asked
        .filter_map(|(id, question): (_, &Question)| {
            Some(QuestionView {
                question: *id,
                about: question.about.step().clone(),
                text: question.text.clone(),
                choices: question.choices.clone(),
                asked: question.asked?,
                answer: question.answer.clone(),
            })
        })
        .collect()
}

fn pins(spec: &RunSpec) -> Vec<PinView> {
    let verifies = |pin: &StepPin| {
        let point = spec.point.as_ref();
        point.map_or_else(Vec::new, |point: &PointSpec| point.judged_by(&pin.step))
    };
    spec.step_pins()
        .map(|pin| PinView {
            step: pin.step.clone(),
            plugin: pin.plugin.clone(),
            version: pin.version.clone(),
            digest: pin.digest.clone(),
            grants: pin.grants.clone(),
            verifies: verifies(pin),
        })
        .collect()
}

fn faults(state: &RunState) -> Vec<FaultView> {
    let nodes = state.faults.iter().map(|kept| FaultView {
        effect: kept.effect,
        step: Some(kept.step.clone()),
        store: None,
        output: None,
        fault: kept.fault.clone(),
    });
    let point = state.point.iter().flat_map(Point::faults);
    let point = point.map(|kept| FaultView {
        effect: kept.effect,
        step: None,
        store: kept.store.clone(),
        output: kept.output,
        fault: kept.fault.clone(),
    });
    nodes.chain(point).collect()
}
