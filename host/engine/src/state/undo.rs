//! Taking nodes back, and letting state holds go. It is tried without end; after some
//! failures an operator is asked, and nobody else may give it up, but where what could do it
//! is gone: then the run's end tells of it.

use drydock_core::{Fault, StepName};
use drydock_point::model::Fate;

use super::apply::wrong_answer;
use super::{About, HoldAt, Purpose, RunState, UndoPhase};
use crate::model::{Answer, EffectId, When};

/// Failures of one undo after which an operator is asked.
const UNDO_FAILURES_ASKED: u32 = 10;

impl RunState {
    pub(super) fn want_undo(&mut self, index: usize) {
        let undo = &mut self.nodes[index].undo;
        if undo.phase == UndoPhase::Unwanted {
            undo.phase = UndoPhase::Wanted;
        }
    }

    pub(super) fn undo_started(&mut self, step: &StepName, id: EffectId) {
        let Some(index) = self.index_of(step) else {
            return;
        };
        let node = &mut self.nodes[index];
        node.undo.attempts += 1;
        node.undo.phase = UndoPhase::Running(id);
        if let Some(hold) = &mut node.hold {
            hold.at = HoldAt::Telling;
        }
    }

    pub(super) fn undo_answered(&mut self, step: &StepName, answer: &Answer) {
        let Some(index) = self.index_of(step) else {
            return;
        };
        match answer {
            Answer::Undone => self.undone(index, UndoPhase::Done),
            Answer::Failed { fault, .. } => self.undo_failed(index, fault),
            Answer::Gone { fault } => {
                self.keep_fault("undo", index, fault);
                self.undone(index, UndoPhase::GivenUp);
            }
            _ => self.undo_failed(index, &wrong_answer()),
        }
    }

    /// It is taken back, by the engine or by hand, or never will be.
    pub(super) fn undone(&mut self, index: usize, phase: UndoPhase) {
        self.nodes[index].undo.phase = phase;
        if self.nodes[index].may_hold() {
            self.state_released(index);
        }
    }

    fn undo_failed(&mut self, index: usize, fault: &Fault) {
        self.keep_fault("undo", index, fault);
        let undo = &mut self.nodes[index].undo;
        undo.failures += 1;
        let failures = undo.failures;
        if failures.is_multiple_of(UNDO_FAILURES_ASKED) {
            undo.phase = UndoPhase::Asking;
            let step = self.spec.nodes[index].step.clone();
            return self.want_question(About::Undo {
                step,
                why: fault.message.clone(),
            });
        }
        undo.phase = UndoPhase::Waiting;
        self.wait(self.backoff(failures, fault), Purpose::UndoRetry(index));
    }

    pub(super) fn resume_undo(&mut self, index: usize) {
        let undo = &mut self.nodes[index].undo;
        if matches!(undo.phase, UndoPhase::Running(_)) {
            undo.phase = UndoPhase::Wanted;
        }
    }

    /// An ending run takes back what its nodes did, but for what a manifest may name.
    pub(super) fn settle_undo(&mut self) -> bool {
        if !self.is_ending() || self.left {
            return false;
        }
        let mut changed = false;
        for index in 0..self.nodes.len() {
            if self.is_to_be_undone(index) {
                self.want_undo(index);
                changed = true;
            }
        }
        changed
    }

    fn is_to_be_undone(&self, index: usize) -> bool {
        let (node, spec) = (&self.nodes[index], &self.spec.nodes[index]);
        let did = spec.undo && spec.hold.is_none() && node.began.is_some();
        did && node.undo.phase == UndoPhase::Unwanted
            && spec.when == When::Success
            && node.is_over()
            && self.may_be_undone(index)
    }

    /// What a contributor keeps elsewhere belongs to the recovery point: it goes only where
    /// no manifest names it, and none ever will.
    pub(crate) fn may_be_undone(&self, index: usize) -> bool {
        let point = self.point.as_ref();
        let point = point.filter(|_| self.spec.nodes[index].contributes);
        point.is_none_or(|point| point.fate() == Fate::Not)
    }

    /// Whether a step of an ending run is still at work that began later.
    fn is_built_upon(&self, index: usize) -> bool {
        let began = self.nodes[index].began;
        let nodes = self.nodes.iter().zip(&self.spec.nodes);
        let mut later = nodes.filter(|(node, spec)| {
            node.began > began && spec.hold.is_none() && spec.when == When::Success
        });
        self.is_ending() && later.any(|(node, _)| node.running().is_some() || node.is_probed())
    }

    /// The nodes whose undo may be started now: holds at once, whatever else there is, and of
    /// the others the one that began last.
    #[must_use]
    pub fn next_undos(&self) -> Vec<usize> {
        let open = |index: &usize| self.nodes[*index].undo.phase.is_open();
        let (holds, others): (Vec<_>, Vec<_>) = (0..self.nodes.len())
            .filter(open)
            .partition(|index| self.spec.nodes[*index].hold.is_some());
        let last = others
            .into_iter()
            .max_by_key(|index| self.nodes[*index].began);
        let last = last.filter(|last| !self.is_built_upon(*last));
        let due = |index: &usize| self.nodes[*index].undo.phase == UndoPhase::Wanted;
        holds.into_iter().chain(last).filter(due).collect()
    }
}
