//! What is no YAML, in an operator's words: the parser says what it met, the operator
//! needs to know what to type.

use std::sync::Arc;

use serde_saphyr::Error;

use drydock_core::tree::Position;

use super::error::FileError;
use super::tree::{ALIAS_EVENTS_MAX, DEPTH_MAX, position};

/// What the parser's reasons hold, and what to say instead. The first that fits.
const MENDS: [(&str, &str); 11] = [
    ("tabs disallowed", "indent with spaces, not with tabs"),
    (
        "mapping values are not allowed",
        "a key and its value stand here inside another value; put a value that holds \": \" in quotes, or begin a new line",
    ),
    (
        "did not find expected key",
        "this line is not indented as the keys beside it",
    ),
    (
        "did not find expected '-' indicator",
        "this line is not indented as the list items beside it",
    ),
    ("simple key expected", "a \":\" is missing after the key"),
    ("unclosed quote", "a quote is opened here and not closed"),
    (
        "unclosed bracket",
        "a bracket is opened here and not closed",
    ),
    (
        "only valid inside a block",
        "a list item stands inside brackets; close the bracket that was opened before, or remove the \"-\"",
    ),
    (
        "illegal placement of ':'",
        "a key stands inside brackets; close the bracket that was opened before",
    ),
    (
        "unknown anchor",
        "a value that begins with * is an alias of nothing; put it in quotes",
    ),
    (
        "unexpected character",
        "this character cannot begin a value; put the value in quotes",
    ),
];

/// The place where a text is no YAML, or not the part of it that is allowed here.
pub(super) fn not_yaml(file: &Arc<str>, text: &str, error: &Error) -> FileError {
    let at = error.location().map_or(Position::START, position);
    FileError {
        file: Arc::clone(file),
        at,
        message: sentence(error, line_of(text, at)),
    }
}

/// The parser's words, or ours where an operator needs to know the mend.
fn sentence(error: &Error, line: &str) -> String {
    match error.without_snippet() {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key} stands here for the second time; keep one of the two")
        }
        _ if starts_with_star(line) => {
            "a value that begins with * must stand in quotes, e.g. schedule: \"*/15 * * * *\""
                .to_owned()
        }
        other => by_reason(&reason(other)),
    }
}

fn by_reason(reason: &str) -> String {
    if reason.contains("recursion limit") || reason.contains("depth") {
        return format!(
            "values are nested more than {DEPTH_MAX} deep; no document needs that, close a bracket"
        );
    }
    if reason.contains("alias replay") || reason.contains("alias expansion") {
        return format!(
            "aliases (*NAME) repeat more than {ALIAS_EVENTS_MAX} values; write them out, or split the file"
        );
    }
    let mend = MENDS.iter().find(|(words, _)| reason.contains(words));
    match mend {
        Some((_, mend)) => format!("this is not valid YAML: {mend}"),
        None => format!("this is not valid YAML: {reason}"),
    }
}

/// The parser's reason on one line, without the place that stands before it anyway.
fn reason(error: &Error) -> String {
    let text = error.render();
    let line = text.lines().next().unwrap_or_default();
    let end = line.rfind(" at line ").unwrap_or(line.len());
    line[..end].trim_end_matches([',', ':', ' ']).to_owned()
}

fn line_of(text: &str, at: Position) -> &str {
    let index = usize::try_from(at.line)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    text.lines().nth(index).unwrap_or_default()
}

/// Whether the value of the line's key begins with `*`, which YAML takes for an alias.
fn starts_with_star(line: &str) -> bool {
    line.split_once(": ")
        .is_some_and(|(_, value)| value.trim_start().starts_with('*'))
}
