//! The table of messages: which fields each has, and what Go's JSON encoder makes of them.
//!
//! `table.txt` is printed by `tools/table`, a program that walks the Go types of
//! `k8s.io/api`, `apiextensions-apiserver` and `kube-aggregator` v0.36.3; its own words say
//! what the lines mean. It is read once, at the first value that is decoded.

use std::collections::HashMap;
use std::sync::OnceLock;

const TEXT: &str = include_str!("table.txt");

/// The number of a message in the table.
pub type MessageNumber = usize;

/// All kinds and messages.
#[derive(Debug)]
pub struct Table {
    /// By apiVersion, `/` and kind.
    kinds: HashMap<&'static str, MessageNumber>,
    messages: Vec<Message>,
}

/// The fields of one message, in the order of the Go type.
#[derive(Debug, Default)]
pub struct Message {
    pub fields: Vec<Spec>,
}

/// One field.
#[derive(Debug)]
pub struct Spec {
    pub number: u32,
    /// None for one whose own fields stand in the JSON of the message itself.
    pub json: Option<&'static str>,
    pub kind: Kind,
    pub omit: Omit,
}

/// When a field is left out of the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omit {
    Never,
    /// When it is false, 0, nil or of length 0; a struct never is.
    Empty,
    /// As well when it is a zero struct.
    Zero,
}

/// The type of a field.
#[derive(Debug)]
pub enum Kind {
    String,
    Bytes,
    Bool,
    Int32,
    Int64,
    Float64,
    Message(MessageNumber),
    /// What may be absent.
    Pointer(Box<Kind>),
    List(Box<Kind>),
    /// From strings to these.
    Map(Box<Kind>),
    /// A list that is a message of its own, whose field 1 holds the elements.
    Items(Box<Kind>),
    Own(Own),
}

/// A type that has a JSON encoder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntOrString,
    /// Field 1 is JSON.
    Json,
    SchemaOrBool(MessageNumber),
    SchemaOrArray(MessageNumber),
    SchemaOrStrings(MessageNumber),
}

impl Table {
    /// The table of this version.
    pub fn get() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| {
            Self::parse(TEXT).expect("the table is committed, and a test reads all of it")
        })
    }

    /// The message of a kind, such as `apps/v1` and `Deployment`.
    #[must_use]
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<MessageNumber> {
        self.kinds
            .get(format!("{api_version}/{kind}").as_str())
            .copied()
    }

    /// The names of all kinds: apiVersion, `/` and kind.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.keys().copied()
    }

    /// A message of the table.
    #[must_use]
    pub fn message(&self, number: MessageNumber) -> &Message {
        &self.messages[number]
    }

    fn parse(text: &'static str) -> Option<Self> {
        let mut kinds = HashMap::new();
        let mut messages: Vec<Message> = Vec::new();
        for line in text.lines() {
            let (first, rest) = line.split_once(' ')?;
            match first {
                "#" => {
                    let (kind, number) = rest.split_once(' ')?;
                    kinds.insert(kind, number.parse().ok()?);
                }
                "=" => messages.push(Message::default()),
                number => {
                    let spec = Spec::parse(number.parse().ok()?, rest)?;
                    messages.last_mut()?.fields.push(spec);
                }
            }
        }
        let table = Self { kinds, messages };
        table.is_closed().then_some(table)
    }

    /// Whether every message that is named is there.
    fn is_closed(&self) -> bool {
        let within = |number: MessageNumber| number < self.messages.len();
        let mut fields = self.messages.iter().flat_map(|message| &message.fields);
        self.kinds.values().copied().all(within)
            && fields.all(|field| field.kind.message().is_none_or(within))
    }
}

impl Spec {
    fn parse(number: u32, rest: &'static str) -> Option<Self> {
        let mut words = rest.split(' ');
        let json = words.next().filter(|json| *json != "-");
        let kind = Kind::parse(words.next()?)?;
        let mut omit = Omit::Never;
        for word in words {
            omit = match (word, omit) {
                ("omitzero", _) | ("omitempty", Omit::Zero) => Omit::Zero,
                ("omitempty", _) => Omit::Empty,
                _ => return None,
            };
        }
        Some(Self {
            number,
            json,
            kind,
            omit,
        })
    }
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        let inner = |rest| Self::parse(rest).map(Box::new);
        if let Some(rest) = word.strip_prefix('*') {
            return inner(rest).map(Self::Pointer);
        }
        if let Some(rest) = word.strip_prefix('[') {
            return inner(rest).map(Self::List);
        }
        if let Some(rest) = word.strip_prefix('{') {
            return inner(rest).map(Self::Map);
        }
        if let Some(rest) = word.strip_prefix("items:") {
            return inner(rest).map(Self::Items);
        }
        Some(match word {
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "bool" => Self::Bool,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            other => match Own::parse(other) {
                Some(own) => Self::Own(own),
                None => Self::Message(other.parse().ok()?),
            },
        })
    }

    fn message(&self) -> Option<MessageNumber> {
        match self {
            Self::Message(number)
            | Self::Own(
                Own::SchemaOrBool(number)
                | Own::SchemaOrArray(number)
                | Own::SchemaOrStrings(number),
            ) => Some(*number),
            Self::Pointer(inner) | Self::List(inner) | Self::Map(inner) | Self::Items(inner) => {
                inner.message()
            }
            _ => None,
        }
    }
}

impl Own {
    fn parse(word: &str) -> Option<Self> {
        let (name, schema) = word.split_once(':').unwrap_or((word, ""));
        let schema = || schema.parse().ok();
        Some(match name {
            "time" => Self::Time,
            "micro-time" => Self::MicroTime,
            "duration" => Self::Duration,
            "quantity" => Self::Quantity,
            "int-or-string" => Self::IntOrString,
            "json" => Self::Json,
            "schema-or-bool" => Self::SchemaOrBool(schema()?),
            "schema-or-array" => Self::SchemaOrArray(schema()?),
            "schema-or-strings" => Self::SchemaOrStrings(schema()?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn the_whole_table_is_read() {
        let table = Table::get();
        assert!(table.kind("apps/v1", "Deployment").is_some());
        assert!(table.kind("v1", "Pod").is_some());
        assert!(table.kind("v1", "Nothing").is_none());
        let own = [
            "apiextensions.k8s.io/v1/CustomResourceDefinition",
            "apiregistration.k8s.io/v1/APIService",
        ];
        assert!(
            own.iter()
                .all(|kind| table.kinds().any(|known| known == *kind))
        );
    }
}
