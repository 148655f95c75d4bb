//! Plugins: `plugin list` and `plugin inspect`.

use drydock_core::{GrantRecord, PluginDigest};
use serde::{Deserialize, Serialize};

/// An element of what `plugin list` prints. What the component itself says is none where it
/// cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginSummary {
    pub name: String,
    /// The component's file, or `built in`.
    pub source: String,
    pub digest: Option<PluginDigest>,
    pub world: Option<String>,
    pub version: Option<String>,
    /// The powers that it asks for, in the words of its manifest.
    pub requests: Vec<String>,
    /// What it may do; none where it is refused.
    pub grants: Option<GrantRecord>,
    /// Why it would be refused.
    pub refused: Option<String>,
}

/// What `plugin inspect` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginDetails {
    pub name: String,
    pub version: String,
    pub world: String,
    /// The contract version that it was built against.
    pub contract: String,
    /// The powers that it asks for, in the words of its manifest.
    pub requests: Vec<String>,
    /// Those that it can do without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<String>,
    pub digest: PluginDigest,
    /// Of the component's file.
    pub bytes: u64,
    /// Interfaces that the component imports, in its order.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}
