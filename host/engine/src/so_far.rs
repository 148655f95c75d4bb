//! A run as one of its steps sees it while it goes on: the step that tells somebody how the
//! run went has to begin before that is certain.

use drydock_core::so_far::REASONS_MAX;
use drydock_core::{ErrorCode, Fault, RunSoFar, StepName, StepSoFar, StepState, StorePhase};
use drydock_point::Point;
use drydock_point::model::{LEFT_BEHIND, NeedState, PointSpec};
use drydock_point::state::Judging;
use drydock_point::view::{self as point_view, StoreView};

use crate::model::NodeSpec;
use crate::outcome::{disproof, shortcomings};
use crate::state::{Node, NodePhase, RunState};
use crate::view::step_state;

/// Keys of documents whose steps are no nodes.
const VERIFY: &str = "verify";
const STORE: &str = "target";

impl RunState {
    /// How the run goes.
    #[must_use]
    pub fn so_far(&self) -> RunSoFar {
        let failure = failure(self);
        let reasons = failure.is_none().then(|| reasons(self));
        let nodes = self.nodes.iter().zip(&self.spec.nodes);
        let nodes = nodes.map(|(node, spec)| of_node(node, spec));
        let point = self.point.iter().zip(&self.spec.point);
        let point = point.flat_map(|(point, spec)| of_point(point, spec));
        RunSoFar {
            schedule: self.spec.schedule.clone(),
            failure,
            reasons: reasons.unwrap_or_default(),
            recovery_point: self.recovery_point(),
            steps: nodes.chain(point).collect(),
        }
    }
}

/// Why the run has failed, as far as is known. What is left behind is not: it is being
/// removed and taken back.
fn failure(state: &RunState) -> Option<Fault> {
    if let Some(fault) = disproof(state) {
        return Some(fault.clone());
    }
    let point = state.point.as_ref();
    if let Some(fault) = point.and_then(Point::shortfall) {
        return Some(fault);
    }
    if point.is_some_and(|point| point.is_committed() || point.is_superseded()) {
        return None;
    }
    let fault = point
        .and_then(Point::failure)
        .or_else(|| state.ending.clone());
    let mut fault = fault?;
    fault.details.retain(|(name, _)| name != LEFT_BEHIND);
    Some(fault)
}

/// A target at which the recovery point may still arrive lacks nothing yet.
fn reasons(state: &RunState) -> Vec<String> {
    let over = |point: &&Point| point.is_settled() || point.is_ending();
    let point = state.point.as_ref().filter(over);
    let told = point.into_iter().flat_map(Point::reasons);
    let mut reasons: Vec<_> = told.chain(shortcomings(state)).collect();
    reasons.truncate(REASONS_MAX);
    reasons
}

fn of_node(node: &Node, spec: &NodeSpec) -> StepSoFar {
    let (code, why) = match &node.phase {
        NodePhase::Failed(fault) => (Some(fault.code.clone()), Some(fault.message.clone())),
        NodePhase::Skipped(why) => (None, Some(why.clone())),
        _ => (None, None),
    };
    StepSoFar {
        step: spec.step.clone(),
        kind: spec.kind.clone(),
        state: step_state(node),
        code,
        why,
    }
}

fn of_point(point: &Point, spec: &PointSpec) -> Vec<StepSoFar> {
    let verify = spec.verify.iter();
    let verify = verify.map(|verify| of_verify(point, &verify.pin.step));
    let stores = point_view::of(point).stores.into_iter();
    let stores = stores.map(|store| of_store(point, store));
    verify.chain(stores).collect()
}

fn of_verify(point: &Point, step: &StepName) -> StepSoFar {
    let mut judging = point
        .live_outputs()
        .filter_map(|output| output.judging.get(step));
    let no = judging.find_map(said_no);
    let state = match point.need(step) {
        _ if no.is_some() => StepState::Failed,
        Some(NeedState::Met) => StepState::Done,
        Some(NeedState::Open) => StepState::Running,
        Some(NeedState::Failed) | None => StepState::Skipped,
    };
    let (code, why) = no.unzip();
    StepSoFar {
        step: step.clone(),
        kind: VERIFY.to_owned(),
        state,
        code,
        why,
    }
}

/// Why an output did not pass.
fn said_no(judging: &Judging) -> Option<(ErrorCode, String)> {
    if let Some(fault) = judging.task.gave_up() {
        return Some((fault.code.clone(), fault.message.clone()));
    }
    let verdict = judging.verdict.as_ref().filter(|verdict| !verdict.pass)?;
    let worst = verdict.findings.iter().max_by_key(|finding| finding.level);
    Some(worst.map_or_else(
        || (ErrorCode::Unknown, "it did not pass".to_owned()),
        |finding| (ErrorCode::of(&finding.code), finding.message.clone()),
    ))
}

fn of_store(point: &Point, store: StoreView) -> StepSoFar {
    let state = match store.state {
        StorePhase::Committed => StepState::Done,
        StorePhase::GivenUp | StorePhase::Indeterminate => StepState::Failed,
        StorePhase::Superseded => StepState::Skipped,
        StorePhase::Uploading | StorePhase::Staged | StorePhase::Completed if point.is_ending() => {
            StepState::Skipped
        }
        StorePhase::Uploading | StorePhase::Staged | StorePhase::Completed => StepState::Running,
    };
    let fault = store.fault.filter(|_| state == StepState::Failed);
    let (code, why) = fault.map(|fault| (fault.code, fault.message)).unzip();
    StepSoFar {
        step: store.step,
        kind: STORE.to_owned(),
        state,
        code,
        why,
    }
}
