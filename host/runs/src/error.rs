//! Why the state folder is not taken, a run cannot be prepared, or does not go on.

use std::collections::BTreeMap;

use drydock_core::{RunId, chain, error_lines};
use drydock_documents::FileError;
use drydock_engine::EngineError;
use drydock_journal::{JournalError, LockError, OpenError};
use drydock_node::{ClockBehind, NoSuchDocument, RegistryError};
use tokio::task::JoinError;

use crate::pins::{PinError, PinnedError};

/// The state folder cannot be taken, or not worked with.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(
        "this process may open {handles} files at once and needs {needed}: raise `ulimit -n`, or `LimitNOFILE=` of its systemd unit"
    )]
    Handles { handles: u64, needed: u64 },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Clock(#[from] ClockBehind),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The journal was asked in a task that did not end.
    #[error(transparent)]
    Stopped(#[from] JoinError),
}

/// No run can be made of what a schedule's documents say.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    NoSuch(#[from] NoSuchDocument),
    #[error(transparent)]
    Document(#[from] FileError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(
        "a drill opens the recovery point and needs the key that does: give --identity FILE, or name it as spec.drill.identity of this node's configuration"
    )]
    NoIdentity,
    #[error("{}", error_lines(.0.iter().map(|error| chain(error))))]
    Several(Vec<Self>),
    /// Preparing did not end.
    #[error(transparent)]
    Stopped(#[from] JoinError),
}

impl PrepareError {
    /// All of these, each sentence once: two schedules that name one wrong thing are one
    /// mistake. None where there are none.
    #[must_use]
    pub(crate) fn all(errors: Vec<Self>) -> Option<Self> {
        let told = errors.into_iter().map(|error| (chain(&error), error));
        let told: BTreeMap<String, Self> = told.collect();
        (!told.is_empty()).then(|| Self::Several(told.into_values().collect()))
    }

    /// These, in their order, if there are any.
    pub(crate) fn several(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }

    /// Why plugins cannot be had.
    pub(crate) fn of_registry(errors: Vec<RegistryError>) -> Self {
        Self::Several(errors.into_iter().map(Into::into).collect())
    }
}

/// A run does not begin, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// What it uses cannot be kept for it.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// What it pinned cannot be put to use.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    #[error(
        "run {run} cannot be resumed: what it pinned gives another run than it began as, which only another version of Drydock or a mistake in it can do; resume it with the one that began it, and report this"
    )]
    OtherSpec { run: RunId },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Stopped(#[from] JoinError),
}
