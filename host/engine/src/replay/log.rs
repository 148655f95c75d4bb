//! Records of one run as text, a line of JSON each: for looking at a run where its journal is
//! not, and for stories that a simulator saved.

use drydock_core::UnixTime;
use drydock_journal::{Record, RecordKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A text is no log of a run.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("line {line} is no record of a run")]
    Line {
        /// Counted from 1.
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "line {line} has record {found} where record {expected} belongs: a line is missing, or they are not in their order"
    )]
    Order {
        line: usize,
        expected: u64,
        found: u64,
    },
    #[error("there is no record in it")]
    Empty,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sequence: u64,
    kind: Kind,
    at: UnixTime,
    body: Value,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Event,
    Effect,
}

/// The records of a log, all of them from the first on.
///
/// # Errors
/// A line is no record, or is not the next one; there is none.
pub fn read_log(text: &str) -> Result<Vec<Record>, LogError> {
    let lines = text.lines().zip(1..);
    let lines = lines.filter(|(text, _)| !text.trim().is_empty());
    let records = lines.zip(1..).map(|((text, line), expected)| {
        let record = record_of(text).map_err(|source| LogError::Line { line, source })?;
        if record.sequence == expected {
            Ok(record)
        } else {
            Err(LogError::Order {
                line,
                expected,
                found: record.sequence,
            })
        }
    });
    let records: Vec<_> = records.collect::<Result<_, _>>()?;
    if records.is_empty() {
        return Err(LogError::Empty);
    }
    Ok(records)
}

/// The log of these records. [`read_log`] gives them back, with the fields of a body in
/// another order perhaps.
#[must_use]
pub fn write_log(records: &[Record]) -> String {
    records.iter().map(line_of).collect()
}

fn record_of(text: &str) -> Result<Record, serde_json::Error> {
    let line: Line = serde_json::from_str(text)?;
    Ok(Record {
        sequence: line.sequence,
        kind: match line.kind {
            Kind::Event => RecordKind::Event,
            Kind::Effect => RecordKind::Effect,
        },
        body: line.body.to_string(),
        at: line.at,
    })
}

fn line_of(record: &Record) -> String {
    let line = Line {
        sequence: record.sequence,
        kind: match record.kind {
            RecordKind::Event => Kind::Event,
            RecordKind::Effect => Kind::Effect,
        },
        at: record.at,
        // What is no JSON is shown as the text that it is; replaying it tells where it stands.
        body: serde_json::from_str(&record.body)
            .unwrap_or_else(|_| Value::String(record.body.clone())),
    };
    let line = serde_json::to_string(&line).expect("a record is plain data");
    format!("{line}\n")
}
