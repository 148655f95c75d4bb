//! Passes of units: holds are asked for side by side, the steps during them make their
//! cuts, the holds are let go, and only when all of that held does the pass count. A pass
//! that is lost is taken back, and the unit runs anew as a whole.

use drydock_core::{ErrorClass, ErrorCode, Fault, HoldEnd, HoldKind, Probed};
use drydock_point::model::AttemptEnd;

use super::attempt::{ends_with_process, interrupted};
use super::{HoldAt, NodePhase, Purpose, RunState, UndoPhase, UnitEnd};
use crate::model::{Answer, Done, EffectId};

/// Passes that may be cut off with their process.
const INTERRUPTED_MAX: u32 = 32;

impl RunState {
    /// The node's unit, unless that has come to its end.
    pub(super) fn open_unit(&self, index: usize) -> Option<usize> {
        let unit = self.nodes[index].unit?;
        self.units[unit].end.is_none().then_some(unit)
    }

    /// Why what the node does now counts for nothing.
    pub(super) fn lost_pass(&self, index: usize) -> Option<Fault> {
        let unit = self.open_unit(index)?;
        self.units[unit].lost.clone()
    }

    /// The first hold of a pass was asked for: all have to stand within a time.
    pub(super) fn acquire_began(&mut self, index: usize) {
        let spec = &self.spec.nodes[index];
        let (Some(_), Some(unit)) = (spec.hold, self.nodes[index].unit) else {
            return;
        };
        let holds = self.units[unit].holds.iter();
        let seconds = holds.filter_map(|hold| self.spec.nodes[*hold].hold);
        let seconds = seconds.map(|hold| hold.acquire_seconds).max();
        let purpose = Purpose::Acquire(unit);
        if !self.timers.values().any(|timer| timer.purpose == purpose) {
            self.wait(seconds.unwrap_or_default().saturating_mul(1000), purpose);
        }
    }

    /// A session hold says that it stands.
    pub(super) fn session_held(&mut self, index: usize, evidence: &str) {
        self.stands(index, Some(evidence.to_owned()));
    }

    fn stands(&mut self, index: usize, evidence: Option<String>) {
        let Some(spec) = self.spec.nodes[index].hold else {
            return;
        };
        let now = self.now;
        let Some(hold) = &mut self.nodes[index].hold else {
            return;
        };
        if hold.held.is_some() {
            return;
        }
        hold.held = Some(now);
        hold.evidence = evidence;
        hold.deadline = now.plus_seconds(spec.seconds_max);
        if hold.at == HoldAt::Asked {
            hold.at = HoldAt::Held;
            let milliseconds = spec.seconds_max.saturating_mul(1000);
            self.wait(milliseconds, Purpose::HoldDeadline(index));
        }
    }

    /// What the step takes is of this instant. One that begins its stream anew takes it of a
    /// later one, and what stood for it may have been let go meanwhile.
    pub(super) fn cut_made(&mut self, index: usize) {
        let now = self.now;
        let is_first = self.nodes[index].cut.replace(now).is_none();
        let Some(unit) = self.open_unit(index).filter(|_| !is_first) else {
            return;
        };
        let mut holds = self.units[unit].holds.iter();
        if let Some(left) = holds.find(|hold| !self.nodes[**hold].holds()).copied() {
            let why = "a step during it began anew after it was let go";
            let fault = self.hold_fault(left, why);
            self.lose_pass(unit, fault);
        }
    }

    /// The attempt of a hold node is over. Of a session that is the end of the hold.
    pub(super) fn hold_answered(
        &mut self,
        index: usize,
        kind: HoldKind,
        answer: Result<Done, Fault>,
    ) {
        if let Err(fault) = &answer {
            self.keep_fault("attempt", index, fault);
            self.nodes[index].failures += 1;
        }
        match (kind, answer) {
            (HoldKind::Session, answer) => self.session_ended(index, answer),
            (HoldKind::State, Ok(done)) => {
                self.nodes[index].phase = NodePhase::Done;
                self.nodes[index].done = Some(done);
                self.stands(index, None);
            }
            (HoldKind::State, Err(fault)) => {
                self.nodes[index].phase = NodePhase::Failed(fault.clone());
                self.hold_lost(index, fault);
            }
        }
    }

