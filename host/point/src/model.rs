//! The words of the protocol: what a recovery point is made of, what is told of those that
//! contribute to it, and what it asks of them. Data only. What is kept is kept inside the
//! records of whoever runs the protocol.

mod effect;

use std::collections::BTreeMap;

use drydock_core::{
    ClusterName, Fault, Finding, GrantRecord, Nature, OutputId, PluginDigest, RunId, StepName,
    TargetName, UnixTime,
};
use serde::{Deserialize, Serialize};

pub use effect::{PointAnswer, PointEffect};

/// What a recovery point is made of. Part of a run's specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointSpec {
    pub run: RunId,
    pub cluster: ClusterName,
    /// The steps whose outputs belong to it, in the order of the document; one at least.
    pub contributors: Vec<StepName>,
    pub verify: Vec<VerifyPin>,
    /// One at least.
    pub stores: Vec<StorePin>,
    /// At how many of them the recovery point has to be, for the run not to have failed.
    pub minimum_targets: u32,
    pub retry: RetryPolicy,
}

/// How often an effect is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Retries of one effect before it counts as failed.
    pub backoff_limit: u32,
    /// Wait before the first retry, in milliseconds; doubles each time up to `backoff_ms_max`.
    pub backoff_ms: u64,
    pub backoff_ms_max: u64,
}

/// A step with the plugin that it is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPin {
    pub step: StepName,
    pub plugin: String,
    /// The plugin's own version.
    pub version: String,
    pub digest: PluginDigest,
    /// The step's `config:` as JSON.
    pub config: String,
    /// What the plugin may do in this run.
    pub grants: GrantRecord,
}

/// A verify step and the contributors whose outputs it judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyPin {
    #[serde(flatten)]
    pub pin: StepPin,
    /// Names of contributors; empty for all of them.
    pub judges: Vec<StepName>,
}

/// A store step and its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorePin {
    pub pin: StepPin,
    pub target: TargetName,
    /// Whether the run has failed without it, wherever else the recovery point is.
    pub required: bool,
    /// The kind of the identity that requests to the target's servers go under, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// For how many days, from when the manifest is signed, everything of the recovery point is
    /// locked there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_days: Option<u32>,
}

/// A finished, sealed output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedOutput {
    pub output: OutputId,
    /// The artifact's name inside the recovery point.
    pub name: String,
    pub secret: bool,
    pub plain_size: u64,
    /// Lower-case hex.
    pub plain_sha256: String,
    pub sealed_size: u64,
    /// Lower-case hex.
    pub sealed_sha256: String,
    /// When its first byte was asked for, and when its last had come.
    pub opened: UnixTime,
    pub closed: UnixTime,
    pub nature: Nature,
    /// What the host itself found while it looked into the bytes. No plugin has a say in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// What an attempt of a contributor tells while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum OutputEvent {
    /// It opened an output. `object_suffix` is 16 hex digits that make the object's name
    /// unique to this output; `extension` is `zst.age` or `zst`.
    Opened {
        output: OutputId,
        name: String,
        secret: bool,
        object_suffix: String,
        extension: String,
    },
    /// This many sealed bytes of the output can be read from the spool. Volatile.
    Advanced { output: OutputId, sealed_bytes: u64 },
    /// The output was given up (stream broke, handle dropped): nothing of it counts.
    Discarded { output: OutputId, reason: Fault },
    /// The output is whole, its sealed spool is synced, its nature is known.
    Sealed { sealed: Box<SealedOutput> },
}

/// What a contributor said when it finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub degraded: bool,
    pub findings: Vec<Finding>,
}

/// How an attempt of a contributor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It finished, and what it sealed counts.
    Whole(Report),
    /// It failed, was cut off, or has to run anew: nothing of it counts.
    Lost(Fault),
}

/// What is told once every contributor is done and every hold that they stood `during` was
/// let go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    pub kept: Vec<KeptThing>,
    /// The instant that each step's data are of.
    pub cuts: BTreeMap<StepName, UnixTime>,
    pub holds: Vec<MeasuredHold>,
}

/// A thing that a step left elsewhere and that belongs to the recovery point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptThing {
    pub step: StepName,
    pub handle: String,
}

/// How long a hold stood, as it was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredHold {
    pub step: StepName,
    pub from: UnixTime,
    pub to: UnixTime,
}

/// What the recovery point asks of the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The outputs of a contributor that is done are gone: it has to run anew. The answer is
    /// that its attempt is lost, or that this is refused.
    Again { step: StepName, reason: Fault },
    /// The recovery point cannot come about: the run ends.
    End { fault: Fault },
}

/// What is known of whether there is a recovery point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is decided.
    Open,
    /// A manifest that is at a store names what is of this run.
    Committed,
    /// No manifest names anything of this run, and none will.
    Not,
    /// Nothing more is tried, and a store may have the manifest.
    Unknown,
}

/// What is known of whether a need of a verify or store step is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedState {
    Open,
    /// The verify step passed all that it judges; the store step committed.
    Met,
    Failed,
}

/// The manifest of the recovery point and its minisign signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedManifest {
    pub manifest: String,
    pub signature: String,
}

/// One failed effect, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectFault {
    /// The effect's word, e.g. `put-part`.
    pub effect: &'static str,
    pub store: Option<StepName>,
    pub output: Option<OutputId>,
    pub fault: Fault,
}

/// The name of a failure's details that say what could not be removed, or stays.
pub const LEFT_BEHIND: &str = "left-behind";

impl PointSpec {
    /// The pinned steps: verify, then store, each in its order.
    pub fn pins(&self) -> impl Iterator<Item = &StepPin> {
        let verify = self.verify.iter().map(|verify| &verify.pin);
        verify.chain(self.stores.iter().map(|store| &store.pin))
    }

    /// The verify steps that judge what a contributor made.
    pub fn judges_of(&self, contributor: &StepName) -> impl Iterator<Item = &VerifyPin> {
        self.verify.iter().filter(|pin| pin.judges(contributor))
    }

    /// The contributors that a verify step judges; none for another step.
    #[must_use]
    pub fn judged_by(&self, verify: &StepName) -> Vec<StepName> {
        let pin = self.verify.iter().find(|pin| pin.pin.step == *verify);
        let judged = |step: &&StepName| pin.is_some_and(|pin| pin.judges(step));
        self.contributors.iter().filter(judged).cloned().collect()
    }

    /// The prefix of every object of the recovery point at a target.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{}/{}/", self.cluster, self.run)
    }
}

impl VerifyPin {
    #[must_use]
    pub fn judges(&self, contributor: &StepName) -> bool {
        self.judges.is_empty() || self.judges.contains(contributor)
    }
}

impl OutputEvent {
    /// Whether the event is kept. The others only matter to the process in which they happen.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        !matches!(self, Self::Advanced { .. })
    }
}
