//! What is known of a run. The state changes by [`RunState::apply`] for what happened
//! and by [`RunState::started`] for what was asked for, and by nothing else, so that
//! replaying a run's records gives the state that the process had which wrote them.

mod apply;
mod output;
mod store;
mod uploads;

use std::collections::BTreeMap;
use std::mem::take;

use drydock_core::{Fault, Finding, OutputId, StepName, UnixTime};

use crate::model::{DrillResult, Effect, Outcome, RunSpec};
use crate::task::Task;

pub use output::{
    Judging, OUTPUTS_PER_RUN_MAX, Output, OutputPhase, check_output_count, name_taken,
};
pub use store::{Store, StoreStatus};
pub use uploads::{OpenUpload, Upload};

/// Faults that are kept for an operator to read: the first ones tell the story, and
/// a run's state must not grow with the number of its retries.
const FAULTS_KEPT_MAX: usize = 64;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    pub spec: RunSpec,
    pub created: UnixTime,
    /// In the order of the specification.
    pub backups: Vec<Backup>,
    /// By number; discarded ones stay, so that their uploads are cleaned up.
    pub outputs: BTreeMap<OutputId, Output>,
    /// In the order of the specification.
    pub stores: Vec<Store>,
    /// None for a run that backs up.
    pub drill: Option<Drill>,
    pub sign: Task,
    pub manifest: Option<SignedManifest>,
    pub drop_spool: Task,
    pub finish: Task,
    /// Why the run is being brought to an end before its time.
    pub ending: Option<Fault>,
    /// Why nothing more is taken back.
    pub cleanup_given_up: Option<Fault>,
    pub finished: Option<Finished>,
    /// What went wrong on the way, the earliest first.
    pub faults: Vec<EffectFault>,
    timers: u64,
}

/// A backup step of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    pub step: StepName,
    /// Done when the plugin finished. Its attempts are the step's attempts.
    pub task: Task,
    pub report: Option<Report>,
    /// Attempts that ended with their process, or whose spool was gone afterwards.
    pub lost: u32,
}

/// The drill of a run that drills.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drill {
    pub task: Task,
    pub result: Option<DrillResult>,
}

/// What the plugin said when it finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub degraded: bool,
    pub findings: Vec<Finding>,
}

/// The manifest of the recovery point and its minisign signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedManifest {
    pub manifest: String,
    pub signature: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub outcome: Outcome,
    pub at: UnixTime,
}

/// One failed effect, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectFault {
    /// The effect's word, e.g. `put-part`.
    pub effect: &'static str,
    /// The backup step that it was about.
    pub backup: Option<StepName>,
    pub store: Option<StepName>,
    pub output: Option<OutputId>,
    pub fault: Fault,
}

impl Backup {
    fn new(step: &StepName) -> Self {
        Self {
            step: step.clone(),
            task: Task::default(),
            report: None,
            lost: 0,
        }
    }
}

impl RunState {
    /// A run that was just created.
    #[must_use]
    pub fn new(spec: RunSpec, created: UnixTime) -> Self {
        let stores = spec.stores.iter().map(Store::new).collect();
        let backups = spec.backups.iter().map(|pin| Backup::new(&pin.step));
        let backups = backups.collect();
        let drill = spec.drill.as_ref().map(|_| Drill::default());
        Self {
            spec,
            drill,
            created,
            backups,
            outputs: BTreeMap::new(),
            stores,
            sign: Task::default(),
            manifest: None,
            drop_spool: Task::default(),
            finish: Task::default(),
            ending: None,
            cleanup_given_up: None,
            finished: None,
            faults: Vec::new(),
            timers: 0,
        }
    }

    /// Notes that an effect was recorded and is about to be carried out.
    pub fn started(&mut self, effect: &Effect) {
        match effect {
            Effect::Wait { timer, .. } => {
                self.each_task(|task| task.wait_started(*timer));
            }
            Effect::BeginUpload {
                store,
                output,
                object,
                ..
            } => self.upload_started(store, *output, object),
            Effect::CommitManifest { store, .. } => self.commit_started(store),
            _ => {}
        }
        if let Some(task) = self.task_mut(effect) {
            task.start();
        }
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

    /// The prefix of every object of this run at a target.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{}/{}/", self.spec.cluster, self.spec.run)
    }

    /// The outputs that count.
    pub fn live_outputs(&self) -> impl Iterator<Item = &Output> {
        self.outputs.values().filter(|output| output.is_live())
    }

    /// The backup step of that name.
    #[must_use]
    pub fn backup(&self, step: &StepName) -> Option<&Backup> {
        self.backups.iter().find(|backup| backup.step == *step)
    }

    /// Whether every backup step is done.
    #[must_use]
    pub fn is_backed_up(&self) -> bool {
        self.backups.iter().all(|backup| backup.task.is_done())
    }

