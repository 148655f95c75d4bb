//! What is to be done next. Pure: it looks at the state and asks for every effect that is
//! wanted and not under way. Because it never looks at how the state came about, it goes on
//! after a crash as it does after anything else.

mod cleanup;
mod outcome;
mod upload;

use drydock_core::OutputId;

use crate::model::PointEffect;
use crate::state::{Contributor, Point};

impl Point {
    /// Everything that is wanted and not under way, waits among it, but for the last effect.
    /// The caller records it and calls [`Point::started`] for each before it asks again.
    #[must_use]
    pub fn effects(&self) -> Vec<PointEffect> {
        let mut effects = cleanup::effects(self);
        if !self.is_ending() {
            effects.extend(forward(self));
        }
        effects.extend(self.unstarted_waits());
        effects
    }

    /// The parts of one output that became ready at any store: all that can be wanted after
    /// the output advanced, which comes often while a stream is running.
    #[must_use]
    pub fn parts_of(&self, output: OutputId) -> Vec<PointEffect> {
        upload::parts_of(self, output)
    }

    /// The last effect, once nothing else is left to do: the spool goes. A contributor that
    /// still runs writes into it.
    #[must_use]
    pub fn last_effect(&self) -> Option<PointEffect> {
        let is_over = self.is_ending() || self.is_settled();
        let is_quiet = !self.is_busy() && !self.contributors.iter().any(Contributor::is_running);
        let wanted = is_over && is_quiet && self.is_clean() && self.drop_spool.is_idle();
        wanted.then_some(PointEffect::DropSpool)
    }

    /// Whether nothing is left to take back that could be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        cleanup::is_clean(self)
    }
}

fn forward(point: &Point) -> Vec<PointEffect> {
    let mut effects = judge(point);
    for store in point.stores.iter().filter(|store| store.is_active()) {
        effects.extend(upload::effects(point, store));
    }
    effects.extend(upload::sign(point));
    effects
}

fn judge(point: &Point) -> Vec<PointEffect> {
    let sealed = point.live_outputs().filter(|o| o.sealed().is_some());
    sealed
        .flat_map(|output| {
            output
                .judging
                .iter()
                .map(move |(step, j)| (output, step, j))
        })
        .filter(|(_, _, judging)| judging.task.is_idle())
        .map(|(output, step, judging)| PointEffect::Judge {
            step: step.clone(),
            output: output.id,
            attempt: judging.task.next_attempt(),
        })
        .collect()
}
