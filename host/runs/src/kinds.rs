//! The kinds of steps: the one table, and what is asked of all of a schedule's steps.

mod action;
mod backup;
pub mod drill;
mod gate;
mod store;
mod verify;

#[cfg(test)]
mod tests;

use drydock_core::{RunKind, RunSubject, SubjectAccess};
use drydock_documents::{Step, Workflow};
use drydock_node::PluginRegistry;

use crate::PrepareError;
use crate::kind::{AccessOf, StepKind, StepRef};

/// Every kind, in the order of the documents' keys.
const KINDS: [&dyn StepKind; 6] = [
    &backup::Backup,
    &verify::Verify,
    &store::StoreStep,
    &drill::Drill,
    &gate::Gate,
    &action::ActionKind,
];

/// The kind of a step.
#[must_use]
pub fn of(step: &Step) -> &'static dyn StepKind {
    let word = step.work.key();
    KINDS
        .into_iter()
        .find(|kind| kind.word() == word)
        .expect("each key of documents has a row here, which a test compares")
}

/// Whether everything that carries a schedule's steps out is there and of the right world.
///
/// # Errors
/// Everything that is in the way.
pub fn admit(registry: &PluginRegistry, workflow: &Workflow<'_>) -> Result<(), PrepareError> {
    let steps = workflow.steps.iter();
    let refused = steps.filter_map(|step| {
        let at = StepRef {
            registry,
            workflow,
            step,
        };
        of(step).admit(at).err().map(PrepareError::from)
    });
    PrepareError::several(refused.collect())
}

/// Whether a run of the schedule needs the way to its cluster.
#[must_use]
pub fn asks_cluster(registry: &PluginRegistry, workflow: &Workflow<'_>) -> bool {
    workflow.steps.iter().any(|step| {
        let at = StepRef {
            registry,
            workflow,
            step,
        };
        of(step).asks_cluster(at)
    })
}

/// What a run of the schedule works on, each once, from the documents alone and what actions
/// say of themselves.
#[must_use]
pub fn subjects(workflow: &Workflow<'_>, access: AccessOf<'_>) -> Vec<RunSubject> {
    let mut all: Vec<RunSubject> = Vec::new();
    for step in &workflow.steps {
        for new in of(step).subjects(step, workflow, access) {
            match all.iter_mut().find(|known| known.subject == new.subject) {
                Some(known) if new.access == SubjectAccess::Writes => known.access = new.access,
                Some(_) => {}
                None => all.push(new),
            }
        }
    }
    all
}

/// What a run of the schedule does.
#[must_use]
pub fn run_kind(workflow: &Workflow<'_>) -> RunKind {
    if workflow.has_point() {
        RunKind::Backup
    } else if workflow.drills().next().is_some() {
        RunKind::Drill
    } else {
        RunKind::Actions
    }
}