    #[must_use]
    pub fn store(&self, step: &StepName) -> Option<&Store> {
        self.stores.iter().find(|store| store.step == *step)
    }

    #[must_use]
    pub fn upload(&self, store: &StepName, output: OutputId) -> Option<&Upload> {
        self.store(store)?.uploads.get(&output)
    }

    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether every backup step is done, everything that counts is sealed, and every
    /// verify step said yes to all that it judges: nothing is completed anywhere before.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.is_backed_up() && self.live_outputs().all(Output::is_verified)
    }

    /// Whether nothing more is to be expected of any store.
    #[must_use]
    pub fn all_stores_terminal(&self) -> bool {
        self.stores
            .iter()
            .all(|store| store.status != StoreStatus::Active)
    }

    /// Whether nothing more is to be expected of the run's work: of any store, or of its
    /// drill.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match &self.drill {
            Some(drill) => drill.result.is_some(),
            None => self.all_stores_terminal(),
        }
    }

    /// Whether a store has every byte of what counts, so that it needs no spool.
    #[must_use]
    pub fn is_past_spool(&self, store: &Store) -> bool {
        self.is_backed_up()
            && self
                .live_outputs()
                .all(|output| store.has_all_parts_of(output))
    }

    /// Whether a store holds everything of what counts, completed and read back.
    #[must_use]
    pub fn is_ready_to_commit(&self, store: &Store) -> bool {
        self.is_verified()
            && self
                .live_outputs()
                .all(|output| store.has_read_back(output))
    }

    /// Whether any effect is in flight.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let mut busy = false;
        self.visit_tasks(|task| busy |= task.is_in_flight());
        busy
    }

    /// The waits that are due to be started.
    #[must_use]
    pub fn unstarted_waits(&self) -> Vec<Effect> {
        let mut waits = Vec::new();
        self.visit_tasks(|task| waits.extend(task.unstarted_wait()));
        waits
    }

    fn visit_tasks(&self, mut visit: impl FnMut(&Task)) {
        for backup in &self.backups {
            visit(&backup.task);
        }
        if let Some(drill) = &self.drill {
            visit(&drill.task);
        }
        visit(&self.sign);
        visit(&self.drop_spool);
        visit(&self.finish);
        for output in self.outputs.values() {
            output.judging.values().for_each(|j| visit(&j.task));
        }
        for store in &self.stores {
            store.visit_tasks(&mut visit);
        }
    }

    fn each_task(&mut self, mut change: impl FnMut(&mut Task)) {
        for backup in &mut self.backups {
            change(&mut backup.task);
        }
        if let Some(drill) = &mut self.drill {
            change(&mut drill.task);
        }
        change(&mut self.sign);
        change(&mut self.drop_spool);
        change(&mut self.finish);
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
    /// and for what the run does not have.
    fn task_mut(&mut self, effect: &Effect) -> Option<&mut Task> {
        match effect {
            Effect::StartBackup { step, .. } => Some(&mut self.backup_mut(step)?.task),
            Effect::SignManifest => Some(&mut self.sign),
            Effect::DropSpool => Some(&mut self.drop_spool),
            Effect::Drill { .. } => Some(&mut self.drill.as_mut()?.task),
            Effect::Finish { .. } => Some(&mut self.finish),
            Effect::Wait { .. } => None,
            Effect::Judge { step, output, .. } => {
                let judging = &mut self.outputs.get_mut(output)?.judging;
                Some(&mut judging.get_mut(step)?.task)
            }
            _ => self.store_mut(effect.store()?)?.task_mut(effect),
        }
    }

    fn backup_mut(&mut self, step: &StepName) -> Option<&mut Backup> {
        self.backups.iter_mut().find(|backup| backup.step == *step)
    }

    fn store_mut(&mut self, step: &StepName) -> Option<&mut Store> {
        self.stores.iter_mut().find(|store| store.step == *step)
    }

    fn upload_mut(&mut self, store: &StepName, output: OutputId) -> Option<&mut Upload> {
        self.store_mut(store)?.uploads.get_mut(&output)
    }

    fn uploads_mut(&mut self) -> impl Iterator<Item = &mut Upload> {
        self.stores
            .iter_mut()
            .flat_map(|store| store.uploads.values_mut())
    }

    fn is_live(&self, output: OutputId) -> bool {
        self.outputs.get(&output).is_some_and(Output::is_live)
    }

    fn next_timer(&mut self) -> u64 {
        self.timers += 1;
        self.timers
    }

    fn keep_fault(&mut self, effect: &Effect, fault: &Fault) {
        if self.faults.len() < FAULTS_KEPT_MAX {
            self.faults.push(EffectFault {
                effect: effect.word(),
                backup: effect.backup().cloned(),
                store: effect.store().cloned(),
                output: effect.output(),
                fault: fault.clone(),
            });
        }
    }
}