    fn session_ended(&mut self, index: usize, answer: Result<Done, Fault>) {
        let was_told = self.nodes[index]
            .hold
            .as_ref()
            .is_some_and(|hold| hold.at == HoldAt::Telling && hold.held.is_some());
        let lost = match answer {
            Ok(done) => match done.hold {
                Some(HoldEnd::ToTheEnd) if was_told => {
                    self.nodes[index].phase = NodePhase::Done;
                    self.nodes[index].done = Some(done);
                    None
                }
                Some(HoldEnd::ToTheEnd) => Some(self.hold_fault(index, "it ended by itself")),
                Some(HoldEnd::Lost { why }) => Some(self.hold_fault(index, &why)),
                None => Some(self.hold_fault(index, "it did not say whether it still held")),
            },
            Err(fault) if was_told => Some(self.hold_fault(index, &fault.message)),
            Err(fault) => Some(fault),
        };
        self.released(index, lost.is_none());
        if let Some(fault) = lost {
            self.nodes[index].phase = NodePhase::Failed(fault.clone());
            self.hold_lost(index, fault);
        }
    }

    /// The process that had asked for a hold is gone. A session is gone with it; a state may
    /// stand.
    pub(super) fn hold_interrupted(&mut self, index: usize, kind: HoldKind) {
        let fault = interrupted();
        if ends_with_process(kind) {
            self.released(index, false);
        }
        self.nodes[index].phase = NodePhase::Failed(fault.clone());
        self.hold_lost(index, fault);
    }

    fn hold_lost(&mut self, index: usize, fault: Fault) {
        match self.open_unit(index) {
            Some(unit) => self.lose_pass(unit, fault),
            None => self.leave(index),
        }
    }

    /// The hold is to be let go, however far it came.
    pub(super) fn leave(&mut self, index: usize) {
        let Some(spec) = self.spec.nodes[index].hold else {
            return;
        };
        let node = &mut self.nodes[index];
        let is_running = node.running().is_some();
        if let Some(hold) = &mut node.hold
            && matches!(hold.at, HoldAt::Asked | HoldAt::Held)
        {
            hold.at = HoldAt::Leaving;
            // A state that is still being asked for is taken back once it is known.
            if spec.kind == HoldKind::Session && !is_running {
                self.released(index, false);
            }
            // It goes as fast as it can: nothing is left to hurry, and what is asked of an
            // operator meanwhile is not to be answered by a clock.
            self.forget_wait(Purpose::HoldDeadline(index));
        }
    }

    fn released(&mut self, index: usize, stood: bool) {
        self.forget_wait(Purpose::HoldDeadline(index));
        let now = self.now;
        if let Some(hold) = &mut self.nodes[index].hold {
            hold.at = HoldAt::Released(now);
            hold.stood = stood;
        }
    }

    pub(super) fn let_go_started(&mut self, attempt: EffectId) {
        let mut nodes = self.nodes.iter_mut();
        let node = nodes.find(|node| node.running() == Some(attempt));
        if let Some(hold) = node.and_then(|node| node.hold.as_mut()) {
            hold.at = HoldAt::Telling;
        }
    }

    /// Whether a state hold still stood. It is taken back whatever the answer is.
    pub(super) fn hold_probed(&mut self, index: usize, answer: &Answer) {
        let stands = matches!(
            answer,
            Answer::Probed {
                state: Probed::Held
            }
        );
        if let Answer::Failed { fault, .. } = answer {
            self.keep_fault("probe", index, fault);
        }
        let node = &mut self.nodes[index];
        if let Some(hold) = &mut node.hold {
            hold.probe = None;
            hold.stood = stands;
        }
        self.want_undo(index);
    }

    /// A state hold was taken back.
    pub(super) fn state_released(&mut self, index: usize) {
        let stood = self.nodes[index]
            .hold
            .as_ref()
            .is_some_and(|hold| hold.stood);
        self.released(index, stood);
    }

    pub(super) fn hold_overdue(&mut self, index: usize) {
        if !self.nodes[index].may_hold() {
            return;
        }
        let seconds = self.spec.nodes[index].hold.map(|hold| hold.seconds_max);
        let step = &self.spec.nodes[index].step;
        let fault = Fault::transient(
            ErrorCode::HoldOverdue,
            format!(
                "hold {step} was let go after its {} s, before every step during it had made its cut: find out what was slow, or raise its seconds",
                seconds.unwrap_or_default()
            ),
        );
        self.hold_lost(index, fault);
    }

    pub(super) fn acquire_overdue(&mut self, unit: usize) {
        let holds = self.units[unit].holds.iter();
        let mut missing = holds.filter(|hold| !self.nodes[**hold].holds());
        let Some(hold) = missing.next() else { return };
        let spec = &self.spec.nodes[*hold];
        let seconds = spec.hold.map(|hold| hold.acquire_seconds);
        let fault = Fault::transient(
            ErrorCode::HoldFailed,
            format!(
                "hold {} did not stand within its acquireSeconds of {}: find out who has what it waits for, or raise it",
                spec.step,
                seconds.unwrap_or_default()
            ),
        );
        self.lose_pass(unit, fault);
    }

