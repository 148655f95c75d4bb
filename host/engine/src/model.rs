//! What a run is made of: its pinned specification, the events that it takes in and
//! the effects that it asks for. Everything here is data and is kept in the journal.

use drydock_core::store::{Completion, Layout, PartReceipt, Receipt, Session};
use drydock_core::{
    ClusterName, Fault, Finding, GrantRecord, Nature, OutcomeCode, OutputId, PluginDigest,
    RecoveryPointName, RunId, RunKind, ScheduleName, StepName, TargetName, UnixTime, Verdict,
};
use serde::{Deserialize, Serialize};

/// Everything that a run is bound to from its first record on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub cluster: ClusterName,
    pub due: UnixTime,
    pub by_hand: bool,
    /// In the order in which they run, one at least unless the run is a drill.
    pub backups: Vec<StepPin>,
    pub verify: Vec<VerifyPin>,
    pub stores: Vec<StorePin>,
    /// In place of all steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillPin>,
    pub policy: Policy,
    /// `sha256:` and hex of the schedule, target, cluster and grant documents in force.
    pub workflow_digest: String,
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

/// A verify step and the backup steps whose outputs it judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyPin {
    #[serde(flatten)]
    pub pin: StepPin,
    /// Names of backup steps; empty for all of them.
    pub judges: Vec<StepName>,
}

/// A store step and its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorePin {
    pub pin: StepPin,
    pub target: TargetName,
}

/// A drill: the newest recovery point of the run's cluster at a target is restored into
/// scratch and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillPin {
    pub target: TargetName,
    /// Whether a kube-apiserver is started on it as well.
    pub api_server: bool,
}

/// How a drill ended that could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillVerdict {
    Passed,
    Failed,
    /// There was nothing to compare, so that nothing is proven and nothing is wrong.
    Skipped,
}

/// What a drill found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillResult {
    pub recovery_point: RecoveryPointName,
    pub verdict: DrillVerdict,
    /// Why it did not pass, in a sentence.
    pub reason: Option<String>,
    pub checks: u32,
    /// From the first byte fetched to a cluster that answers.
    pub recovery_milliseconds: Option<u64>,
    pub data_age_seconds: u64,
    /// The report's page on this node.
    pub report: Option<String>,
    /// What could not be done beside the drill itself, e.g. the mark; a sentence each.
    pub warnings: Vec<String>,
}

/// How often and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Retries of one effect (and of each backup step) before it counts as failed.
    pub backoff_limit: u32,
    /// Wait before the first retry, in milliseconds; doubles each time up to `backoff_ms_max`.
    pub backoff_ms: u64,
    pub backoff_ms_max: u64,
    /// Whole run, in seconds; none for no limit.
    pub active_deadline_seconds: Option<u64>,
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

/// What happened. Each is one record, except the volatile ones (see [`Event::is_recorded`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    RunCreated {
        spec: Box<RunSpec>,
        at: UnixTime,
    },
    /// A process took the run up again; every effect in flight is lost.
    RunResumed {
        at: UnixTime,
    },
    /// A backup step opened an output. `object_suffix` is 16 hex digits that make the
    /// object's name unique to this output; `extension` is `zst.age` or `zst`.
    OutputOpened {
        step: StepName,
        output: OutputId,
        name: String,
        secret: bool,
        object_suffix: String,
        extension: String,
    },
    /// This many sealed bytes of the output can be read from the spool. Volatile.
    SealedAdvanced {
        output: OutputId,
        sealed_bytes: u64,
    },
    /// The output was given up (stream broke, handle dropped): nothing of it counts.
    OutputDiscarded {
        output: OutputId,
        reason: Fault,
    },
    /// The output is whole, its sealed spool is synced, its nature is known.
    OutputSealed {
        sealed: Box<SealedOutput>,
    },
    BackupFinished {
        step: StepName,
        attempt: u32,
        degraded: bool,
        findings: Vec<Finding>,
    },
    BackupFailed {
        step: StepName,
        attempt: u32,
        fault: Fault,
    },
    Judged {
        step: StepName,
        output: OutputId,
        verdict: Verdict,
    },
    UploadBegan {
        store: StepName,
        output: OutputId,
        session: Session,
        layout: Layout,
        /// Bytes of every part but the last. The size that BeginUpload chose.
        part_size: u64,
    },
    PartStored {
        store: StepName,
        output: OutputId,
        number: u32,
        receipt: Receipt,
    },
    UploadCompleted {
        store: StepName,
        output: OutputId,
        completion: Completion,
    },
    ReadBackPassed {
        store: StepName,
        output: OutputId,
    },
    /// The manifest of the recovery point and its minisign signature, both as text.
    ManifestSigned {
        manifest: String,
        signature: String,
    },
    /// The manifest is at this target, read back byte for byte: the recovery point is
    /// committed there. `despite` is why the store said that it is not.
    Committed {
        store: StepName,
        despite: Option<Fault>,
    },
    /// Another manifest, which can be believed, was read in its place. It names these
    /// objects: after a journal was put back, they may be this run's own.
    Superseded {
        store: StepName,
        names: Vec<String>,
    },
    UploadAborted {
        store: StepName,
        output: OutputId,
    },
    ObjectDeleted {
        store: StepName,
        output: OutputId,
    },
    /// The orphans of this run were looked for; so many were found and aborted.
    UploadsSwept {
        store: StepName,
        aborted: u32,
    },
    SpoolDropped,
    /// The drill was carried out.
    Drilled {
        attempt: u32,
        result: Box<DrillResult>,
    },
    /// An effect did not succeed.
    EffectFailed {
        effect: Box<Effect>,
        fault: Fault,
    },
    /// The sealed bytes that an effect was to send are gone, or fewer than they were.
    SpoolMissing {
        effect: Box<Effect>,
        fault: Fault,
    },
    /// A wait that the engine asked for is over. Volatile.
    WaitOver {
        timer: u64,
    },
    /// Somebody asked the run to stop.
    CancelRequested {
        reason: String,
    },
    /// The run took longer than its policy allows.
    DeadlinePassed {
        seconds: u64,
        /// What was being carried out then and where, for the operator.
        under_way: Vec<String>,
    },
    /// Taking back what the run began did not come to an end in this time. What is left is
    /// left where it is.
    CleanupGivenUp {
        seconds: u64,
    },
    RunFinished {
        outcome: Outcome,
        at: UnixTime,
    },
}

