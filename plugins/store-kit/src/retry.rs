//! When a request is sent again.

use std::time::Duration;

/// Requests that one is sent for at most: what does not pass in some seconds is the engine's
/// business, whose pauses are longer.
const SENT_MAX: u32 = 5;

/// First pause; each is twice the one before.
const PAUSE_FIRST: Duration = Duration::from_millis(400);

/// Longest pause of our own.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// Longest pause that a service may ask for here. Who asks for more is told to the engine.
const ASKED_MAX: Duration = Duration::from_secs(60);

/// How often one request was sent.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
}

impl Retry {
    /// How long to wait until it is sent once more; none where it is not. `asked` is what the
    /// service asked for, in seconds, and is kept to; of a pause of our own a half is left to
    /// `chance`.
    pub fn pause(&mut self, asked: Option<u64>, chance: u64) -> Option<Duration> {
        self.failures += 1;
        if self.failures >= SENT_MAX {
            return None;
        }
        if let Some(asked) = asked.map(Duration::from_secs) {
            return (asked <= ASKED_MAX).then(|| asked.max(PAUSE_FIRST));
        }
        let whole = PAUSE_FIRST * 2_u32.pow(self.failures - 1);
        let half = whole.min(PAUSE_MAX) / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(0) + 1;
        Some(half + Duration::from_millis(chance % spread))
    }

    /// Something came of it after all: what fails from here on is new.
    pub fn went_on(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut retry = Retry::default();
        let pauses: Vec<_> = (0..6).map(|_| retry.pause(None, 0)).collect();
        let half = |milliseconds| Some(Duration::from_millis(milliseconds));
        assert_eq!(
            pauses,
            [half(200), half(400), half(800), half(1600), None, None]
        );
        retry.went_on();
        assert_eq!(retry.pause(None, 200), half(400));
        assert_eq!(
            retry
                .pause(None, u64::MAX)
                .map(|pause| pause.as_millis() / 400),
            Some(1)
        );
    }

    #[test]
    fn what_a_service_asks_for_is_kept_to_or_told() {
        let mut retry = Retry::default();
        assert_eq!(retry.pause(Some(7), 5), Some(Duration::from_secs(7)));
        assert_eq!(retry.pause(Some(0), 5), Some(PAUSE_FIRST));
        assert_eq!(retry.pause(Some(61), 5), None);
    }
}
