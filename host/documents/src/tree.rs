//! YAML as a tree in which every key and every value knows its place. The tree is
//! what the documents are decoded from; it is dropped afterwards, and only the
//! places are kept, for sentences about what a document means rather than how it is
//! written.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::error::{FileError, Position};
use super::syntax;

/// Largest file that is parsed. Ten thousand schedules fit.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Deepest nesting. The documents need six levels, a plugin's configuration a few more.
pub(super) const DEPTH_MAX: usize = 32;

/// Most events that aliases may add: a document that repeats a block with an alias is
/// welcome, one that grows by them is not.
pub(super) const ALIAS_EVENTS_MAX: usize = 50_000;

/// Most documents in one file.
const DOCUMENTS_MAX: usize = 20_000;

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub at: Position,
    pub value: Value,
}

/// A key and its place.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub at: Position,
    pub text: String,
}

/// What YAML can say here. Keys are always text.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Flag(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The places of all keys and list items of a document by their paths, e.g.
/// `spec.steps[1].target`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<String, Position>);

/// Parses a file of any number of documents. Empty documents are left out.
///
/// # Errors
/// The first place that is not YAML, or not the part of YAML that is allowed here.
pub(super) fn parse(file: &Arc<str>, text: &str) -> Result<Vec<Node>, FileError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(FileError::too_large(file, text.len() as u64));
    }
    serde_saphyr::from_multiple_with_options(text, options())
        .map_err(|error| syntax::not_yaml(file, text, &error))
}

impl Node {
    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(k, _)| k.text == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Map(entries) => entries
                .iter_mut()
                .find(|(k, _)| k.text == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// All places under this node.
    pub fn positions(&self) -> Positions {
        let mut positions = Positions::default();
        positions.gather(self, "");
        positions
    }
}

impl Positions {
    /// The place of `path`, or of the longest part of it that was written.
    #[must_use]
    pub fn at(&self, path: &str) -> Position {
        let mut rest = path;
        loop {
            if let Some(position) = self.0.get(rest) {
                return *position;
            }
            match rest.rfind(['.', '[']) {
                Some(end) => rest = &rest[..end],
                None => return self.0.get("").copied().unwrap_or(Position::START),
            }
        }
    }

    fn gather(&mut self, node: &Node, path: &str) {
        self.0.insert(path.to_owned(), node.at);
        match &node.value {
            Value::Map(entries) => {
                for (key, value) in entries {
                    self.gather(value, &join(path, &key.text));
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.gather(item, &format!("{path}[{index}]"));
                }
            }
            _ => {}
        }
    }
}

/// `path.key`, or `key` at the top.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            at: position(spanned.referenced),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Signed(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let at = position(key.referenced);
            map.push((
                Key {
                    at,
                    text: key.value,
                },
                entries.next_value()?,
            ));
        }
        Ok(Value::Map(map))
    }
}

pub(super) fn position(location: Location) -> Position {
    Position {
        line: location.line().max(1),
        column: location.column().max(1),
    }
}

/// YAML 1.2 without its traps: `yes` and `on` are text, a key stands once, and
/// nesting and size are bounded.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: ALIAS_EVENTS_MAX,
        },
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_documents: DOCUMENTS_MAX,
        },
    }
}
