//! Attempts of nodes and probes of what became of them.

use drydock_core::{
    ErrorClass, ErrorCode, Fault, HoldKind, Probed, Repeat, StepName, VALUE_BYTES_MAX,
};
use drydock_point::model::{AttemptEnd, Report};
use drydock_point::task::wait_ms;

use super::apply::wrong_answer;
use super::{About, Hold, HoldAt, NodePhase, ProbeAt, Purpose, RunState};
use crate::model::{Answer, Done, EffectId, NodeSpec, When};

/// Attempts of a step that may be lost with their process. A step that takes the process
/// down each time must end some day; a daemon that is restarted a few times must not cost
/// the recovery point.
const LOST_MAX: u32 = 32;

impl RunState {
    pub(super) fn attempt_started(&mut self, step: &StepName, id: EffectId) {
        let Some(index) = self.index_of(step) else {
            return;
        };
        self.begun += 1;
        let (rank, now) = (self.begun, self.now);
        let spec = &self.spec.nodes[index];
        let node = &mut self.nodes[index];
        node.began.get_or_insert(rank);
        node.attempts += 1;
        node.phase = NodePhase::Running(id);
        if let Some(hold) = spec.hold {
            node.hold = Some(Hold {
                at: HoldAt::Asked,
                asked: now,
                held: None,
                evidence: None,
                deadline: now.plus_seconds(hold.acquire_seconds.saturating_add(hold.seconds_max)),
                stood: false,
                probe: None,
            });
        }
        if let Some(point) = self.point.as_mut().filter(|_| spec.contributes) {
            point.attempt_began(step);
        }
        self.step_deadline_began(index);
        self.acquire_began(index);
    }

    /// All attempts together have one deadline, from the first on: it goes on until the step
    /// is done or has failed. What begins anew after that has another one.
    pub(super) fn step_deadline_began(&mut self, index: usize) {
        let purpose = Purpose::StepDeadline(index);
        let is_under_way = self.timers.values().any(|timer| timer.purpose == purpose);
        let seconds = self.spec.nodes[index].deadline_seconds;
        if let Some(seconds) = seconds.filter(|_| !is_under_way) {
            self.wait(seconds.saturating_mul(1000), purpose);
        }
    }

    pub(super) fn attempt_answered(&mut self, step: &StepName, answer: &Answer) {
        let Some(index) = self.index_of(step) else {
            return;
        };
        self.nodes[index].stopping = false;
        if let Answer::Failed { body, .. } = answer {
            self.nodes[index].shown = body.clone();
        }
        let answer = match answer {
            Answer::Done { done } => Ok((**done).clone()),
            Answer::Failed { fault, .. } => Err(fault.clone()),
            _ => Err(wrong_answer()),
        };
        match self.spec.nodes[index].hold {
            Some(hold) => self.hold_answered(index, hold.kind, answer),
            None => match answer {
                Ok(done) => self.attempt_done(index, done),
                Err(fault) => self.attempt_failed(index, fault),
            },
        }
    }

    pub(super) fn attempt_done(&mut self, index: usize, done: Done) {
        if let Err(fault) = check_outputs(&self.spec.nodes[index], &done) {
            return self.gave_wrong(index, fault);
        }
        if let Some(fault) = self.lost_pass(index) {
            self.nodes[index].phase = NodePhase::Failed(fault.clone());
            return self.tell_point(index, &AttemptEnd::Lost(fault));
        }
        self.forget_wait(Purpose::StepDeadline(index));
        let report = Report {
            degraded: done.degraded,
            findings: done.findings.clone(),
        };
        let node = &mut self.nodes[index];
        node.phase = NodePhase::Done;
        node.done = Some(done);
        node.in_doubt = false;
        node.overdue = None;
        self.tell_point(index, &AttemptEnd::Whole(report));
    }

