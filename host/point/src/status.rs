//! How far a recovery point is, seen from outside.

use drydock_core::{Fault, StepName};

use crate::model::{Fate, NeedState, PointEffect};
use crate::state::{Contributor, Output, Point, Store, StoreStatus};

impl Point {
    /// Whether it is being brought to an end before its time.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Why it is being brought to an end before its time.
    #[must_use]
    pub fn why_ending(&self) -> Option<&Fault> {
        self.ending.as_ref()
    }

    /// Whether everything that contributes to it is done.
    #[must_use]
    pub fn is_gathered(&self) -> bool {
        self.gathered.is_some() && self.contributors.iter().all(Contributor::is_whole)
    }

    /// Whether everything is gathered, everything that counts is sealed, and every verify
    /// step said yes to all that it judges: nothing is completed anywhere before.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.is_gathered() && self.live_outputs().all(Output::is_verified)
    }

    /// Whether a store has every byte of what counts, so that it needs no spool.
    #[must_use]
    pub fn is_past_spool(&self, store: &Store) -> bool {
        self.is_gathered()
            && self
                .live_outputs()
                .all(|output| store.has_all_parts_of(output))
    }

    /// Whether a store holds everything of what counts, completed and read back.
    #[must_use]
    pub fn has_everything(&self, store: &Store) -> bool {
        self.is_verified()
            && self
                .live_outputs()
                .all(|output| store.has_read_back(output))
    }

    /// The same, and locked where it is to be.
    #[must_use]
    pub fn is_ready_to_commit(&self, store: &Store) -> bool {
        self.has_everything(store) && self.live_outputs().all(|output| store.has_retained(output))
    }

    /// Whether nothing more is to be expected of any store.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.stores.iter().all(|store| !store.is_active())
    }

    /// Whether the last effect is done or given up.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.drop_spool.is_over()
    }

    /// Whether it is committed at one store at least.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        let mut stores = self.stores.iter();
        stores.any(|store| store.status == StoreStatus::Committed)
    }

    /// Whether another run had committed it first, at every store.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        let mut stores = self.stores.iter();
        stores.all(|store| store.status == StoreStatus::Superseded)
    }

    /// What is known of whether there is a recovery point with anything of this run in it.
    /// Another run's manifest counts where it names objects of this one.
    #[must_use]
    pub fn fate(&self) -> Fate {
        let mut stores = self.stores.iter();
        let is_over = self.is_ending() || self.is_settled();
        if stores.any(Store::has_manifest_of_ours) {
            return Fate::Committed;
        }
        let mut stores = self.stores.iter();
        if !is_over || stores.any(|store| store.commit.is_in_flight()) {
            return Fate::Open;
        }
        let mut stores = self.stores.iter();
        if stores.any(Store::is_in_doubt) {
            Fate::Unknown
        } else {
            Fate::Not
        }
    }

    /// Whether what a verify or store step is needed for is met: everything is gathered and
    /// it passed all that it judges, or it committed. None where it is no such step.
    #[must_use]
    pub fn need(&self, step: &StepName) -> Option<NeedState> {
        if let Some(store) = self.store(step) {
            return Some(self.need_of_store(store));
        }
        let mut verify = self.spec.verify.iter();
        let verify = verify.any(|verify| verify.pin.step == *step);
        verify.then(|| self.need_of_verify(step))
    }

    fn need_of_store(&self, store: &Store) -> NeedState {
        let may_come = store.is_active() && !self.is_ending();
        if store.has_manifest_of_ours() {
            NeedState::Met
        } else if may_come || store.commit.is_in_flight() {
            NeedState::Open
        } else {
            NeedState::Failed
        }
    }

    fn need_of_verify(&self, step: &StepName) -> NeedState {
        let passed = |output: &Output| {
            let judging = output.judging.get(step);
            judging.is_none_or(|judging| output.sealed().is_some() && judging.passed())
        };
        if self.is_gathered() && self.live_outputs().all(passed) {
            NeedState::Met
        } else if self.is_ending() || self.is_settled() {
            NeedState::Failed
        } else {
            NeedState::Open
        }
    }

    /// What an effect that others can make slow works at, and where.
    #[must_use]
    pub fn slow(&self, effect: &PointEffect) -> Option<String> {
        let word = effect.word();
        match effect {
            PointEffect::Wait { .. } => None,
            PointEffect::Judge { step, .. } => Some(format!("{word} of step {step}")),
            effect => Some(match effect.store().and_then(|step| self.store(step)) {
                Some(store) => format!("{word} at target {}", store.target),
                None => word.to_owned(),
            }),
        }
    }
}
