//! What each event means for the state. Nothing here asks for an effect; the judgements
//! that are made (a step is given up, the run is ending, a pass does not count) follow from
//! the event and the state alone, so that a replay makes them again.

use drydock_core::{ErrorClass, ErrorCode, Fault, StepName, UnixTime};
use drydock_point::model::PointAnswer;

use super::{Finished, HoldAt, NodePhase, Purpose, RunState, UndoPhase};
use crate::model::{Answer, Effect, EffectId, Emission, Event};

/// How many things that are slow one sentence names; the parts of one upload are one.
const SLOW_NAMED_MAX: usize = 3;

impl RunState {
    /// Takes in what happened at that instant. An event that does not fit (it came too
    /// late, or is about what the run does not have) changes nothing.
    pub fn apply(&mut self, event: &Event, at: UnixTime) {
        self.now = at;
        match event {
            Event::Created { .. } => {}
            Event::Resumed { .. } => self.resumed(),
            Event::Emitted { effect, emission } => self.emitted(*effect, emission),
            Event::Answered { effect, answer } => self.answered(*effect, answer),
            Event::Decided {
                question,
                choice,
                by,
            } => self.decided(*question, choice, by),
            Event::Cancelled { reason } => self.stop(cancelled(reason)),
            Event::Deadline { seconds, under_way } => self.stop(overdue(*seconds, under_way)),
            Event::CleanupGivenUp { seconds } => {
                let fault = cleanup_overdue(*seconds);
                if let Some(point) = &mut self.point {
                    point.cleanup_given_up(&fault);
                }
                self.cleanup_given_up = Some(fault);
            }
            Event::Finished { outcome, at } => {
                self.finished = Some(Finished {
                    outcome: outcome.clone(),
                    at: *at,
                });
            }
        }
        // A stream that goes on changes nothing that anybody waits for.
        if !event.is_advance() {
            self.settle();
        }
    }

    fn answered(&mut self, id: EffectId, answer: &Answer) {
        let Some(effect) = self.in_flight.remove(&id) else {
            return;
        };
        match effect {
            Effect::Attempt { node, .. } => self.attempt_answered(&node, answer),
            Effect::Probe { node, .. } => self.probe_answered(&node, answer),
            Effect::Undo { node, .. } => self.undo_answered(&node, answer),
            Effect::Wait { timer, .. } => self.wait_over(timer),
            Effect::Point { point } => {
                let answer = match answer {
                    Answer::Point { point } => point.clone(),
                    Answer::Failed { fault, .. } => PointAnswer::Failed {
                        fault: fault.clone(),
                    },
                    Answer::WaitOver => PointAnswer::WaitOver,
                    _ => PointAnswer::Failed {
                        fault: wrong_answer(),
                    },
                };
                if let Some(machine) = &mut self.point {
                    machine.answered(&point, &answer);
                }
            }
            Effect::Stop { .. }
            | Effect::LetGo { .. }
            | Effect::Ask { .. }
            | Effect::Finish { .. } => {}
        }
    }

    /// Only an attempt that runs has anything to tell.
    fn emitted(&mut self, id: EffectId, emission: &Emission) {
        let Some(Effect::Attempt { node, .. }) = self.in_flight.get(&id) else {
            return;
        };
        let step = node.clone();
        let Some(index) = self.index_of(&step) else {
            return;
        };
        match emission {
            Emission::Output(event) => {
                let spec = &self.spec.nodes[index];
                if let Some(point) = self.point.as_mut().filter(|_| spec.contributes) {
                    point.emitted(&step, event);
                }
            }
            Emission::Cut => self.cut_made(index),
            Emission::Held { evidence } => self.session_held(index, evidence),
            Emission::Kept { handle } => {
                // A step that is tried again finds by its key what it left before.
                let kept = &mut self.nodes[index].kept;
                if !kept.contains(handle) {
                    kept.push(handle.clone());
                }
            }
        }
    }

