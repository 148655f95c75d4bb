//! How fast bytes may move. Whoever moves some takes their time first, so that several share a
//! rate without knowing of each other, in turn and each as much as the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drydock_core::Fault;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::Work;

/// What is moved at once under a rate: small enough that a link is not taken whole for long by
/// one of those who share it.
pub const PACED_BYTES_MAX: usize = 64 * 1024;

/// Who waits for their turn says so often, since to wait for the host is no idleness.
const BEAT: Duration = Duration::from_secs(1);

/// Rates that bytes are held to, all of them; as fast as it goes without any.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    rates: Vec<Arc<Rate>>,
}

/// So many bytes a second. Nothing is saved up: after a pause it goes on as it did before.
#[derive(Debug)]
pub struct Rate {
    bytes_per_second: u64,
    /// When the next bytes may move; none before the first.
    next: Mutex<Option<Instant>>,
}

impl Rate {
    /// `bytes_per_second` is 1 at least.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            next: Mutex::new(None),
        }
    }

    /// Takes the time of so many bytes, and says when they may move.
    fn reserve(&self, bytes: u64) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let turn = next.map_or(now, |next| next.max(now));
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate is met on the average, and a piece is far below 2^52 bytes"
        )]
        let seconds = bytes as f64 / self.bytes_per_second as f64;
        *next = Some(turn + Duration::from_secs_f64(seconds));
        turn
    }
}

impl Pace {
    /// One that is held to each of these.
    #[must_use]
    pub fn new(rates: Vec<Arc<Rate>>) -> Self {
        Self { rates }
    }

    /// How much is moved at once, of `bytes_max` at most.
    #[must_use]
    pub fn piece(&self, bytes_max: usize) -> usize {
        if self.rates.is_empty() {
            bytes_max
        } else {
            bytes_max.min(PACED_BYTES_MAX)
        }
    }

    /// Waits until so many bytes may move. What is waited for is the host, so that it is a
    /// sign of life of `work`.
    ///
    /// # Errors
    /// `cancelled` once the work has ended.
    pub async fn take(&self, bytes: usize, work: &Work) -> Result<(), Fault> {
        let turns = self.rates.iter().map(|rate| rate.reserve(bytes as u64));
        let Some(turn) = turns.max() else {
            return Ok(());
        };
        while Instant::now() < turn {
            work.go_on()?;
            work.beat();
            tokio::time::sleep_until(turn.min(Instant::now() + BEAT)).await;
        }
        Ok(())
    }

    /// The same for whoever may block: on tokio's blocking threads.
    ///
    /// # Errors
    /// As [`Pace::take`].
    pub fn take_blocking(&self, bytes: usize, work: &Work) -> Result<(), Fault> {
        if self.rates.is_empty() {
            return Ok(());
        }
        Handle::current().block_on(self.take(bytes, work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rates: &[u64]) -> Pace {
        let rates = rates.iter().map(|rate| Arc::new(Rate::new(*rate)));
        Pace::new(rates.collect())
    }

    async fn seconds_of(pieces: usize, bytes: usize, pace: &Pace) -> f64 {
        let begun = Instant::now();
        for _ in 0..pieces {
            pace.take(bytes, &Work::default()).await.unwrap();
        }
        begun.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_rate_counts_and_the_first_piece_waits_for_nobody() {
        let slow = seconds_of(11, 1000, &pace(&[1000, 100])).await;
        assert!((99.0..=101.0).contains(&slow), "{slow}");
        assert_eq!(seconds_of(11, 1000, &pace(&[])).await, 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_share_a_rate_get_the_same_of_it() {
        let shared = Arc::new(Rate::new(1000));
        let two = [0, 1].map(|_| Pace::new(vec![Arc::clone(&shared)]));
        let [one, other] = two.map(|pace| async move { seconds_of(10, 1000, &pace).await });
        let (one, other) = tokio::join!(one, other);
        assert!((17.0..=19.0).contains(&one), "{one}");
        assert!((18.0..=20.0).contains(&other), "{other}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_caught_up_with() {
        let pace = pace(&[1000]);
        seconds_of(1, 1000, &pace).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let after = seconds_of(11, 1000, &pace).await;
        assert!((9.0..=11.0).contains(&after), "{after}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_alive_and_hears_of_the_end() {
        let (work, pace) = (Work::default(), pace(&[1]));
        pace.take(100, &work).await.unwrap();
        let end = work.until_dropped();
        let waiting = tokio::time::timeout(Duration::from_secs(50), pace.take(1, &work)).await;
        assert!(waiting.is_err() && work.beats() >= 49, "{}", work.beats());
        drop(end);
        assert_eq!(
            pace.take(1, &work).await.unwrap_err().code.as_str(),
            "cancelled"
        );
    }

    #[tokio::test]
    async fn a_blocking_thread_waits_as_well() {
        let pace = pace(&[1_000_000]);
        let begun = Instant::now();
        let waited = tokio::task::spawn_blocking(move || {
            (0..3).try_for_each(|_| pace.take_blocking(20_000, &Work::default()))
        });
        waited.await.unwrap().unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(40));
        Pace::default()
            .take_blocking(1 << 40, &Work::default())
            .unwrap();
    }
}
