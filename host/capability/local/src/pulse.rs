//! Signs of life: bytes that a plugin's calls move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Beats whenever bytes move on a plugin's behalf. Whoever watches it sees that a call
/// which takes long still gets on. Clones are the same pulse.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    beats: Arc<AtomicU64>,
}

impl Pulse {
    /// So many bytes were moved. None are no sign of life.
    pub fn moved(&self, bytes: usize) {
        if bytes > 0 {
            self.beat();
        }
    }

    /// Some other sign of life.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has beaten.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moved_is_no_sign_of_life() {
        let pulse = Pulse::default();
        pulse.moved(0);
        assert_eq!(pulse.beats(), 0);
        pulse.clone().moved(1);
        pulse.beat();
        assert_eq!(pulse.beats(), 2);
    }
}