/// What the engine asks for. Each is recorded before it is carried out. Fields that
/// follow from the run's state are left out of the record, which keeps it small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Run a backup step's plugin. `first_output` numbers the first output that it opens.
    /// Of the outputs below it only the live ones' spool files are still of use: they are
    /// other steps'.
    /// Answers with OutputOpened/SealedAdvanced/OutputSealed/OutputDiscarded while it
    /// runs and with BackupFinished or BackupFailed at the end.
    StartBackup {
        step: StepName,
        attempt: u32,
        first_output: OutputId,
    },
    BeginUpload {
        store: StepName,
        output: OutputId,
        object: String,
        attempt: u32,
    },
    PutPart {
        store: StepName,
        output: OutputId,
        session: Session,
        number: u32,
        offset: u64,
        length: u64,
        attempt: u32,
    },
    Judge {
        step: StepName,
        output: OutputId,
        attempt: u32,
    },
    CompleteUpload {
        store: StepName,
        output: OutputId,
        session: Session,
        object: String,
        #[serde(skip)]
        receipts: Vec<PartReceipt>,
        size: u64,
        sha256: String,
        attempt: u32,
    },
    ReadBack {
        store: StepName,
        output: OutputId,
        object: String,
        size: u64,
        sha256: String,
        attempt: u32,
    },
    /// Build and sign the manifest from the run's state. Answers ManifestSigned.
    SignManifest,
    /// Look at every object that the manifest names, then create signature and manifest
    /// at the target, if absent, and read them back. Answers Committed also when exactly
    /// this manifest was there already. A fault is `not-done` only where the manifest never
    /// left this process: what a store says of this write proves nothing.
    CommitManifest {
        store: StepName,
        #[serde(skip)]
        manifest: String,
        #[serde(skip)]
        signature: String,
        attempt: u32,
    },
    AbortUpload {
        store: StepName,
        output: OutputId,
        session: Session,
        attempt: u32,
    },
    /// Remove an object that was or may have been completed at a target where the run
    /// cannot commit, and that no manifest there can name. The runner looks once more, and
    /// fails where the manifest there names it. No error when it is not there. Answers
    /// ObjectDeleted.
    DeleteObject {
        store: StepName,
        output: OutputId,
        object: String,
        attempt: u32,
    },
    /// Look for uploads whose begin was asked for and never answered: list the sessions
    /// under `prefix` and abort those whose object is one of `objects` (names that only
    /// this run uses) and whose session is not in `keep`. Another daemon that works on
    /// the same occurrence has uploads under the same prefix: they are not touched.
    /// Answers UploadsSwept.
    SweepUploads {
        store: StepName,
        prefix: String,
        objects: Vec<String>,
        #[serde(skip)]
        keep: Vec<Session>,
        attempt: u32,
    },
    /// Remove the sealed spool of the run.
    DropSpool,
    /// Drill the newest recovery point. Answers Drilled, also when the recovery point does
    /// not pass. Everything that it made on this machine is gone with its future.
    Drill { attempt: u32 },
    /// Answer WaitOver after this long. The driver does this itself.
    Wait { timer: u64, milliseconds: u64 },
    /// Record the end. The driver does this itself.
    Finish { outcome: Outcome },
}

