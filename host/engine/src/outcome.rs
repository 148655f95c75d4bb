//! How a run ended, in words for an operator.

use drydock_core::{ErrorCode, Fault, Finding, Level};
use drydock_point::Point;
use drydock_point::model::LEFT_BEHIND;

use crate::model::{NodeSpec, Outcome, When};
use crate::state::{Node, NodePhase, RunState, UndoPhase, UnitEnd};

/// The outcome of a run in which nothing more can happen.
#[must_use]
pub fn outcome(state: &RunState) -> Outcome {
    if let Some(fault) = disproved(state) {
        return Outcome::Failed { fault };
    }
    let Some(point) = &state.point else {
        return match &state.ending {
            Some(fault) => Outcome::Failed {
                fault: with_left(fault.clone(), left_behind(state)),
            },
            None => good(reasons(state)),
        };
    };
    if let Some(fault) = point.shortfall() {
        let left = point.left_behind().into_iter().chain(left_behind(state));
        return Outcome::Failed {
            fault: with_left(fault, left.collect()),
        };
    }
    if point.is_committed() {
        let reasons = point.reasons().into_iter().chain(reasons(state));
        return good(reasons.chain(undone_by(state)).collect());
    }
    if point.is_superseded() {
        return Outcome::Superseded {
            reasons: point
                .left_behind()
                .into_iter()
                .chain(left_behind(state))
                .collect(),
        };
    }
    let fault = point.failure().or_else(|| state.ending.clone());
    let fault = fault.unwrap_or_else(|| {
        Fault::permanent(
            ErrorCode::Unknown,
            "the run ended without a reason: report this",
        )
    });
    Outcome::Failed {
        fault: with_left(fault, left_behind(state)),
    }
}

/// Why nothing of the run is to be relied on, although it may be stored.
pub(crate) fn disproof(state: &RunState) -> Option<&Fault> {
    let nodes = state.nodes.iter().zip(&state.spec.nodes);
    let mut proving = nodes.filter(|(_, spec)| spec.proves);
    proving.find_map(|(node, _)| node.fault())
}

/// What ended a run that took something back, although each step had been done by then: an
/// answer may come in after the end was decided.
fn undone_by(state: &RunState) -> Option<String> {
    let fault = state.ending.as_ref()?;
    let mut nodes = state.nodes.iter().zip(&state.spec.nodes);
    let is_undone = |(node, spec): (&Node, &NodeSpec)| {
        spec.hold.is_none() && node.undo.phase == UndoPhase::Done
    };
    nodes
        .any(is_undone)
        .then(|| format!("what steps did was taken back: {fault}"))
}

fn disproved(state: &RunState) -> Option<Fault> {
    let fault = disproof(state)?.clone();
    let left = state.point.iter().flat_map(Point::left_behind);
    Some(with_left(fault, left.chain(left_behind(state)).collect()))
}

fn good(reasons: Vec<String>) -> Outcome {
    if reasons.is_empty() {
        Outcome::Succeeded
    } else {
        Outcome::Degraded { reasons }
    }
}

fn with_left(fault: Fault, left: Vec<String>) -> Fault {
    left.into_iter()
        .fold(fault, |fault, left| fault.with_detail(LEFT_BEHIND, left))
}

/// What the nodes have to tell of a run that did not fail. What contributors found stands
/// with the recovery point.
fn reasons(state: &RunState) -> Vec<String> {
    let mut reasons = shortcomings(state);
    reasons.extend(left_behind(state));
    reasons
}

/// The same without what is left behind, which is known at the end.
pub(crate) fn shortcomings(state: &RunState) -> Vec<String> {
    let mut reasons = Vec::new();
    for unit in &state.units {
        if let Some(UnitEnd::GivenUp(fault)) = &unit.end {
            let steps = unit.members.iter().map(|member| &state.spec.nodes[*member]);
            let steps: Vec<_> = steps.map(|spec| spec.step.as_str()).collect();
            reasons.push(format!(
                "steps {} went on without what they stand during: {fault}",
                steps.join(", ")
            ));
        }
    }
    for (node, spec) in state.nodes.iter().zip(&state.spec.nodes) {
        reasons.extend(of_node(node, spec));
    }
    reasons
}

fn of_node(node: &Node, spec: &NodeSpec) -> Vec<String> {
    let step = &spec.step;
    match &node.phase {
        NodePhase::Failed(_) if spec.hold.is_some() => Vec::new(),
        NodePhase::Failed(fault) => vec![format!("step {step} failed: {fault}")],
        NodePhase::Skipped(why) if spec.when == When::Success => {
            vec![format!("step {step} was skipped: {why}")]
        }
        _ => match &node.done {
            Some(done) if !spec.contributes => {
                let told: Vec<_> = worth_telling(&done.findings).collect();
                let unexplained = done.degraded && told.is_empty() && done.reasons.is_empty();
                let unexplained = unexplained.then(|| {
                    format!("step {step} says that it worked under degraded circumstances")
                });
                let reasons = done.reasons.iter().cloned();
                reasons.chain(told).chain(unexplained).collect()
            }
            _ => Vec::new(),
        },
    }
}

fn worth_telling(findings: &[Finding]) -> impl Iterator<Item = String> {
    findings
        .iter()
        .filter(|finding| finding.level >= Level::Warning)
        .map(|finding| finding.message.clone())
}

/// What the nodes did and nobody took back, one sentence each.
#[must_use]
pub fn left_behind(state: &RunState) -> Vec<String> {
    if !state.is_ending() {
        return Vec::new();
    }
    let nodes = state.nodes.iter().zip(&state.spec.nodes);
    let doubts = nodes
        .filter(|(node, spec)| node.in_doubt && !spec.undo)
        .map(|(_, spec)| format!("nobody knows whether step {} was done: look", spec.step));
    doubts
        .chain(not_let_go(state))
        .chain(not_undone(state))
        .collect()
}

fn not_let_go(state: &RunState) -> impl Iterator<Item = String> {
    let nodes = state.nodes.iter().zip(&state.spec.nodes);
    nodes
        .filter(|(node, spec)| spec.hold.is_some() && node.undo.phase == UndoPhase::GivenUp)
        .map(|(node, spec)| {
            let hold = node.hold.as_ref();
            let until = hold.map_or_else(String::new, |hold| {
                format!(", which was to be let go by {}", hold.deadline)
            });
            format!(
                "what step {} holds was not let go{until}: look, and let it go by hand if it stands",
                spec.step
            )
        })
}

fn not_undone(state: &RunState) -> impl Iterator<Item = String> {
    let nodes = state.nodes.iter().zip(&state.spec.nodes).enumerate();
    nodes
        .filter(|(_, (node, spec))| spec.undo && spec.hold.is_none() && node.began.is_some())
        .filter_map(|(index, (node, spec))| {
            let step = &spec.step;
            match node.undo.phase {
                UndoPhase::Done => None,
                UndoPhase::ByHand => Some(format!(
                    "what step {step} did was taken back by hand, an operator says"
                )),
                _ if state.left => {
                    Some(format!("what step {step} did stays, as an operator wants"))
                }
                _ if !state.may_be_undone(index) => {
                    let committed = state.point.as_ref().is_some_and(Point::is_committed);
                    let told =
                        format!("what step {step} keeps stays, since a manifest may name it");
                    (!committed).then_some(told)
                }
                _ => Some(format!("what step {step} did was not taken back")),
            }
        })
}
