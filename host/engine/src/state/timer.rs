//! Waits of the graph. Each has an instant of its own, so that a run that is resumed goes on
//! with what is left of it.

use drydock_core::UnixTime;

use super::RunState;

/// A wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    pub due: UnixTime,
    /// What is left of a second at `due`, in milliseconds.
    pub spare_ms: u64,
    pub purpose: Purpose,
    /// Whether the Wait effect was asked for.
    pub started: bool,
}

/// What happens when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The node is tried again.
    Retry(usize),
    UndoRetry(usize),
    /// All attempts of the node have taken too long.
    StepDeadline(usize),
    /// The hold is let go.
    HoldDeadline(usize),
    /// The holds of the unit do not stand in time.
    Acquire(usize),
    /// The unit runs anew.
    UnitRetry(usize),
}

impl RunState {
    /// Asks to be told after this long.
    pub(super) fn wait(&mut self, milliseconds: u64, purpose: Purpose) {
        self.timers_made += 1;
        let seconds = i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX);
        let timer = Timer {
            due: UnixTime(self.now.0.saturating_add(seconds)),
            spare_ms: milliseconds % 1000,
            purpose,
            started: false,
        };
        self.timers.insert(self.timers_made, timer);
    }

    /// Nobody waits for this any more.
    pub(super) fn forget_wait(&mut self, purpose: Purpose) {
        self.timers.retain(|_, timer| timer.purpose != purpose);
    }

    pub(super) fn wait_started(&mut self, timer: u64) {
        if let Some(timer) = self.timers.get_mut(&timer) {
            timer.started = true;
        }
    }

    /// The process ended: waits for another try are over, deadlines go on.
    pub(super) fn resume_waits(&mut self) {
        let retries: Vec<_> = self
            .timers
            .iter()
            .filter(|(_, timer)| timer.purpose.is_retry())
            .map(|(id, _)| *id)
            .collect();
        for timer in self.timers.values_mut() {
            timer.started = false;
        }
        for id in retries {
            self.wait_over(id);
        }
    }
}

impl Purpose {
    fn is_retry(self) -> bool {
        matches!(
            self,
            Self::Retry(_) | Self::UndoRetry(_) | Self::UnitRetry(_)
        )
    }
}

impl Timer {
    /// What is left of it at an instant.
    #[must_use]
    pub fn milliseconds(&self, now: UnixTime) -> u64 {
        let seconds = u64::try_from(self.due.0.saturating_sub(now.0)).unwrap_or(0);
        seconds.saturating_mul(1000).saturating_add(self.spare_ms)
    }
}
