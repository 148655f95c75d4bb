//! Whether a specification is one of a run: every name leads somewhere, nothing waits for
//! itself, and whatever a step takes is there when it begins. Whoever made the
//! specification has told an operator better before; this is the last look.

use std::collections::{BTreeMap, BTreeSet};

use drydock_core::{Repeat, StepName, ValueType};
use drydock_point::model::PointSpec;

use crate::model::{NodeSpec, RunSpec};
use crate::state::{GATE_OUTPUT, units};

/// Why a specification is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecProblem {
    #[error("it has no step")]
    Empty,
    #[error("two of its steps have the name {0}")]
    Repeated(StepName),
    #[error("step {step} needs {needed}, which it does not have")]
    Unknown { step: StepName, needed: StepName },
    #[error("step {0} waits for itself, through the steps that it needs")]
    Circle(StepName),
    #[error("step {step} stands during {hold}, which is no hold")]
    NoHold { step: StepName, hold: StepName },
    #[error("hold {0} stands during another one")]
    Nested(StepName),
    #[error(
        "step {step} belongs to the recovery point and needs {needed}, which is over only with it"
    )]
    Through { step: StepName, needed: StepName },
    #[error("its recovery point lacks {0}")]
    Point(&'static str),
    #[error("step {step} takes {output} of step {from}, which does not give it before")]
    NoOutput {
        step: StepName,
        from: StepName,
        output: String,
    },
    #[error("backup step {0} cannot run again, and what it made may have to be made anew")]
    NotRepeated(StepName),
    #[error("step {0} may run once, and is not taken back when what it stands during is lost")]
    OnceDuring(StepName),
    #[error("step {step} needs {needed}, which waits for what {step} stands during to be let go")]
    Unit { step: StepName, needed: StepName },
    #[error("gate {0} leaves no choice, or does not declare it")]
    Gate(StepName),
}

/// Looks at a specification.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(spec: &RunSpec) -> Result<(), SpecProblem> {
    if spec.nodes.is_empty() {
        return Err(SpecProblem::Empty);
    }
    check_names(spec)?;
    let before = ancestors(spec)?;
    for node in &spec.nodes {
        check_during(spec, node)?;
        check_repeat(spec, node)?;
        check_gate(node)?;
        check_inputs(spec, node, &before)?;
    }
    check_units(spec, &before)?;
    check_point(spec)
}

fn parts(point: &PointSpec) -> impl Iterator<Item = &StepName> {
    let verify = point.verify.iter().map(|verify| &verify.pin.step);
    verify.chain(point.stores.iter().map(|store| &store.pin.step))
}

fn check_names(spec: &RunSpec) -> Result<(), SpecProblem> {
    let mut names = BTreeSet::new();
    let nodes = spec.nodes.iter().map(|node| &node.step);
    let all = nodes.chain(spec.point.iter().flat_map(parts));
    for name in all {
        if !names.insert(name) {
            return Err(SpecProblem::Repeated(name.clone()));
        }
    }
    for node in &spec.nodes {
        let mut needs = node.needs.iter();
        if let Some(need) = needs.find(|need| !names.contains(&need.step)) {
            return Err(SpecProblem::Unknown {
                step: node.step.clone(),
                needed: need.step.clone(),
            });
        }
    }
    Ok(())
}

/// The steps that come before each node, by whatever way: a part of the recovery point comes
/// after all that contributes to it.
fn ancestors(spec: &RunSpec) -> Result<BTreeMap<&StepName, BTreeSet<&StepName>>, SpecProblem> {
    let mut before: BTreeMap<&StepName, BTreeSet<&StepName>> = BTreeMap::new();
    let contributors = spec.nodes.iter().filter(|node| node.contributes);
    let contributors: BTreeSet<_> = contributors.map(|node| &node.step).collect();
    for part in spec.point.iter().flat_map(parts) {
        before.insert(part, contributors.clone());
    }
    for node in &spec.nodes {
        let needs = node.needs.iter().map(|need| &need.step);
        before.insert(&node.step, needs.chain(&node.during).collect());
    }
    // Each round adds those one step further away; as many rounds as steps find all.
    for _ in 0..before.len() {
        let mut grown = false;
        for step in before.keys().copied().collect::<Vec<_>>() {
            let near = before[step].iter();
            let far: BTreeSet<_> = near
                .filter_map(|near| before.get(*near))
                .flatten()
                .copied()
                .collect();
            let all = before.entry(step).or_default();
            let count = all.len();
            all.extend(far);
            grown |= all.len() > count;
        }
        if !grown {
            break;
        }
    }
    let circle = before.iter().find(|(step, before)| before.contains(*step));
    match circle {
        Some((step, _)) if contributors.contains(*step) => {
            let node = spec.node(step);
            let parts: BTreeSet<_> = spec.point.iter().flat_map(parts).collect();
            let through =
                node.and_then(|_| before[*step].iter().find(|near| parts.contains(*near)));
            Err(through.map_or_else(
                || SpecProblem::Circle((*step).clone()),
                |needed| SpecProblem::Through {
                    step: (*step).clone(),
                    needed: (*needed).clone(),
                },
            ))
        }
        Some((step, _)) => Err(SpecProblem::Circle((*step).clone())),
        None => Ok(before),
    }
}

