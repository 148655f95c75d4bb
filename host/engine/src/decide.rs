//! What a run does next. Pure: it looks at the state and asks for every effect that is
//! wanted and not under way. Because it never looks at how the state came about, it
//! goes on after a crash as it does after any other event.

use drydock_core::{HoldKind, UnixTime};
use drydock_point::Point;
use drydock_point::model::OutputEvent;

use crate::model::{Effect, EffectId, Emission, Event};
use crate::outcome::outcome;
use crate::replay::EffectRecord;
use crate::state::{HoldAt, NodePhase, ProbeAt, RunState, UndoPhase};

/// The effects that are wanted after `event`, which `state` has taken in already. The
/// caller records them and calls [`RunState::started`] for each before it decides again.
#[must_use]
pub fn decide(state: &RunState, event: &Event) -> Vec<Effect> {
    if state.finished.is_some() {
        return Vec::new();
    }
    match event {
        // This one comes often while a stream is running and can only make parts ready.
        Event::Emitted {
            emission: Emission::Output(OutputEvent::Advanced { output, .. }),
            ..
        } => {
            let point = state.point.as_ref().filter(|_| !state.is_ending());
            let parts = point.map(|point| point.parts_of(*output));
            points(parts.unwrap_or_default()).collect()
        }
        _ => wanted(state),
    }
}

/// Decides, numbers the effects and notes them as started, which may bring waits of their
/// own: those come with them, so that none is missed until something else happens.
pub fn decide_and_start(state: &mut RunState, event: &Event, at: UnixTime) -> Vec<EffectRecord> {
    let mut records = Vec::new();
    loop {
        let effects = decide(state, event);
        let brings_waits = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Attempt { .. }));
        for effect in effects {
            let id = state.next_effect();
            state.started(id, &effect, at);
            records.push(EffectRecord { id, effect });
        }
        if !brings_waits {
            return records;
        }
    }
}

fn wanted(state: &RunState) -> Vec<Effect> {
    let mut effects = holds(state);
    effects.extend(stops(state));
    effects.extend(undos(state));
    effects.extend(points(point_effects(state)));
    effects.extend(probes(state));
    effects.extend(attempts(state));
    effects.extend(asks(state));
    if effects.iter().all(Effect::is_wait) {
        effects.extend(end(state));
    }
    effects.extend(waits(state));
    effects
}

fn points(effects: Vec<drydock_point::model::PointEffect>) -> impl Iterator<Item = Effect> {
    effects.into_iter().map(|point| Effect::Point { point })
}

fn point_effects(state: &RunState) -> Vec<drydock_point::model::PointEffect> {
    state.point.as_ref().map(Point::effects).unwrap_or_default()
}

/// Holds that are to be let go: a session is told, a state is asked whether it still holds
/// and taken back. What does not count any more is taken back at once.
fn holds(state: &RunState) -> Vec<Effect> {
    let nodes = state.nodes.iter().zip(&state.spec.nodes);
    nodes
        .filter_map(|(node, spec)| {
            let hold = node.hold.as_ref()?;
            if hold.at != HoldAt::Leaving || hold.probe.is_some() {
                return None;
            }
            match (spec.hold?.kind, node.running()) {
                (HoldKind::Session, Some(attempt)) => hold.held.map(|_| Effect::LetGo { attempt }),
                (HoldKind::State, None) if node.undo.phase == UndoPhase::Unwanted => {
                    Some(Effect::Probe {
                        node: spec.step.clone(),
                        attempt: node.attempts,
                    })
                }
                _ => None,
            }
        })
        .collect()
}

fn stops(state: &RunState) -> Vec<Effect> {
    let nodes = 0..state.nodes.len();
    nodes
        .filter_map(|index| {
            let reason = state.stop_reason(index)?;
            let attempt: EffectId = state.nodes[index].running()?;
            Some(Effect::Stop { attempt, reason })
        })
        .collect()
}

fn undos(state: &RunState) -> Vec<Effect> {
    let due = state.next_undos().into_iter();
    due.map(|index| Effect::Undo {
        node: state.spec.nodes[index].step.clone(),
        attempt: state.nodes[index].undo.attempts + 1,
    })
    .collect()
}

fn probes(state: &RunState) -> Vec<Effect> {
    let nodes = state.nodes.iter().zip(&state.spec.nodes);
    nodes
        .filter_map(|(node, spec)| match node.phase {
            NodePhase::Unknown {
                probe: ProbeAt::Wanted,
                ..
            } => Some(Effect::Probe {
                node: spec.step.clone(),
                attempt: node.attempts,
            }),
            _ => None,
        })
        .collect()
}

/// Steps that have all they need, as many as the run may have at once. Holds do not count:
/// they only wait, and whoever stands during them must not wait for them.
fn attempts(state: &RunState) -> Vec<Effect> {
    let nodes = state.nodes.iter().zip(&state.spec.nodes);
    let running = nodes.filter(|(node, spec)| node.running().is_some() && spec.hold.is_none());
    let most = state.spec.policy.steps_max.max(1) as usize;
    let mut room = most.saturating_sub(running.count());
    let mut effects = Vec::new();
    for (index, spec) in state.spec.nodes.iter().enumerate() {
        if !state.may_begin(index) {
            continue;
        }
        if spec.hold.is_none() {
            if room == 0 {
                continue;
            }
            room -= 1;
        }
        effects.push(Effect::Attempt {
            node: spec.step.clone(),
            attempt: state.nodes[index].attempts + 1,
        });
    }
    effects
}

fn asks(state: &RunState) -> Vec<Effect> {
    let wanted = state.questions.iter();
    let wanted = wanted.filter(|(_, question)| question.asked.is_none());
    wanted
        .map(|(id, question)| Effect::Ask {
            question: *id,
            about: question.about.step().clone(),
            text: question.text.clone(),
            choices: question.choices.clone(),
        })
        .collect()
}

fn waits(state: &RunState) -> Vec<Effect> {
    let timers = state.timers.iter().filter(|(_, timer)| !timer.started);
    timers
        .map(|(timer, wait)| Effect::Wait {
            timer: *timer,
            milliseconds: wait.milliseconds(state.now()),
        })
        .collect()
}

/// The last effects of a run: the recovery point's spool goes, then its end is recorded.
fn end(state: &RunState) -> Option<Effect> {
    if !is_over(state) {
        return None;
    }
    if let Some(last) = state.point.as_ref().and_then(Point::last_effect) {
        return Some(Effect::Point { point: last });
    }
    let is_clean = state.point.as_ref().is_none_or(Point::is_over);
    is_clean.then(|| Effect::Finish {
        outcome: outcome(state),
    })
}

/// Whether nothing is under way and nothing more can come: every node is over, what had to be
/// taken back is, no hold stands, no question is open.
fn is_over(state: &RunState) -> bool {
    let idle = state.in_flight.values().all(Effect::is_wait);
    let nodes = state.nodes.iter();
    let mut open =
        nodes.filter(|node| !node.is_over() || node.undo.phase.is_open() || node.may_hold());
    let point = state.point.as_ref();
    let ends = |point: &Point| {
        (state.is_ending() || point.is_settled()) && point.is_clean() && !point.is_busy()
    };
    let asks = state
        .questions
        .values()
        .any(|question| question.answer.is_none());
    idle && open.next().is_none() && point.is_none_or(ends) && !asks
}
