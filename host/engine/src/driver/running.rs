//! What a run has under way in this process: a task an effect. An effect is under way until
//! its answer was taken in, or until its task ended without one.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::model::{Effect, EffectId};

/// How a task ended, with its id.
pub type Joined = Result<(Id, ()), JoinError>;

/// The tasks of a run.
#[derive(Default)]
pub struct Running {
    tasks: JoinSet<()>,
    flights: HashMap<Id, Flight>,
}

struct Flight {
    id: EffectId,
    effect: Effect,
    handle: AbortHandle,
    limit: Limit,
}

/// How long an effect may go on for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    None,
    Until(Instant),
    /// It was dropped.
    Passed,
}

/// An effect whose task ended without an answer.
pub struct Lost {
    pub id: EffectId,
    pub effect: Effect,
    pub why: LostWhy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostWhy {
    Panicked,
    /// It was dropped since the run needs no more of it.
    Dropped,
    /// It was asked to come to an end, and did not in its time.
    Overdue,
}

impl Running {
    pub fn spawn(
        &mut self,
        id: EffectId,
        effect: Effect,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(task.in_current_span());
        let flight = Flight {
            id,
            effect,
            handle,
            limit: Limit::None,
        };
        self.flights.insert(flight.handle.id(), flight);
    }

    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    pub fn has(&self, id: EffectId) -> bool {
        self.flights.values().any(|flight| flight.id == id)
    }

    pub fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.flights.values().map(|flight| &flight.effect)
    }

    /// The answer of an effect came; none where it is not under way.
    pub fn answered(&mut self, id: EffectId) -> Option<Effect> {
        let task = self.flights.iter().find(|(_, flight)| flight.id == id);
        let task = *task?.0;
        self.flights.remove(&task).map(|flight| flight.effect)
    }

    /// Waits for a task's end; none when there are no tasks. Nothing is lost when the future
    /// is dropped.
    pub async fn join_next(&mut self) -> Option<Joined> {
        self.tasks.join_next_with_id().await
    }

    /// A task ended. Gives its effect if no answer comes of it: a task that came to its own
    /// end has sent one, which may still be on its way.
    pub fn joined(&mut self, joined: &Joined) -> Option<Lost> {
        let error = joined.as_ref().err()?;
        let flight = self.flights.remove(&error.id())?;
        let why = match flight.limit {
            _ if error.is_panic() => LostWhy::Panicked,
            Limit::Passed => LostWhy::Overdue,
            Limit::None | Limit::Until(_) => LostWhy::Dropped,
        };
        Some(Lost {
            id: flight.id,
            effect: flight.effect,
            why,
        })
    }

    /// Gives an effect so long from now on. The earlier of two limits counts.
    pub fn limit(&mut self, id: EffectId, grace: Duration) {
        // A limit that cannot be told is none.
        let Some(until) = Instant::now().checked_add(grace) else {
            return;
        };
        let mut flights = self.flights.values_mut();
        let Some(flight) = flights.find(|flight| flight.id == id) else {
            return;
        };
        flight.limit = match flight.limit {
            Limit::None => Limit::Until(until),
            Limit::Until(before) => Limit::Until(before.min(until)),
            Limit::Passed => Limit::Passed,
        };
    }

    /// When the next limit is reached.
    pub fn next_limit(&self) -> Option<Instant> {
        let limits = self
            .flights
            .values()
            .filter_map(|flight| match flight.limit {
                Limit::Until(until) => Some(until),
                Limit::None | Limit::Passed => None,
            });
        limits.min()
    }

    /// Drops what has reached its limit.
    pub fn drop_overdue(&mut self) {
        let now = Instant::now();
        for flight in self.flights.values_mut() {
            if matches!(flight.limit, Limit::Until(until) if until <= now) {
                flight.limit = Limit::Passed;
                flight.handle.abort();
            }
        }
    }

    pub fn drop_those(&self, which: impl Fn(&Effect) -> bool) {
        let flights = self.flights.values();
        flights
            .filter(|flight| which(&flight.effect))
            .for_each(|flight| flight.handle.abort());
    }

    /// Drops everything and waits until it is gone.
    pub async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }
}
