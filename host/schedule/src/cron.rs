//! The dialect of crontab that schedules are written in: minute, hour, day of month,
//! month, day of week.
//!
//! It is what Kubernetes' CronJob reads (the Go library robfig/cron, version 3), with
//! the same rule for days: when both day fields are restricted, either is enough, and
//! `*/2` is a restriction. Beyond that, 7 is Sunday too, and expressions that can only
//! be slips are refused: a step larger than its field, a day that no month has.
//!
//! The crate `cron` finds the matching times. Its own dialect differs (seconds first,
//! Sunday is 1, both day fields must match), so each field is expanded here and handed
//! over as a plain list, the days of the week by name; two restricted day fields become
//! two expressions whose times are united. Times are wall times: they are searched as
//! if the wall were UTC, and [`crate::Timetable`] maps them to instants.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use drydock_core::nearest;

/// Longest expression: all sixty minutes and all days by number take 250 characters.
const EXPRESSION_CHARS_MAX: usize = 512;

/// Most days that each month can have.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Macros and the five fields that they stand for (crontab(5)).
const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A crontab expression.
#[derive(Debug, Clone)]
pub struct CronExpr {
    text: String,
    /// One, or two whose times are united.
    schedules: Vec<cron::Schedule>,
    wildcard_hour: bool,
}

/// A field of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
}

/// Why an expression is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error(
        "it has {found} fields; five are needed: minute, hour, day of month, month, day of week{}",
        if *found > 5 { " (there are none for seconds and years)" } else { "" }
    )]
    FieldCount { found: usize },
    #[error("the field {field} holds {value}; valid are {}{}", field.valid(), near_name(*field, value))]
    Value { field: Field, value: String },
    #[error("the field {field} holds the range {range}, which ends before it begins")]
    Range { field: Field, range: String },
    #[error("the field {field} holds the step {step}; valid are 1 to {}", field.step_max())]
    Step { field: Field, step: String },
    #[error(
        "no month that it names has a day {day}, so that it would never be due; name another day or month"
    )]
    Never { day: u32 },
    #[error("{word} is no macro; valid are {}", MACROS.map(|(name, _)| name).join(", "))]
    Macro { word: String },
    #[error("@every is not supported; write a step instead, e.g. */15 * * * * or 0 */2 * * *")]
    Every,
    #[error("a time zone does not belong into the expression; name it under timeZone")]
    ZoneInside,
    #[error("it is longer than {EXPRESSION_CHARS_MAX} characters")]
    TooLong,
}

/// A field expanded: bit n stands for the value n.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Values {
    bits: u64,
    /// Whether the field holds a `*` or `?` that a step does not thin out.
    star: bool,
}

/// The five fields expanded.
struct Fields {
    minutes: Values,
    hours: Values,
    days: Values,
    months: Values,
    weekdays: Values,
}

impl CronExpr {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first field that is wrong, with its value and what would be valid.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        if text.len() > EXPRESSION_CHARS_MAX {
            return Err(CronError::TooLong);
        }
        let plain = expand_macro(text.trim())?;
        let words: Vec<&str> = plain.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = &words[..] else {
            return Err(CronError::FieldCount { found: words.len() });
        };
        let fields = Fields {
            minutes: values(Field::Minute, minute)?,
            hours: values(Field::Hour, hour)?,
            days: values(Field::DayOfMonth, day)?,
            months: values(Field::Month, month)?,
            weekdays: values(Field::DayOfWeek, weekday)?,
        };
        fields.check_day()?;
        Ok(Self {
            text: text.trim().to_owned(),
            schedules: fields.schedules(),
            wildcard_hour: hour == "*",
        })
    }

    /// Whether the hour is exactly `*`: such a schedule follows real time where the
    /// clocks jump, the others follow the wall.
    #[must_use]
    pub fn has_wildcard_hour(&self) -> bool {
        self.wildcard_hour
    }

    /// The first wall time after `wall` that matches; both in seconds since
    /// 1970-01-01T00:00:00 of the wall. None after the year 2100.
    pub(crate) fn next_wall_after(&self, wall: i64) -> Option<i64> {
        let after: DateTime<Utc> = DateTime::from_timestamp(wall, 0)?;
        self.schedules
            .iter()
            .filter_map(|schedule| schedule.after(&after).next())
            .map(|due| due.timestamp())
            .min()
    }
}

impl PartialEq for CronExpr {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CronExpr {}

impl fmt::Display for CronExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Field {
    /// Least and greatest value.
    fn range(self) -> (u32, u32) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            // 7 is read as well, and is 0.
            Self::DayOfWeek => (0, 6),
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
            _ => &[],
        }
    }

    fn step_max(self) -> u32 {
        let (least, greatest) = self.range();
        greatest - least + 1
    }

    fn valid(self) -> &'static str {
        match self {
            Self::Minute => "0-59",
            Self::Hour => "0-23",
            Self::DayOfMonth => "1-31",
            Self::Month => "1-12 and JAN-DEC",
            Self::DayOfWeek => "0-7 (0 and 7 are Sunday) and SUN-SAT",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        })
    }
}