    /// The pass that is under way counts for nothing, for this reason; the first one counts.
    pub(super) fn lose_pass(&mut self, unit: usize, fault: Fault) {
        if self.units[unit].lost.is_none() {
            if fault.code == ErrorCode::Interrupted {
                self.units[unit].interrupted += 1;
            } else {
                self.units[unit].failures += 1;
            }
            self.units[unit].lost = Some(fault.clone());
            self.forget_wait(Purpose::Acquire(unit));
        }
        for index in self.units[unit].parts() {
            self.leave(index);
            if self.nodes[index].phase == NodePhase::Done {
                self.tell_point(index, &AttemptEnd::Lost(fault.clone()));
            }
        }
    }

    pub(super) fn resume_unit(&mut self, unit: usize) {
        if self.units[unit].end.is_some() {
            return;
        }
        for index in self.units[unit].holds.clone() {
            let is_untouched = self.nodes[index].undo.phase == UndoPhase::Unwanted;
            if let Some(hold) = &mut self.nodes[index].hold {
                hold.probe = None;
                if hold.at == HoldAt::Telling && is_untouched {
                    hold.at = HoldAt::Leaving;
                }
            }
        }
        let holds = self.units[unit].holds.iter();
        let stands = holds.copied().any(|hold| self.nodes[hold].may_hold());
        if stands && !self.is_cut(unit) {
            self.lose_pass(unit, interrupted());
        }
    }

    /// Whether each step during the holds has made its cut, or is over.
    fn is_cut(&self, unit: usize) -> bool {
        let mut members = self.units[unit].members.iter();
        members.all(|member| {
            let node = &self.nodes[*member];
            node.cut.is_some() || node.is_over()
        })
    }

    /// Brings a unit one step further, where nothing has to be asked for first.
    pub(super) fn settle_unit(&mut self, unit: usize) -> bool {
        if self.units[unit].end.is_some() {
            return false;
        }
        if self.units[unit].lost.is_some() {
            return self.close_pass(unit);
        }
        if let Some(fault) = self.ending.clone() {
            self.lose_pass(unit, fault);
            return true;
        }
        if let Some(fault) = self.spoilt(unit) {
            self.lose_pass(unit, fault);
            return true;
        }
        if self.is_needless(unit) {
            return self.end_unit(unit, UnitEnd::Whole);
        }
        let holds = self.units[unit].holds.clone();
        if holds.iter().all(|hold| self.nodes[*hold].holds()) {
            self.forget_wait(Purpose::Acquire(unit));
            if self.is_cut(unit) {
                holds.iter().for_each(|hold| self.leave(*hold));
                return true;
            }
        }
        self.is_whole(unit) && self.end_unit(unit, UnitEnd::Whole)
    }

    /// Whether every step during the holds is over before one was asked for: then none is.
    fn is_needless(&mut self, unit: usize) -> bool {
        let unit = &self.units[unit];
        let over = |index: &usize| self.nodes[*index].is_over();
        let unasked = |index: &usize| self.nodes[*index].phase == NodePhase::Pending;
        let is_needless = !unit.members.is_empty()
            && unit.members.iter().all(over)
            && unit.holds.iter().all(unasked);
        if is_needless {
            for index in unit.holds.clone() {
                let why = "no step stands during it any more";
                self.nodes[index].phase = NodePhase::Skipped(why.to_owned());
            }
        }
        is_needless
    }

    fn end_unit(&mut self, unit: usize, end: UnitEnd) -> bool {
        self.units[unit].end = Some(end);
        true
    }

    /// Why a pass cannot become whole any more: a hold was skipped, or did not stand to the
    /// end.
    fn spoilt(&self, unit: usize) -> Option<Fault> {
        let mut holds = self.units[unit].holds.iter().copied();
        holds.find_map(|index| {
            let node = &self.nodes[index];
            match (&node.phase, &node.hold) {
                (NodePhase::Skipped(why), _) => Some(Fault {
                    class: ErrorClass::Permanent,
                    ..self.hold_fault(index, why)
                }),
                (_, Some(hold)) if matches!(hold.at, HoldAt::Released(_)) && !hold.stood => {
                    Some(self.hold_fault(index, "it did not stand any more when it was let go"))
                }
                _ => None,
            }
        })
    }

    fn is_whole(&self, unit: usize) -> bool {
        let unit = &self.units[unit];
        let released = |index: &usize| {
            let hold = self.nodes[*index].hold.as_ref();
            hold.is_some_and(|hold| matches!(hold.at, HoldAt::Released(_)) && hold.stood)
        };
        unit.holds.iter().all(released)
            && unit
                .members
                .iter()
                .all(|member| self.nodes[*member].is_over())
    }

