//! What a run is bound to from its first record on.

use std::collections::BTreeMap;

use drydock_core::{
    ClusterName, HoldKind, Pin, Repeat, RunId, RunKind, RunSubject, ScheduleName, StepName,
    UnixTime, ValueType,
};
use drydock_point::model::{PointSpec, StepPin};
use serde::{Deserialize, Serialize};

use super::Choice;

/// A run: its graph of nodes, and the recovery point that they lead to, if any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub due: UnixTime,
    pub origin: Origin,
    pub kind: RunKind,
    /// What the run works on, each once.
    pub subjects: Vec<RunSubject>,
    /// The documents and components that a resumed run reads.
    pub pins: Vec<Pin>,
    /// In the order of the document.
    pub nodes: Vec<NodeSpec>,
    pub point: Option<PointSpec>,
    pub policy: Policy,
    /// `sha256:` and hex over what the run uses.
    pub workflow_digest: String,
}

/// Who wanted the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Schedule,
    Manual,
    /// A reviewed plan of this digest.
    Plan(String),
}

/// How often, how long and how much at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Retries of one effect (and of each step) before it counts as failed.
    pub backoff_limit: u32,
    /// Wait before the first retry, in milliseconds; doubles each time up to `backoff_ms_max`.
    pub backoff_ms: u64,
    pub backoff_ms_max: u64,
    /// Whole run, in seconds; none for no limit.
    pub active_deadline_seconds: Option<u64>,
    /// Steps that run at once. Holds do not count: they only wait.
    pub steps_max: u32,
}

/// A node of the graph: one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    pub step: StepName,
    /// The word of the step's kind.
    pub kind: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Hold nodes that stand while the step makes its cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub during: Vec<StepName>,
    /// Whether the step goes on without its holds where they cannot be had.
    #[serde(default)]
    pub or_without: bool,
    pub when: When,
    /// For all attempts of the step together.
    pub deadline_seconds: Option<u64>,
    /// Instead of the policy's.
    pub backoff_limit: Option<u32>,
    pub repeat: Repeat,
    /// Whether the step can be taken back.
    pub undo: bool,
    pub hold: Option<HoldSpec>,
    /// Once it began, a failure of the run asks instead of taking back.
    #[serde(default)]
    pub no_return: bool,
    /// Its failure says that what the run stored is not sound: the run fails, whatever is
    /// committed.
    #[serde(default)]
    pub proves: bool,
    /// Whether its outputs, or what it keeps elsewhere, belong to the recovery point.
    #[serde(default)]
    pub contributes: bool,
    /// The node's work is a question.
    pub gate: Option<Gate>,
    /// What it takes from earlier steps, by its own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, OutputRef>,
    /// The values that it gives to later steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, ValueType>,
    pub pin: Option<StepPin>,
    /// The kind's own.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub body: serde_json::Value,
}

/// A step that comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// A node, or a verify or store step of the recovery point.
    pub step: StepName,
    /// Nothing is taken from it: the document only has it before this one.
    #[serde(default)]
    pub is_order: bool,
}

/// A value of an earlier step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRef {
    pub step: StepName,
    pub output: String,
}

/// When a step runs, by the ends of those that it needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// All succeeded.
    #[default]
    Success,
    /// All are over, and one did not succeed.
    Failure,
    /// All are over.
    Always,
}

/// A step that holds something for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldSpec {
    pub kind: HoldKind,
    /// It is let go after this long, whatever the steps during it are at.
    pub seconds_max: u64,
    /// All holds of a unit stand within this time, or none is used.
    pub acquire_seconds: u64,
}

/// A question to an operator as a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    pub question: String,
    pub choices: Vec<Choice>,
    /// Whether others may work on the run's subjects while it waits.
    #[serde(default)]
    pub frees_subjects: bool,
}

impl Origin {
    /// Whether no schedule's occurrence made the run.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        *self != Self::Schedule
    }
}

impl RunSpec {
    /// The node of that step.
    #[must_use]
    pub fn node(&self, step: &StepName) -> Option<&NodeSpec> {
        self.nodes.iter().find(|node| node.step == *step)
    }

    /// Every pinned step: the nodes', then verify and store steps.
    pub fn step_pins(&self) -> impl Iterator<Item = &StepPin> {
        let nodes = self.nodes.iter().filter_map(|node| node.pin.as_ref());
        let point = self.point.iter().flat_map(PointSpec::pins);
        nodes.chain(point)
    }
}

impl NodeSpec {
    /// A node that needs nothing, and whose only attempt is retried as the policy says.
    #[must_use]
    pub fn new(step: StepName, kind: &str) -> Self {
        Self {
            step,
            kind: kind.to_owned(),
            needs: Vec::new(),
            during: Vec::new(),
            or_without: false,
            when: When::Success,
            deadline_seconds: None,
            backoff_limit: None,
            repeat: Repeat::Idempotent,
            undo: false,
            hold: None,
            no_return: false,
            proves: false,
            contributes: false,
            gate: None,
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            pin: None,
            body: serde_json::Value::Null,
        }
    }
}
