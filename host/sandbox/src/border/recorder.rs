//! Writes down what crosses the border. It is kept in memory until the attempt is over: only
//! then are all of its secrets known.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_capability_secret::Redactor;
use drydock_core::{ErrorCode, Fault};
use serde_json::Value;

use super::line::{CallLine, EndLine, Line, RecordHead, SecretLine};
use super::told::{Told, WHOLE_BYTES_MAX, redacted};

/// Calls of one record. More of them nobody reads, and no author waits for.
const CALLS_MAX: usize = 100_000;

/// What a record holds in memory of what crossed the border; from then on nothing longer than
/// [`LATE_BYTES_MAX`] is written down whole.
const RECORD_BYTES_MAX: usize = 64 << 20;

const LATE_BYTES_MAX: usize = 256;

/// Bytes from which all random numbers of an attempt follow.
pub(super) const SEED_BYTES: usize = 32;

/// A record in the making. Clones are the same.
#[derive(Clone)]
pub struct Recorder(Arc<Mutex<Book>>);

struct Book {
    seed: [u8; SEED_BYTES],
    entries: Vec<Entry>,
    calls: usize,
    left_out: u64,
    bytes: usize,
    redactors: Vec<Redactor>,
    /// By name, what stands in for each.
    secrets: BTreeMap<String, String>,
}

enum Entry {
    Call(Call),
    Now(u64),
}

struct Call {
    function: Arc<str>,
    heard: bool,
    arguments: Vec<Told>,
    answer: Option<Told>,
}

/// Where the answer belongs; none once the record is full.
#[derive(Clone, Copy)]
pub(crate) struct Slot(Option<usize>);

impl Recorder {
    /// # Errors
    /// The kernel gives no random bytes.
    pub fn new() -> Result<Self, Fault> {
        let mut seed = [0; SEED_BYTES];
        let drawn = rustix::rand::getrandom(&mut seed[..], rustix::rand::GetRandomFlags::empty());
        drawn.map_err(|error| {
            let told = format!("the kernel gives no random bytes: {error}");
            Fault::transient(ErrorCode::NoRandomness, told)
        })?;
        Ok(Self(Arc::new(Mutex::new(Book {
            seed,
            entries: Vec::new(),
            calls: 0,
            left_out: 0,
            bytes: 0,
            redactors: Vec::new(),
            secrets: BTreeMap::new(),
        }))))
    }

    /// Writes it out, without the secrets that were read in its attempts.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, head: &RecordHead, out: &mut impl Write) -> io::Result<()> {
        let book = self.book();
        let redact = |bytes: &[u8]| redacted(&book.redactors, bytes);
        line(out, &Line::Record(without_secrets(head, &redact)))?;
        line(out, &Line::Random(hex::encode(book.seed)))?;
        for (name, stand_in) in book.secrets.clone() {
            line(out, &Line::Secret(SecretLine { name, stand_in }))?;
        }
        for entry in &book.entries {
            line(out, &entry.line(&redact))?;
        }
        let end = EndLine {
            calls: book.calls as u64,
            left_out: book.left_out,
        };
        line(out, &Line::End(end))?;
        out.flush()
    }

    pub(super) fn seed(&self) -> [u8; SEED_BYTES] {
        self.book().seed
    }

    pub(super) fn redact_by(&self, redactor: &Redactor) {
        self.book().redactors.push(redactor.clone());
    }

    /// Notes that a secret was read, by something of its shape.
    pub(crate) fn read_secret(&self, name: &str, value: &[u8]) {
        let stand_in = stand_in(name, value);
        self.book().secrets.insert(name.to_owned(), stand_in);
    }

    pub(super) fn read_clock(&self, now: u64) {
        let mut book = self.book();
        if book.entries.len() < CALLS_MAX {
            book.entries.push(Entry::Now(now));
        }
    }

    /// Writes down that a call began: calls stand in the order in which they do.
    pub(super) fn begin(&self, function: &Arc<str>, heard: bool, arguments: Vec<Told>) -> Slot {
        let mut book = self.book();
        if book.entries.len() >= CALLS_MAX {
            book.left_out += 1;
            return Slot(None);
        }
        let arguments = arguments.into_iter().map(|one| book.kept(one)).collect();
        book.entries.push(Entry::Call(Call {
            function: Arc::clone(function),
            heard,
            arguments,
            answer: None,
        }));
        book.calls += 1;
        Slot(Some(book.entries.len() - 1))
    }

    pub(super) fn end(&self, slot: Slot, answer: Told) {
        let mut book = self.book();
        let answer = book.kept(answer);
        let entry = slot.0.and_then(|at| book.entries.get_mut(at));
        if let Some(Entry::Call(call)) = entry {
            call.answer = Some(answer);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// What is kept of a value.
    fn kept(&mut self, told: Told) -> Told {
        let whole_max = if self.bytes < RECORD_BYTES_MAX {
            WHOLE_BYTES_MAX
        } else {
            LATE_BYTES_MAX
        };
        let told = told.cut(whole_max, &|bytes| redacted(&self.redactors, bytes));
        self.bytes += told.size();
        told
    }
}

impl Entry {
    fn line(&self, redact: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Line {
        let call = match self {
            Self::Now(now) => return Line::Now(*now),
            Self::Call(call) => call,
        };
        let json = |told: &Told| -> Value { told.json(redact) };
        Line::Call(CallLine {
            function: call.function.to_string(),
            heard: call.heard,
            arguments: call.arguments.iter().map(json).collect(),
            answer: call.answer.as_ref().map(json),
        })
    }
}

/// What a plugin can work with that is shown it in the place of a secret: of a URL, the server
/// stays, which grants name as well.
fn stand_in(name: &str, value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let own = format!("redacted-secret-{name}");
    let Some((scheme @ ("http" | "https"), rest)) = text.trim().split_once("://") else {
        return own;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let server = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{server}/{own}")
}

/// An argument may be one that somebody took for a secret.
fn without_secrets(head: &RecordHead, redact: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> RecordHead {
    let text = |input: &String| match redact(input.as_bytes()) {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => input.clone(),
    };
    RecordHead {
        inputs: head.inputs.iter().map(text).collect(),
        ..head.clone()
    }
}

fn line(out: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
