//! A run that is ending, or has all it wanted, waits for nobody without end.

use std::time::Duration;

use drydock_core::{ErrorClass, ErrorCode, Fault};
use drydock_point::Point;
use drydock_point::model::PointAnswer;
use tokio::time::Instant;

use super::running::{Lost, LostWhy};
use super::{Driver, Input};
use crate::model::{Answer, Effect, Event};

/// Taking back what a recovery point began may take so many times the grace of what is under
/// way: it has several steps, each tried some times, and must not hold up the next run for
/// hours.
const CLEANUP_GRACES: u32 = 4;

/// The times that are set to what is under way.
pub struct WindDown {
    /// What brings the run forward is dropped then; none when that is over.
    drop_at: Option<Instant>,
    /// Taking back what the recovery point began is given up then; none when that is over.
    give_up_at: Option<Instant>,
    cleanup: Duration,
}

impl WindDown {
    fn new(grace: Duration) -> Self {
        let cleanup = grace * CLEANUP_GRACES;
        let drop_at = Instant::now() + grace;
        Self {
            drop_at: Some(drop_at),
            give_up_at: Some(drop_at + cleanup),
            cleanup,
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.drop_at.or(self.give_up_at)
    }
}

impl Driver {
    /// A run that is ending, or has all it wanted, does not wait for slow effects that it has
    /// no more use for, asks the others to come to an end, and sets a time to both them and
    /// the cleanup of its recovery point.
    pub(super) fn wind_down(&mut self) {
        let is_over = self.state.is_ending() || self.state.is_settled();
        if !is_over || self.wind_down.is_some() {
            return;
        }
        let reason = self.state.ending.clone().unwrap_or_else(no_more_needed);
        let grace = self.parts.runner.stop(&reason);
        self.wind_down = Some(WindDown::new(grace));
        self.running.drop_those(may_be_abandoned);
    }

    /// Drops what did not come to an end in its time. What became of it is not known. An
    /// undo, a probe, and a step that runs because the run is ending have deadlines of their
    /// own: given up, they would leave behind what nobody takes back.
    pub(super) fn cut(&mut self) -> Input {
        let Some(wind_down) = &mut self.wind_down else {
            return Input::Nothing;
        };
        if wind_down.drop_at.take().is_some() {
            let state = &self.state;
            let is_unwanted = |effect: &Effect| !effect.is_wait() && state.is_forward(effect);
            self.running.drop_those(is_unwanted);
            return Input::Nothing;
        }
        wind_down.give_up_at = None;
        let seconds = wind_down.cleanup.as_secs();
        self.running.drop_those(is_cleanup);
        // A run that waits for an operator, or takes back steps, has given up nothing.
        let is_clean = self.state.point.as_ref().is_none_or(Point::is_clean);
        if is_clean {
            Input::Nothing
        } else {
            Input::Event(Event::CleanupGivenUp { seconds })
        }
    }
}

/// The answer of an effect that gave none.
pub fn answer_of(lost: &Lost, given_up: Option<&Fault>) -> Answer {
    let fault = match lost.why {
        LostWhy::Panicked => panicked(),
        LostWhy::Overdue => overdue(),
        LostWhy::Dropped => match given_up {
            Some(given_up) if is_cleanup(&lost.effect) => given_up.clone(),
            _ => abandoned(),
        },
    };
    match &lost.effect {
        Effect::Point { .. } => Answer::Point {
            point: PointAnswer::Failed { fault },
        },
        _ => Answer::failed(fault),
    }
}

fn may_be_abandoned(effect: &Effect) -> bool {
    matches!(effect, Effect::Point { point } if point.may_be_abandoned())
}

fn is_cleanup(effect: &Effect) -> bool {
    matches!(effect, Effect::Point { point } if point.is_cleanup())
}

fn abandoned() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Abandoned,
        "the run is ending and did not wait for this any longer",
    )
}

fn overdue() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Abandoned,
        "it was asked to come to an end, did not in its time, and was cut off: what became of it is not known",
    )
}

fn panicked() -> Fault {
    Fault::transient(
        ErrorCode::Panicked,
        "a part of Drydock panicked: report what the log says of it",
    )
}

fn no_more_needed() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Over,
        "the run has come to its end at every target",
    )
}
