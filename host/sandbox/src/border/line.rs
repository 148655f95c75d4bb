//! The lines of a record: one JSON object each. The first says what was recorded, the last
//! that nothing is missing.

use drydock_core::PluginDigest;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordHead {
    /// The version of the contract by which calls and values are named.
    pub contract: String,
    pub plugin: String,
    pub version: String,
    pub digest: PluginDigest,
    /// The call of the plugin.
    pub export: String,
    /// Its arguments where they are no host's to answer, as `NAME=VALUE`.
    pub inputs: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    Record(RecordHead),
    /// What the random numbers of WASI follow from, in hex.
    Random(String),
    Secret(SecretLine),
    Call(CallLine),
    /// A look at the wall clock of WASI, in seconds since 1970.
    Now(u64),
    End(EndLine),
}

/// A secret that was read. A replay gives its stand-in to a plugin that is shown it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretLine {
    pub name: String,
    pub stand_in: String,
}

/// A call of the host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CallLine {
    /// `drydock:plugin/etcd@0.1.0#status`.
    pub function: String,
    /// Whether the plugin only said something: a replay hears it again, and does not compare.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub heard: bool,
    pub arguments: Vec<Value>,
    /// None where the attempt ended before there was one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "is_there"
    )]
    pub answer: Option<Value>,
}

/// The last line.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EndLine {
    pub calls: u64,
    /// Calls behind these, which a record has no room for.
    pub left_out: u64,
}

/// An answer that is `null` is one.
fn is_there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}
