//! Facts: what the host knows of an artifact, by name. The host gathers them, a
//! verify plugin judges them, the journal keeps them. `wit/artifact.wit` lists the
//! names that are given for an etcd snapshot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactValue {
    Text(String),
    Unsigned(u64),
    Signed(i64),
    Flag(bool),
    Bytes(Vec<u8>),
}

/// Facts by name, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(BTreeMap<String, FactValue>);

impl Facts {
    /// Sets a fact; a later value replaces an earlier one.
    pub fn set(&mut self, name: impl Into<String>, value: FactValue) {
        self.0.insert(name.into(), value);
    }

    pub fn set_text(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.set(name, FactValue::Text(value.into()));
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FactValue> {
        self.0.get(name)
    }

    /// The text of that name; none when it is missing or of another type.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            FactValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of that name, signed or unsigned; none when it is missing, of
    /// another type, or does not fit.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            FactValue::Signed(number) => Some(*number),
            FactValue::Unsigned(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            FactValue::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// Adds all of `other`, whose values win.
    pub fn extend(&mut self, other: Facts) {
        self.0.extend(other.0);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &FactValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}
