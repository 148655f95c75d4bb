//! Pins that no open run uses any more: removed at the start and each minute, in a task of its
//! own, so that a slow disk holds nobody up. Holds need no such look: every open run has a
//! supervisor, which resumes it again and again until it can let go.

use std::time::{Duration, Instant};

use drydock_core::chain;
use tokio::task::JoinHandle;

use super::Scheduler;

/// Time from one sweep to the next; one that takes longer is not joined by another.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The sweep that is under way, and when the next one is due.
#[derive(Default)]
pub(super) struct Sweeping {
    task: Option<JoinHandle<()>>,
    next: Option<Instant>,
}

impl Sweeping {
    fn is_due(&self, now: Instant) -> bool {
        let is_idle = self.task.as_ref().is_none_or(JoinHandle::is_finished);
        is_idle && self.next.is_none_or(|next| next <= now)
    }

    /// Leaves off what is under way: the next process sweeps anew.
    pub(super) async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // Whether it was cut off or had ended is all one.
            let _ = task.await;
        }
    }
}

impl Scheduler {
    /// Sweeps, where that is due.
    pub(super) fn sweep(&mut self) {
        let now = Instant::now();
        if self.is_draining() || !self.sweeping.is_due(now) {
            return;
        }
        self.sweeping.next = Some(now + SWEEP_INTERVAL);
        let service = self.service();
        self.sweeping.task = Some(tokio::spawn(async move {
            if let Err(error) = service.sweep_pins().await {
                tracing::warn!("pins that no run uses are not removed: {}", chain(&error));
            }
        }));
    }
}
