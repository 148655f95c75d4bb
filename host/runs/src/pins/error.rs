//! Why things cannot be pinned, or what was pinned cannot be had.

use std::io;
use std::path::PathBuf;

use drydock_core::Pin;
use drydock_documents::{FileError, FileErrors};
use drydock_node::RegistryError;

/// What can be done where a run cannot go on with what it pinned.
const OR_CANCEL: &str = "or end the run with `drydock run cancel RUN`";

/// A file under `<state>/pins` cannot be written, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error("the {pin} cannot be kept for the run as {}: {}", path.display(), mend(source))]
    Unwritten {
        pin: Pin,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "the {pin} that the run pinned is gone: {} is not there, and the run goes on with nothing else; bring the file back from a copy of the state folder, {OR_CANCEL}",
        path.display()
    )]
    Missing { pin: Pin, path: PathBuf },
    #[error(
        "the {pin} that the run pinned is damaged: the bytes of {} are others than the file's name says, and the run goes on with nothing else; bring the file back from a copy of the state folder, {OR_CANCEL}",
        path.display()
    )]
    Damaged { pin: Pin, path: PathBuf },
    #[error(
        "the {pin} that the run pinned cannot be read from {}: see that the file and its disk are well, {OR_CANCEL}",
        path.display()
    )]
    Unread {
        pin: Pin,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "what no run uses any more cannot be removed from {}: see that the folder and its disk are well",
        folder.display()
    )]
    Unswept { folder: PathBuf, source: io::Error },
}

impl PinError {
    /// Whether the bytes are no more what the run pinned, so that reading them again does not
    /// help.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Damaged { .. } => true,
            Self::Unwritten { .. } | Self::Unread { .. } | Self::Unswept { .. } => false,
        }
    }
}

/// What a run pinned cannot be put to use.
#[derive(Debug, thiserror::Error)]
pub enum PinnedError {
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A document of another Drydock: this one does not read it.
    #[error(
        "the {pin} that the run pinned cannot be understood by this Drydock: resume the run with the one that began it, {OR_CANCEL}"
    )]
    Document { pin: Pin, source: FileError },
    #[error(transparent)]
    Documents(#[from] FileErrors),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on its file system, or move `state:` of the node's configuration"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "remount its file system for writing, or move `state:` of the node's configuration"
        }
        _ => {
            "see that the folder and its disk are well, or move `state:` of the node's configuration"
        }
    }
}
