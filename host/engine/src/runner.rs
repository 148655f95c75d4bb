//! The one seam between the engine and the world.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::Fault;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::model::{Answer, Effect, EffectId, Emission, Event};
use crate::state::RunState;

/// How long effects may go on that were asked to come to an end, where the runner says
/// nothing else.
pub const STOP_GRACE: Duration = Duration::from_secs(30);

/// An effect that is to be carried out.
#[derive(Debug, Clone)]
pub struct Job {
    /// The run as it was when the effect was recorded, without the receipts of parts.
    pub state: Arc<RunState>,
    /// Names the effect in [`StepRunner::stop_attempt`] and [`StepRunner::let_go`].
    pub id: EffectId,
    /// Never one that the driver does itself.
    pub effect: Effect,
}

/// Takes what one effect tells while it is under way, in order. It is bounded, and the
/// journal syncs between two of them: a stream that is faster is held back by it. What comes
/// after the effect's answer counts for nothing.
#[derive(Debug, Clone)]
pub struct Emissions {
    effect: EffectId,
    events: mpsc::Sender<Event>,
}

/// Nobody works on the run any more in this process: whatever is told now is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run is not being worked on any more")]
pub struct Closed;

impl Emissions {
    /// Those of this effect, which go where its run takes events.
    #[must_use]
    pub fn new(effect: EffectId, events: mpsc::Sender<Event>) -> Self {
        Self { effect, events }
    }

    /// Waits until there is room.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn send(&self, emission: Emission) -> Result<(), Closed> {
        let sent = self.events.send(self.event(emission)).await;
        sent.map_err(|_| Closed)
    }

    /// As [`Emissions::send`], for threads outside of the async runtime.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn blocking_send(&self, emission: Emission) -> Result<(), Closed> {
        let sent = self.events.blocking_send(self.event(emission));
        sent.map_err(|_| Closed)
    }

    /// Leaves the emission out where there is no room. That is for how far an output is,
    /// since the next such emission says the same and more, and for nothing else.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn try_send(&self, emission: Emission) -> Result<(), Closed> {
        match self.events.try_send(self.event(emission)) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Closed),
        }
    }

    fn event(&self, emission: Emission) -> Event {
        Event::Emitted {
            effect: self.effect,
            emission,
        }
    }
}

/// Carries out effects. Each may be carried out again after a crash: a step says by its
/// `repeat` what becomes of it then; parts, completes, commits, aborts and deletes of a
/// recovery point are idempotent.
///
/// A fault's class says whether trying again may help, its certainty whether the effect may
/// have taken place. No plugin is believed about the write that commits a recovery point.
#[async_trait]
pub trait StepRunner: Send + Sync + 'static {
    /// Carries out one effect: an attempt, a probe, an undo, or what a recovery point asks
    /// for, but never a wait. What happens on the way goes into `emissions`. Never panics on
    /// a plugin's or an operator's mistake: that is a fault.
    ///
    /// The returned future is dropped when the run is suspended; when the run is ending, at
    /// once for parts, verdicts and read-backs, and after a grace for everything else that
    /// brings it forward; and after the grace of [`StepRunner::stop_attempt`] or
    /// [`StepRunner::let_go`].
    async fn perform(&self, job: Job, emissions: Emissions) -> Answer;

    /// The run needs nothing more of what is under way: it is ending for this reason, or has
    /// all it wanted. Asks whatever brings it forward to come to an end, and says how long
    /// that may take until it is dropped. What takes something back goes on, and so does what
    /// the run begins from now on. Called once.
    fn stop(&self, _reason: &Fault) -> Duration {
        STOP_GRACE
    }

    /// Asks one attempt to come to an end, and says how long that may take until it is
    /// dropped.
    fn stop_attempt(&self, _attempt: EffectId, _reason: &Fault) -> Duration {
        STOP_GRACE
    }

    /// Asks an attempt that is a hold to let go, and says how long that may take until it is
    /// dropped.
    fn let_go(&self, _attempt: EffectId) -> Duration {
        STOP_GRACE
    }
}
