//! From the tree to types, through serde. Every error carries the path of its key, and
//! becomes one sentence that names the nearest valid word.
//!
//! **Invariant:** a value that has the wrong type is never repeated in a sentence,
//! since it may be a secret that was written into the wrong place.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, Expected, IntoDeserializer, Unexpected,
    Visitor,
};

use crate::nearest::{nearest, suggestion};
use crate::tree::{Key, Node, Position, Value, join};

/// Why a tree does not fit a type, and where.
#[derive(Debug)]
pub struct DecodeError {
    problem: Problem,
    path: String,
    at: Option<Position>,
}

#[derive(Debug)]
enum Problem {
    UnknownKey {
        key: String,
        valid: Vec<&'static str>,
    },
    UnknownWord {
        word: String,
        valid: &'static [&'static str],
    },
    MissingKey(&'static str),
    WrongType {
        wanted: String,
        found: &'static str,
        quotes_help: bool,
    },
    /// A predicate: what the value at the path must be or must not be.
    Rule(String),
}

impl Node {
    /// Decodes it into a type.
    ///
    /// # Errors
    /// The first key or value that does not fit.
    pub fn decode<T: for<'de> Deserialize<'de>>(&self) -> Result<T, DecodeError> {
        T::deserialize(self)
    }

    /// The error of a value that is of another type than it must be.
    pub(crate) fn wrong_type(&self, wanted: impl Into<String>) -> DecodeError {
        DecodeError::new(Problem::WrongType {
            wanted: wanted.into(),
            found: self.value.type_word(),
            quotes_help: false,
        })
    }
}

impl DecodeError {
    fn new(problem: Problem) -> Self {
        Self {
            problem,
            path: String::new(),
            at: None,
        }
    }

    /// A key that there is none of.
    pub(crate) fn unknown_key(key: &Key, valid: Vec<&'static str>) -> Self {
        let problem = Problem::UnknownKey {
            key: key.text.clone(),
            valid,
        };
        Self {
            at: Some(key.at),
            ..Self::new(problem)
        }
    }

    /// Where it is, if it is inside of what was decoded.
    #[must_use]
    pub fn at(&self) -> Option<Position> {
        self.at
    }

    /// The same error seen from one level further up.
    #[must_use]
    pub fn below(mut self, segment: &str, at: Position) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{segment}{joint}{}", self.path);
        self.at.get_or_insert(at);
        self
    }

    /// The sentence about a document of this kind.
    #[must_use]
    pub fn sentence(&self, kind: &str) -> String {
        let path = &self.path;
        match &self.problem {
            Problem::UnknownKey { key, valid } => format!(
                "{} is no key of a {kind}{}",
                join(path, key),
                suggestion(key, valid.iter().copied())
            ),
            Problem::UnknownWord { word, valid } => format!(
                "{path} of a {kind} must be one of {}, not {word}{}",
                valid.join(", "),
                did_you_mean(word, valid)
            ),
            Problem::MissingKey(key) => {
                format!("{} is missing in this {kind}; add it", join(path, key))
            }
            Problem::WrongType {
                wanted,
                found,
                quotes_help,
            } => format!(
                "{path} of a {kind} must be {wanted}, but it is {found}{}",
                if *quotes_help {
                    "; put it in quotes"
                } else {
                    ""
                }
            ),
            Problem::Rule(rule) => format!("{path} of a {kind} {rule}"),
        }
    }
}

/// Only the near word: the list of all stands in the sentence already.
fn did_you_mean(word: &str, valid: &[&'static str]) -> String {
    nearest(word, valid.iter().copied())
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default()
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence("document"))
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(rule: T) -> Self {
        Self::new(Problem::Rule(rule.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = plain_words(&wanted.to_string());
        let scalar = matches!(
            found,
            Unexpected::Bool(_)
                | Unexpected::Unsigned(_)
                | Unexpected::Signed(_)
                | Unexpected::Float(_)
        );
        Self::new(Problem::WrongType {
            quotes_help: wanted == "text" && scalar,
            wanted,
            found: type_word(&found),
        })
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = plain_words(&wanted.to_string());
        let found = match found {
            Unexpected::Signed(_) => "a negative number",
            Unexpected::Unsigned(_) => "a larger number",
            other => type_word(&other),
        };
        Self::new(Problem::WrongType {
            wanted,
            found,
            quotes_help: false,
        })
    }

    fn unknown_field(key: &str, valid: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownKey {
            key: key.to_owned(),
            valid: valid.to_vec(),
        })
    }

    fn unknown_variant(word: &str, valid: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownWord {
            word: word.to_owned(),
            valid,
        })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(Problem::MissingKey(key))
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Flag(flag) => visitor.visit_bool(*flag),
            Value::Unsigned(number) => visitor.visit_u64(*number),
            Value::Signed(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(Items { items, index: 0 }),
            Value::Map(entries) => visitor.visit_map(Entries { entries, index: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.value {
            Value::Text(text) => visitor.visit_enum(word(text)),
            _ => Err(self.wrong_type(format!("one of {}", variants.join(", ")))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl Value {
    fn type_word(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Flag(_) => "true or false",
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

struct Items<'t> {
    items: &'t [Node],
    index: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(item) = self.items.get(self.index) else {
            return Ok(None);
        };
        let segment = format!("[{}]", self.index);
        self.index += 1;
        seed.deserialize(item)
            .map(Some)
            .map_err(|error| error.below(&segment, item.at))
    }
}

struct Entries<'t> {
    entries: &'t [(Key, Node)],
    /// The entry whose key comes next; its value once the key was taken.
    index: usize,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, _)) = self.entries.get(self.index) else {
            return Ok(None);
        };
        seed.deserialize(word(&key.text))
            .map(Some)
            .map_err(|mut error| {
                error.at.get_or_insert(key.at);
                error
            })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let (key, node) = self
            .entries
            .get(self.index)
            .expect("serde asks for a value only after its key was there");
        self.index += 1;
        seed.deserialize(node)
            .map_err(|error| error.below(&key.text, node.at))
    }
}

fn word(text: &str) -> StrDeserializer<'_, DecodeError> {
    text.into_deserializer()
}

fn type_word(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number",
        Unexpected::Float(_) => "a fraction",
        Unexpected::Str(_) | Unexpected::Char(_) => "text",
        Unexpected::Unit | Unexpected::Option => "empty",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a mapping",
        _ => "something else",
    }
}

/// What serde's own visitors expect, in an operator's words.
fn plain_words(wanted: &str) -> String {
    match wanted {
        "a string" | "path string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number of 0 or more".to_owned(),
        other if other.starts_with("struct ") => "a mapping".to_owned(),
        other => other.to_owned(),
    }
}
