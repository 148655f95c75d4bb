//! The real clock.
//!
//! `DRYDOCK_TEST_CLOCK_OFFSET` moves it, for the tests of what the product does with a
//! clock that is wrong: by so many seconds, or, written as `@FILE`, by the number that
//! stands in the file at the moment. Nothing else reads the variable.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use drydock_core::{Clock, UnixTime};
use jiff::Timestamp;

use crate::environment;

const VARIABLE: &str = "DRYDOCK_TEST_CLOCK_OFFSET";

pub struct SystemClock;

/// By what the clock is moved.
enum Offset {
    Seconds(i64),
    File(PathBuf),
}

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime(timestamp().as_second())
    }
}

impl SystemClock {
    /// How long it is until an instant; zero when it has passed.
    pub fn until(&self, instant: UnixTime) -> Duration {
        let wait = i128::from(instant.0) * 1_000_000_000 - timestamp().as_nanosecond();
        Duration::from_nanos(u64::try_from(wait.max(0)).unwrap_or(u64::MAX))
    }

    /// How long ago an instant was; zero when it is to come.
    pub fn since(&self, instant: UnixTime) -> Duration {
        let passed = timestamp().as_nanosecond() - i128::from(instant.0) * 1_000_000_000;
        Duration::from_nanos(u64::try_from(passed.max(0)).unwrap_or(u64::MAX))
    }

    /// Whether a test moves the clock. Whoever runs for long says so in the log.
    pub fn is_moved(&self) -> bool {
        offset().is_some()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one clock of the product; everything else is handed one"
)]
fn timestamp() -> Timestamp {
    let now = Timestamp::now();
    match offset().map(Offset::seconds) {
        None | Some(0) => now,
        Some(seconds) => now
            .checked_add(jiff::SignedDuration::from_secs(seconds))
            .unwrap_or(now),
    }
}

fn offset() -> Option<&'static Offset> {
    static OFFSET: OnceLock<Option<Offset>> = OnceLock::new();
    OFFSET.get_or_init(Offset::from_environment).as_ref()
}

impl Offset {
    fn from_environment() -> Option<Self> {
        let text = environment::variable(VARIABLE)?;
        match text.strip_prefix('@') {
            Some(path) => Some(Self::File(path.into())),
            None => text.parse().ok().map(Self::Seconds),
        }
    }

    fn seconds(&self) -> i64 {
        match self {
            Self::Seconds(seconds) => *seconds,
            Self::File(path) => std::fs::read_to_string(path)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or_default(),
        }
    }
}
