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

use drydock_core::tree::{Key, Node, Position, Value, join};

use super::error::FileError;
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

/// The places of all keys and list items of a document by their paths, e.g.
/// `spec.steps[1].target`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<String, Position>);

/// The YAML of a file whose documents are not ours, e.g. a manifest of Kubernetes: its nodes with
/// their places.
///
/// # Errors
/// The first place that is not YAML, or not the part of YAML that is allowed here.
pub fn read_yaml(file: &str, text: &str) -> Result<Vec<Node>, FileError> {
    parse(&Arc::from(file), text)
}

/// Parses a file of any number of documents. Empty documents are left out.
///
/// # Errors
/// The first place that is not YAML, or not the part of YAML that is allowed here.
pub(super) fn parse(file: &Arc<str>, text: &str) -> Result<Vec<Node>, FileError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(FileError::too_large(file, text.len() as u64));
    }
    let parsed = serde_saphyr::from_multiple_with_options::<Yaml>(text, options());
    let nodes = parsed.map_err(|error| syntax::not_yaml(file, text, &error))?;
    Ok(nodes.into_iter().map(|node| node.0).collect())
}

impl Positions {
    /// All places under this node.
    pub(super) fn of(node: &Node) -> Self {
        let mut positions = Self::default();
        positions.gather(node, "");
        positions
    }

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

/// A node as YAML has it.
struct Yaml(Node);

/// Its value.
struct YamlValue(Value);

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<YamlValue>::deserialize(deserializer)?;
        Ok(Self(Node {
            at: position(spanned.referenced),
            value: spanned.value.0,
        }))
    }
}

impl<'de> Deserialize<'de> for YamlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
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
        while let Some(item) = items.next_element::<Yaml>()? {
            list.push(item.0);
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
                entries.next_value::<Yaml>()?.0,
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