    fn attempt_failed(&mut self, index: usize, fault: Fault) {
        if self.counted_as_failed(index, &fault) {
            return;
        }
        let is_unknown = fault.may_be_done() && self.spec.nodes[index].repeat != Repeat::Idempotent;
        self.nodes[index].in_doubt |= is_unknown;
        if let Some(overdue) = self.nodes[index].overdue.clone() {
            return self.fail(index, overdue);
        }
        if is_unknown {
            return self.unknown(index, fault);
        }
        self.retry_or_fail(index, fault);
    }

    /// It was done, and what it gives is not what it declares. Asking what became of it would
    /// bring the same again.
    fn gave_wrong(&mut self, index: usize, fault: Fault) {
        if self.counted_as_failed(index, &fault) {
            return;
        }
        self.nodes[index].in_doubt |= self.spec.nodes[index].repeat != Repeat::Idempotent;
        self.fail(index, fault);
    }

    /// Notes a failure. Says whether that was all: a failure in a pass is one of its unit.
    fn counted_as_failed(&mut self, index: usize, fault: &Fault) -> bool {
        self.keep_fault("attempt", index, fault);
        self.tell_point(index, &AttemptEnd::Lost(fault.clone()));
        self.nodes[index].failures += 1;
        let Some(unit) = self.open_unit(index) else {
            return false;
        };
        self.nodes[index].phase = NodePhase::Failed(fault.clone());
        self.lose_pass(unit, fault.clone());
        true
    }

    /// An attempt ended with its process.
    pub(super) fn attempt_lost(&mut self, index: usize) {
        let fault = interrupted();
        let node = &mut self.nodes[index];
        node.lost += 1;
        let lost = node.lost;
        self.tell_point(index, &AttemptEnd::Lost(fault.clone()));
        if let Some(hold) = self.spec.nodes[index].hold {
            return self.hold_interrupted(index, hold.kind);
        }
        if let Some(unit) = self.open_unit(index) {
            self.nodes[index].phase = NodePhase::Failed(fault.clone());
            return self.lose_pass(unit, fault);
        }
        if lost > LOST_MAX {
            let step = self.spec.nodes[index].step.clone();
            self.nodes[index].in_doubt |= self.spec.nodes[index].repeat != Repeat::Idempotent;
            return self.fail(index, lost_too_often(&step, lost));
        }
        match self.spec.nodes[index].repeat {
            Repeat::Idempotent => self.nodes[index].phase = NodePhase::Pending,
            Repeat::Keyed | Repeat::AtMostOnce => self.unknown(index, fault),
        }
    }

    /// What a contributor gave is gone. Says whether it runs anew.
    pub(super) fn run_again(&mut self, index: usize, reason: &Fault) -> bool {
        if self.is_ending() || self.nodes[index].unit.is_some() || self.was_taken_up(index) {
            return false;
        }
        let node = &mut self.nodes[index];
        node.lost += 1;
        node.phase = NodePhase::Pending;
        node.done = None;
        let lost = node.lost;
        self.tell_point(index, &AttemptEnd::Lost(reason.clone()));
        if lost > LOST_MAX {
            let step = self.spec.nodes[index].step.clone();
            self.fail(index, lost_too_often(&step, lost));
        }
        true
    }

    /// Whether a node that takes something from this one has begun.
    fn was_taken_up(&self, index: usize) -> bool {
        let step = &self.spec.nodes[index].step;
        let nodes = self.nodes.iter().zip(&self.spec.nodes);
        let mut begun = nodes.filter(|(node, _)| node.attempts > 0);
        begun.any(|(_, spec)| {
            let mut needs = spec.needs.iter();
            needs.any(|need| need.step == *step && !need.is_order)
        })
    }

    fn unknown(&mut self, index: usize, fault: Fault) {
        self.nodes[index].in_doubt = true;
        match self.spec.nodes[index].repeat {
            Repeat::AtMostOnce => {
                self.nodes[index].phase = NodePhase::Asking;
                self.want_question(About::Step(self.spec.nodes[index].step.clone()));
            }
            Repeat::Keyed | Repeat::Idempotent => {
                self.nodes[index].phase = NodePhase::Unknown {
                    fault,
                    probe: ProbeAt::Wanted,
                };
            }
        }
    }

