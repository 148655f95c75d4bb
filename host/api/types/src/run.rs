//! Runs: `drydock run` and its verbs.

use drydock_core::{
    ClusterName, Fault, Finding, GrantRecord, HoldKind, HoldPhase, Nature, OutcomeCode, OutputId,
    PluginDigest, QuestionId, RecoveryPointName, RunId, RunKind, RunPhase, RunSubject,
    ScheduleName, StepName, StepState, StorePhase, TargetName, Verdict,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Timestamp;
use crate::drill;
use crate::snapshot::SnapshotStatus;

/// An element of what `run list` prints: first the schedules whose last occurrence was
/// skipped, then runs, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RunListEntry {
    Run(Box<RunSummary>),
    Skipped(SkippedOccurrence),
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub kind: RunKind,
    pub subjects: Vec<RunSubject>,
    pub due: Timestamp,
    pub by_hand: bool,
    pub created: Timestamp,
    pub finished: Option<Timestamp>,
    pub phase: RunPhase,
    #[serde(flatten)]
    pub end: RunOutcome,
    /// Once it is committed somewhere.
    pub recovery_point: Option<RecoveryPointName>,
    /// The questions that wait for an operator.
    pub open_questions: Vec<QuestionId>,
}

/// How a run ended. While it has not, there is a cause where it waits for an operator, and
/// nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOutcome {
    pub outcome: Option<OutcomeCode>,
    /// Why the run is to be looked at, in a line.
    pub cause: Option<String>,
    /// Why it ended so, a sentence each; of a run that failed the cause comes last.
    pub reasons: Vec<String>,
    /// Of a run that failed.
    pub fault: Option<Fault>,
}

/// An occurrence that was skipped, so that no run tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedOccurrence {
    /// The id that its run would have had.
    pub run: RunId,
    pub schedule: ScheduleName,
    pub due: Timestamp,
    /// When it was skipped.
    pub created: Timestamp,
    pub phase: SkippedPhase,
    /// Why it was skipped.
    pub cause: String,
}

/// The phase of what never ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkippedPhase {
    Skipped,
}

/// What `run show` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetails {
    pub run: Run,
    /// In the order in which they started.
    pub attempts: Vec<StepAttempt>,
}

/// An element of what `drydock run` prints: a run that it carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    #[serde(flatten)]
    pub run: Run,
    /// Where its recovery point is.
    pub places: Vec<StoredPlace>,
    pub snapshots: Vec<SnapshotStatus>,
}

/// A recovery point at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredPlace {
    pub recovery_point: RecoveryPointName,
    pub target: TargetName,
    /// Folder or address.
    pub place: String,
}

/// A run with all of its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub kind: RunKind,
    pub origin: RunOrigin,
    pub due: Timestamp,
    pub by_hand: bool,
    pub created: Timestamp,
    pub finished: Option<Timestamp>,
    pub phase: RunPhase,
    #[serde(flatten)]
    pub end: RunOutcome,
    /// Once it is committed somewhere, or was drilled.
    pub recovery_point: Option<RecoveryPointName>,
    /// In the order of the document.
    pub steps: Vec<RunStep>,
    /// Those that count.
    pub outputs: Vec<RunOutput>,
    pub stores: Vec<StoreStep>,
    /// Every hold that was asked for.
    pub holds: Vec<RunHold>,
    /// Every question that was asked, the answered ones too.
    pub questions: Vec<RunQuestion>,
    /// The plugin of each step, and what it may do in this run.
    pub pins: Vec<PinnedPlugin>,
    /// What went wrong on the way, whether or not it mattered in the end.
    pub faults: Vec<StepFault>,
}

/// Who wanted a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOrigin {
    Schedule,
    Manual,
    /// A reviewed plan of this digest.
    Plan(String),
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStep {
    pub step: StepName,
    /// The word of its kind, e.g. `backup`.
    pub kind: String,
    pub state: StepState,
    pub attempts: u32,
    pub failures: u32,
    /// Why it failed, or never ran.
    pub reason: Option<String>,
    /// What the step told when it finished.
    pub findings: Vec<Finding>,
    /// What else its kind has to show.
    pub body: Option<StepBody>,
}

/// What a step's kind has to show beside its findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StepBody {
    Drill(Box<DrillSummary>),
    /// It cannot be read; why.
    Unread {
        unread: String,
    },
    Other(Value),
}

/// A hold of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHold {
    pub step: StepName,
    pub kind: HoldKind,
    pub phase: HoldPhase,
    /// Since when it stands, or was asked for.
    pub since: Timestamp,
    /// It is let go by then, whatever happens.
    pub deadline: Timestamp,
    /// What the step said when it had it.
    pub evidence: Option<String>,
}

