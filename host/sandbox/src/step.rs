//! What a plugin's call is told, and how it hears that it is to stop.

use std::sync::Arc;

use drydock_capability_etcd::EtcdAccess;
use drydock_core::{ClusterName, Fault, UnixTime};
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
    pub stop: StopSignal,
    pub progress: ProgressSink,
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
            stop: watch::channel(None).1,
            progress: Arc::new(|_| {}),
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
