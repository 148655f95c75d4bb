//! Answers a plugin's calls out of a record, one after the other: each must be the next of the
//! record, with the same arguments.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_capability_secret::{MARK_BEGIN, Redactor, mark_of};
use drydock_core::plain;
use serde_json::Value;

use super::line::{CallLine, EndLine, Line, RecordHead, SecretLine};
use super::recorder::SEED_BYTES;
use super::told::{Told, restored};
use crate::contract_name::CONTRACT;

/// Longest part of a call in a sentence.
const CALL_BYTES_MAX: usize = 400;

/// A record that plugins are answered from. Clones are the same.
#[derive(Clone)]
pub struct Replay(Arc<Mutex<Tape>>);

struct Tape {
    file: String,
    head: RecordHead,
    seed: [u8; SEED_BYTES],
    calls: VecDeque<Recorded>,
    clock: VecDeque<u64>,
    now: u64,
    end: EndLine,
    last_line: usize,
    /// What stands in for the secrets that the recorded plugin had.
    secrets: Vec<SecretLine>,
    /// Finds these as it once found the secrets.
    redactor: Redactor,
    /// The first of what was asked for otherwise.
    difference: Option<String>,
}

struct Recorded {
    line: usize,
    call: CallLine,
}

/// An answer, as it stands in a line.
pub(crate) struct Answer {
    pub line: usize,
    pub value: Value,
}

/// Why a file is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("{file}:{line}: this is no line of a record: {why}")]
    Line {
        file: String,
        line: usize,
        why: String,
    },
    #[error(
        "{file}: this record is cut off behind line {line}: its last line must be `{{\"end\":…}}`; record the plugin anew"
    )]
    Cut { file: String, line: usize },
    #[error("{file}:{line}: this record {why}; record the plugin anew")]
    Unfit {
        file: String,
        line: usize,
        why: String,
    },
}

/// A call that is not the one that was recorded, in a sentence. Ends the attempt.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Differs(String);

impl Replay {
    /// Reads a record; `file` is what it is called in sentences.
    ///
    /// # Errors
    /// [`RecordError`], with the line.
    pub fn read(file: &str, text: &str) -> Result<Self, RecordError> {
        let unfit = |line: usize, why: String| RecordError::Unfit {
            file: file.to_owned(),
            line,
            why,
        };
        let (mut head, mut seed, mut end, mut last_line) = (None, None, None, 0);
        let (mut calls, mut clock, mut secrets) = (VecDeque::new(), VecDeque::new(), Vec::new());
        for (number, text) in (1..).zip(text.lines()) {
            last_line = number;
            if end.is_some() {
                return Err(unfit(number, "goes on behind its end".to_owned()));
            }
            match parse(file, number, text)? {
                Line::Record(found) if number == 1 => head = Some(found),
                Line::Random(found) if number == 2 => seed = seed_of(&found),
                Line::Secret(secret) => secrets.push(secret),
                Line::Call(call) => calls.push_back(Recorded { line: number, call }),
                Line::Now(now) => clock.push_back(now),
                Line::End(found) => end = Some(found),
                Line::Record(_) | Line::Random(_) => {
                    return Err(unfit(number, "has this line in another place".to_owned()));
                }
            }
        }
        let cut = || RecordError::Cut {
            file: file.to_owned(),
            line: last_line,
        };
        let head = head.ok_or_else(|| unfit(1, "does not say what was recorded".to_owned()))?;
        let seed = seed.ok_or_else(|| unfit(2, "has no random bytes of its own".to_owned()))?;
        let end = end.ok_or_else(cut)?;
        if end.calls != calls.len() as u64 {
            let why = format!("has {} calls and ends with {}", calls.len(), end.calls);
            return Err(unfit(last_line, why));
        }
        if head.contract != CONTRACT {
            let why = format!("is of {}, and this host speaks {CONTRACT}", head.contract);
            return Err(unfit(1, why));
        }
        Ok(Self(Arc::new(Mutex::new(Tape {
            redactor: looks_for(&secrets),
            secrets,
            file: file.to_owned(),
            head,
            seed,
            calls,
            now: clock.front().copied().unwrap_or_default(),
            clock,
            end,
            last_line,
            difference: None,
        }))))
    }

    /// What was recorded.
    #[must_use]
    pub fn head(&self) -> RecordHead {
        self.tape().head.clone()
    }

