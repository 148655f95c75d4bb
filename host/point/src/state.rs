//! What is known of a recovery point. The state changes by the inputs of [`Point`] alone:
//! by what happened and by what was asked for. So a replay of what was recorded of them gives
//! the state of the process that recorded it.

mod contributor;
mod output;
mod store;
mod uploads;

use std::collections::BTreeMap;
use std::mem::take;

use drydock_core::{Fault, OutputId, StepName};

use crate::model::{EffectFault, Gathered, PointEffect, PointSpec, Request, SignedManifest};
use crate::task::Task;

pub use contributor::{Contributor, ContributorPhase};
pub use output::{
    Judging, OUTPUTS_PER_RUN_MAX, Output, OutputPhase, check_output_count, name_taken,
};
pub use store::{Store, StoreStatus};
pub use uploads::{OpenUpload, Upload};

/// Faults that are kept for an operator to read: the first ones tell the story, and
/// a state must not grow with the number of its retries.
const FAULTS_KEPT_MAX: usize = 64;

/// A recovery point that comes about, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub(crate) spec: PointSpec,
    /// In the order of the specification.
    pub(crate) contributors: Vec<Contributor>,
    /// What came with it when everything was gathered; none before.
    pub(crate) gathered: Option<Gathered>,
    /// By number; discarded ones stay, so that their uploads are cleaned up.
    pub(crate) outputs: BTreeMap<OutputId, Output>,
    /// In the order of the specification.
    pub(crate) stores: Vec<Store>,
    pub(crate) sign: Signing,
    pub(crate) manifest: Option<SignedManifest>,
    pub(crate) drop_spool: Task,
    /// Why it is being brought to an end before its time.
    pub(crate) ending: Option<Fault>,
    /// Why nothing more is taken back.
    pub(crate) cleanup_given_up: Option<Fault>,
    /// What went wrong on the way, the earliest first.
    pub(crate) faults: Vec<EffectFault>,
    /// Not drained yet.
    pub(crate) requests: Vec<Request>,
    timers: u64,
}

/// The signing of the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Signing {
    pub task: Task,
    /// What was asked for is about outputs that count no more: its answer is dropped, and no
    /// other is asked for before it came.
    pub is_void: bool,
}

impl Point {
    /// A recovery point of which nothing has happened yet.
    #[must_use]
    pub fn new(spec: PointSpec) -> Self {
        let contributors = spec.contributors.iter().map(Contributor::new).collect();
        let stores = spec.stores.iter().map(Store::new).collect();
        Self {
            spec,
            contributors,
            gathered: None,
            outputs: BTreeMap::new(),
            stores,
            sign: Signing::default(),
            manifest: None,
            drop_spool: Task::default(),
            ending: None,
            cleanup_given_up: None,
            faults: Vec::new(),
            requests: Vec::new(),
            timers: 0,
        }
    }

    /// Notes that an effect was recorded and is about to be carried out.
    pub fn started(&mut self, effect: &PointEffect) {
        match effect {
            PointEffect::Wait { timer, .. } => {
                self.each_task(|task| task.wait_started(*timer));
            }
            PointEffect::BeginUpload {
                store,
                output,
                object,
                ..
            } => self.upload_started(store, *output, object),
            PointEffect::CommitManifest { store, .. } => self.commit_started(store),
            _ => {}
        }
        if let Some(task) = self.task_mut(effect) {
            task.start();
        }
    }

    /// The requests that came up since they were last taken.
    pub fn take_requests(&mut self) -> Vec<Request> {
        take(&mut self.requests)
    }

    /// A copy for the runner, without the parts' receipts: an upload has thousands of
    /// them, and the only effect that needs them carries them.
    #[must_use]
    pub fn for_runner(&mut self) -> Self {
        let parts: Vec<_> = self.uploads_mut().map(|u| take(&mut u.parts)).collect();
        let copy = self.clone();
        for (upload, parts) in self.uploads_mut().zip(parts) {
            upload.parts = parts;
        }
        copy
    }

    #[must_use]
    pub fn spec(&self) -> &PointSpec {
        &self.spec
    }

    /// In the order of the specification.
    #[must_use]
    pub fn contributors(&self) -> &[Contributor] {
        &self.contributors
    }

    #[must_use]
    pub fn contributor(&self, step: &StepName) -> Option<&Contributor> {
        let mut contributors = self.contributors.iter();
        contributors.find(|contributor| contributor.step == *step)
    }

    /// What came with the gathering; none while a contributor is not done.
    #[must_use]
    pub fn material(&self) -> Option<&Gathered> {
        self.gathered.as_ref()
    }

    /// By number, with those that were discarded.
    #[must_use]
    pub fn outputs(&self) -> &BTreeMap<OutputId, Output> {
        &self.outputs
    }

