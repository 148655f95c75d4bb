//! What a plugin's call is told, and how it hears that it is to stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drydock_capability_etcd::EtcdAccess;
use drydock_core::{ClusterName, Fault, HoldOrder, RunSoFar, UnixTime, Value};
use tokio::sync::watch;

/// What a step is told, and what it works on.
#[derive(Clone)]
pub struct StepCall {
    /// The step's `config:` as JSON; `{}` for none.
    pub config: String,
    pub cluster: ClusterName,
    pub due: UnixTime,
    /// The step's cluster; what the plugin may call there is narrowed to its grants. Its
    /// folders are those of its grants. A store has none.
    pub etcd: Option<EtcdAccess>,
    /// Which work of which run it is.
    pub occasion: Occasion,
    pub stop: StopSignal,
    pub progress: ProgressSink,
    pub events: Arc<dyn StepEvents>,
}

/// Which work of which run a call is. Empty outside of a run.
#[derive(Debug, Clone, Default)]
pub struct Occasion {
    pub run: String,
    pub step: String,
    /// Counted from 1.
    pub attempt: u32,
    /// The same in all calls of the work: 32 hex digits.
    pub key: String,
    /// Of a step that is one of several.
    pub member: Option<String>,
    /// Of a hold, when it is let go whatever happens.
    pub deadline: Option<UnixTime>,
    /// What it takes from earlier steps, by its own names.
    pub inputs: BTreeMap<String, Value>,
    /// How the run goes, where the step may know.
    pub so_far: Option<Arc<RunSoFar>>,
}

/// What a step tells its run while it goes on.
#[async_trait]
pub trait StepEvents: Send + Sync {
    /// What the step takes is of this instant.
    async fn cut(&self) -> Result<(), Fault>;

    /// Something was left elsewhere, by a handle that tells it again.
    async fn keep(&self, handle: String) -> Result<(), Fault>;

    /// The attempt holds what it is for. Resolves once that is not wanted any more, or after
    /// `at_most`.
    async fn held(&self, evidence: String, at_most: Duration) -> Result<HoldOrder, Fault>;
}

/// For calls outside of any run: nobody hears anything, and no hold is wanted.
#[derive(Debug, Clone, Copy)]
pub struct NoEvents;

#[async_trait]
impl StepEvents for NoEvents {
    async fn cut(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn keep(&self, _handle: String) -> Result<(), Fault> {
        Ok(())
    }

    async fn held(&self, _evidence: String, _at_most: Duration) -> Result<HoldOrder, Fault> {
        Ok(HoldOrder::LetGo)
    }
}

/// Why the run is to stop, once it is: how long a plugin may go on then is one of its limits.
pub type StopSignal = watch::Receiver<Option<Fault>>;

/// Takes a plugin's signs of life. Must not block.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    /// 0 when unknown.
    pub total: u64,
    pub unit: String,
}

impl StepCall {
    /// For calls outside of any run: no cluster, nobody watches, nobody stops it.
    #[must_use]
    pub fn idle(cluster: ClusterName, due: UnixTime) -> Self {
        Self {
            config: "{}".to_owned(),
            cluster,
            due,
            etcd: None,
            occasion: Occasion::default(),
            stop: watch::channel(None).1,
            progress: Arc::new(|_| {}),
            events: Arc::new(NoEvents),
        }
    }
}

/// Resolves with the reason once the run was asked to stop; never, when nobody can ask any
/// more.
pub async fn asked_to_stop(stop: &mut StopSignal) -> Fault {
    let asked = stop.wait_for(Option::is_some).await;
    match asked.ok().and_then(|reason| reason.clone()) {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}
