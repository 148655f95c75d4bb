//! The work that the host does for one attempt of a plugin: its signs of life, and its end.
//!
//! A call into the host may take long, and blocking work cannot be cut off from outside. So
//! each call goes piece by piece, and at each piece it asks whether its attempt still goes
//! on: nothing that a plugin asked for is worked on after the plugin is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use drydock_core::{ErrorClass, ErrorCode, Fault};

/// Bytes that one call works on at most, and so the largest file or output that a plugin
/// reads, writes or digests: as large as the largest object that Drydock stores.
pub const WORK_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

/// Phases of an attempt, in their order; 0 while it simply goes on.
const STOPPING: u8 = 1;
const ENDED: u8 = 2;

/// One attempt's work. Clones are the same work; the default one never ends.
#[derive(Debug, Clone, Default)]
pub struct Work {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    beats: AtomicU64,
    /// Calls that could change something: begun, and of these answered.
    writes: AtomicU64,
    answers: AtomicU64,
    phase: AtomicU8,
}

/// A call that can change something. It was answered only if that is said.
#[derive(Debug)]
pub struct WritingCall(Work);

/// Ends the work when it is dropped, however that comes about.
#[derive(Debug)]
pub struct EndOfWork(Work);

impl Work {
    /// So many bytes were moved. None are no sign of life.
    pub fn moved(&self, bytes: usize) {
        if bytes > 0 {
            self.beat();
        }
    }

    /// Some other sign of life.
    pub fn beat(&self) {
        self.shared.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often there was one. Whoever watches it sees that a call which takes long still
    /// gets on.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.shared.beats.load(Ordering::Relaxed)
    }

    /// The plugin is about to change something.
    #[must_use]
    pub fn writes(&self) -> WritingCall {
        self.shared.writes.fetch_add(1, Ordering::Relaxed);
        WritingCall(self.clone())
    }

    /// Whether the plugin made no call by which it could have changed something.
    #[must_use]
    pub fn wrote_nothing(&self) -> bool {
        self.shared.writes.load(Ordering::Relaxed) == 0
    }

    /// Whether each of these calls was answered, so that it is known what became of it.
    #[must_use]
    pub fn all_answered(&self) -> bool {
        self.shared.writes.load(Ordering::Relaxed) == self.shared.answers.load(Ordering::Relaxed)
    }

    /// Asked before each piece of what may take long.
    ///
    /// # Errors
    /// `cancelled` once the attempt has ended. Nobody hears it but the work itself.
    pub fn go_on(&self) -> Result<(), Fault> {
        if self.phase() < ENDED {
            return Ok(());
        }
        Err(Fault::new(
            ErrorClass::Cancelled,
            ErrorCode::Cancelled,
            "the plugin's call has ended",
        ))
    }

    /// The attempt was asked to stop.
    pub fn stop(&self) {
        self.shared.phase.fetch_max(STOPPING, Ordering::Relaxed);
    }

    /// Whether it was asked to stop, or has ended.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.phase() >= STOPPING
    }

    /// The work ends with the returned value.
    #[must_use]
    pub fn until_dropped(&self) -> EndOfWork {
        EndOfWork(self.clone())
    }

    fn phase(&self) -> u8 {
        self.shared.phase.load(Ordering::Relaxed)
    }
}

impl WritingCall {
    /// Whoever was asked said what became of it, be it a refusal.
    pub fn answered(self) {
        self.0.shared.answers.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for EndOfWork {
    fn drop(&mut self) {
        self.0.shared.phase.store(ENDED, Ordering::Relaxed);
    }
}

/// Refuses what no call works on.
///
/// # Errors
/// `too-large` past [`WORK_BYTES_MAX`].
pub fn check_bytes(act: &str, place: impl std::fmt::Display, bytes: u64) -> Result<(), Fault> {
    if bytes <= WORK_BYTES_MAX {
        return Ok(());
    }
    Err(Fault::permanent(
        ErrorCode::TooLarge,
        format!(
            "cannot {act} {place}: it comes to {bytes} bytes, and {WORK_BYTES_MAX} is the most of one file or artifact, which no document raises"
        ),
    )
    .with_detail("asked", bytes)
    .with_detail("limit", WORK_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moved_is_no_sign_of_life() {
        let work = Work::default();
        work.moved(0);
        assert_eq!(work.beats(), 0);
        work.clone().moved(1);
        work.beat();
        assert_eq!(work.beats(), 2);
    }

    #[test]
    fn what_became_of_a_writing_call_is_known_once_it_was_answered() {
        let work = Work::default();
        assert!(work.wrote_nothing() && work.all_answered());
        let (first, second) = (work.writes(), work.clone().writes());
        first.answered();
        assert!(!work.wrote_nothing() && !work.all_answered());
        drop(second);
        assert!(!work.all_answered());
    }

    #[test]
    fn work_goes_on_while_it_stops_and_not_after_its_end() {
        let work = Work::default();
        let end = work.until_dropped();
        work.go_on().unwrap();
        assert!(!work.is_stopping());
        work.stop();
        assert!(work.is_stopping());
        work.go_on().unwrap();
        drop(end);
        assert_eq!(work.clone().go_on().unwrap_err().code.as_str(), "cancelled");
        // What ended does not begin to stop once more.
        work.stop();
        work.go_on().unwrap_err();
    }

    #[test]
    fn a_call_has_its_most_bytes() {
        check_bytes("digest", "/a", WORK_BYTES_MAX).unwrap();
        let fault = check_bytes("digest", "/a", WORK_BYTES_MAX + 1).unwrap_err();
        assert_eq!(
            fault.message,
            "cannot digest /a: it comes to 68719476737 bytes, and 68719476736 is the most of one file or artifact, which no document raises"
        );
    }
}
