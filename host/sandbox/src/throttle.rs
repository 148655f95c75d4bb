//! What the calls at one target may take of the node: how fast bytes go there and come back,
//! and how many calls are under way. Those of a node's targets share a part of it.
//!
//! **Invariant:** no target waits for another one's calls as long as none of its own is under
//! way: a target that hangs takes nothing from the others but what they share beyond that.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use drydock_core::Fault;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

pub use drydock_capability_artifact::{Pace, Rate};

use crate::step::{StopSignal, asked_to_stop};

/// What the calls at one target are held to; nothing unless somebody says so. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Throttle {
    pub upload: Pace,
    pub download: Pace,
    pub turns: Turns,
}

/// How many calls may be under way at once.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    /// Of the target.
    own: Option<Arc<Semaphore>>,
    /// Of all targets of the node, but for the first one of each.
    shared: Option<Arc<Semaphore>>,
    under_way: Arc<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    calls: AtomicUsize,
    /// Told when none is left.
    idle: Notify,
}

/// The turn of one call, as long as it lives.
#[derive(Debug)]
pub struct Turn {
    under_way: Arc<UnderWay>,
    _own: Option<OwnedSemaphorePermit>,
    _shared: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Turns of one target: `own` of its calls at once, and `shared` with others.
    #[must_use]
    pub fn new(own: Option<usize>, shared: Option<Arc<Semaphore>>) -> Self {
        Self {
            own: own.map(|calls| Arc::new(Semaphore::new(calls.max(1)))),
            shared,
            under_way: Arc::default(),
        }
    }

    /// Waits for a call's turn.
    ///
    /// # Errors
    /// Why it is to stop meanwhile. Nothing was done.
    pub async fn take(&self, stop: &StopSignal) -> Result<Turn, Fault> {
        let mut stop = stop.clone();
        tokio::select! {
            biased;
            turn = self.turn() => Ok(turn),
            why = asked_to_stop(&mut stop) => Err(why.not_done()),
        }
    }

    async fn turn(&self) -> Turn {
        let own = acquire(self.own.as_ref()).await;
        let shared = self.shared_turn().await;
        Turn {
            under_way: Arc::clone(&self.under_way),
            _own: own,
            _shared: shared,
        }
    }

    /// None for the only call under way, which needs none.
    async fn shared_turn(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let mut idle = pin!(self.under_way.idle.notified());
            idle.as_mut().enable();
            if self.under_way.is_first() {
                return None;
            }
            tokio::select! {
                permit = acquire(self.shared.as_ref()) => {
                    self.under_way.calls.fetch_add(1, Ordering::AcqRel);
                    return permit;
                }
                () = idle => {}
            }
        }
    }
}

impl UnderWay {
    /// Whether no call was under way; if so, this one is from now on.
    fn is_first(&self) -> bool {
        let exchanged = self
            .calls
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
        exchanged.is_ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.under_way.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.under_way.idle.notify_waiters();
        }
    }
}

async fn acquire(turns: Option<&Arc<Semaphore>>) -> Option<OwnedSemaphorePermit> {
    // Nobody closes it.
    Arc::clone(turns?).acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use drydock_core::ErrorCode;
    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::*;

    const A_WHILE: Duration = Duration::from_secs(60);

    async fn take(turns: &Turns) -> Option<Turn> {
        let (_sender, stop) = watch::channel(None);
        timeout(A_WHILE, turns.take(&stop)).await.ok()?.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_calls_of_a_target_are_under_way() {
        let turns = Turns::new(Some(2), None);
        let (first, second) = (take(&turns).await.unwrap(), take(&turns).await.unwrap());
        assert!(take(&turns).await.is_none());
        drop(first);
        let third = take(&turns).await.unwrap();
        assert!(take(&turns).await.is_none());
        drop((second, third));
        let unlimited = Turns::default();
        let mut many = Vec::new();
        for _ in 0..50 {
            many.push(take(&unlimited).await.unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_hangs_leaves_each_other_one_call() {
        let shared = Arc::new(Semaphore::new(2));
        let [hanging, other] = [0, 1].map(|_| Turns::new(None, Some(Arc::clone(&shared))));
        // The first one of its own, and two of those that all share.
        let [a, b, c] = [(); 3].map(|()| take(&hanging));
        let _held = (a.await.unwrap(), b.await.unwrap(), c.await.unwrap());
        assert!(take(&hanging).await.is_none());
        let first = take(&other).await.unwrap();
        assert!(take(&other).await.is_none());
        // Who waits for a shared one takes the place of the call that ended.
        let (second, ()) = tokio::join!(take(&other), async {
            tokio::time::sleep(A_WHILE / 2).await;
            drop(first);
        });
        assert!(second.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_that_the_run_is_to_stop() {
        let turns = Turns::new(Some(1), None);
        let _held = take(&turns).await.unwrap();
        let (sender, stop) = watch::channel(None);
        let why = Fault::permanent(ErrorCode::Over, "enough");
        let (waited, ()) = tokio::join!(turns.take(&stop), async {
            tokio::time::sleep(A_WHILE).await;
            sender.send_replace(Some(why.clone()));
        });
        assert_eq!(waited.unwrap_err(), why.not_done());
    }
}
