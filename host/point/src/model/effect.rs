//! What a recovery point asks for, and how that is answered.

use drydock_core::store::{Acknowledgement, Completion, Layout, PartReceipt, Session};
use drydock_core::{Fault, OutputId, StepName, UnixTime, Verdict};
use serde::{Deserialize, Serialize};

/// What is asked for. Each is recorded before it is carried out. Fields that follow from
/// the state are left out of the record, which keeps it small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "point", rename_all = "kebab-case")]
pub enum PointEffect {
    /// Answers Began.
    BeginUpload {
        store: StepName,
        output: OutputId,
        object: String,
        attempt: u32,
    },
    /// Answers PartStored.
    PutPart {
        store: StepName,
        output: OutputId,
        session: Session,
        number: u32,
        offset: u64,
        length: u64,
        attempt: u32,
    },
    /// Answers Judged.
    Judge {
        step: StepName,
        output: OutputId,
        attempt: u32,
    },
    /// Answers Completed.
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
    /// Answers ReadBack.
    ReadBack {
        store: StepName,
        output: OutputId,
        object: String,
        size: u64,
        sha256: String,
        attempt: u32,
    },
    /// Build and sign the manifest from the state. Answers Signed.
    SignManifest,
    /// Lock a completed object for as long as the manifest will be, and look that it is
    /// locked. Asked for once the manifest is signed: nothing is locked before it counts.
    /// Answers Retained.
    RetainObject {
        store: StepName,
        output: OutputId,
        object: String,
        attempt: u32,
    },
    /// Look at every object that the manifest names, then create signature and manifest
    /// at the target, if absent, locked if the target is to lock them, and read them back. Answers Committed also when exactly
    /// this manifest was there already, and Superseded when another one was. A fault is
    /// `not-done` only where the manifest never left this process: what a store says of
    /// this write proves nothing.
    CommitManifest {
        store: StepName,
        #[serde(skip)]
        manifest: String,
        #[serde(skip)]
        signature: String,
        attempt: u32,
    },
    /// Forget an upload. At a store whose uploads only expire nothing is asked: it is enough
    /// that nothing more is sent. Answers Aborted.
    AbortUpload {
        store: StepName,
        output: OutputId,
        session: Session,
        attempt: u32,
    },
    /// Remove an object that was or may have been completed at a target where the run
    /// cannot commit, and that no manifest there can name. The runner looks once more, and
    /// fails where the manifest there names it. No error when it is not there. Answers
    /// Deleted.
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
    /// Answers Swept.
    SweepUploads {
        store: StepName,
        prefix: String,
        objects: Vec<String>,
        #[serde(skip)]
        keep: Vec<Session>,
        attempt: u32,
    },
    /// Remove the sealed spool of the run. Answers SpoolDropped.
    DropSpool,
    /// Answer WaitOver after this long. The driver does this itself.
    Wait { timer: u64, milliseconds: u64 },
}

/// The answer to one effect. Which one that was is known from elsewhere, so that no field of
/// it is repeated here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "point", rename_all = "kebab-case")]
pub enum PointAnswer {
    Judged {
        verdict: Verdict,
    },
    Began {
        session: Session,
        layout: Layout,
        part_size: u64,
    },
    PartStored {
        #[serde(flatten)]
        part: Acknowledgement,
    },
    Completed {
        completion: Completion,
    },
    /// The object is there, byte for byte.
    ReadBack,
    /// The manifest of the recovery point and its minisign signature, both as text.
    Signed {
        manifest: String,
        signature: String,
    },
    /// The manifest is at this target, read back byte for byte: the recovery point is
    /// committed there. `despite` is why the store said that it is not.
    Committed {
        despite: Option<Fault>,
    },
    /// Another manifest, which can be believed, was read in its place. It names these
    /// objects: after a journal was put back, they may be this run's own.
    Superseded {
        names: Vec<String>,
    },
    /// `room_until` says when the store frees by itself what it could not be asked to.
    Aborted {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room_until: Option<UnixTime>,
    },
    Deleted,
    /// The object is locked until then.
    Retained {
        until: UnixTime,
    },
    /// The orphans of this run were looked for; so many were found and aborted. Where they
    /// cannot be looked for, the store frees them by itself by `room_until`.
    Swept {
        aborted: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room_until: Option<UnixTime>,
    },
    SpoolDropped,
    /// The sealed bytes that the effect was to send are gone, or fewer than they were.
    SpoolMissing {
        fault: Fault,
    },
    /// The effect did not succeed.
    Failed {
        fault: Fault,
    },
    /// Volatile.
    WaitOver,
}

impl PointEffect {
    /// The effect's name for messages and logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::BeginUpload { .. } => "begin-upload",
            Self::PutPart { .. } => "put-part",
            Self::Judge { .. } => "judge",
            Self::CompleteUpload { .. } => "complete-upload",
            Self::ReadBack { .. } => "read-back",
            Self::RetainObject { .. } => "retain-object",
            Self::SignManifest => "sign-manifest",
            Self::CommitManifest { .. } => "commit-manifest",
            Self::AbortUpload { .. } => "abort-upload",
            Self::DeleteObject { .. } => "delete-object",
            Self::SweepUploads { .. } => "sweep-uploads",
            Self::DropSpool => "drop-spool",
            Self::Wait { .. } => "wait",
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
            | Self::RetainObject { store, .. }
            | Self::CommitManifest { store, .. }
            | Self::AbortUpload { store, .. }
            | Self::DeleteObject { store, .. }
            | Self::SweepUploads { store, .. } => Some(store),
            Self::Judge { .. } | Self::SignManifest | Self::DropSpool | Self::Wait { .. } => None,
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
            | Self::RetainObject { output, .. }
            | Self::AbortUpload { output, .. }
            | Self::DeleteObject { output, .. } => Some(*output),
            Self::SignManifest
            | Self::CommitManifest { .. }
            | Self::SweepUploads { .. }
            | Self::DropSpool
            | Self::Wait { .. } => None,
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
            Self::PutPart { .. } | Self::Judge { .. } | Self::ReadBack { .. }
        )
    }
}

impl PointAnswer {
    /// The fault of an effect that did not succeed.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Failed { fault } | Self::SpoolMissing { fault } => Some(fault),
            _ => None,
        }
    }

    /// Whether the answer is kept. The others only matter to the process in which they
    /// happen.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        !matches!(self, Self::WaitOver)
    }
}
