//! Where a document is wrong, as one sentence for the operator who wrote it.

use std::sync::Arc;

use super::tree::FILE_BYTES_MAX;
use drydock_core::tree::{Node, Position};
use drydock_core::{DecodeError, error_lines, plain};

/// Longest sentence that is shown: a key that is repeated in it can be as long as a file.
const SENTENCE_BYTES_MAX: usize = 4096;

/// What is wrong with a document. `Display` gives `file:line:column: sentence`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}:{at}: {}", plain(.message, SENTENCE_BYTES_MAX))]
pub struct FileError {
    /// The file as the operator named it.
    pub file: Arc<str>,
    pub at: Position,
    /// One sentence: which key, what is wrong with it, how to mend it. Never a secret.
    pub message: String,
}

/// Everything that is wrong with some documents. `Display` gives a line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", error_lines(.0.iter().map(ToString::to_string)))]
pub struct FileErrors(pub Vec<FileError>);

/// The place of a key: where the mend of a mistake stands that is found elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpan {
    /// The file as the operator named it.
    pub file: Arc<str>,
    pub at: Position,
}

impl SourceSpan {
    /// An error at this place.
    #[must_use]
    pub fn error(&self, message: impl Into<String>) -> FileError {
        FileError {
            file: Arc::clone(&self.file),
            at: self.at,
            message: message.into(),
        }
    }
}

impl FileError {
    /// What does not fit in a document of this kind, or in a part of one.
    pub(super) fn misfit(file: &Arc<str>, kind: &str, node: &Node, error: &DecodeError) -> Self {
        Self {
            file: Arc::clone(file),
            at: error.at().unwrap_or(node.at),
            message: error.sentence(kind),
        }
    }

    /// The file is larger than any that is read.
    #[must_use]
    pub fn too_large(file: &Arc<str>, bytes: u64) -> Self {
        Self {
            file: Arc::clone(file),
            at: Position::START,
            message: format!(
                "the file has {bytes} bytes, more than the {FILE_BYTES_MAX} that are read; split it"
            ),
        }
    }

    /// The file's bytes are no text from the given one on.
    #[must_use]
    pub fn not_utf8(file: &Arc<str>, bytes: &[u8], valid_up_to: usize) -> Self {
        let good = String::from_utf8_lossy(&bytes[..valid_up_to.min(bytes.len())]);
        let last_line = good.rsplit('\n').next().unwrap_or_default();
        let at = Position {
            line: 1 + good.matches('\n').count() as u64,
            column: 1 + last_line.chars().count() as u64,
        };
        Self {
            file: Arc::clone(file),
            at,
            message: "the file is not UTF-8 text from here on; save it as UTF-8".to_owned(),
        }
    }
}