    pub(super) fn retry_or_fail(&mut self, index: usize, fault: Fault) {
        let failures = self.nodes[index].failures;
        let may_go_on = !self.is_ending() || self.spec.nodes[index].when != When::Success;
        if may_go_on && fault.class.is_retryable() && failures <= self.backoff_limit(index) {
            self.nodes[index].phase = NodePhase::Waiting;
            self.wait(self.backoff(failures, &fault), Purpose::Retry(index));
        } else {
            self.fail(index, fault);
        }
    }

    /// The node failed for good, or with its unit's pass. One that only follows others does
    /// not end the run.
    pub(super) fn fail(&mut self, index: usize, fault: Fault) {
        self.nodes[index].phase = NodePhase::Failed(fault.clone());
        if let Some(unit) = self.open_unit(index) {
            return self.lose_pass(unit, fault);
        }
        self.forget_wait(Purpose::StepDeadline(index));
        if self.spec.nodes[index].when == When::Success {
            self.end(fault);
        }
    }

    pub(super) fn try_again(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        match &mut node.phase {
            NodePhase::Waiting => node.phase = NodePhase::Pending,
            NodePhase::Unknown { probe, .. } if *probe == ProbeAt::Waiting => {
                *probe = ProbeAt::Wanted;
            }
            _ => {}
        }
    }

    /// All attempts of the node together have taken too long.
    pub(super) fn step_overdue(&mut self, index: usize) {
        let open_unit = self.open_unit(index);
        let spec = &self.spec.nodes[index];
        let fault = overdue(&spec.step, spec.deadline_seconds.unwrap_or_default());
        let is_hold = spec.hold.is_some();
        let node = &mut self.nodes[index];
        let is_under_way = node.running().is_some() || node.is_probed();
        let is_tried_again = node.is_over() && open_unit.is_some();
        if is_under_way || is_tried_again {
            // Its own answer tells when it is over; what failed with its pass is over. A hold
            // has times of its own.
            node.overdue = Some(fault).filter(|_| !is_hold);
            return;
        }
        if node.is_over() {
            return;
        }
        if open_unit.is_some() {
            self.nodes[index].overdue = Some(fault.clone()).filter(|_| !is_hold);
        }
        self.forget_wait(Purpose::Retry(index));
        self.withdraw_questions(index);
        self.fail(index, fault);
    }

    pub(super) fn probe_started(&mut self, step: &StepName, id: EffectId) {
        let Some(index) = self.index_of(step) else {
            return;
        };
        let node = &mut self.nodes[index];
        match (&mut node.phase, &mut node.hold) {
            (NodePhase::Unknown { probe, .. }, _) => *probe = ProbeAt::Running(id),
            (_, Some(hold)) => {
                hold.at = HoldAt::Telling;
                hold.probe = Some(id);
            }
            _ => {}
        }
    }

    pub(super) fn probe_answered(&mut self, step: &StepName, answer: &Answer) {
        let Some(index) = self.index_of(step) else {
            return;
        };
        let NodePhase::Unknown { fault, .. } = &self.nodes[index].phase else {
            return self.hold_probed(index, answer);
        };
        let fault = fault.clone();
        self.nodes[index].in_doubt = !matches!(answer, Answer::Probed { .. });
        match answer {
            Answer::Done { done } => self.attempt_done(index, (**done).clone()),
            Answer::Probed {
                state: Probed::NotBegun | Probed::Begun,
            } => self.found_open(index, fault),
            Answer::Probed {
                state: Probed::Undone,
            } => self.fail(index, taken_back(step)),
            Answer::Failed { fault, .. } => self.probe_failed(index, fault),
            _ => self.probe_failed(index, &wrong_answer()),
        }
    }

