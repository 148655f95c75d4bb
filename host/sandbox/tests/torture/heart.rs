//! A timer that has nothing to do with any plugin. It beats as long as nobody holds up
//! the runtime that the daemon's own work runs on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

/// Time between two beats.
const BEAT: Duration = Duration::from_millis(10);

/// A beating heart; it stops when it is dropped.
pub struct Heart {
    task: JoinHandle<()>,
    beats: Arc<AtomicU64>,
    latest_microseconds: Arc<AtomicU64>,
}

impl Heart {
    /// Starts to beat on the current runtime.
    pub fn start() -> Self {
        let beats = Arc::new(AtomicU64::new(0));
        let latest = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(beat(Arc::clone(&beats), Arc::clone(&latest)));
        Self {
            task,
            beats,
            latest_microseconds: latest,
        }
    }

    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// By how much the latest beat of all came too late.
    pub fn latest(&self) -> Duration {
        Duration::from_micros(self.latest_microseconds.load(Ordering::Relaxed))
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn beat(beats: Arc<AtomicU64>, latest: Arc<AtomicU64>) {
    loop {
        let start = Instant::now();
        tokio::time::sleep(BEAT).await;
        let late = start.elapsed().saturating_sub(BEAT);
        let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        latest.fetch_max(late, Ordering::Relaxed);
        beats.fetch_add(1, Ordering::Relaxed);
    }
}
