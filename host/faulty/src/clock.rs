//! A clock that is wrong: by so many seconds, or, written as `@FILE`, by the number that
//! stands in the file at the moment.

use std::path::PathBuf;

use drydock::SystemClock;
use drydock_core::{Clock, UnixTime};

/// The real clock, moved.
pub struct MovedClock(Offset);

enum Offset {
    Seconds(i64),
    File(PathBuf),
}

impl MovedClock {
    /// What the variable says; nothing moves the clock where it is not set.
    pub fn by(text: Option<String>) -> Self {
        let text = text.unwrap_or_else(|| "0".to_owned());
        Self(match text.strip_prefix('@') {
            Some(path) => Offset::File(path.into()),
            None => Offset::Seconds(seconds(&text)),
        })
    }

    fn offset(&self) -> i64 {
        match &self.0 {
            Offset::Seconds(seconds) => *seconds,
            Offset::File(path) => {
                let text = std::fs::read_to_string(path);
                seconds(&text.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
            }
        }
    }
}

impl Clock for MovedClock {
    fn now(&self) -> UnixTime {
        UnixTime(SystemClock.now().0 + self.offset())
    }

    fn nanoseconds(&self) -> i128 {
        SystemClock.nanoseconds() + i128::from(self.offset()) * 1_000_000_000
    }
}

fn seconds(text: &str) -> i64 {
    let seconds = text.trim().parse();
    seconds.unwrap_or_else(|_| panic!("the clock cannot be moved by {text:?}: give seconds"))
}
