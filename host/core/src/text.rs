//! Text that is made of values for people: errors with their causes, spans of time, sizes.

use std::error::Error;

use crate::fault::without_os_number;

/// An error and its causes.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut whole = without_os_number(&error.to_string());
    let mut last = whole.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = without_os_number(&cause.to_string());
        // A wrapper that shows its source's text would otherwise say it twice.
        if text != last {
            whole.push_str(": ");
            whole.push_str(&text);
            last = text;
        }
        source = cause.source();
    }
    whole
}

/// Several errors as one text that is shown after the word `error: `, a line each.
#[must_use]
pub fn error_lines(errors: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = errors.into_iter().collect();
    lines.join("\nerror: ")
}

/// What the operating system says, without the number that only programmers know.
#[must_use]
pub fn reason(error: &std::io::Error) -> String {
    without_os_number(&error.to_string())
}

/// A span of time by its two largest units, e.g. `1 d 3 h`.
#[must_use]
pub fn span(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (unit, length) in units {
        if left >= length {
            parts.push(format!("{} {unit}", left / length));
            left %= length;
        }
    }
    parts.truncate(2);
    if parts.is_empty() {
        return "0 s".to_owned();
    }
    parts.join(" ")
}

/// Bytes as etcdutl prints them: SI units, two digits where it is below ten.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a figure for people, two digits"
    )]
    let exact = bytes as f64;
    let exponent = (exact.ln() / 1000_f64.ln()).floor().min(6.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 6"
    )]
    let unit = UNITS[exponent as usize];
    let value = (exact / 1000_f64.powf(exponent) * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn a_span_has_its_two_largest_units() {
        for (seconds, shown) in [(0, "0 s"), (59, "59 s"), (97_205, "1 d 3 h")] {
            assert_eq!(span(seconds), shown);
        }
    }
}
