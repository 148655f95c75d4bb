//! The one seam between the engine and the world.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::Fault;
use tokio::sync::mpsc;

use crate::model::{Effect, Event};
use crate::state::RunState;

/// Takes events of an effect that is under way, in order. It is bounded, and the
/// journal syncs between two events: a SealedAdvanced may be left out when there is no
/// room (`try_send`), since the next one or OutputSealed says the same and more.
pub type Events = mpsc::Sender<Event>;

/// How long effects may go on that are under way when a run begins to end, where the runner
/// says nothing else.
pub const STOP_GRACE: Duration = Duration::from_secs(30);

/// Carries out effects. Each may be carried out again after a crash: parts, completes,
/// commits, aborts and deletes are idempotent.
///
/// A fault's class says whether trying again may help, its certainty whether the effect may
/// have taken place. No plugin is believed about the write that commits: see
/// [`Effect::CommitManifest`].
#[async_trait]
pub trait StepRunner: Send + Sync + 'static {
    /// Carries out one effect; never a Wait or a Finish. `state` is the run as it was
    /// when the effect was recorded, without the receipts of parts. What happens on the
    /// way goes into `events`; the returned event is the effect's last one. Never panics
    /// on a plugin's or an operator's mistake: that is [`Event::EffectFailed`] or
    /// [`Event::BackupFailed`].
    ///
    /// The returned future is dropped when the run is suspended; when the run is ending, at
    /// once for parts, verdicts and read-backs, and after a grace for everything else.
    async fn perform(&self, state: Arc<RunState>, effect: Effect, events: Events) -> Event;

    /// The run needs nothing more of what is under way: it is ending for this reason, or has
    /// all it wanted. Asks whatever brings it forward to come to an end, and says how long
    /// that may take until it is dropped. What takes something back goes on. Called once.
    fn stop(&self, _reason: &Fault) -> Duration {
        STOP_GRACE
    }
}
