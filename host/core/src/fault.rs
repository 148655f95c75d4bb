//! Errors and findings as data: what crosses the plugin contract and what the
//! journal keeps.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ErrorCode;

/// What the engine does about an error. The words are those of `wit/types.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    Permanent,
    Transient,
    Throttled,
    Denied,
    Cancelled,
    Other,
}

impl ErrorClass {
    pub const ALL: [Self; 6] = [
        Self::Permanent,
        Self::Transient,
        Self::Throttled,
        Self::Denied,
        Self::Cancelled,
        Self::Other,
    ];

    /// Whether trying again may help without anybody changing something.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled)
    }
}

/// Whether what failed surely did not happen. What is to be done next is the class's
/// business; what may be taken back or removed is this one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Nothing happened: whoever says so knows.
    NotDone,
    /// It may have happened, whole or in part.
    Unknown,
}

/// An error as data. Every constructor makes one of unknown certainty: who knows that
/// nothing happened has to say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    pub class: ErrorClass,
    pub certainty: Certainty,
    pub code: ErrorCode,
    /// One sentence: what, where, how to mend it. Never a secret.
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
    /// How long the other side asks to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

impl Fault {
    #[must_use]
    pub fn new(class: ErrorClass, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            class,
            certainty: Certainty::Unknown,
            code,
            message: message.into(),
            details: Vec::new(),
            retry_after_seconds: None,
        }
    }

    #[must_use]
    pub fn permanent(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Permanent, code, message)
    }

    #[must_use]
    pub fn transient(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Transient, code, message)
    }

    #[must_use]
    pub fn denied(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Denied, code, message)
    }

    /// Says how certain it is that nothing happened.
    #[must_use]
    pub fn with_certainty(self, certainty: Certainty) -> Self {
        Self { certainty, ..self }
    }

    /// For whoever knows that nothing happened, e.g. because nothing was sent.
    #[must_use]
    pub fn not_done(self) -> Self {
        self.with_certainty(Certainty::NotDone)
    }

    /// Whether what failed may have happened all the same.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        self.certainty == Certainty::Unknown
    }

    /// For whoever was told when to come again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after_seconds: Some(seconds),
            ..self
        }
    }

    #[must_use]
    pub fn with_detail(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.details.push((name.to_owned(), value.to_string()));
        self
    }
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Note,
    Warning,
    Failure,
}

/// One thing that a step found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub level: Level,
    pub code: String,
    pub message: String,
}

impl Finding {
    #[must_use]
    pub fn new(level: Level, code: &str, message: impl Into<String>) -> Self {
        Self {
            level,
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

/// What a verify step says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub pass: bool,
    pub findings: Vec<Finding>,
}

/// What the operating system says, without the number that only programmers know: the
/// standard library writes `No such file or directory (os error 2)`.
#[must_use]
pub fn without_os_number(text: &str) -> String {
    let Some((before, after)) = text.split_once(" (os error ") else {
        return text.to_owned();
    };
    match after.split_once(')') {
        Some((_, after)) => format!("{before}{}", without_os_number(after)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_numbers_go_wherever_they_stand() {
        let text = "a: gone (os error 2): b: full (os error 28)";
        assert_eq!(without_os_number(text), "a: gone: b: full");
        assert_eq!(without_os_number("odd (os error"), "odd (os error");
    }
}