impl Fields {
    /// Refuses days that never come, such as the 31st of April.
    fn check_day(&self) -> Result<(), CronError> {
        if self.days.star || !self.weekdays.star {
            return Ok(());
        }
        let day = self.days.bits.trailing_zeros();
        let comes = (1..=12).any(|month| {
            let days = MONTH_DAYS[month as usize - 1];
            self.months.has(month) && day <= days
        });
        if comes {
            Ok(())
        } else {
            Err(CronError::Never { day })
        }
    }

    /// The expressions that the crate `cron` understands.
    fn schedules(&self) -> Vec<cron::Schedule> {
        let both = !self.days.star && !self.weekdays.star;
        if both {
            let by_day = self.schedule(self.days, Values::EVERY);
            let by_weekday = self.schedule(Values::EVERY, self.weekdays);
            return vec![by_day, by_weekday];
        }
        vec![self.schedule(self.days, self.weekdays)]
    }

    fn schedule(&self, days: Values, weekdays: Values) -> cron::Schedule {
        let text = format!(
            "0 {} {} {} {} {}",
            self.minutes.list(),
            self.hours.list(),
            days.list(),
            self.months.list(),
            weekdays.names()
        );
        cron::Schedule::from_str(&text)
            .expect("lists of numbers and names within their ranges are an expression")
    }
}

impl Values {
    /// What a day field becomes when the other one alone decides.
    const EVERY: Self = Self {
        bits: 0,
        star: true,
    };

    fn has(self, value: u32) -> bool {
        self.bits >> value & 1 == 1
    }

    fn list(self) -> String {
        self.join(|value| value.to_string())
    }

    fn names(self) -> String {
        self.join(|value| WEEKDAYS[value as usize].to_owned())
    }

    fn join(self, word: impl Fn(u32) -> String) -> String {
        if self.star {
            return "*".to_owned();
        }
        let words: Vec<String> = (0..u64::BITS)
            .filter(|value| self.has(*value))
            .map(word)
            .collect();
        words.join(",")
    }
}

fn expand_macro(text: &str) -> Result<&str, CronError> {
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        return Err(CronError::ZoneInside);
    }
    if !text.starts_with('@') {
        return Ok(text);
    }
    if text.starts_with("@every") {
        return Err(CronError::Every);
    }
    MACROS
        .into_iter()
        .find(|(name, _)| *name == text)
        .map(|(_, fields)| fields)
        .ok_or_else(|| CronError::Macro {
            word: text.to_owned(),
        })
}

fn near_name(field: Field, value: &str) -> String {
    nearest(value, field.names().iter().copied())
        .map(|near| format!("; did you mean {}?", near.to_uppercase()))
        .unwrap_or_default()
}

/// A whole field: parts separated by commas.
fn values(field: Field, text: &str) -> Result<Values, CronError> {
    let mut all = Values::default();
    for part in text.split(',') {
        let one = part_values(field, part)?;
        all.bits |= one.bits;
        all.star |= one.star;
    }
    Ok(all)
}

/// `*`, `?`, a value or a range, perhaps with a step.
fn part_values(field: Field, part: &str) -> Result<Values, CronError> {
    let (span, step) = match part.split_once('/') {
        Some((span, step)) => (span, Some(parse_step(field, step)?)),
        None => (part, None),
    };
    let (first, last, star) = span_of(field, span, step.is_some())?;
    let step = step.unwrap_or(1);
    let bits = (first..=last)
        .step_by(step as usize)
        // The seventh day of the week is the zeroth.
        .map(|value| {
            if field == Field::DayOfWeek {
                value % 7
            } else {
                value
            }
        })
        .fold(0, |bits, value| bits | 1 << value);
    Ok(Values {
        bits,
        star: star && step == 1,
    })
}

/// First and last value of a part, and whether it is a star.
fn span_of(field: Field, span: &str, stepped: bool) -> Result<(u32, u32, bool), CronError> {
    let (least, greatest) = field.range();
    let day = matches!(field, Field::DayOfMonth | Field::DayOfWeek);
    if span == "*" || (span == "?" && day) {
        return Ok((least, greatest, true));
    }
    let Some((first, last)) = span.split_once('-') else {
        let first = value(field, span)?;
        let last = if stepped { greatest.max(first) } else { first };
        return Ok((first, last, false));
    };
    let (first, last) = (value(field, first)?, value(field, last)?);
    if first > last {
        let range = span.to_owned();
        return Err(CronError::Range { field, range });
    }
    Ok((first, last, false))
}

fn parse_step(field: Field, text: &str) -> Result<u32, CronError> {
    number(text)
        .filter(|step| (1..=field.step_max()).contains(step))
        .ok_or_else(|| CronError::Step {
            field,
            step: text.to_owned(),
        })
}

/// A number, or a name of three letters.
fn value(field: Field, text: &str) -> Result<u32, CronError> {
    let (least, greatest) = field.range();
    let greatest = if field == Field::DayOfWeek {
        7
    } else {
        greatest
    };
    let named = field
        .names()
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
        .and_then(|index| u32::try_from(index).ok())
        .map(|index| index + least);
    named
        .or_else(|| number(text))
        .filter(|value| (least..=greatest).contains(value))
        .ok_or_else(|| CronError::Value {
            field,
            value: if text.is_empty() {
                "nothing".to_owned()
            } else {
                text.to_owned()
            },
        })
}

/// Digits only: no sign and no blank.
fn number(text: &str) -> Option<u32> {
    let digits = text.chars().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
