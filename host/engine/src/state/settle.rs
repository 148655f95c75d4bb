//! What follows from the state as it is, without anything being asked for: steps that will
//! never run are skipped, units go on, what belongs to the recovery point is gathered.

use drydock_core::StepName;
use drydock_point::model::NeedState;

use super::{About, NodePhase, Purpose, RunState, UnitEnd};
use crate::model::When;

/// Whether a node may begin, as far as the steps that it needs are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    Open,
    Ready,
    /// It never will, for this reason.
    Skip(String),
}

impl RunState {
    /// Each round changes something that no later one changes back, so that it ends.
    pub(super) fn settle(&mut self) {
        if self.finished.is_some() {
            return;
        }
        let mut changed = true;
        while changed {
            changed = self.settle_point();
            for unit in 0..self.units.len() {
                changed |= self.settle_unit(unit);
            }
            changed |= self.settle_nodes();
            changed |= self.settle_undo();
        }
    }

    fn settle_nodes(&mut self) -> bool {
        let mut changed = false;
        for index in 0..self.nodes.len() {
            changed |= self.cut_short(index) || self.skip(index) || self.want_gate(index);
        }
        changed
    }

    /// A run that is ending begins and tries nothing more.
    fn cut_short(&mut self, index: usize) -> bool {
        let Some(ending) = &self.ending else {
            return false;
        };
        let follows = self.spec.nodes[index].when != When::Success;
        let short = self.nodes[index].phase.cut_short(ending);
        let Some(phase) = short.filter(|_| !follows) else {
            return false;
        };
        self.nodes[index].phase = phase;
        self.forget_wait(Purpose::Retry(index));
        self.forget_wait(Purpose::StepDeadline(index));
        self.withdraw_questions(index);
        true
    }

    fn skip(&mut self, index: usize) -> bool {
        if self.nodes[index].phase != NodePhase::Pending {
            return false;
        }
        let Readiness::Skip(why) = self.readiness(index) else {
            return false;
        };
        self.nodes[index].phase = NodePhase::Skipped(why);
        true
    }

    /// A gate that may begin asks.
    fn want_gate(&mut self, index: usize) -> bool {
        let spec = &self.spec.nodes[index];
        if spec.gate.is_none() || !self.is_due(index) {
            return false;
        }
        let step = spec.step.clone();
        self.begun += 1;
        let rank = self.begun;
        let node = &mut self.nodes[index];
        node.phase = NodePhase::Asking;
        node.attempts += 1;
        node.began.get_or_insert(rank);
        self.step_deadline_began(index);
        self.want_question(About::Gate(step));
        true
    }

    /// Whether a node may begin, as far as the steps that it needs are concerned.
    #[must_use]
    pub fn readiness(&self, index: usize) -> Readiness {
        let spec = &self.spec.nodes[index];
        let mut failed = None;
        for need in &spec.needs {
            match self.need_state(index, &need.step) {
                NeedState::Open => return Readiness::Open,
                NeedState::Failed if !need.is_order => {
                    failed.get_or_insert(&need.step);
                }
                NeedState::Failed | NeedState::Met => {}
            }
        }
        match (spec.when, failed) {
            (When::Success, Some(step)) => {
                Readiness::Skip(format!("step {step} did not succeed, and it needs that"))
            }
            (When::Failure, None) if !self.is_ending() => {
                Readiness::Skip("nothing failed before it".to_owned())
            }
            _ => Readiness::Ready,
        }
    }

    fn need_state(&self, index: usize, step: &StepName) -> NeedState {
        let Some(needed) = self.index_of(step) else {
            let point = self.point.as_ref();
            let state = point.and_then(|point| point.need(step));
            return state.unwrap_or(NeedState::Failed);
        };
        let node = &self.nodes[needed];
        let unit = node
            .unit
            .filter(|unit| self.nodes[index].unit != Some(*unit));
        let is_open = unit.is_some_and(|unit| self.units[unit].end.is_none());
        match &node.phase {
            _ if is_open => NeedState::Open,
            NodePhase::Done => NeedState::Met,
            NodePhase::Failed(_) | NodePhase::Skipped(_) => NeedState::Failed,
            NodePhase::Pending
            | NodePhase::Running(_)
            | NodePhase::Unknown { .. }
            | NodePhase::Waiting
            | NodePhase::Asking => NeedState::Open,
        }
    }

    /// Whether an attempt of the node may be started now. A hold is asked for only when each
    /// step during it has all else that it needs: nobody is held up for a step that waits.
    #[must_use]
    pub fn may_begin(&self, index: usize) -> bool {
        self.spec.nodes[index].gate.is_none() && self.is_due(index)
    }

    /// Whether nothing is waited for before the node.
    fn is_due(&self, index: usize) -> bool {
        let node = &self.nodes[index];
        if node.phase != NodePhase::Pending || self.readiness(index) != Readiness::Ready {
            return false;
        }
        let Some(unit) = node.unit.map(|unit| &self.units[unit]) else {
            return true;
        };
        if let Some(end) = &unit.end {
            // Its holds could not be had, and it goes on without them.
            return matches!(end, UnitEnd::GivenUp(_)) && self.spec.nodes[index].hold.is_none();
        }
        if unit.lost.is_some() || unit.waiting {
            return false;
        }
        let mut holds = unit.holds.iter();
        if self.spec.nodes[index].hold.is_none() {
            return holds.all(|hold| self.nodes[*hold].holds());
        }
        unit.parts()
            .all(|part| self.nodes[part].phase != NodePhase::Pending || self.has_outer_needs(part))
    }

    /// Whether a node waits for nothing outside its unit. What failed there and is needed has
    /// had the node skipped.
    fn has_outer_needs(&self, index: usize) -> bool {
        let unit = self.nodes[index].unit;
        let needs = self.spec.nodes[index].needs.iter();
        let mut outer = needs.filter(|need| {
            let needed = self.index_of(&need.step);
            needed.is_none_or(|needed| self.nodes[needed].unit != unit)
        });
        outer.all(|need| self.need_state(index, &need.step) != NeedState::Open)
    }
}
