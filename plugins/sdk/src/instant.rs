//! Instants as protocols write them: HTTP's dates and RFC 3339.

use crate::name::{Moment, days_of};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

const SECONDS_A_DAY: u64 = 86_400;

/// How long `Retry-After` asks to wait (RFC 9110, 10.2.3), in seconds: a number, or a date.
/// `now` in seconds since 1970.
#[must_use]
pub fn retry_after(value: &str, now: u64) -> Option<u64> {
    let text = value.trim();
    match text.parse() {
        Ok(seconds) => Some(seconds),
        Err(_) => Some(from_http_date(text)?.saturating_sub(now)),
    }
}

/// A date as servers write it, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), in seconds
/// since 1970.
#[must_use]
pub fn from_http_date(date: &str) -> Option<u64> {
    let (_, date) = date.split_once(", ")?;
    let mut parts = date.split(' ');
    let day = number(parts.next()?)?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year = number(parts.next()?)?;
    let seconds = time_of_day(parts.next()?)?;
    let is_last = parts.next() == Some("GMT") && parts.next().is_none();
    is_last.then(|| unix_seconds(year, month, day, seconds))?
}

/// The same the other way (RFC 9110, 5.6.7).
#[must_use]
pub fn to_http_date(unix_seconds: u64) -> String {
    let moment = Moment::of(unix_seconds);
    let of_day = unix_seconds % SECONDS_A_DAY;
    // 1970 began on a Thursday.
    let day = DAYS[((unix_seconds / SECONDS_A_DAY + 4) % 7) as usize];
    let month = MONTHS[moment.month as usize - 1];
    format!(
        "{day}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT",
        moment.day,
        moment.year,
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// An instant in UTC, `2026-01-02T03:04:05Z`, for seconds since 1970.
#[must_use]
pub fn to_rfc3339(unix_seconds: u64) -> String {
    let moment = Moment::of(unix_seconds);
    let of_day = unix_seconds % SECONDS_A_DAY;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        moment.year,
        moment.month,
        moment.day,
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// An instant of RFC 3339 in seconds since 1970, what is below a second cut off; none for one
/// before 1970.
#[must_use]
pub fn from_rfc3339(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let mut fields = date.split('-').map(number);
    let (year, month, day) = (fields.next()??, fields.next()??, fields.next()??);
    let end = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(end);
    let clock = clock.split_once('.').map_or(clock, |(whole, _)| whole);
    let seconds = unix_seconds(year, month, day, time_of_day(clock)?)?;
    let (sign, offset) = zone.split_at(1);
    if matches!(sign, "Z" | "z") {
        return offset.is_empty().then_some(seconds);
    }
    let (hours, minutes) = offset.split_once(':')?;
    let offset = number(hours)? * 3600 + number(minutes)? * 60;
    if sign == "+" {
        seconds.checked_sub(offset)
    } else {
        Some(seconds + offset)
    }
}

fn unix_seconds(year: u64, month: u64, day: u64, of_day: u64) -> Option<u64> {
    let is_date = (1970..10_000).contains(&year) && (1..13).contains(&month);
    let is_date = is_date && (1..32).contains(&day);
    is_date.then(|| days_of(year, month, day) * SECONDS_A_DAY + of_day)
}

fn time_of_day(clock: &str) -> Option<u64> {
    let mut fields = clock.split(':').map(number);
    let (hour, minute, second) = (fields.next()??, fields.next()??, fields.next()??);
    let is_time = hour < 24 && minute < 60 && second <= 60 && fields.next().is_none();
    is_time.then_some(hour * 3600 + minute * 60 + second)
}

/// Digits alone: a sign is none.
fn number(text: &str) -> Option<u64> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let at = |text: &str| retry_after(text, 784_111_770);
        assert_eq!(at("120"), Some(120));
        assert_eq!(at("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(at("Sun, 06 Nov 1994 08:49:29 GMT"), Some(0));
        for odd in [
            "",
            "soon",
            "-1",
            "Sun, 06 Nov 1994",
            "Sun, 06 Now 1994 08:49:37 GMT",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
        ] {
            assert_eq!(at(odd), None, "{odd}");
        }
    }

    #[test]
    fn dates_of_http_come_and_go() {
        for (date, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Fri, 02 Jan 2026 03:04:05 GMT", 1_767_323_045),
        ] {
            assert_eq!(from_http_date(date), Some(expected), "{date}");
            assert_eq!(to_http_date(expected), date);
        }
    }

    #[test]
    fn instants_of_rfc_3339_come_and_go() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2026-01-02T03:04:05Z", 1_767_323_045),
            ("2100-01-01T00:00:00Z", 4_102_444_800),
        ] {
            assert_eq!(from_rfc3339(text), Some(expected));
            assert_eq!(to_rfc3339(expected), text);
        }
        for (text, expected) in [
            ("2026-01-02T03:04:05.999Z", Some(1_767_323_045)),
            ("2026-01-02T04:04:05+01:00", Some(1_767_323_045)),
            ("2026-01-02T02:34:05.1234567-00:30", Some(1_767_323_045)),
            ("1970-01-01T00:00:00+01:00", None),
            ("2026-01-02T03:04:05", None),
            ("2026-13-02T03:04:05Z", None),
            ("2026-01-02T25:04:05Z", None),
            ("2026-01-02", None),
            ("", None),
        ] {
            assert_eq!(from_rfc3339(text), expected, "{text}");
        }
    }
}
