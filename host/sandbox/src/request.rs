//! A power that a plugin asks for, out of the table of all that there are.

use std::fmt;

use drydock_core::{Power, nearest, plain};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::link;

/// Longest part of an unknown word that is told.
const WORD_BYTES_MAX: usize = 64;

/// A power that a plugin asks for, by its word in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request(&'static Power);

impl Request {
    /// Every power that can be asked for.
    pub fn all() -> impl Iterator<Item = Self> {
        link::powers().map(Self)
    }

    /// The power of that word, if there is one.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::all().find(|request| request.word() == word)
    }

    #[must_use]
    pub fn power(self) -> &'static Power {
        self.0
    }

    /// The word as it stands in a manifest.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.0.word
    }

    /// The line that an operator adds under `grants:` to allow it.
    #[must_use]
    pub fn grant_line(self) -> &'static str {
        self.0.line
    }

    /// What is left of it where nothing is to be written.
    pub(crate) fn reading(self) -> Self {
        self.0.reading.map_or(self, Self)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Word)
    }
}

struct Word;

impl Visitor<'_> for Word {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the word of a power")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Request, E> {
        Request::named(word).ok_or_else(|| E::custom(unknown(word)))
    }
}

/// There are more of them than anybody reads in a sentence.
fn unknown(word: &str) -> String {
    let near = nearest(word, Request::all().map(Request::word));
    let mut powers: Vec<&str> = Request::all()
        .filter_map(|request| request.word().split('.').next())
        .collect();
    powers.dedup();
    let hint = near.map_or_else(
        || format!("there are powers over {}", powers.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    let word = plain(word, WORD_BYTES_MAX);
    format!("`{word}` is nothing that a plugin can ask for; {hint}")
}
