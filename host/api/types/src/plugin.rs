//! Plugins: `plugin list`, `plugin inspect`, `plugin run` and `plugin test`.

use std::collections::BTreeMap;

use drydock_core::{Fault, Finding, GrantRecord, PluginDigest, Value};
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
    pub state: PluginState,
    /// What it may do; none where it is refused or unused.
    pub grants: Option<GrantRecord>,
    /// Why it would be refused.
    pub refused: Option<String>,
}

/// Whether a plugin could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PluginState {
    Admitted,
    Refused,
    /// It is built in, and no document uses it or grants it anything.
    Unused,
}

impl PluginState {
    /// As it stands in a table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Admitted => "Admitted",
            Self::Refused => "Refused",
            Self::Unused => "Unused",
        }
    }
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

/// What `plugin run` prints: one call of a plugin, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginCall {
    pub plugin: String,
    pub version: String,
    /// As the contract has it, e.g. `run`.
    pub export: String,
    /// `done`, `passed` or `failed` of a verdict, what a probe found, or `fault`.
    pub end: String,
    /// Of a plan.
    pub lines: Vec<String>,
    pub findings: Vec<Finding>,
    /// Why a run would be degraded by it.
    pub degraded: Vec<String>,
    /// What an action gives to later steps.
    pub outputs: BTreeMap<String, Value>,
    /// What an action left elsewhere, by its handles.
    pub kept: Vec<String>,
    pub artifacts: Vec<ProducedArtifact>,
    /// What a store answered.
    pub answer: Option<serde_json::Value>,
    pub fault: Option<Fault>,
    /// What the plugin said, a line each.
    pub log: Vec<String>,
}

/// An artifact of a backup step's call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducedArtifact {
    pub name: String,
    pub bytes: u64,
    /// Whether a run would seal it.
    pub secret: bool,
    /// Lower-case hex.
    pub sha256: String,
}

/// What `plugin test` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginTest {
    pub plugin: String,
    pub version: String,
    /// Whether every expectation was met.
    pub passed: bool,
    pub checks: Vec<PluginCheck>,
    /// What is left at the target, a sentence each.
    pub left: Vec<String>,
    /// What the plugin said, a line each.
    pub log: Vec<String>,
}

/// An expectation of the contract, and how it was met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginCheck {
    /// In plain words.
    pub name: String,
    pub end: PluginCheckEnd,
    /// How it was not met, or why it is not asked of this plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginCheckEnd {
    Passed,
    Failed,
    NotApplicable,
}

impl PluginCheckEnd {
    /// As it stands in a table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotApplicable => "not applicable",
        }
    }
}