    /// A probe found that the step was not done, whose attempt had ended like this.
    fn found_open(&mut self, index: usize, fault: Fault) {
        if let Some(overdue) = self.nodes[index].overdue.clone() {
            return self.fail(index, overdue);
        }
        // What was only cut off need not wait.
        if fault.code == ErrorCode::Interrupted {
            self.nodes[index].phase = NodePhase::Pending;
        } else {
            self.retry_or_fail(index, fault);
        }
    }

    fn probe_failed(&mut self, index: usize, fault: &Fault) {
        self.keep_fault("probe", index, fault);
        if let Some(overdue) = self.nodes[index].overdue.clone() {
            return self.fail(index, overdue);
        }
        let limit = self.backoff_limit(index);
        let again = self.backoff(self.nodes[index].probe_failures + 1, fault);
        let node = &mut self.nodes[index];
        node.probe_failures += 1;
        let is_last = !fault.class.is_retryable() || node.probe_failures > limit;
        match &mut node.phase {
            NodePhase::Unknown { probe, .. } if !is_last => {
                *probe = ProbeAt::Waiting;
                self.wait(again, Purpose::Retry(index));
            }
            _ => self.fail(index, fault.clone()),
        }
    }

    pub(super) fn resume_probe(&mut self, index: usize) {
        if let NodePhase::Unknown { probe, .. } = &mut self.nodes[index].phase
            && matches!(probe, ProbeAt::Running(_))
        {
            *probe = ProbeAt::Wanted;
        }
    }

    pub(super) fn backoff_limit(&self, index: usize) -> u32 {
        let own = self.spec.nodes[index].backoff_limit;
        own.unwrap_or(self.spec.policy.backoff_limit)
    }

    /// The wait after so many failures.
    pub(super) fn backoff(&self, failures: u32, fault: &Fault) -> u64 {
        let policy = &self.spec.policy;
        wait_ms(policy.backoff_ms, policy.backoff_ms_max, failures, fault)
    }

    pub(super) fn stop_started(&mut self, attempt: EffectId) {
        let mut nodes = self.nodes.iter_mut();
        if let Some(node) = nodes.find(|node| node.running() == Some(attempt)) {
            node.stopping = true;
        }
    }
}

/// Declared, of the declared type, and small.
fn check_outputs(spec: &NodeSpec, done: &Done) -> Result<(), Fault> {
    for (name, value) in &done.outputs {
        let step = &spec.step;
        let wrong = match spec.outputs.get(name) {
            None => format!("step {step} gave a value {name}, which it does not declare"),
            Some(declared) if *declared != value.value_type() => format!(
                "step {step} declares {name} as {} and gave {}",
                declared.word(),
                value.value_type().word()
            ),
            Some(_) if value.size() > VALUE_BYTES_MAX => format!(
                "step {step} gave {name} with {} bytes, and a value has {VALUE_BYTES_MAX} at most",
                value.size()
            ),
            Some(_) => continue,
        };
        let message = format!("{wrong}: tell its author");
        return Err(Fault::permanent(ErrorCode::WrongOutput, message));
    }
    Ok(())
}

/// Whether a hold of this kind ends with the process that has it.
pub(super) fn ends_with_process(kind: HoldKind) -> bool {
    match kind {
        HoldKind::Session => true,
        HoldKind::State => false,
    }
}

pub(super) fn interrupted() -> Fault {
    Fault::transient(
        ErrorCode::Interrupted,
        "the process that carried the step out ended",
    )
}

fn lost_too_often(step: &StepName, lost: u32) -> Fault {
    Fault::permanent(
        ErrorCode::LostTooOften,
        format!(
            "step {step} was cut off {lost} times: find out in the system's log what ends the process"
        ),
    )
}

fn taken_back(step: &StepName) -> Fault {
    Fault::permanent(
        ErrorCode::StepIndeterminate,
        format!("what step {step} had done was taken back before its answer came"),
    )
}

fn overdue(step: &StepName, seconds: u64) -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::StepDeadline,
        format!(
            "step {step} took longer than its activeDeadlineSeconds of {seconds}: find out why it is slow, or raise the limit"
        ),
    )
}