    /// The outputs that count.
    pub fn live_outputs(&self) -> impl Iterator<Item = &Output> {
        self.outputs.values().filter(|output| output.is_live())
    }

    /// The number of the next output.
    #[must_use]
    pub fn next_output(&self) -> OutputId {
        let last = self.outputs.keys().next_back();
        OutputId(last.map_or(1, |output| output.0.saturating_add(1)))
    }

    /// In the order of the specification.
    #[must_use]
    pub fn stores(&self) -> &[Store] {
        &self.stores
    }

    #[must_use]
    pub fn store(&self, step: &StepName) -> Option<&Store> {
        self.stores.iter().find(|store| store.step == *step)
    }

    #[must_use]
    pub fn upload(&self, store: &StepName, output: OutputId) -> Option<&Upload> {
        self.store(store)?.uploads.get(&output)
    }

    /// The manifest, once it is signed.
    #[must_use]
    pub fn manifest(&self) -> Option<&SignedManifest> {
        self.manifest.as_ref()
    }

    /// What went wrong on the way, the earliest first; the later ones of many are left out.
    #[must_use]
    pub fn faults(&self) -> &[EffectFault] {
        &self.faults
    }

    /// Whether any effect is in flight.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let mut busy = false;
        self.visit_tasks(|task| busy |= task.is_in_flight());
        busy
    }

    /// The waits that are due to be started.
    pub(crate) fn unstarted_waits(&self) -> Vec<PointEffect> {
        let mut waits = Vec::new();
        self.visit_tasks(|task| {
            waits.extend(task.unstarted_wait().map(|timer| PointEffect::Wait {
                timer: timer.id,
                milliseconds: timer.milliseconds,
            }));
        });
        waits
    }

    fn visit_tasks(&self, mut visit: impl FnMut(&Task)) {
        visit(&self.sign.task);
        visit(&self.drop_spool);
        for output in self.outputs.values() {
            output.judging.values().for_each(|j| visit(&j.task));
        }
        for store in &self.stores {
            store.visit_tasks(&mut visit);
        }
    }

    pub(crate) fn each_task(&mut self, mut change: impl FnMut(&mut Task)) {
        change(&mut self.sign.task);
        change(&mut self.drop_spool);
        for output in self.outputs.values_mut() {
            output
                .judging
                .values_mut()
                .for_each(|j| change(&mut j.task));
        }
        for store in &mut self.stores {
            store.each_task(&mut change);
        }
    }

    /// The task of an effect; none for a Wait, which belongs to another effect's task,
    /// and for what the recovery point does not have.
    pub(crate) fn task_mut(&mut self, effect: &PointEffect) -> Option<&mut Task> {
        match effect {
            PointEffect::SignManifest => Some(&mut self.sign.task),
            PointEffect::DropSpool => Some(&mut self.drop_spool),
            PointEffect::Wait { .. } => None,
            PointEffect::Judge { step, output, .. } => {
                let judging = &mut self.outputs.get_mut(output)?.judging;
                Some(&mut judging.get_mut(step)?.task)
            }
            _ => self.store_mut(effect.store()?)?.task_mut(effect),
        }
    }

    pub(crate) fn contributor_mut(&mut self, step: &StepName) -> Option<&mut Contributor> {
        let mut contributors = self.contributors.iter_mut();
        contributors.find(|contributor| contributor.step == *step)
    }

    pub(crate) fn store_mut(&mut self, step: &StepName) -> Option<&mut Store> {
        self.stores.iter_mut().find(|store| store.step == *step)
    }

    pub(crate) fn upload_mut(&mut self, store: &StepName, output: OutputId) -> Option<&mut Upload> {
        self.store_mut(store)?.uploads.get_mut(&output)
    }

    pub(crate) fn uploads_mut(&mut self) -> impl Iterator<Item = &mut Upload> {
        self.stores
            .iter_mut()
            .flat_map(|store| store.uploads.values_mut())
    }

    pub(crate) fn is_live(&self, output: OutputId) -> bool {
        self.outputs.get(&output).is_some_and(Output::is_live)
    }

    pub(crate) fn next_timer(&mut self) -> u64 {
        self.timers += 1;
        self.timers
    }

    pub(crate) fn keep_fault(&mut self, effect: &PointEffect, fault: &Fault) {
        if self.faults.len() < FAULTS_KEPT_MAX {
            self.faults.push(EffectFault {
                effect: effect.word(),
                store: effect.store().cloned(),
                output: effect.output(),
                fault: fault.clone(),
            });
        }
    }
}

impl Signing {
    /// The outputs that the manifest is about count no more.
    pub fn discard(&mut self) {
        if self.task.is_in_flight() {
            self.is_void = true;
        } else {
            *self = Self::default();
        }
    }
}
