//! What an operator wrote, as a tree in which every key and every value knows its place.
//! Types are decoded from it with errors that carry the path of their key; a part of it can
//! be handed to whoever knows what it means.

use std::fmt;

use serde_json::Value as Json;

/// A place in a file, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    pub at: Position,
    pub value: Value,
}

/// A key and its place.
#[derive(Debug, Clone)]
pub struct Key {
    pub at: Position,
    pub text: String,
}

/// What can be written. Keys are always text.
#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Flag(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(Key, Node)>),
}

impl Position {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl Node {
    /// The value of a key of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        let found = entries.iter().find(|(own, _)| own.text == key);
        found.map(|(_, node)| node)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Value::Map(entries) = &mut self.value else {
            return None;
        };
        let found = entries.iter_mut().find(|(own, _)| own.text == key);
        found.map(|(_, node)| node)
    }
}

/// JSON that no file holds: everything is at its first character.
impl From<&Json> for Node {
    fn from(json: &Json) -> Self {
        let at = Position::START;
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Flag(*flag),
            Json::Number(number) => of_number(number),
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Self::from).collect()),
            Json::Object(fields) => {
                let entry = |(text, json): (&String, &Json)| {
                    let text = text.clone();
                    (Key { at, text }, Self::from(json))
                };
                Value::Map(fields.iter().map(entry).collect())
            }
        };
        Self { at, value }
    }
}

fn of_number(number: &serde_json::Number) -> Value {
    match (number.as_u64(), number.as_i64()) {
        (Some(number), _) => Value::Unsigned(number),
        (None, Some(number)) => Value::Signed(number),
        (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// `path.key`, or `key` at the top.
#[must_use]
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
