//! The only module that writes data to stdout, and notes to stderr.
//!
//! What cannot be written to stdout is no reason to stop what is under way: printing goes
//! on into the void, and [`unwritten`] tells of it at the end. A list that may be long is
//! left off.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::stderr;

/// How data is written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Json,
}

/// Why stdout takes nothing any more.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Stdout takes nothing any more; [`unwritten`] says why.
#[derive(Debug, thiserror::Error)]
#[error("the output could not be written")]
pub struct Unwritten;

/// A line of a list is not printed.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Unwritten(#[from] Unwritten),
}

/// Writes a list or a detail in the form that the caller wants.
///
/// # Errors
/// When a value cannot be written as JSON.
pub fn rows<T: Serialize>(
    output: Output,
    value: &T,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Result<(), serde_json::Error> {
    match output {
        Output::Json => line(&serde_json::to_string_pretty(value)?),
        Output::Table => line(&table(header, rows)),
    }
    Ok(())
}

/// A list that may be longer than memory should hold: lines are printed while it grows, their
/// columns aligned so many at a time.
pub struct Listing<'a> {
    output: Output,
    header: &'a [&'a str],
    rows: Vec<Vec<String>>,
    printed: bool,
}

/// Lines whose columns are aligned together.
const ALIGNED_ROWS: usize = 500;

impl<'a> Listing<'a> {
    pub fn new(output: Output, header: &'a [&'a str]) -> Self {
        Self {
            output,
            header,
            rows: Vec::new(),
            printed: false,
        }
    }

    /// Adds a line, or an element of the JSON array.
    pub fn push(&mut self, value: &impl Serialize, row: Vec<String>) -> Result<(), PrintError> {
        match self.output {
            Output::Json => {
                let comma = if self.printed { "," } else { "[" };
                line(&format!("{comma}{}", serde_json::to_string(value)?));
                self.printed = true;
                is_read()?;
            }
            Output::Table => {
                self.rows.push(row);
                if self.rows.len() == ALIGNED_ROWS {
                    self.flush();
                    is_read()?;
                }
            }
        }
        Ok(())
    }

    /// Prints what is left, and an empty list as one.
    pub fn finish(mut self) {
        match (self.output, self.printed) {
            (Output::Json, true) => line("]"),
            (Output::Json, false) => line("[]"),
            (Output::Table, true) if self.rows.is_empty() => {}
            (Output::Table, _) => self.flush(),
        }
    }

    fn flush(&mut self) {
        let text = table(self.header, std::mem::take(&mut self.rows));
        let text = if self.printed {
            text.split_once('\n').map_or("", |(_, rows)| rows)
        } else {
            &text
        };
        line(text);
        self.printed = true;
    }
}

/// Bytes as they are.
///
/// # Errors
/// When nobody takes them.
pub fn bytes(bytes: &[u8]) -> Result<(), Unwritten> {
    if UNWRITTEN.get().is_none() {
        // What was said before stands before, where both go to one place.
        stderr::flush(stderr::STALL_MAX);
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // The first error counts.
            let _ = UNWRITTEN.set(error);
        }
    }
    is_read()
}

fn is_read() -> Result<(), Unwritten> {
    match UNWRITTEN.get() {
        None => Ok(()),
        Some(_) => Err(Unwritten),
    }
}

/// Why stdout took nothing any more; none while it does.
pub fn unwritten() -> Option<&'static io::Error> {
    UNWRITTEN.get()
}

/// A table in the plain style of kubectl: no lines, columns apart by spaces.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// One line of data.
pub fn line(text: &str) {
    // What comes of it is judged at the end.
    let _ = bytes(format!("{text}\n").as_bytes());
}

/// One line for whoever watches.
pub fn note(text: &str) {
    stderr::line(text);
}

pub fn error_line(text: &str) {
    note(text);
}
