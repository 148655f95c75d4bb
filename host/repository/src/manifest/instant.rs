//! Instants as RFC 3339 text in UTC with whole seconds, e.g. `2026-01-02T03:04:05Z`.

use drydock_core::UnixTime;
use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

// The signature is the one that serde's `with` asks for.
pub fn serialize<S: Serializer>(instant: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(instant)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}