/// The name of a failed run's details that say what could not be removed, or stays.
pub const LEFT_BEHIND: &str = "left-behind";

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Committed at every target, or drilled and passed; nothing to report.
    Succeeded,
    /// Committed at one target at least, or drilled and passed; `reasons` say what is
    /// missing.
    Degraded { reasons: Vec<String> },
    /// Not known to be committed anywhere, or the drill failed. The fault is `not-done` where
    /// the recovery point surely is nowhere; where it is `unknown`, its message says which
    /// targets may have it. Details named [`LEFT_BEHIND`] say what stays there.
    Failed { fault: Fault },
    /// Another run had committed this recovery point first, at every target. `reasons`
    /// say what of this run could not be removed; empty as a rule.
    Superseded { reasons: Vec<String> },
}

impl RunSpec {
    /// What the run does.
    #[must_use]
    pub fn kind(&self) -> RunKind {
        match self.drill {
            None => RunKind::Backup,
            Some(_) => RunKind::Drill,
        }
    }

    /// Every pinned step: backup, verify, store, each in its order.
    pub fn pins(&self) -> impl Iterator<Item = &StepPin> {
        let verify = self.verify.iter().map(|verify| &verify.pin);
        let stores = self.stores.iter().map(|store| &store.pin);
        self.backups.iter().chain(verify).chain(stores)
    }

    /// The verify steps that judge what a backup step made.
    pub fn judges_of(&self, backup: &StepName) -> impl Iterator<Item = &VerifyPin> {
        self.verify.iter().filter(|pin| pin.judges(backup))
    }
}

impl VerifyPin {
    #[must_use]
    pub fn judges(&self, backup: &StepName) -> bool {
        self.judges.is_empty() || self.judges.contains(backup)
    }
}

impl Event {
    /// Whether the event is kept in the journal. The others only matter to the process
    /// in which they happen.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        !matches!(self, Self::SealedAdvanced { .. } | Self::WaitOver { .. })
    }
}

impl Effect {
    /// The effect's name for messages and logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::StartBackup { .. } => "start-backup",
            Self::BeginUpload { .. } => "begin-upload",
            Self::PutPart { .. } => "put-part",
            Self::Judge { .. } => "judge",
            Self::CompleteUpload { .. } => "complete-upload",
            Self::ReadBack { .. } => "read-back",
            Self::SignManifest => "sign-manifest",
            Self::CommitManifest { .. } => "commit-manifest",
            Self::AbortUpload { .. } => "abort-upload",
            Self::DeleteObject { .. } => "delete-object",
            Self::SweepUploads { .. } => "sweep-uploads",
            Self::DropSpool => "drop-spool",
            Self::Drill { .. } => "drill",
            Self::Wait { .. } => "wait",
            Self::Finish { .. } => "finish",
        }
    }

    /// The backup step that the effect works on.
    #[must_use]
    pub fn backup(&self) -> Option<&StepName> {
        match self {
            Self::StartBackup { step, .. } => Some(step),
            _ => None,
        }
    }

    /// The store step that the effect works on.
    #[must_use]
    pub fn store(&self) -> Option<&StepName> {
        match self {
            Self::BeginUpload { store, .. }
            | Self::PutPart { store, .. }
            | Self::CompleteUpload { store, .. }
            | Self::ReadBack { store, .. }
            | Self::CommitManifest { store, .. }
            | Self::AbortUpload { store, .. }
            | Self::DeleteObject { store, .. }
            | Self::SweepUploads { store, .. } => Some(store),
            _ => None,
        }
    }

    /// The output that the effect works on.
    #[must_use]
    pub fn output(&self) -> Option<OutputId> {
        match self {
            Self::BeginUpload { output, .. }
            | Self::PutPart { output, .. }
            | Self::Judge { output, .. }
            | Self::CompleteUpload { output, .. }
            | Self::ReadBack { output, .. }
            | Self::AbortUpload { output, .. }
            | Self::DeleteObject { output, .. } => Some(*output),
            _ => None,
        }
    }

    /// Whether the effect takes back what an earlier one did.
    #[must_use]
    pub fn is_cleanup(&self) -> bool {
        matches!(
            self,
            Self::AbortUpload { .. }
                | Self::DeleteObject { .. }
                | Self::SweepUploads { .. }
                | Self::DropSpool
        )
    }

    /// Whether a run that is ending may drop the effect midway: it is slow, and nothing
    /// needs to be known of how far it came.
    #[must_use]
    pub fn may_be_abandoned(&self) -> bool {
        matches!(
            self,
            Self::PutPart { .. } | Self::Judge { .. } | Self::ReadBack { .. } | Self::Drill { .. }
        )
    }
}

impl Outcome {
    #[must_use]
    pub fn code(&self) -> OutcomeCode {
        match self {
            Self::Succeeded => OutcomeCode::Succeeded,
            Self::Degraded { .. } => OutcomeCode::Degraded,
            Self::Failed { .. } => OutcomeCode::Failed,
            Self::Superseded { .. } => OutcomeCode::Superseded,
        }
    }

    /// Whether the recovery point exists at one target at least, or did not fail the drill.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.code().is_good()
    }

    #[must_use]
    pub fn word(&self) -> &'static str {
        self.code().word()
    }
}
