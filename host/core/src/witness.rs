//! Witnesses: revisions of a snapshot, each with one byte of what it holds. Two histories
//! of a cluster that count the same revisions differ in these bytes; a single byte is too
//! little to confirm a guessed value by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What one revision of a snapshot holds, told by a byte of its digest. As text it is the
/// revision and two hex digits, e.g. `4711:a7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Witness {
    /// The main revision; its first change is meant.
    pub revision: i64,
    pub byte: u8,
}

/// How a snapshot compares with the witnesses of an earlier one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SharedHistory {
    /// Revisions that both hold, and that are the same.
    pub same: usize,
    /// The lowest revision that both hold and that differs.
    pub differs: Option<i64>,
}

/// Text that is no witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a witness is a revision, a colon and two hex digits, e.g. 4711:a7")]
pub struct NoWitness;

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:02x}", self.revision, self.byte)
    }
}

impl FromStr for Witness {
    type Err = NoWitness;

    fn from_str(text: &str) -> Result<Self, NoWitness> {
        let (revision, byte) = text.split_once(':').ok_or(NoWitness)?;
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if byte.len() != 2 || !is_plain(byte) || !is_plain(revision) {
            return Err(NoWitness);
        }
        Ok(Self {
            revision: revision.parse().map_err(|_| NoWitness)?,
            byte: u8::from_str_radix(byte, 16).map_err(|_| NoWitness)?,
        })
    }
}

impl From<Witness> for String {
    fn from(witness: Witness) -> Self {
        witness.to_string()
    }
}

impl TryFrom<String> for Witness {
    type Error = NoWitness;

    fn try_from(text: String) -> Result<Self, NoWitness> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_read_back_from_its_text() {
        let witness = Witness {
            revision: 4711,
            byte: 7,
        };
        assert_eq!(witness.to_string(), "4711:07");
        assert_eq!("4711:07".parse(), Ok(witness));
        for text in [
            "", "4711", "4711:7", "4711:007", "-1:07", "+1:07", ":07", "1:+7",
        ] {
            assert_eq!(text.parse::<Witness>(), Err(NoWitness), "{text}");
        }
    }
}
