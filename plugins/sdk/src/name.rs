//! Names rendered from an instant, in UTC.

use crate::Error;

/// What the contract allows for an artifact's name.
const NAME_CHARACTERS_MAX: usize = 128;

const SECONDS_A_DAY: u64 = 86_400;

/// Renders a template: `%Y`, `%m`, `%d`, `%H`, `%M`, `%S` as in strftime, in UTC, and
/// `%%`. Any other `%` is an error of code `bad-configuration`.
///
/// `unix_seconds` counts from 1970-01-01T00:00:00Z.
pub fn render(template: &str, unix_seconds: u64) -> Result<String, Error> {
    let moment = Moment::of(unix_seconds);
    let mut name = String::with_capacity(template.len() + 16);
    let mut letters = template.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => name.push_str(&moment.field(template, letters.next())?),
            other => name.push(other),
        }
    }
    Ok(name)
}

/// Renders a template into an artifact's name, refusing what the contract refuses.
pub fn render_artifact(template: &str, unix_seconds: u64) -> Result<String, Error> {
    let name = render(template, unix_seconds)?;
    if is_artifact_name(&name) {
        return Ok(name);
    }
    Err(Error::bad_configuration(format!(
        "the name template `{template}` gives `{name}`, which cannot be an artifact's name: use 1 to {NAME_CHARACTERS_MAX} letters, digits, `.`, `_` and `-`, and start with a letter, a digit or `_`"
    )))
}

/// Whether the contract takes `name` for an artifact.
#[must_use]
pub fn is_artifact_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_CHARACTERS_MAX).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(['.', '-'])
}

/// Days since 1970 of a date from that year on, counted as by Howard Hinnant's
/// `days_from_civil`, the inverse of [`Moment::of`].
pub(crate) fn days_of(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// An instant on the calendar, in UTC.
pub(crate) struct Moment {
    pub year: u64,
    pub month: u64,
    pub day: u64,
    second_of_day: u64,
}

impl Moment {
    /// Days become a date by Howard Hinnant's `civil_from_days`
    /// ("chrono-Compatible Low-Level Date Algorithms"): years begin in March, so that
    /// the leap day is the last one, and eras are 400 years of 146,097 days.
    pub fn of(unix_seconds: u64) -> Self {
        let days = unix_seconds / SECONDS_A_DAY + 719_468;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            year: days / 146_097 * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            second_of_day: unix_seconds % SECONDS_A_DAY,
        }
    }

    fn field(&self, template: &str, letter: Option<char>) -> Result<String, Error> {
        let two = |number: u64| format!("{number:02}");
        Ok(match letter {
            Some('Y') => format!("{:04}", self.year),
            Some('m') => two(self.month),
            Some('d') => two(self.day),
            Some('H') => two(self.second_of_day / 3_600),
            Some('M') => two(self.second_of_day / 60 % 60),
            Some('S') => two(self.second_of_day % 60),
            Some('%') => "%".to_owned(),
            Some(other) => return Err(unknown(template, &format!("`%{other}`"))),
            None => return Err(unknown(template, "a lone `%` at its end")),
        })
    }
}

fn unknown(template: &str, what: &str) -> Error {
    Error::bad_configuration(format!(
        "the name template `{template}` has {what}: use %Y, %m, %d, %H, %M, %S, or %% for a percent sign"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "%Y-%m-%dT%H:%M:%S";

    #[test]
    fn instants_render_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_767_323_045, "2026-01-02T03:04:05"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (4_107_456_000, "2100-02-28T00:00:00"),
            (253_402_300_799, "9999-12-31T23:59:59"),
        ] {
            assert_eq!(render(ALL, seconds).unwrap(), expected);
        }
    }

    #[test]
    fn percent_sign_is_doubled_and_nothing_else_is_taken() {
        assert_eq!(render("100%%_%d", 0).unwrap(), "100%_01");
        assert_eq!(
            render("a%y", 0).unwrap_err().message,
            "the name template `a%y` has `%y`: use %Y, %m, %d, %H, %M, %S, or %% for a percent sign"
        );
        let lone = render("a%", 0).unwrap_err();
        assert_eq!(lone.code, "bad-configuration");
        assert!(lone.message.contains("a lone `%` at its end"));
    }

    #[test]
    fn artifact_names_are_checked() {
        assert_eq!(
            render_artifact("snapshot_%Y.db", 0).unwrap(),
            "snapshot_1970.db"
        );
        for refused in ["", "../x", ".hidden", "-x", "a b", "é", &"x".repeat(129)] {
            let error = render_artifact(refused, 0).unwrap_err();
            assert_eq!(error.code, "bad-configuration", "{refused}");
        }
        assert!(is_artifact_name(&"x".repeat(128)));
    }
}
