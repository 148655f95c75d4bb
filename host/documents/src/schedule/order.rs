//! Which step waits for which. Where a step has `needs`, those; else the order of the file
//! and what the steps do:
//!
//! - a backup step follows the backup step before it, only for the order: it takes nothing
//!   from it; and each action and gate before it;
//! - a drill, a gate and an action follow everything before them;
//! - verify steps and store steps are parts of the recovery point, which follows all backup
//!   steps;
//! - nobody follows a hold that it stands `during`, no hold one that it is needed beside, and
//!   none but steps for failures a step that is there for failures alone.

use drydock_core::StepName;

use super::step::{Role, Step, When};

/// What a node of a run's graph waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepNeeds {
    pub step: StepName,
    pub needs: Vec<StepNeed>,
}

/// A step that another waits for: a node of the graph, or a verify or store step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepNeed {
    pub step: StepName,
    /// Whether it is only the order of backup steps: nothing is taken from that step.
    pub is_order: bool,
}

/// The nodes of the graph, in the order of the file.
pub(super) fn order(steps: &[Step]) -> Vec<StepNeeds> {
    let nodes = steps.iter().enumerate().filter(|(_, step)| step.is_node());
    nodes
        .map(|(index, step)| StepNeeds {
            step: step.name.clone(),
            needs: needs(index, steps),
        })
        .collect()
}

/// What the step at `index` waits for; nothing for verify and store steps.
pub(super) fn needs(index: usize, steps: &[Step]) -> Vec<StepNeed> {
    let step = &steps[index];
    if let Some(needs) = &step.needs {
        return needs.iter().map(|name| need(name, false)).collect();
    }
    let before = steps[..index].iter();
    let before = before.filter(|other| follows(step, other, steps));
    match step.role() {
        Role::Backup => {
            let last = before.clone().rfind(|other| other.is_backup());
            let changes = before.filter(|other| changes(other));
            let last = last.map(|other| need(&other.name, true));
            let changes = changes.map(|other| need(&other.name, false));
            last.into_iter().chain(changes).collect()
        }
        Role::Work | Role::Question | Role::Action => {
            before.map(|other| need(&other.name, false)).collect()
        }
        Role::Verify | Role::Store => Vec::new(),
    }
}

fn need(step: &StepName, is_order: bool) -> StepNeed {
    StepNeed {
        step: step.clone(),
        is_order,
    }
}

/// Whether a backup step has to wait for it: it may prepare what is backed up.
fn changes(step: &Step) -> bool {
    matches!(step.role(), Role::Action | Role::Question)
}

/// Whether the order of the file can make a step wait for one before it.
fn follows(step: &Step, other: &Step, steps: &[Step]) -> bool {
    let for_failures = other.when == When::Failure && step.when == When::Success;
    !step.during.contains(&other.name) && !for_failures && !are_side_by_side(step, other, steps)
}

/// Whether both are holds that one step stands during: they are asked for side by side.
fn are_side_by_side(one: &Step, other: &Step, steps: &[Step]) -> bool {
    let both = |step: &Step| step.during.contains(&one.name) && step.during.contains(&other.name);
    steps.iter().any(both)
}
