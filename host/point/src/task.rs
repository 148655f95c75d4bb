//! One effect's life: wanted, in flight, waiting for its next try, done or given up.
//! Every effect has one, so that retries and crashes are dealt with in one place. It does
//! not know what the effect is: whoever runs effects of another kind has tasks too.

use drydock_core::{ErrorClass, Fault};

/// Cleaning up is tried at least this often after the first failure, whatever the
/// schedule's limit: what is left behind at a target is somebody's work later.
const CLEANUP_RETRIES_MIN: u32 = 6;

/// Nobody is waited for longer than this, whatever he asks for.
const RETRY_AFTER_SECONDS_MAX: u64 = 3600;

/// The state of one effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Task {
    /// How often it was started.
    pub attempts: u32,
    /// How often it was answered by a fault.
    pub failures: u32,
    pub phase: Phase,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Phase {
    /// To be started as soon as it is wanted.
    #[default]
    Idle,
    InFlight,
    Waiting(Timer),
    Done,
    GaveUp(Fault),
}

/// A wait before the next try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    pub id: u64,
    pub milliseconds: u64,
    /// Whether somebody was asked to wait.
    pub started: bool,
}

/// How patient a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    failures_max: u32,
    backoff_ms: u64,
    backoff_ms_max: u64,
}

impl Retry {
    /// So many retries, the first after `backoff_ms`; the wait doubles each time up to
    /// `backoff_ms_max`.
    #[must_use]
    pub fn new(failures_max: u32, backoff_ms: u64, backoff_ms_max: u64) -> Self {
        Self {
            failures_max,
            backoff_ms,
            backoff_ms_max,
        }
    }

    /// The patience of what takes something back: twice as many retries, and six at least.
    #[must_use]
    pub fn of_cleanup(self) -> Self {
        let twice = self.failures_max.saturating_mul(2);
        Self {
            failures_max: twice.max(CLEANUP_RETRIES_MIN),
            ..self
        }
    }
}

/// The wait after so many failures: doubles with each, once more when the other side asked
/// for patience, and stays below the limit. Where the other side said for how long, it is
/// that at least.
#[must_use]
pub fn wait_ms(backoff_ms: u64, backoff_ms_max: u64, failures: u32, fault: &Fault) -> u64 {
    let more = u32::from(fault.class == ErrorClass::Throttled);
    let doublings = failures.saturating_sub(1).saturating_add(more).min(32);
    let own = backoff_ms
        .saturating_mul(1 << doublings)
        .min(backoff_ms_max);
    let told = fault.retry_after_seconds.unwrap_or_default();
    let told = told.min(RETRY_AFTER_SECONDS_MAX).saturating_mul(1000);
    own.max(told)
}

impl Task {
    pub fn start(&mut self) {
        self.attempts += 1;
        self.phase = Phase::InFlight;
    }

    pub fn done(&mut self) {
        self.phase = Phase::Done;
    }

    /// Takes a fault: waits for the next try under the timer `timer`, or gives up.
    pub fn fail(&mut self, fault: &Fault, retry: Retry, timer: u64) {
        self.failures += 1;
        let again = fault.class.is_retryable() && self.failures <= retry.failures_max;
        self.phase = if again {
            Phase::Waiting(Timer {
                id: timer,
                milliseconds: wait_ms(retry.backoff_ms, retry.backoff_ms_max, self.failures, fault),
                started: false,
            })
        } else {
            Phase::GaveUp(fault.clone())
        };
    }

    pub fn wait_started(&mut self, timer: u64) {
        if let Phase::Waiting(waiting) = &mut self.phase
            && waiting.id == timer
        {
            waiting.started = true;
        }
    }

    pub fn wait_over(&mut self, timer: u64) {
        if matches!(&self.phase, Phase::Waiting(waiting) if waiting.id == timer) {
            self.phase = Phase::Idle;
        }
    }

    /// The process ended: what was in flight is lost, and waits are over. Says whether
    /// an attempt was lost.
    pub fn resumed(&mut self) -> bool {
        let lost = self.is_in_flight();
        if lost || self.is_waiting() {
            self.phase = Phase::Idle;
        }
        lost
    }

    /// The number of the attempt that would be started now.
    #[must_use]
    pub fn next_attempt(&self) -> u32 {
        self.attempts + 1
    }

    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.phase == Phase::InFlight
    }

    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting(_))
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Nothing more will come of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_done() || self.gave_up().is_some()
    }

    #[must_use]
    pub fn gave_up(&self) -> Option<&Fault> {
        match &self.phase {
            Phase::GaveUp(fault) => Some(fault),
            _ => None,
        }
    }

    /// The wait that nobody has started yet.
    #[must_use]
    pub fn unstarted_wait(&self) -> Option<&Timer> {
        match &self.phase {
            Phase::Waiting(timer) if !timer.started => Some(timer),
            _ => None,
        }
    }
}
