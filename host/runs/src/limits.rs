//! How much of the same at once this node does, over all its runs: runs, and snapshots of one
//! etcd. And which runs this process works on.
//!
//! **Invariant:** a run that waits for nobody but an operator takes no run's turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use drydock_core::{ClusterName, Fault, RunId, RunPhase};
use drydock_engine::RunView;
use drydock_sandbox::{StopSignal, asked_to_stop};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Runs whose steps are carried out at once. Each may have some streams and uploads under
/// way, and the daemon stays within its memory and file handles. The others are in the
/// journal and wait.
pub const RUNS_MAX: usize = 8;

/// Snapshots that are streamed from one etcd at once. A snapshot reads the whole database on a
/// member that the API servers use meanwhile; two at once would slow its disk and network down
/// for both, and peers of the cluster do one as well.
pub const ETCD_STREAMS_MAX: usize = 1;

/// How often a run that waits for its turn looks whether another one waits for an operator by
/// now.
const PARKED_LOOK: Duration = Duration::from_secs(10);

/// The limits of a node. One for all documents that are in force one after the other.
pub struct NodeLimits {
    turns: Arc<Semaphore>,
    /// The runs that this process works on.
    active: Mutex<BTreeMap<RunId, Arc<Turn>>>,
    streams: Mutex<BTreeMap<ClusterName, Arc<Semaphore>>>,
}

/// The turn of one run.
#[derive(Default)]
struct Turn {
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    progress: OnceLock<watch::Receiver<RunView>>,
}

/// Says that this process works on a run, as long as it lives.
pub struct RunClaim {
    limits: Arc<NodeLimits>,
    run: RunId,
    turn: Arc<Turn>,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(RUNS_MAX)),
            active: Mutex::default(),
            streams: Mutex::default(),
        }
    }
}

impl NodeLimits {
    /// Says that this process works on the run; none where it does already.
    pub fn claim(self: &Arc<Self>, run: &RunId) -> Option<RunClaim> {
        let mut active = lock(&self.active);
        if active.contains_key(run) {
            return None;
        }
        let turn = Arc::new(Turn::default());
        active.insert(run.clone(), Arc::clone(&turn));
        Some(RunClaim {
            limits: Arc::clone(self),
            run: run.clone(),
            turn,
        })
    }

    /// The runs that this process works on.
    pub fn active(&self) -> BTreeSet<RunId> {
        lock(&self.active).keys().cloned().collect()
    }

    /// Follows a run, so that it gives its turn away while it waits for an operator.
    pub fn follow(&self, run: &RunId, progress: watch::Receiver<RunView>) {
        if let Some(turn) = lock(&self.active).get(run) {
            // It is followed once.
            let _ = turn.progress.set(progress);
        }
    }

    /// Waits until a snapshot of the cluster may be streamed, and gives the turn.
    pub async fn etcd_stream(&self, cluster: &ClusterName) -> Option<OwnedSemaphorePermit> {
        let streams = {
            let mut streams = lock(&self.streams);
            let of_cluster = streams.entry(cluster.clone());
            Arc::clone(of_cluster.or_insert_with(|| Arc::new(Semaphore::new(ETCD_STREAMS_MAX))))
        };
        // Nobody closes it.
        streams.acquire_owned().await.ok()
    }

    /// Takes the turns of the runs that wait for an operator.
    fn free_parked(&self) {
        for turn in lock(&self.active).values() {
            if turn.is_parked() {
                *lock(&turn.permit) = None;
            }
        }
    }
}

impl RunClaim {
    /// Waits for the run's turn, unless it has it.
    ///
    /// # Errors
    /// Why it is to stop meanwhile.
    pub async fn turn(&self, stop: &StopSignal) -> Result<(), Fault> {
        let mut stop = stop.clone();
        while lock(&self.turn.permit).is_none() {
            self.limits.free_parked();
            let waited = Arc::clone(&self.limits.turns).acquire_owned();
            let waited = tokio::time::timeout(PARKED_LOOK, waited);
            let permit = tokio::select! {
                biased;
                why = asked_to_stop(&mut stop) => return Err(why),
                permit = waited => permit,
            };
            // Nobody closes it, so what failed was the wait.
            if let Ok(Ok(permit)) = permit {
                *lock(&self.turn.permit) = Some(permit);
            }
        }
        Ok(())
    }
}

impl Turn {
    fn is_parked(&self) -> bool {
        let phase = self.progress.get().map(|view| view.borrow().phase);
        matches!(phase, Some(RunPhase::Asking | RunPhase::Stuck))
    }
}

impl Drop for RunClaim {
    fn drop(&mut self) {
        lock(&self.limits.active).remove(&self.run);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use drydock_core::ErrorCode;

    use super::*;

    fn run(number: usize) -> RunId {
        RunId::new(format!("s1.{number}"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_over_the_limit_waits_for_another_ones_end_and_heeds_its_stop() {
        let limits = Arc::new(NodeLimits::default());
        let (stop, stopped) = watch::channel(None);
        let mut claims: Vec<_> = (0..=RUNS_MAX)
            .map(|number| limits.claim(&run(number)).unwrap())
            .collect();
        let last = claims.pop().unwrap();
        for claim in &claims {
            claim.turn(&stopped).await.unwrap();
            // It is the run's turn once for all its steps.
            claim.turn(&stopped).await.unwrap();
        }
        let waiting = tokio::time::timeout(PARKED_LOOK * 3, last.turn(&stopped)).await;
        assert!(waiting.is_err(), "it did not wait");
        claims.pop();
        last.turn(&stopped).await.unwrap();
        assert_eq!(limits.active().len(), RUNS_MAX);
        assert!(limits.claim(&run(0)).is_none());
        let late = limits.claim(&run(100)).unwrap();
        let why = Fault::permanent(ErrorCode::Over, "enough");
        stop.send_replace(Some(why.clone()));
        assert_eq!(late.turn(&stopped).await, Err(why));
    }

    #[tokio::test(start_paused = true)]
    async fn one_snapshot_of_a_cluster_streams_at_once() {
        let limits = NodeLimits::default();
        let (a, b) = (ClusterName::new("a"), ClusterName::new("b"));
        let first = limits.etcd_stream(&a).await;
        assert!(limits.etcd_stream(&b).await.is_some());
        let second = tokio::time::timeout(PARKED_LOOK, limits.etcd_stream(&a)).await;
        assert!(second.is_err(), "two snapshots stream at once");
        drop(first);
        assert!(limits.etcd_stream(&a).await.is_some());
    }
}
