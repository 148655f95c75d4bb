//! The CPU time that a guest takes, whichever thread it runs on.
//!
//! A guest is a future that the guests' threads poll; it waits for the host only between
//! two polls. So the time that it computes is the CPU time of the thread that polls it,
//! from the beginning of each poll to its end. A guest that computes without end is polled
//! anew after every tick, and each tick asks whether there is time left.
//!
//! The alternative, to stop the clock at every call of the host, costs two readings of it
//! a call that takes less than 100 ns. The thread's own clock is a system call, dearer than
//! the call itself several times over; the monotonic one is cheaper by a factor of three or
//! more, and also counts the time that others had the processor. This way a call costs
//! nothing and a poll two readings. What the host does for a call on the guest's own
//! thread, copying an argument or a line of the log, is the guest's doing and counts as
//! well.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::LimitHit;

/// CPU time of one guest. Written by the thread that polls it, one at a time.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: Duration,
    /// In nanoseconds, up to the beginning of the current poll.
    spent: AtomicU64,
    /// The polling thread's CPU time when the current poll began, in nanoseconds.
    began: AtomicU64,
}

/// A guest's future whose polls are counted.
pub(crate) struct Metered<F> {
    meter: Arc<Meter>,
    guest: Pin<Box<F>>,
}

impl Meter {
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            spent: AtomicU64::new(0),
            began: AtomicU64::new(0),
        }
    }

    /// Asked from within a poll: whether there is time left.
    pub fn check(&self) -> Result<(), LimitHit> {
        let poll = thread_cpu_nanos().saturating_sub(self.began.load(Ordering::Relaxed));
        let spent = Duration::from_nanos(self.spent.load(Ordering::Relaxed) + poll);
        if spent <= self.limit {
            return Ok(());
        }
        Err(LimitHit::Cpu {
            spent,
            limit: self.limit,
        })
    }

    fn begin(&self) {
        self.began.store(thread_cpu_nanos(), Ordering::Relaxed);
    }

    fn end(&self) {
        let poll = thread_cpu_nanos().saturating_sub(self.began.load(Ordering::Relaxed));
        self.spent.fetch_add(poll, Ordering::Relaxed);
    }
}

impl<F> Metered<F> {
    pub fn new(meter: Arc<Meter>, guest: F) -> Self {
        Self {
            meter,
            guest: Box::pin(guest),
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.meter.begin();
        let polled = self.guest.as_mut().poll(context);
        self.meter.end();
        polled
    }
}

/// CPU time of the calling thread. Never goes back on one thread; another thread's says
/// nothing about this one's.
fn thread_cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanos
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes on this thread for so long.
    fn burn(time: Duration) {
        let end = thread_cpu_nanos() + u64::try_from(time.as_nanos()).unwrap();
        while thread_cpu_nanos() < end {}
    }

    #[tokio::test]
    async fn computing_counts_and_waiting_does_not() {
        let meter = Arc::new(Meter::new(Duration::from_millis(20)));
        let guest = Metered::new(Arc::clone(&meter), async {
            burn(Duration::from_millis(4));
            tokio::time::sleep(Duration::from_millis(60)).await;
            burn(Duration::from_millis(4));
            // What others do on this thread meanwhile is not this guest's.
            tokio::task::yield_now().await;
        });
        let other = async { burn(Duration::from_millis(30)) };
        tokio::join!(guest, other);
        meter.begin();
        meter.check().unwrap();
        let spent = meter.spent.load(Ordering::Relaxed);
        assert!((8_000_000..20_000_000).contains(&spent), "{spent}");
    }

    #[tokio::test]
    async fn a_guest_hears_in_its_poll_that_its_time_is_over() {
        let meter = Arc::new(Meter::new(Duration::from_millis(5)));
        let inner = Arc::clone(&meter);
        let guest = Metered::new(meter, async move {
            burn(Duration::from_millis(3));
            tokio::task::yield_now().await;
            inner.check().unwrap();
            burn(Duration::from_millis(3));
            inner.check()
        });
        assert!(matches!(guest.await, Err(LimitHit::Cpu { .. })));
    }
}