    pub(super) fn wait_over(&mut self, timer: u64) {
        let Some(timer) = self.timers.remove(&timer) else {
            return;
        };
        match timer.purpose {
            Purpose::Retry(index) => self.try_again(index),
            Purpose::UndoRetry(index) => {
                let undo = &mut self.nodes[index].undo;
                if undo.phase == UndoPhase::Waiting {
                    undo.phase = UndoPhase::Wanted;
                }
            }
            Purpose::StepDeadline(index) => self.step_overdue(index),
            Purpose::HoldDeadline(index) => self.hold_overdue(index),
            Purpose::Acquire(unit) => self.acquire_overdue(unit),
            Purpose::UnitRetry(unit) => self.units[unit].waiting = false,
        }
    }

    /// The process that worked on the run is gone, and whatever was under way with it.
    fn resumed(&mut self) {
        self.in_flight.clear();
        if let Some(point) = &mut self.point {
            point.resumed();
        }
        for index in 0..self.nodes.len() {
            self.nodes[index].stopping = false;
            self.resume_undo(index);
            self.resume_probe(index);
            if self.nodes[index].running().is_some() {
                self.attempt_lost(index);
            }
        }
        for unit in 0..self.units.len() {
            self.resume_unit(unit);
        }
        self.resume_waits();
    }

    /// What an effect that others can make slow works at, and where.
    #[must_use]
    pub fn slow(&self, effect: &Effect) -> Option<String> {
        match effect {
            Effect::Attempt { node, .. }
            | Effect::Probe { node, .. }
            | Effect::Undo { node, .. } => Some(self.slow_node(effect.word(), node)),
            Effect::Point { point } => self.point.as_ref()?.slow(point),
            Effect::Stop { .. }
            | Effect::LetGo { .. }
            | Effect::Ask { .. }
            | Effect::Wait { .. }
            | Effect::Finish { .. } => None,
        }
    }

    fn slow_node(&self, word: &str, node: &StepName) -> String {
        let word = match word {
            "attempt" => "work",
            word => word,
        };
        format!("{word} of step {node}")
    }

    /// Whether an attempt of the node is to be stopped: its unit's pass is lost, its hold is
    /// wanted no more before it stands, or it took too long.
    #[must_use]
    pub fn stop_reason(&self, index: usize) -> Option<Fault> {
        let node = &self.nodes[index];
        if node.running().is_none() || node.stopping {
            return None;
        }
        let unit = node.unit.map(|unit| &self.units[unit]);
        let lost = unit.and_then(|unit| unit.lost.clone());
        match &node.hold {
            Some(hold) => {
                let unborn = hold.at == HoldAt::Leaving && hold.held.is_none();
                lost.filter(|_| unborn)
            }
            None => node.overdue.clone().or(lost),
        }
    }
}

impl NodePhase {
    /// What a run that is ending makes of it; none where it goes on by itself.
    pub(super) fn cut_short(&self, fault: &Fault) -> Option<Self> {
        match self {
            Self::Pending => Some(Self::Skipped(
                "the run was brought to an end before it".to_owned(),
            )),
            Self::Waiting | Self::Asking => Some(Self::Failed(fault.clone())),
            Self::Unknown {
                fault,
                probe: super::ProbeAt::Wanted | super::ProbeAt::Waiting,
            } => Some(Self::Failed(fault.clone())),
            _ => None,
        }
    }
}

pub(super) fn wrong_answer() -> Fault {
    Fault::new(
        ErrorClass::Other,
        ErrorCode::WrongAnswer,
        "a part of Drydock answered something else than it was asked: report this",
    )
}

/// The fault of a run that took too long: it names what it was waiting for.
fn overdue(seconds: u64, under_way: &[String]) -> Fault {
    let what = match under_way {
        [] => ": find out what was slow".to_owned(),
        [one] => format!(" with {one} under way: find out why it is slow"),
        several => {
            let named = several[..several.len().min(SLOW_NAMED_MAX)].join(", ");
            let more = match several.len().saturating_sub(SLOW_NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(" with these under way: {named}{more}; find out why they are slow")
        }
    };
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Deadline,
        format!(
            "the run took longer than its activeDeadlineSeconds of {seconds}{what}, or raise the limit"
        ),
    )
}

fn cancelled(reason: &str) -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Cancelled,
        format!("the run was cancelled: {reason}"),
    )
}

fn cleanup_overdue(seconds: u64) -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::CleanupGivenUp,
        format!("the target did not come to an end with taking it back within {seconds} s"),
    )
}
