//! Values that steps give to later ones: typed, and small.

use serde::{Deserialize, Serialize};

/// Largest value: it stands in a record and in the memory of the run.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    /// Lower-case hex in JSON.
    Bytes(#[serde(with = "hex_bytes")] Vec<u8>),
    Json(serde_json::Value),
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    Text,
    Integer,
    Flag,
    Bytes,
    Json,
}

impl Value {
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Text(_) => ValueType::Text,
            Self::Integer(_) => ValueType::Integer,
            Self::Flag(_) => ValueType::Flag,
            Self::Bytes(_) => ValueType::Bytes,
            Self::Json(_) => ValueType::Json,
        }
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Integer(_) | Self::Flag(_) => size_of::<i64>(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Json(json) => json.to_string().len(),
        }
    }
}

impl ValueType {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Flag => "flag",
            Self::Bytes => "bytes",
            Self::Json => "json",
        }
    }
}

mod hex_bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let digits = String::deserialize(from)?;
        hex::decode(digits).map_err(D::Error::custom)
    }
}
