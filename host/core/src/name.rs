//! Names that operators and authors give to things.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Longest name: a label of DNS (RFC 1123), as Kubernetes has it.
pub const NAME_BYTES_MAX: usize = 63;

/// A name: lower-case letters, digits and `-`, as a label of DNS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// # Errors
    /// A predicate that says how a name must look.
    pub fn parse(text: &str) -> Result<Self, String> {
        if is_label(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "must be a name of lower-case letters, digits and - (not at either end), at most {NAME_BYTES_MAX} characters"
        ))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
