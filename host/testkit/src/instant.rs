//! The present, and instants as protocols write them.

/// Days of the week from 1970-01-01 on, which was a Thursday.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const DAY_SECONDS: i64 = 86_400;

/// As in the header `Date` (RFC 9110, 5.6.7), of seconds since 1970.
pub fn http_date(seconds: i64) -> String {
    let (year, month, day) = civil(seconds);
    let weekday = DAYS[usize::try_from(seconds / DAY_SECONDS % 7).unwrap_or_default()];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or_default()];
    let (hour, minute, second) = clock(seconds);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// As in JSON of AWS and Google: RFC 3339 in UTC.
pub fn rfc3339(seconds: i64) -> String {
    let (year, month, day) = civil(seconds);
    let (hour, minute, second) = clock(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// As in signatures of AWS: `20260102T030405Z`.
pub fn basic(seconds: i64) -> String {
    rfc3339(seconds).replace(['-', ':'], "")
}

fn clock(seconds: i64) -> (i64, i64, i64) {
    let rest = seconds % DAY_SECONDS;
    (rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of an instant after 1970.
fn civil(seconds: i64) -> (i64, i64, i64) {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut year, mut left) = (1970, seconds / DAY_SECONDS);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_the_calendar_has_them() {
        for (seconds, date, short) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT", "19700101T000000Z"),
            // The example of RFC 9110.
            (
                784_111_777,
                "Sun, 06 Nov 1994 08:49:37 GMT",
                "19941106T084937Z",
            ),
            (
                951_782_400,
                "Tue, 29 Feb 2000 00:00:00 GMT",
                "20000229T000000Z",
            ),
            (
                1_798_761_599,
                "Thu, 31 Dec 2026 23:59:59 GMT",
                "20261231T235959Z",
            ),
        ] {
            assert_eq!(http_date(seconds), date);
            assert_eq!(basic(seconds), short);
        }
    }
}