    /// The first call that was not the one that was recorded, in a sentence.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        self.tape().difference.clone()
    }

    /// What nobody asked for, in a sentence.
    #[must_use]
    pub fn left(&self) -> Option<String> {
        let mut tape = self.tape();
        tape.pass_heard();
        let next = tape.calls.front()?;
        Some(format!(
            "{}:{}: the plugin ended without {}, and {} more lines may follow from that",
            tape.file,
            next.line,
            next.call.told(),
            tape.calls.len() - 1
        ))
    }

    pub(super) fn seed(&self) -> [u8; SEED_BYTES] {
        self.tape().seed
    }

    /// The clock of the record; it stands still once nothing is left of it.
    pub(super) fn now(&self) -> u64 {
        let mut tape = self.tape();
        tape.now = tape.clock.pop_front().unwrap_or(tape.now);
        tape.now
    }

    /// The recorded answer.
    ///
    /// # Errors
    /// [`Differs`].
    pub(super) fn answer(&self, function: &str, arguments: Vec<Told>) -> Result<Answer, Differs> {
        let recorded = self.take(function, &arguments)?;
        let line = recorded.line;
        let Some(value) = recorded.call.answer else {
            return Err(self.differs(
                line,
                format!("{function} was never answered: the recorded attempt ended there"),
            ));
        };
        let value = self.tape().shown(value);
        let value = restored(value).map_err(|why| {
            let told = format!("the answer of {function} cannot be given again: {why}");
            self.differs(line, told)
        })?;
        Ok(Answer { line, value })
    }

    /// The next recorded call, which must be this one. Fewer arguments than were recorded are
    /// compared as far as they go: the rest is not known yet.
    pub(super) fn take(&self, function: &str, arguments: &[Told]) -> Result<Taken, Differs> {
        let mut tape = self.tape();
        tape.pass_heard();
        let arguments: Vec<Value> = arguments.iter().map(|one| tape.json(one)).collect();
        let asked = CallLine {
            function: function.to_owned(),
            heard: false,
            arguments,
            answer: None,
        };
        let Some(Recorded { line, call }) = tape.calls.pop_front() else {
            let (line, told) = (tape.last_line, tape.nothing_left(&asked));
            drop(tape);
            return Err(self.differs(line, told));
        };
        drop(tape);
        if call.is_asked_by(&asked) {
            return Ok(Taken { line, call });
        }
        let told = format!(
            "recorded was {}, and the plugin asks for {}: it is not the plugin that was recorded, or it does not do the same again",
            call.told(),
            asked.told()
        );
        Err(self.differs(line, told))
    }

    /// Whether what a call turned out to be is what was recorded.
    pub(super) fn is_same(&self, recorded: &Value, asked: &Told) -> bool {
        alike(recorded, &self.tape().json(asked))
    }

    /// An answer that is none of its function.
    pub(super) fn no_answer(&self, line: usize, function: &str, why: &str) -> Differs {
        self.differs(line, format!("this answers no call of {function}: {why}"))
    }

    /// Keeps the first difference; whatever follows is of its making.
    pub(super) fn differs(&self, line: usize, told: String) -> Differs {
        let mut tape = self.tape();
        let told = format!("{}:{line}: {told}", tape.file);
        tape.difference.get_or_insert_with(|| told.clone());
        Differs(told)
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was asked for again.
pub(super) struct Taken {
    pub line: usize,
    pub call: CallLine,
}

impl Tape {
    /// What a plugin only says to the host is not what it is answered by.
    fn pass_heard(&mut self) {
        while let Some(next) = self.calls.front()
            && next.call.heard
        {
            self.calls.pop_front();
        }
    }

    /// An answer, with what stands in for secrets in the place of their marks.
    fn shown(&self, value: Value) -> Value {
        match value {
            Value::String(text) => {
                let shown = self.secrets.iter().fold(text, |text, secret| {
                    text.replace(&mark_of(&secret.name), &secret.stand_in)
                });
                Value::String(shown)
            }
            Value::Array(list) => list.into_iter().map(|one| self.shown(one)).collect(),
            Value::Object(map) => {
                let entry = |(key, one)| (key, self.shown(one));
                Value::Object(map.into_iter().map(entry).collect())
            }
            other => other,
        }
    }

    /// As it would be recorded.
    fn json(&self, told: &Told) -> Value {
        let redact = |bytes: &[u8]| self.redactor.bytes(bytes);
        let told = told.clone();
        told.cut(super::told::WHOLE_BYTES_MAX, &redact)
            .json(&redact)
    }

    fn nothing_left(&self, asked: &CallLine) -> String {
        let left_out = match self.end.left_out {
            0 => String::new(),
            more => format!(", since {more} calls had no room in it"),
        };
        format!(
            "the record ends here{left_out}, and the plugin asks for {}",
            asked.told()
        )
    }
}

impl CallLine {
    fn is_asked_by(&self, asked: &Self) -> bool {
        let mut pairs = self.arguments.iter().zip(&asked.arguments);
        self.function == asked.function
            && self.arguments.len() >= asked.arguments.len()
            && pairs.all(|(recorded, asked)| alike(recorded, asked))
    }

    /// For a sentence.
    fn told(&self) -> String {
        let arguments: Vec<String> = self.arguments.iter().map(ToString::to_string).collect();
        let told = format!("{}({})", self.function, arguments.join(", "));
        plain(&told, CALL_BYTES_MAX)
    }
}

/// Whether values are the same, but for what stands behind a secret in base64: how many `=`
/// follow depends on its length.
fn alike(recorded: &Value, asked: &Value) -> bool {
    recorded == asked || unpadded(recorded) == unpadded(asked)
}

fn unpadded(value: &Value) -> Value {
    match value {
        Value::String(text) if text.contains(MARK_BEGIN) => {
            Value::String(text.replace("]==", "]").replace("]=", "]"))
        }
        Value::Array(list) => list.iter().map(unpadded).collect(),
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| (key.clone(), unpadded(value));
            Value::Object(map.iter().map(entry).collect())
        }
        other => other.clone(),
    }
}

/// What stands in for secrets is looked for as these were.
fn looks_for(secrets: &[SecretLine]) -> Redactor {
    let redactor = Redactor::default();
    for SecretLine { name, stand_in } in secrets {
        redactor.add(name, stand_in.as_bytes());
    }
    redactor
}

fn parse(file: &str, number: usize, text: &str) -> Result<Line, RecordError> {
    serde_json::from_str(text).map_err(|error| RecordError::Line {
        file: file.to_owned(),
        line: number,
        why: plain(&error.to_string(), CALL_BYTES_MAX),
    })
}

fn seed_of(hex: &str) -> Option<[u8; SEED_BYTES]> {
    hex::decode(hex).ok()?.try_into().ok()
}
