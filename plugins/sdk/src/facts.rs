//! Facts as plain data, so that a plugin's judgement can be tested without a host.

use std::collections::BTreeMap;

use crate::{FactValue, Facts};

/// All facts of an artifact by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FactMap(BTreeMap<String, FactValue>);

impl FactMap {
    /// Fetches every fact that the host has.
    #[must_use]
    pub fn collect(facts: &Facts) -> Self {
        let names = facts.names();
        let pairs = names.into_iter().filter_map(|name| {
            let value = facts.get(&name)?;
            Some((name, value))
        });
        Self(pairs.collect())
    }

    /// Sets a fact; a later value replaces an earlier one.
    pub fn set(&mut self, name: &str, value: FactValue) {
        self.0.insert(name.to_owned(), value);
    }

    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FactValue> {
        self.0.get(name)
    }

    /// None when it is missing or no text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            FactValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// None when it is missing, no number, or negative.
    #[must_use]
    pub fn unsigned(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            FactValue::Unsigned(number) => Some(*number),
            FactValue::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// None when it is missing, no number, or too large.
    #[must_use]
    pub fn signed(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            FactValue::Signed(number) => Some(*number),
            FactValue::Unsigned(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// None when it is missing or no flag.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            FactValue::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// None when it is missing or no bytes.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.get(name)? {
            FactValue::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_by_type() {
        let mut facts = FactMap::default();
        facts.set("n", FactValue::Unsigned(7));
        facts.set("i", FactValue::Signed(-7));
        facts.set("t", FactValue::Text("x".into()));
        assert_eq!((facts.unsigned("n"), facts.signed("n")), (Some(7), Some(7)));
        assert_eq!((facts.unsigned("i"), facts.signed("i")), (None, Some(-7)));
        assert_eq!((facts.text("t"), facts.text("n")), (Some("x"), None));
        assert_eq!((facts.flag("t"), facts.bytes("gone")), (None, None));
        facts.remove("n");
        assert_eq!(facts.get("n"), None);
    }
}
