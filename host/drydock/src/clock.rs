//! The real clock.

use drydock_core::{Clock, UnixTime};
use jiff::Timestamp;

/// The time of this machine.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime(timestamp().as_second())
    }

    fn nanoseconds(&self) -> i128 {
        timestamp().as_nanosecond()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one clock of the product; everything else is handed one"
)]
fn timestamp() -> Timestamp {
    Timestamp::now()
}
