//! Effects that did not succeed. Whether one may have taken place all the same is the
//! fault's certainty, and nothing else tells: an upload may have been begun whose session
//! nobody knows, a manifest may have been created.

use drydock_core::{Fault, StepName};

use crate::model::{PointEffect, Request, RetryPolicy};
use crate::state::{Point, StoreStatus};
use crate::task::Retry;

impl Point {
    pub(crate) fn effect_failed(&mut self, effect: &PointEffect, fault: &Fault) {
        if self.task_failed(effect, fault) {
            self.gave_up(effect, fault);
        }
    }

    /// Whether the effect will not be tried again.
    fn task_failed(&mut self, effect: &PointEffect, fault: &Fault) -> bool {
        self.keep_fault(effect, fault);
        self.note_doubt(effect, fault);
        let timer = self.next_timer();
        let retry = retry_of(effect, self.spec.retry);
        let Some(task) = self.task_mut(effect) else {
            return false;
        };
        task.fail(fault, retry, timer);
        task.gave_up().is_some()
    }

    fn note_doubt(&mut self, effect: &PointEffect, fault: &Fault) {
        if !fault.may_be_done() {
            return;
        }
        let store = effect.store().and_then(|store| self.store_mut(store));
        match (effect, store) {
            (PointEffect::BeginUpload { .. }, Some(store)) => store.sweep_wanted = true,
            (PointEffect::CommitManifest { .. }, Some(store)) => store.doubt_commit(),
            _ => {}
        }
    }

    /// What it means that an effect will not be tried again. A cleanup that was given up
    /// stays to be seen in its task; the outcome tells of it.
    fn gave_up(&mut self, effect: &PointEffect, fault: &Fault) {
        match effect {
            PointEffect::BeginUpload { store, output, .. }
            | PointEffect::PutPart { store, output, .. }
            | PointEffect::CompleteUpload { store, output, .. }
            | PointEffect::ReadBack { store, output, .. }
            | PointEffect::RetainObject { store, output, .. }
                if self.is_live(*output) =>
            {
                self.give_up(store, fault.clone());
            }
            PointEffect::CommitManifest { store, .. } => self.give_up(store, fault.clone()),
            PointEffect::Judge { output, .. } if self.is_live(*output) => self.end(fault.clone()),
            PointEffect::SignManifest => self.end(fault.clone()),
            _ => {}
        }
    }

    /// The sealed bytes are gone, and they cannot be made again: age output differs each
    /// time. If another store has all of them already, it is enough that it commits, and
    /// this one is given up. Otherwise the step that made them runs anew.
    pub(crate) fn spool_missing(&mut self, effect: &PointEffect, fault: &Fault) {
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

    /// Asks that a contributor run anew, unless nothing more is wanted of it.
    pub(crate) fn ask_again(&mut self, step: StepName, reason: &Fault) {
        if !self.is_ending() && !self.is_settled() {
            let reason = reason.clone();
            self.requests.push(Request::Again { step, reason });
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

fn retry_of(effect: &PointEffect, policy: RetryPolicy) -> Retry {
    let retry = Retry::new(
        policy.backoff_limit,
        policy.backoff_ms,
        policy.backoff_ms_max,
    );
    if effect.is_cleanup() {
        retry.of_cleanup()
    } else {
        retry
    }
}
