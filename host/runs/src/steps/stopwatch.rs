//! How long a phase of a run took, for the log: `cargo xtask bench` and operators read it.

use std::time::Instant;

/// A phase that has begun.
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since it began.
    pub fn ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
