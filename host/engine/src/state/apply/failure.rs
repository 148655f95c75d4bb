//! Effects that did not succeed. Whether one may have taken place all the same is the
//! fault's certainty, and nothing else tells: an upload may have been begun whose session
//! nobody knows, a manifest may have been created.

use drydock_core::{Fault, StepName};

use super::super::{RunState, StoreStatus};
use crate::model::Effect;
use crate::task::Retry;

impl RunState {
    pub(super) fn effect_failed(&mut self, effect: &Effect, fault: &Fault) {
        if let Effect::StartBackup { step, attempt, .. } = effect {
            return self.backup_failed(step, *attempt, fault);
        }
        if self.task_failed(effect, fault) {
            self.gave_up(effect, fault);
        }
    }

    /// Whether the effect will not be tried again.
    fn task_failed(&mut self, effect: &Effect, fault: &Fault) -> bool {
        self.keep_fault(effect, fault);
        self.note_doubt(effect, fault);
        let timer = self.next_timer();
        let retry = Retry::of(effect, &self.spec.policy);
        let Some(task) = self.task_mut(effect) else {
            return false;
        };
        task.fail(fault, retry, timer);
        task.gave_up().is_some()
    }

    fn note_doubt(&mut self, effect: &Effect, fault: &Fault) {
        if !fault.may_be_done() {
            return;
        }
        let store = effect.store().and_then(|store| self.store_mut(store));
        match (effect, store) {
            (Effect::BeginUpload { .. }, Some(store)) => store.sweep_wanted = true,
            (Effect::CommitManifest { .. }, Some(store)) => store.doubt_commit(),
            _ => {}
        }
    }

    /// What it means that an effect will not be tried again. A cleanup that was given up
    /// stays to be seen in its task; the outcome tells of it.
    fn gave_up(&mut self, effect: &Effect, fault: &Fault) {
        match effect {
            Effect::BeginUpload { store, output, .. }
            | Effect::PutPart { store, output, .. }
            | Effect::CompleteUpload { store, output, .. }
            | Effect::ReadBack { store, output, .. }
                if self.is_live(*output) =>
            {
                self.give_up(store, fault.clone());
            }
            Effect::CommitManifest { store, .. } => self.give_up(store, fault.clone()),
            Effect::Judge { output, .. } if self.is_live(*output) => self.end(fault.clone()),
            Effect::SignManifest | Effect::Drill { .. } => self.end(fault.clone()),
            _ => {}
        }
    }

    /// The sealed bytes are gone, and they cannot be made again: age output differs each
    /// time. If another store has all of them already, it is enough that it commits, and
    /// this one is given up. Otherwise the step that made them runs anew.
    pub(super) fn spool_missing(&mut self, effect: &Effect, fault: &Fault) {
        if effect.output().is_none() {
            return self.effect_failed(effect, fault);
        }
        self.task_failed(effect, fault);
        let Some(output) = effect.output().filter(|output| self.is_live(*output)) else {
            return;
        };
        match effect.store() {
            Some(store) if self.is_served_elsewhere(store) => {
                self.give_up(store, fault.clone());
            }
            _ => self.output_lost(output, fault),
        }
    }

    fn is_served_elsewhere(&self, but: &StepName) -> bool {
        let mut others = self.stores.iter().filter(|store| store.step != *but);
        others.any(|store| {
            let counts = matches!(store.status, StoreStatus::Active | StoreStatus::Committed);
            counts && self.is_past_spool(store)
        })
    }
}