fn check_during(spec: &RunSpec, node: &NodeSpec) -> Result<(), SpecProblem> {
    if node.hold.is_some() && !node.during.is_empty() {
        return Err(SpecProblem::Nested(node.step.clone()));
    }
    let is_hold = |hold: &&StepName| spec.node(hold).is_some_and(|node| node.hold.is_some());
    match node.during.iter().find(|hold| !is_hold(hold)) {
        Some(hold) => Err(SpecProblem::NoHold {
            step: node.step.clone(),
            hold: hold.clone(),
        }),
        None => Ok(()),
    }
}

/// A pass that is lost runs anew as a whole, and so does a backup step whose bytes are gone.
fn check_repeat(spec: &RunSpec, node: &NodeSpec) -> Result<(), SpecProblem> {
    let once = node.repeat == Repeat::AtMostOnce;
    if once && !node.during.is_empty() && !node.undo {
        return Err(SpecProblem::OnceDuring(node.step.clone()));
    }
    let mut contributors = spec.point.iter().flat_map(|point| &point.contributors);
    let makes_outputs = contributors.any(|step| *step == node.step);
    if makes_outputs && node.repeat != Repeat::Idempotent {
        return Err(SpecProblem::NotRepeated(node.step.clone()));
    }
    Ok(())
}

/// Holds are asked for when all that the steps during them need from outside is there, so
/// that nothing outside may wait for those steps first.
fn check_units(
    spec: &RunSpec,
    before: &BTreeMap<&StepName, BTreeSet<&StepName>>,
) -> Result<(), SpecProblem> {
    let index = spec.nodes.iter().map(|node| node.step.clone()).zip(0..);
    for unit in units(&spec.nodes, &index.collect()) {
        let parts: BTreeSet<_> = unit.parts().map(|part| &spec.nodes[part].step).collect();
        for part in &parts {
            let mut outside = before[*part].iter().filter(|step| !parts.contains(**step));
            let waits = |step: &&&StepName| !before[**step].is_disjoint(&parts);
            if let Some(needed) = outside.find(waits) {
                return Err(SpecProblem::Unit {
                    step: (*part).clone(),
                    needed: (*needed).clone(),
                });
            }
        }
    }
    Ok(())
}

/// A gate that can only end the run would be no question.
fn check_gate(node: &NodeSpec) -> Result<(), SpecProblem> {
    let Some(gate) = &node.gate else {
        return Ok(());
    };
    let declares = node.outputs.get(GATE_OUTPUT) == Some(&ValueType::Text);
    if declares && gate.choices.iter().any(|choice| !choice.ends) {
        Ok(())
    } else {
        Err(SpecProblem::Gate(node.step.clone()))
    }
}

fn check_inputs(
    spec: &RunSpec,
    node: &NodeSpec,
    before: &BTreeMap<&StepName, BTreeSet<&StepName>>,
) -> Result<(), SpecProblem> {
    for from in node.inputs.values() {
        let giver = spec.node(&from.step);
        let gives = giver.is_some_and(|giver| giver.outputs.contains_key(&from.output));
        if !gives || !before[&node.step].contains(&from.step) {
            return Err(SpecProblem::NoOutput {
                step: node.step.clone(),
                from: from.step.clone(),
                output: from.output.clone(),
            });
        }
    }
    Ok(())
}

fn check_point(spec: &RunSpec) -> Result<(), SpecProblem> {
    let contributes = spec.nodes.iter().any(|node| node.contributes);
    let Some(point) = &spec.point else {
        return if contributes {
            Err(SpecProblem::Point("a place: no step stores it"))
        } else {
            Ok(())
        };
    };
    let is_judged = |step: &StepName| point.judges_of(step).next().is_some();
    let known = |step: &StepName| spec.node(step).is_some_and(|node| node.contributes);
    if point.contributors.is_empty() {
        Err(SpecProblem::Point("a backup step"))
    } else if point.stores.is_empty() {
        Err(SpecProblem::Point("a store step"))
    } else if !point.contributors.iter().all(known) {
        Err(SpecProblem::Point("one of the steps that belong to it"))
    } else if !point.contributors.iter().all(is_judged) {
        Err(SpecProblem::Point(
            "a verify step for one of its backup steps, and nothing counts as stored that was not verified",
        ))
    } else {
        Ok(())
    }
}
