//! The real clock.

use drydock_core::{Clock, UnixTime};

pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one clock of the product; everything else is handed one"
    )]
    fn now(&self) -> UnixTime {
        UnixTime(jiff::Timestamp::now().as_second())
    }
}
