//! A schedule with everything that it names: what a run is made of.

use std::collections::BTreeMap;

use drydock_core::{Name, TargetName};

use super::{Cluster, Drill, Located, Schedule, Step, StepWork, Target};

/// A schedule, its cluster and the targets that its steps name.
#[derive(Debug, Clone)]
pub struct Workflow<'a> {
    pub schedule: &'a Located<Schedule>,
    pub cluster: &'a Located<Cluster>,
    /// In the order of the document.
    pub steps: Vec<&'a Step>,
    /// **Invariant:** those of all store and drill steps.
    pub targets: BTreeMap<TargetName, &'a Located<Target>>,
}

impl<'a> Workflow<'a> {
    /// The backup steps with their plugins' names.
    pub fn backups(&self) -> impl Iterator<Item = (&'a Step, &'a Name)> {
        self.steps.iter().filter_map(|step| match &step.work {
            StepWork::Backup(plugin) => Some((*step, plugin)),
            _ => None,
        })
    }

    /// The verify steps with their plugins' names.
    pub fn verify(&self) -> impl Iterator<Item = (&'a Step, &'a Name)> {
        self.steps.iter().filter_map(|step| match &step.work {
            StepWork::Verify(plugin) => Some((*step, plugin)),
            _ => None,
        })
    }

    /// The store steps with their targets.
    pub fn stores(&self) -> impl Iterator<Item = (&'a Step, &'a Located<Target>)> {
        self.steps.iter().filter_map(|step| match &step.work {
            StepWork::Store(name) => Some((*step, *self.targets.get(name)?)),
            _ => None,
        })
    }

    /// The drill steps, each with what it says and its target.
    pub fn drills(&self) -> impl Iterator<Item = (&'a Step, &'a Drill, &'a Located<Target>)> {
        self.steps.iter().filter_map(|step| match &step.work {
            StepWork::Drill(drill) => Some((*step, drill, *self.targets.get(&drill.target)?)),
            _ => None,
        })
    }

    /// Whether a run makes a recovery point.
    #[must_use]
    pub fn has_point(&self) -> bool {
        self.backups().next().is_some()
    }
}
