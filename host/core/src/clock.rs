//! The wall clock as a value that is handed in, so that tests can set it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

const NANOSECONDS: i128 = 1_000_000_000;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// So many seconds later.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add_unsigned(seconds))
    }
}

/// Tells the time. Only `main` has one that reads the real clock.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> UnixTime;

    /// The same in nanoseconds; a clock that counts seconds only is at their beginning.
    fn nanoseconds(&self) -> i128 {
        i128::from(self.now().0) * NANOSECONDS
    }

    /// How long it is until an instant; zero when it has passed.
    fn until(&self, instant: UnixTime) -> Duration {
        span(self.nanoseconds(), i128::from(instant.0) * NANOSECONDS)
    }

    /// How long ago an instant was; zero when it is to come.
    fn since(&self, instant: UnixTime) -> Duration {
        span(i128::from(instant.0) * NANOSECONDS, self.nanoseconds())
    }
}

fn span(from: i128, to: i128) -> Duration {
    Duration::from_nanos(u64::try_from((to - from).max(0)).unwrap_or(u64::MAX))
}

/// Text that is no instant.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NoInstant(#[from] jiff::Error);

/// RFC 3339 in UTC, e.g. `2026-01-02T03:04:05Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => write!(f, "@{}", self.0),
        }
    }
}

/// RFC 3339, of whatever zone; parts of a second are left off.
impl FromStr for UnixTime {
    type Err = NoInstant;

    fn from_str(text: &str) -> Result<Self, NoInstant> {
        Ok(Self(text.parse::<jiff::Timestamp>()?.as_second()))
    }
}
