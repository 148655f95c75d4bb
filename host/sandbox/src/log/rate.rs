//! How fast lines may come: a bucket of them that fills by so many a second.

use std::time::{Duration, Instant};

/// Seconds' worth of lines that may come at once: a backtrace or a listing is no flood.
const BURST_SECONDS: u64 = 10;

/// A bucket of lines.
#[derive(Debug)]
pub(super) struct Rate {
    lines_per_second: u64,
    /// In thousandths of a line.
    filled: u64,
    since: Instant,
}

impl Rate {
    /// A full bucket.
    pub fn new(lines_per_second: u32, now: Instant) -> Self {
        let lines_per_second = u64::from(lines_per_second);
        Self {
            lines_per_second,
            filled: lines_per_second * BURST_SECONDS * 1000,
            since: now,
        }
    }

    /// Takes a line out; false when there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        match self.filled.checked_sub(1000) {
            Some(rest) => {
                self.filled = rest;
                true
            }
            None => false,
        }
    }

    /// Whole milliseconds only; what is left of them counts the next time.
    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since).as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.since += Duration::from_millis(elapsed);
        let full = self.lines_per_second * BURST_SECONDS * 1000;
        let more = elapsed.saturating_mul(self.lines_per_second);
        self.filled = self.filled.saturating_add(more).min(full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let start = Instant::now();
        let mut rate = Rate::new(5, start);
        let mut passed = |milliseconds, tries| {
            let now = start + Duration::from_millis(milliseconds);
            (0..tries).filter(|_| rate.take(now)).count()
        };
        assert_eq!(passed(0, 100), 50);
        assert_eq!(passed(199, 1), 0);
        assert_eq!(passed(200, 100), 1);
        assert_eq!(passed(1200, 100), 5);
        assert_eq!(passed(1_000_000, 100), 50);
    }
}
