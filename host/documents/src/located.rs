//! A value that knows where its keys stand in the file that it was read from.

use std::sync::Arc;

use drydock_core::tree::Position;

use super::error::{FileError, SourceSpan};
use super::tree::Positions;

/// A document, or a part of one, with the places of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    /// The file as the operator named it.
    pub file: Arc<str>,
    pub positions: Arc<Positions>,
}

impl<T> Located<T> {
    /// The place of a key, e.g. `spec.steps[1].target`, or of the nearest key above it
    /// that was written.
    #[must_use]
    pub fn at(&self, path: &str) -> Position {
        self.positions.at(path)
    }

    /// The place of `path` in its file.
    #[must_use]
    pub fn span(&self, path: &str) -> SourceSpan {
        SourceSpan {
            file: Arc::clone(&self.file),
            at: self.at(path),
        }
    }

    /// An error about the key at `path`. `rule` goes on where the path ends: "must be
    /// ...", "names a ... that ...".
    #[must_use]
    pub fn error(&self, path: &str, rule: impl std::fmt::Display) -> FileError {
        self.sentence(path, format!("{path} {rule}"))
    }

    /// An error at the place of `path`, in a sentence of its own.
    #[must_use]
    pub fn sentence(&self, path: &str, message: impl Into<String>) -> FileError {
        self.span(path).error(message)
    }

    pub(crate) fn with<U>(self, value: U) -> Located<U> {
        Located {
            value,
            file: self.file,
            positions: self.positions,
        }
    }
}
