//! Effects that did not succeed.
//!
//! A fault of class permanent or denied says that the effect did not take place, unless
//! the host broke the plugin off. Every other class leaves that open: an upload may
//! have been begun whose session nobody knows, a manifest may have been created.

use drydock_core::{ErrorClass, Fault, StepName};

use super::super::{RunState, SPOOL_MISSING, StoreStatus};
use crate::model::Effect;
use crate::task::Retry;

/// Codes by which the host says that it broke a plugin off, or could not read what it
/// answered. Trying again is of no use, and the effect may have taken place before.
const BROKEN_OFF: [&str; 6] = [
    "bad-answer",
    "handles-limit",
    "host-failed",
    "memory-limit",
    "result-limit",
    "table-limit",
];

impl RunState {
    pub(super) fn effect_failed(&mut self, effect: &Effect, fault: &Fault) {
        if let Effect::StartBackup { step, attempt, .. } = effect {
            return self.backup_failed(step, *attempt, fault);
        }
        self.keep_fault(effect, fault);
        self.note_doubt(effect, fault);
        let timer = self.next_timer();
        let retry = Retry::of(effect, &self.spec.policy);
        let Some(task) = self.task_mut(effect) else {
            return;
        };
        task.fail(fault, retry, timer);
        let gave_up = task.gave_up().is_some();
        if fault.is(SPOOL_MISSING) && !effect.is_cleanup() {
            self.spool_missing(effect, fault);
        } else if gave_up {
            self.gave_up(effect, fault);
        }
    }

    fn note_doubt(&mut self, effect: &Effect, fault: &Fault) {
        if did_not_happen(fault) {
            return;
        }
        let store = effect.store().and_then(|store| self.store_mut(store));
        match (effect, store) {
            (Effect::BeginUpload { .. }, Some(store)) => store.sweep_wanted = true,
            (Effect::CommitManifest { .. }, Some(store)) => store.commit_unknown = true,
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
    fn spool_missing(&mut self, effect: &Effect, fault: &Fault) {
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

fn did_not_happen(fault: &Fault) -> bool {
    let refused = matches!(fault.class, ErrorClass::Permanent | ErrorClass::Denied);
    refused && !BROKEN_OFF.contains(&fault.code.as_str())
}
