//! What a token endpoint answered, in a sentence that holds nothing of what it was asked.

use drydock_capability_http::HostAnswer;
use drydock_core::{ErrorClass, ErrorCode, Fault, UnixTime};
use http::{HeaderMap, StatusCode, header};

use crate::instant;

/// Longest code of an error that is told.
const CODE_BYTES_MAX: usize = 64;

/// Clocks may differ by so much: signatures and tokens hold for 5 to 15 minutes around.
const SKEW_SECONDS_MAX: u64 = 240;

/// Longest wait that is believed.
const RETRY_AFTER_SECONDS_MAX: u64 = 3600;

/// A word of an error that is safe to tell: letters, digits and `_.-:`, and not long. Servers
/// put what they were sent into their prose, never into their codes; one that does is not told.
pub(crate) fn code(text: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-:".contains(c);
    let fits = (1..=CODE_BYTES_MAX).contains(&text.len()) && text.chars().all(plain);
    fits.then_some(text)
}

/// The fault of an answer that is no credential. `server` is where it came from, `codes` what it
/// says in words, and `mend` what an operator can do about that.
pub(crate) fn refusal(
    server: &str,
    answer: &HostAnswer,
    codes: &[String],
    mend: &str,
    now: UnixTime,
) -> Fault {
    let status = answer.status;
    let codes = match codes {
        [] => String::new(),
        codes => format!(" ({})", codes.join(", ")),
    };
    let skew = skew(&answer.headers, now).map_or_else(String::new, |skew| format!("; {skew}"));
    let mend = if mend.is_empty() {
        String::new()
    } else {
        format!(": {mend}")
    };
    let (class, error) = class(status);
    let fault = Fault::new(
        class,
        error,
        format!("{server} answers {}{codes}{mend}{skew}", status.as_u16()),
    );
    match retry_after(&answer.headers) {
        Some(seconds) if class.is_retryable() => fault.retry_after(seconds),
        _ => fault,
    }
}

/// Machines' metadata answers 404 and 410 while it is being set up.
fn class(status: StatusCode) -> (ErrorClass, ErrorCode) {
    match status.as_u16() {
        429 => (ErrorClass::Throttled, ErrorCode::TooManyRequests),
        404 | 408 | 410 | 500..=599 => (ErrorClass::Transient, ErrorCode::HttpStatus),
        200..=299 => (ErrorClass::Permanent, ErrorCode::BadAnswer),
        _ => (ErrorClass::Denied, ErrorCode::Unauthenticated),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds: u64 = value.parse().ok()?;
    Some(seconds.min(RETRY_AFTER_SECONDS_MAX))
}

/// The instant of the header `Date`.
pub(crate) fn date(headers: &HeaderMap) -> Option<UnixTime> {
    instant::of_http_date(headers.get(header::DATE)?.to_str().ok()?)
}

/// That the clocks here and there differ too much, where they do.
pub(crate) fn skew(headers: &HeaderMap, now: UnixTime) -> Option<String> {
    let there = date(headers)?;
    let seconds = now.0.abs_diff(there.0);
    if seconds <= SKEW_SECONDS_MAX {
        return None;
    }
    let side = if now > there { "ahead of" } else { "behind" };
    Some(format!(
        "the clock of this node ({now}) is {seconds} s {side} that of the server ({there}), and signatures hold for minutes: set it right, e.g. by chrony or systemd-timesyncd"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_are_told() {
        for good in [
            "invalid_client",
            "AADSTS7000215",
            "ExpiredTokenException",
            "sts:x",
        ] {
            assert_eq!(code(good), Some(good));
        }
        for bad in ["", "two words", "a=b", "<Error>", &"x".repeat(65)] {
            assert_eq!(code(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_from_both_sides() {
        let mut headers = HeaderMap::new();
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        headers.insert(header::DATE, date.parse().unwrap());
        let there = 784_111_777;
        assert_eq!(skew(&headers, UnixTime(there + 240)), None);
        assert_eq!(skew(&headers, UnixTime(there - 240)), None);
        let told = skew(&headers, UnixTime(there + 3600)).unwrap();
        assert_eq!(
            told,
            "the clock of this node (1994-11-06T09:49:37Z) is 3600 s ahead of that of the server (1994-11-06T08:49:37Z), and signatures hold for minutes: set it right, e.g. by chrony or systemd-timesyncd"
        );
        let told = skew(&headers, UnixTime(there - 1000)).unwrap();
        assert!(told.contains("1000 s behind"), "{told}");
        assert_eq!(skew(&HeaderMap::new(), UnixTime(0)), None);
    }
}
