//! Whether the clock can be believed. Planning by a clock that runs behind the journal
//! would start again what was started, or wait for a day that is over.

use drydock_core::UnixTime;
use drydock_journal::LatestInstant;

/// A clock may be behind the journal by so much: what NTP corrects in one step, and what
/// a reboot with a tired battery loses at most before NTP is there.
pub const BEHIND_SECONDS_MAX: i64 = 15 * 60;

/// The clock shows an instant before one that the journal holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock shows {now}, {} earlier than {at}, when {what} was entered in the journal: set this machine's clock; or, if the clock was ahead back then and is right now, start once with --accept-clock",
    drydock_core::span((at.0 - now.0).unsigned_abs())
)]
pub struct ClockBehind {
    now: UnixTime,
    at: UnixTime,
    what: String,
}

/// Holds the clock against the latest instant of the journal.
pub fn check_clock(latest: Option<&LatestInstant>, now: UnixTime) -> Result<(), ClockBehind> {
    match latest {
        Some(latest) if latest.at.0 - now.0 > BEHIND_SECONDS_MAX => Err(ClockBehind {
            now,
            at: latest.at,
            what: latest.what.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latest(at: i64) -> LatestInstant {
        LatestInstant {
            at: UnixTime(at),
            what: "run a.1".to_owned(),
        }
    }

    #[test]
    fn a_clock_may_be_a_little_behind_the_journal() {
        assert_eq!(check_clock(None, UnixTime(0)), Ok(()));
        assert_eq!(check_clock(Some(&latest(900)), UnixTime(0)), Ok(()));
        assert!(check_clock(Some(&latest(901)), UnixTime(0)).is_err());
    }

    #[test]
    fn the_sentence_says_how_far_since_when_and_what_to_do() {
        let behind = check_clock(Some(&latest(90_061)), UnixTime(0)).unwrap_err();
        assert_eq!(
            behind.to_string(),
            "the clock shows 1970-01-01T00:00:00Z, 1 d 1 h earlier than 1970-01-02T01:01:01Z, when run a.1 was entered in the journal: set this machine's clock; or, if the clock was ahead back then and is right now, start once with --accept-clock"
        );
    }
}
