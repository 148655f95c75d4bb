//! Instants as protocols write them.

use drydock_core::UnixTime;
use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// As AWS signs it: `19941106T084937Z`.
const BASIC: &str = "%Y%m%dT%H%M%SZ";

/// Of the header `Date`; none when it is not one.
pub(crate) fn of_http_date(text: &str) -> Option<UnixTime> {
    let parsed = strtime::parse(HTTP_DATE, text).ok()?;
    let zoned = parsed.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(UnixTime(zoned.timestamp().as_second()))
}

/// For the header `x-ms-date`.
pub(crate) fn http_date(instant: UnixTime) -> String {
    written(instant, HTTP_DATE)
}

/// For the header `x-amz-date`.
pub(crate) fn basic(instant: UnixTime) -> String {
    written(instant, BASIC)
}

fn written(instant: UnixTime, format: &str) -> String {
    // An instant beyond the calendar is a clock that means nothing: the server says so.
    let instant = Timestamp::from_second(instant.0).unwrap_or(Timestamp::UNIX_EPOCH);
    instant.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_comes_back() {
        let instant = UnixTime(784_111_777);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(http_date(instant), date);
        assert_eq!(of_http_date(date), Some(instant));
        assert_eq!(basic(instant), "19941106T084937Z");
        for bad in ["", "yesterday", "Sun, 06 Nov 1994", "1994-11-06T08:49:37Z"] {
            assert_eq!(of_http_date(bad), None, "{bad}");
        }
    }
}
