//! One store step: its uploads, one for each output, and its commit.

use std::collections::{BTreeMap, BTreeSet};

use drydock_core::store::Session;
use drydock_core::{Fault, OutputId, StepName, TargetName, UnixTime};

use super::{Output, Upload};
use crate::model::{PointEffect, StorePin};
use crate::task::Task;

/// A store step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub step: StepName,
    pub target: TargetName,
    /// Whether the run has failed without it.
    pub required: bool,
    /// Whether what the manifest names is locked before it is committed.
    pub retains: bool,
    pub status: StoreStatus,
    pub uploads: BTreeMap<OutputId, Upload>,
    pub commit: Task,
    /// Why the store's plugin failed in a commit that took place all the same.
    pub despite: Option<Fault>,
    /// What the manifest names that was handed to the store last.
    offered: BTreeSet<OutputId>,
    /// What each manifest names that is at the store or may be, for all that is known:
    /// one set for each manifest. None of that is ever deleted.
    may_name: Vec<BTreeSet<OutputId>>,
    pub sweep: Task,
    /// An upload was begun whose session nobody knows.
    pub sweep_wanted: bool,
    /// When the store frees by itself what nobody could look for.
    room_until: Option<UnixTime>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreStatus {
    Active,
    /// It failed for good; what it holds of this run is removed, unless a manifest may
    /// name it.
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
            required: pin.required,
            retains: pin.retain_days.is_some(),
            status: StoreStatus::Active,
            uploads: BTreeMap::new(),
            commit: Task::default(),
            despite: None,
            offered: BTreeSet::new(),
            may_name: Vec::new(),
            sweep: Task::default(),
            sweep_wanted: false,
            room_until: None,
        }
    }

    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == StoreStatus::Active
    }

    /// Whether a manifest that is at the store, or may be, names this output. From the
    /// moment in which a commit is asked for until it is known not to have taken place,
    /// the answer is yes.
    #[must_use]
    pub fn may_be_named(&self, output: OutputId) -> bool {
        let under_way = self.commit.is_in_flight().then_some(&self.offered);
        let mut manifests = self.may_name.iter().chain(under_way);
        manifests.any(|names| names.contains(&output))
    }

    /// Whether a manifest that is at the store surely names what is of this run.
    #[must_use]
    pub fn has_manifest_of_ours(&self) -> bool {
        match self.status {
            StoreStatus::Committed => true,
            StoreStatus::Superseded => self.may_name.iter().any(|names| !names.is_empty()),
            StoreStatus::Active | StoreStatus::GivenUp(_) => false,
        }
    }

    /// Whether nobody knows if the recovery point is there.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        let is_known = matches!(
            self.status,
            StoreStatus::Committed | StoreStatus::Superseded
        );
        !is_known && !self.may_name.is_empty()
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

    /// Whether an output is locked as long as the manifest will be, or need not be.
    #[must_use]
    pub fn has_retained(&self, output: &Output) -> bool {
        let upload = self.uploads.get(&output.id);
        !self.retains || upload.is_some_and(|upload| upload.retain.is_done())
    }

    /// Until when uploads that were left take room, which only the store can free.
    #[must_use]
    pub fn room_until(&self) -> Option<UnixTime> {
        let uploads = self.uploads.values().map(|upload| upload.room_until);
        uploads.chain([self.room_until]).flatten().max()
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

    /// A manifest that names these is about to be handed to the store.
    pub(crate) fn offer(&mut self, outputs: BTreeSet<OutputId>) {
        self.offered = outputs;
    }

    /// The commit that was asked for last may have taken place.
    pub(crate) fn doubt_commit(&mut self) {
        if !self.may_name.contains(&self.offered) {
            self.may_name.push(self.offered.clone());
        }
    }

    /// The manifest that was handed over last is there.
    pub(crate) fn committed(&mut self, despite: Option<&Fault>) {
        self.doubt_commit();
        self.commit.done();
        self.status = StoreStatus::Committed;
        self.despite = despite.cloned();
    }

    /// Another manifest was read and believed in the place of this run's. What is created
    /// if absent is never overwritten: so no manifest of this run is there, and none ever
    /// will be, but for the one that was read. What that names stays.
    pub(crate) fn superseded(&mut self, names: &[String]) {
        let uploads = self.uploads.iter();
        let named = uploads.filter(|(_, upload)| names.contains(&upload.object));
        self.may_name = vec![named.map(|(output, _)| *output).collect()];
        self.commit.done();
        self.status = StoreStatus::Superseded;
    }

    /// The orphans were looked for, or nobody can.
    pub(crate) fn swept(&mut self, room_until: Option<UnixTime>) {
        self.sweep_wanted = false;
        self.sweep = Task::default();
        self.room_until = self.room_until.max(room_until);
    }

    pub(crate) fn task_mut(&mut self, effect: &PointEffect) -> Option<&mut Task> {
        match effect {
            PointEffect::CommitManifest { .. } => Some(&mut self.commit),
            PointEffect::SweepUploads { .. } => Some(&mut self.sweep),
            _ => self.uploads.get_mut(&effect.output()?)?.task_mut(effect),
        }
    }

    pub(crate) fn visit_tasks(&self, visit: &mut impl FnMut(&Task)) {
        visit(&self.commit);
        visit(&self.sweep);
        for upload in self.uploads.values() {
            upload.visit_tasks(visit);
        }
    }

    pub(crate) fn each_task(&mut self, change: &mut impl FnMut(&mut Task)) {
        change(&mut self.commit);
        change(&mut self.sweep);
        for upload in self.uploads.values_mut() {
            upload.each_task(change);
        }
    }

    /// The process ended, and whatever was under way with it.
    pub(crate) fn resumed(&mut self) {
        if self.commit.is_in_flight() {
            self.doubt_commit();
        }
        self.sweep_wanted |= self.uploads.values().any(|u| u.begin.is_in_flight());
        self.each_task(&mut |task| {
            task.resumed();
        });
    }
}