    /// A lost pass: once nothing of it is under way and no hold stands, what it left is taken
    /// back; then the unit runs anew, or is given up.
    fn close_pass(&mut self, unit: usize) -> bool {
        let parts: Vec<_> = self.units[unit].parts().collect();
        if self.take_states_back(unit) {
            return true;
        }
        let is_quiet = |index: &usize| {
            let node = &self.nodes[*index];
            !node.is_busy() && !node.may_hold()
        };
        if !parts.iter().all(is_quiet) {
            return false;
        }
        if self.is_ending() {
            let fault = self.units[unit].lost.clone();
            return fault.is_some_and(|fault| self.give_up_unit(unit, fault));
        }
        let mut wanted = false;
        for index in &parts {
            let node = &self.nodes[*index];
            let left = self.spec.nodes[*index].undo && node.began.is_some();
            if left && node.hold.is_none() && node.undo.phase == UndoPhase::Unwanted {
                self.want_undo(*index);
                wanted = true;
            }
        }
        if wanted
            || parts
                .iter()
                .any(|index| self.nodes[*index].undo.phase.is_open())
        {
            return wanted;
        }
        self.next_pass(unit)
    }

    /// State holds of a lost pass are not asked whether they stood: they are taken back at
    /// once.
    fn take_states_back(&mut self, unit: usize) -> bool {
        let mut changed = false;
        for index in self.units[unit].holds.clone() {
            let node = &self.nodes[index];
            let is_leaving = node
                .hold
                .as_ref()
                .is_some_and(|hold| hold.at == HoldAt::Leaving && hold.probe.is_none());
            let is_state = self.spec.nodes[index]
                .hold
                .is_some_and(|hold| !ends_with_process(hold.kind));
            let is_idle = node.running().is_none() && node.undo.phase == UndoPhase::Unwanted;
            if is_leaving && is_state && is_idle {
                self.want_undo(index);
                changed = true;
            }
        }
        changed
    }

    fn next_pass(&mut self, unit: usize) -> bool {
        let Some(lost) = self.units[unit].lost.take() else {
            return false;
        };
        let parts: Vec<_> = self.units[unit].parts().collect();
        // A step that took too long is tried no more, whatever became of the pass.
        let mut overdue = parts.iter().map(|index| self.nodes[*index].overdue.clone());
        let fault = overdue.find_map(|overdue| overdue).unwrap_or(lost);
        let limits = parts.iter().map(|index| self.backoff_limit(*index));
        let failures_max = limits.max().unwrap_or_default();
        let state = &self.units[unit];
        let again = fault.class.is_retryable()
            && state.failures <= failures_max
            && state.interrupted <= INTERRUPTED_MAX;
        if !again {
            return self.give_up_unit(unit, fault);
        }
        let failures = state.failures;
        for index in parts {
            self.begin_anew(index);
        }
        // What was only cut off need not wait.
        if fault.code != ErrorCode::Interrupted {
            self.units[unit].waiting = true;
            self.wait(self.backoff(failures, &fault), Purpose::UnitRetry(unit));
        }
        true
    }

    /// No pass was whole. Steps that can go on without their holds do.
    fn give_up_unit(&mut self, unit: usize, fault: Fault) -> bool {
        // An operator who ends the run at a gate ends it for all steps of the unit.
        let is_ending = self.is_ending() || fault.code == ErrorCode::GateEnded;
        for index in self.units[unit].holds.clone() {
            self.nodes[index].phase = NodePhase::Failed(fault.clone());
        }
        let mut all_go_on = !self.units[unit].members.is_empty();
        for index in self.units[unit].members.clone() {
            let is_overdue = self.nodes[index].overdue.is_some();
            if !is_ending && self.spec.nodes[index].or_without && !is_overdue {
                self.begin_anew(index);
                continue;
            }
            all_go_on = false;
            self.forget_wait(Purpose::StepDeadline(index));
            self.nodes[index].give_up(&fault, is_ending);
        }
        self.units[unit].lost = None;
        self.units[unit].end = Some(UnitEnd::GivenUp(fault.clone()));
        if !all_go_on {
            self.end(fault);
        }
        true
    }

    /// As if the node had never begun, but for its deadline, which all its attempts share.
    fn begin_anew(&mut self, index: usize) {
        self.forget_wait(Purpose::Retry(index));
        self.withdraw_questions(index);
        self.nodes[index].renew();
    }

    fn hold_fault(&self, index: usize, why: &str) -> Fault {
        let step = &self.spec.nodes[index].step;
        Fault::transient(
            ErrorCode::HoldLost,
            format!("hold {step} was lost, so that what was taken meanwhile does not count: {why}"),
        )
    }
}
