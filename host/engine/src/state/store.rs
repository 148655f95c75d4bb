//! One store step: its uploads, one for each output, and its commit.

use std::collections::BTreeMap;

use drydock_core::store::Session;
use drydock_core::{Fault, OutputId, StepName, TargetName};

use super::{Output, Upload};
use crate::model::{Effect, StorePin};
use crate::task::Task;

/// A store step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub step: StepName,
    pub target: TargetName,
    pub status: StoreStatus,
    pub uploads: BTreeMap<OutputId, Upload>,
    pub commit: Task,
    /// A commit was asked for and nobody knows whether it took place. Its objects must
    /// stay: a manifest may name them.
    pub commit_unknown: bool,
    pub sweep: Task,
    /// An upload was begun whose session nobody knows.
    pub sweep_wanted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreStatus {
    Active,
    /// It failed for good; what it holds of this run is removed.
    GivenUp(Fault),
    Committed,
    /// Another run's manifest was there first; what it holds of this run is removed.
    Superseded,
}

impl Store {
    #[must_use]
    pub fn new(pin: &StorePin) -> Self {
        Self {
            step: pin.pin.step.clone(),
            target: pin.target.clone(),
            status: StoreStatus::Active,
            uploads: BTreeMap::new(),
            commit: Task::default(),
            commit_unknown: false,
            sweep: Task::default(),
            sweep_wanted: false,
        }
    }

    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == StoreStatus::Active
    }

    /// Why it was given up.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match &self.status {
            StoreStatus::GivenUp(fault) => Some(fault),
            _ => None,
        }
    }

    /// Whether every part of a sealed output is stored.
    #[must_use]
    pub fn has_all_parts_of(&self, output: &Output) -> bool {
        let upload = self.uploads.get(&output.id);
        match (upload, output.sealed()) {
            (Some(upload), Some(sealed)) => upload.has_all_parts(sealed.sealed_size),
            _ => false,
        }
    }

    /// Whether an output is completed and its bytes are known to be right.
    #[must_use]
    pub fn has_read_back(&self, output: &Output) -> bool {
        self.uploads
            .get(&output.id)
            .is_some_and(|upload| upload.completion.is_some() && upload.read_back.is_done())
    }

    /// Sessions that a sweep must leave alone.
    #[must_use]
    pub fn known_sessions(&self) -> Vec<Session> {
        self.uploads
            .values()
            .filter_map(|upload| upload.open.as_ref())
            .map(|open| open.session.clone())
            .collect()
    }

    pub(super) fn task_mut(&mut self, effect: &Effect) -> Option<&mut Task> {
        match effect {
            Effect::CommitManifest { .. } => Some(&mut self.commit),
            Effect::SweepUploads { .. } => Some(&mut self.sweep),
            _ => self.uploads.get_mut(&effect.output()?)?.task_mut(effect),
        }
    }

    pub(super) fn visit_tasks(&self, visit: &mut impl FnMut(&Task)) {
        visit(&self.commit);
        visit(&self.sweep);
        for upload in self.uploads.values() {
            upload.visit_tasks(visit);
        }
    }

    pub(super) fn each_task(&mut self, change: &mut impl FnMut(&mut Task)) {
        change(&mut self.commit);
        change(&mut self.sweep);
        for upload in self.uploads.values_mut() {
            upload.each_task(change);
        }
    }

    /// The process ended, and whatever was under way with it.
    pub(super) fn resumed(&mut self) {
        self.commit_unknown |= self.commit.is_in_flight();
        self.sweep_wanted |= self.uploads.values().any(|u| u.begin.is_in_flight());
        self.each_task(&mut |task| {
            task.resumed();
        });
    }
}
