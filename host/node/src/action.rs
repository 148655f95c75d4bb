//! Actions: steps that change the world and may have to take that back. The run knows one by
//! its [`ActionManifest`] and asks it to run, to tell what became of an attempt, and to undo;
//! whatever carries that out stands behind [`Action`].
//!
//! A plugin of the world `action` is one. A process can bring others in
//! [`Deps::actions`](crate::Deps::actions); what ships brings [`NoActions`].

mod access;
mod plugin;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::{ActionManifest, Fault, Finding, HoldOrder, Probed};
use drydock_engine::model::{Done, Emission};
use drydock_engine::{Closed, Emissions, STOP_GRACE};
use drydock_sandbox::{AttemptLog, Occasion, Plugin, StopSignal};
use tokio::sync::watch;

pub use access::ActionAccess;
pub use plugin::PluginAction;

/// A step that changes the world.
///
/// The same key stands in all attempts of a step, in its probe and in its undo. An undo says
/// yes also where there was nothing to take back.
#[async_trait]
pub trait Action: Send + Sync {
    /// Its own version.
    fn version(&self) -> &str;

    /// What it says of itself. It never changes.
    fn manifest(&self) -> &ActionManifest;

    /// How long it may go on once it was asked to stop.
    fn grace(&self) -> Duration {
        STOP_GRACE
    }

    /// The plugin that it is, if it is one.
    fn plugin(&self) -> Option<&Arc<Plugin>> {
        None
    }

    /// Judges a configuration without any power.
    async fn check_config(&self, config: &str) -> Result<Vec<Finding>, Fault>;

    /// Does the work. One that holds as long as this goes on says [`ActionProgress::held`] again
    /// and again, and returns once that says to let go.
    async fn run(&self, call: ActionCall) -> Result<Done, Fault>;

    /// Says what became of the attempts of this key, and changes nothing.
    async fn probe(&self, call: ActionCall) -> Result<ProbeEnd, Fault>;

    /// Takes the step back, however far it came.
    async fn undo(&self, call: ActionCall) -> Result<(), Fault>;
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeEnd {
    /// It was done, and this is what it gave.
    Done(Done),
    Found(Probed),
}

/// The actions of a process, by the names of their plugins.
pub trait Actions: Send + Sync {
    /// All names, in order.
    fn names(&self) -> Vec<String>;

    /// The action of that name.
    fn get(&self, name: &str) -> Option<Arc<dyn Action>>;
}

/// There is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoActions;

impl Actions for NoActions {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn get(&self, _name: &str) -> Option<Arc<dyn Action>> {
        None
    }
}

/// One call of an action.
pub struct ActionCall {
    /// Which work of which run it is.
    pub occasion: Occasion,
    /// Of a hold, how long it may go on, the time until it stands included.
    pub hold_max: Option<Duration>,
    /// The step's `config:` as JSON.
    pub config: String,
    /// What it tells while it goes on.
    pub progress: ActionProgress,
    pub stop: StopSignal,
    /// Takes what the action said.
    pub log: LogSink,
}

/// Takes how one call ended, and what was said during it.
pub type LogSink = Box<dyn FnOnce(Result<&(), &Fault>, &AttemptLog) + Send + Sync>;

/// What an attempt tells its run, and hears of it.
pub struct ActionProgress {
    emissions: Emissions,
    let_go: watch::Receiver<bool>,
    is_held: AtomicBool,
}

impl ActionProgress {
    /// Of an attempt whose emissions these are. `let_go` becomes true once a hold is to end.
    #[must_use]
    pub fn new(emissions: Emissions, let_go: watch::Receiver<bool>) -> Self {
        Self {
            emissions,
            let_go,
            is_held: AtomicBool::new(false),
        }
    }
}

impl ActionProgress {
    /// Says that the attempt holds what it is for, and waits until that is not wanted any
    /// more, `at_most` so long: whoever keeps a session alive looks after it meanwhile and
    /// asks again. `evidence` is kept with the run for an operator; that of the first time
    /// counts, and nothing begins under the hold before it is recorded.
    pub async fn held(&self, evidence: &str, at_most: Duration) -> HoldOrder {
        let Self {
            emissions,
            let_go,
            is_held,
        } = self;
        if !is_held.swap(true, Ordering::Relaxed) {
            let evidence = evidence.to_owned();
            if emissions.send(Emission::Held { evidence }).await.is_err() {
                return HoldOrder::LetGo;
            }
        }
        let mut let_go = let_go.clone();
        let ordered = tokio::time::timeout(at_most, let_go.wait_for(|let_go| *let_go)).await;
        match ordered {
            // A run that is not worked on any more wants nothing held either.
            Ok(Ok(_) | Err(_)) => HoldOrder::LetGo,
            Err(_) => HoldOrder::GoOn,
        }
    }

    /// Says that what the step takes is of this instant: what stands for it may be let go.
    ///
    /// # Errors
    /// Nobody works on the run any more.
    pub async fn cut(&self) -> Result<(), Closed> {
        self.emissions.send(Emission::Cut).await
    }

    /// Says that something was left elsewhere, by a handle that tells it again.
    ///
    /// # Errors
    /// Nobody works on the run any more.
    pub async fn keep(&self, handle: &str) -> Result<(), Closed> {
        let handle = handle.to_owned();
        self.emissions.send(Emission::Kept { handle }).await
    }
}