/// A question of a run to an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQuestion {
    pub question: QuestionId,
    /// The step that it is about.
    pub about: StepName,
    pub text: String,
    pub choices: Vec<QuestionChoice>,
    pub asked: Timestamp,
    /// None while the run waits for it.
    pub answer: Option<QuestionAnswer>,
}

/// A word that a question may be answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionChoice {
    pub word: String,
    /// What comes of it, in a sentence.
    pub means: String,
    /// Whether it ends the run as one that failed.
    pub ends: bool,
}

/// How a question was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionAnswer {
    pub choice: String,
    pub by: String,
    pub at: Timestamp,
}

/// What a backup step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunOutput {
    pub output: OutputId,
    /// The step that made it.
    pub step: StepName,
    /// The artifact's name.
    pub name: String,
    pub is_sealed: bool,
    /// Known once the output is sealed.
    pub plain_bytes: Option<u64>,
    /// So far, or in all once the output is sealed.
    pub sealed_bytes: u64,
    /// What it is; known once the output is sealed.
    pub nature: Option<Nature>,
    /// What the host itself found of it.
    pub findings: Vec<Finding>,
    pub verdicts: Vec<OutputVerdict>,
}

/// What a verify step says of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputVerdict {
    pub step: StepName,
    /// None while the step has not judged yet.
    pub verdict: Option<Verdict>,
}

/// A store step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreStep {
    pub step: StepName,
    pub target: TargetName,
    /// Whether the run has failed without it.
    pub required: bool,
    /// The kind of the identity that requests there go under, e.g. `managedIdentity`.
    pub identity: Option<String>,
    pub state: StorePhase,
    pub parts: u64,
    /// Known once all outputs are sealed and their uploads have begun.
    pub parts_total: Option<u64>,
    pub bytes: u64,
    pub bytes_total: Option<u64>,
    pub fault: Option<Fault>,
    /// Until when uploads that were left take room there, which the store frees by itself.
    pub room_until: Option<Timestamp>,
}

/// What a drill found, in short; its report has the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillSummary {
    pub recovery_point: RecoveryPointName,
    pub target: TargetName,
    pub verdict: drill::Verdict,
    /// Why it did not pass, in a sentence.
    pub reason: Option<String>,
    pub checks: u32,
    /// From the first byte fetched to a cluster that answers.
    pub recovery_milliseconds: Option<u64>,
    pub data_age_seconds: u64,
    /// The report's page on the node.
    pub report: Option<String>,
    /// What could not be done beside the drill itself, e.g. the mark; a sentence each.
    pub warnings: Vec<String>,
}

/// The plugin that a step is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedPlugin {
    pub step: StepName,
    pub plugin: String,
    pub version: String,
    pub digest: PluginDigest,
    /// What it could reach when the run began: asked for, granted, left to it by the step or
    /// target, and within the ceiling.
    pub grants: GrantRecord,
    /// For a verify step, the steps that it judges.
    pub verifies: Vec<StepName>,
}

/// Something that went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFault {
    /// What was tried, e.g. `put-part`.
    pub effect: String,
    /// The step that it was about.
    pub step: Option<StepName>,
    pub store: Option<StepName>,
    pub output: Option<OutputId>,
    pub fault: Fault,
}

/// What `run replay` prints: what happened, and the run as it stands at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReplay {
    pub records: Vec<ReplayedRecord>,
    pub run: Run,
}

/// A record of a run, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayedRecord {
    /// From 1.
    pub sequence: u64,
    pub at: Timestamp,
    pub what: String,
}

/// One try of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepAttempt {
    pub step: StepName,
    /// From 1.
    pub attempt: u32,
    pub started: Timestamp,
    /// None while it is under way, and for ever where a crash cut it off.
    pub ended: Option<Timestamp>,
    pub result: Option<AttemptResult>,
    /// What the plugin could reach; none where none was called.
    pub grants: Option<GrantRecord>,
    /// The end of what the plugin said.
    pub log: String,
}

/// What a plugin answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttemptResult {
    Failed(Fault),
    /// Of a verify step.
    Judged(Verdict),
    /// Of a backup step.
    BackedUp {
        degraded: bool,
        findings: Vec<Finding>,
    },
    /// What the journal holds of it is none; why.
    Unread {
        unread: String,
    },
}

impl Run {
    /// The questions that wait for an operator.
    pub fn open_questions(&self) -> impl Iterator<Item = &RunQuestion> {
        let questions = self.questions.iter();
        questions.filter(|question| question.answer.is_none())
    }
}

impl RunStep {
    /// What it found, if it is a drill that came to a verdict.
    #[must_use]
    pub fn drill(&self) -> Option<&DrillSummary> {
        match &self.body {
            Some(StepBody::Drill(drill)) => Some(drill),
            Some(StepBody::Unread { .. } | StepBody::Other(_)) | None => None,
        }
    }
}
