//! The types of Kubernetes that have JSON encoders of their own: times, quantities, JSON
//! inside protocol buffers, and the either-ors of schemas. Their messages and texts are
//! those of `k8s.io/apimachinery` and `apiextensions-apiserver` v0.36.3.

use serde_json::{Value, json};

use crate::decode::{DecodeError, Decoder, Shown, bytes, text};
use crate::table::{MessageNumber, Own};
use crate::wire::{Field, Fields};

/// Go's zero time, the first instant of the year 1.
const ZERO_TIME_SECONDS: i64 = -62_135_596_800;

const NANOSECONDS: u64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;

/// The JSON of a value of such a type, whose message is `found`.
pub(crate) fn value(
    decoder: &mut Decoder,
    own: Own,
    found: Option<&[u8]>,
) -> Result<Shown, DecodeError> {
    let message = found.unwrap_or_default();
    let value = match own {
        Own::Time | Own::MicroTime => time(message, own == Own::MicroTime)?,
        Own::Duration => json!(duration(number(message, 1)?)),
        Own::Quantity => match string(message, 1)?.as_str() {
            "" => json!("0"),
            quantity => json!(quantity),
        },
        Own::IntOrString => match number(message, 1)? {
            0 => json!(number(message, 2)? as i32),
            1 => json!(string(message, 3)?),
            _ => return Err(DecodeError::IntOrString),
        },
        Own::Json => raw(message)?,
        Own::SchemaOrBool(schema) => match one(message, 2)? {
            Some(found) => schema_of(decoder, schema, found)?,
            None => json!(number(message, 1)? != 0),
        },
        Own::SchemaOrArray(schema) => schema_or_array(decoder, schema, message)?,
        Own::SchemaOrStrings(schema) => schema_or_strings(decoder, schema, message)?,
    };
    Ok(Shown::full(value))
}

/// The last field of that number.
fn last(message: &[u8], wanted: u32) -> Result<Option<Field<'_>>, DecodeError> {
    let mut last = None;
    for field in Fields::of(message) {
        let (number, field) = field?;
        if number == wanted {
            last = Some(field);
        }
    }
    Ok(last)
}

fn number(message: &[u8], wanted: u32) -> Result<i64, DecodeError> {
    match last(message, wanted)? {
        None => Ok(0),
        Some(Field::Varint(bits)) => Ok(bits.cast_signed()),
        Some(_) => Err(DecodeError::Type { number: wanted }),
    }
}

fn one(message: &[u8], wanted: u32) -> Result<Option<&[u8]>, DecodeError> {
    bytes(last(message, wanted)?, wanted)
}

fn all(message: &[u8], wanted: u32) -> Result<Vec<&[u8]>, DecodeError> {
    let mut all = Vec::new();
    for field in Fields::of(message) {
        let (number, field) = field?;
        if number == wanted {
            all.extend(bytes(Some(field), number)?);
        }
    }
    Ok(all)
}

fn string(message: &[u8], wanted: u32) -> Result<String, DecodeError> {
    Ok(text(one(message, wanted)?.unwrap_or_default()))
}

/// JSON in field 1, which the encoder copies as it is.
fn raw(message: &[u8]) -> Result<Value, DecodeError> {
    match one(message, 1)? {
        None | Some([]) => Ok(Value::Null),
        Some(raw) => serde_json::from_slice(raw).map_err(DecodeError::Json),
    }
}

fn schema_of(
    decoder: &mut Decoder,
    schema: MessageNumber,
    message: &[u8],
) -> Result<Value, DecodeError> {
    Ok(decoder.message(schema, message)?.into())
}

fn schema_or_array(
    decoder: &mut Decoder,
    schema: MessageNumber,
    message: &[u8],
) -> Result<Value, DecodeError> {
    let schemas = all(message, 2)?;
    if schemas.is_empty() {
        return match one(message, 1)? {
            Some(found) => schema_of(decoder, schema, found),
            None => Ok(Value::Null),
        };
    }
    let schemas = schemas.into_iter();
    schemas
        .map(|found| schema_of(decoder, schema, found))
        .collect()
}

fn schema_or_strings(
    decoder: &mut Decoder,
    schema: MessageNumber,
    message: &[u8],
) -> Result<Value, DecodeError> {
    let strings = all(message, 2)?;
    if !strings.is_empty() {
        return Ok(strings.into_iter().map(text).collect());
    }
    match one(message, 1)? {
        Some(found) => schema_of(decoder, schema, found),
        None => Ok(Value::Null),
    }
}

/// RFC 3339 in UTC, with six digits behind the seconds where they count. The zero time is
/// null, and so is a message without bytes.
fn time(message: &[u8], micro: bool) -> Result<Value, DecodeError> {
    let seconds = number(message, 1)?;
    let micros = if micro { number(message, 2)? / 1000 } else { 0 };
    if message.is_empty() || (seconds == ZERO_TIME_SECONDS && micros == 0) {
        return Ok(Value::Null);
    }
    let fraction = if micro {
        format!(".{:06}", micros.rem_euclid(1_000_000))
    } else {
        String::new()
    };
    Ok(json!(format!("{}{fraction}Z", civil(seconds))))
}

/// Date and time of an instant, in seconds since 1970, in the calendar that Go uses for all
/// of time. The arithmetic over eras of 400 years is that of Howard Hinnant's
/// "chrono-Compatible Low-Level Date Algorithms".
fn civil(seconds: i64) -> String {
    let (days, second) = (
        seconds.div_euclid(DAY_SECONDS),
        seconds.rem_euclid(DAY_SECONDS),
    );
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Nanoseconds as Go's `time.Duration` prints itself.
fn duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let small = [("ns", 1), ("µs", 1000), ("ms", 1_000_000)];
    if total == 0 {
        return "0s".to_owned();
    }
    if total < NANOSECONDS {
        let fits = small.iter().rev().find(|(_, unit)| total >= *unit);
        let (word, unit) = fits.unwrap_or(&small[0]);
        return format!("{sign}{}{word}", decimal(total, *unit));
    }
    let (hours, minutes) = (
        total / (3600 * NANOSECONDS),
        total / (60 * NANOSECONDS) % 60,
    );
    let seconds = decimal(total % (60 * NANOSECONDS), NANOSECONDS);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `total / unit` with as many digits behind the point as it takes.
fn decimal(total: u64, unit: u64) -> String {
    let (whole, rest) = (total / unit, total % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    let fraction = format!("{rest:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_a_date() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (1_199_149_261, "2008-01-01T01:01:01"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (-1, "1969-12-31T23:59:59"),
            (ZERO_TIME_SECONDS, "0001-01-01T00:00:00"),
            (253_402_300_799, "9999-12-31T23:59:59"),
        ] {
            assert_eq!(civil(seconds), text);
        }
        assert!(civil(i64::MAX).len() > 10 && civil(i64::MIN).len() > 10);
    }

    #[test]
    fn a_duration_is_printed_as_go_does() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_000_000_000, "5h6m7s"),
            (-3_600_000_000_000, "-1h0m0s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(duration(nanoseconds), text);
        }
    }
}
