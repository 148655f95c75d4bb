//! What can go wrong between the repository and a target, and the same as a [`Fault`]
//! for the run's record.

use std::io;

use drydock_core::{ErrorClass, ErrorCode, Fault};

use crate::digest::Measure;
use crate::manifest::ManifestError;
use crate::mark::MarkError;
use crate::names::NameError;
use crate::seal::UnsealError;
use crate::sign::{SignError, VerifyError};

/// An operation on a recovery point failed.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("the target failed{}", at(.object))]
    Target {
        object: String,
        #[source]
        source: Fault,
    },
    #[error(
        "there is no recovery point {point}: `drydock recovery-point list` shows those that are there"
    )]
    NoRecoveryPoint { point: String },
    #[error(
        "recovery point {point} has no signature: {object} is missing, so its manifest cannot be believed; use another recovery point, or another target that has this one"
    )]
    Unsigned { point: String, object: String },
    #[error(
        "the manifest of {point} was changed after it was signed: {signature} is the signature of another text; use another recovery point, or another target that has this one"
    )]
    Altered { point: String, signature: String },
    #[error("recovery point {point} is not to be trusted")]
    Signature {
        point: String,
        #[source]
        source: VerifyError,
    },
    #[error("the manifest of {point} cannot be used")]
    Manifest {
        point: String,
        #[source]
        source: ManifestError,
    },
    #[error("the manifest at {point} says that it is {found}: the files were moved or renamed")]
    Misplaced { point: String, found: String },
    #[error("the mark of {point} cannot be made")]
    Mark {
        point: String,
        #[source]
        source: MarkError,
    },
    #[error("the mark of {point} cannot be signed")]
    MarkNotSigned {
        point: String,
        #[source]
        source: SignError,
    },
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(
        "{object} is {size} bytes, more than the {bytes_max} that such an object may have: it is damaged or something else"
    )]
    TooLarge {
        object: String,
        size: u64,
        bytes_max: u64,
    },
    #[error(
        "{object} was at the target before this run wrote it, and it is no recovery point: see who put it there, and move it away"
    )]
    Foreign { object: String },
    #[error("recovery point {point} has no artifact {artifact:?}: it holds {known}")]
    NoArtifact {
        point: String,
        artifact: String,
        known: String,
    },
    #[error(
        "artifact object {object} is missing from the target: this recovery point cannot be restored from here"
    )]
    Missing { object: String },
    #[error(
        "the target said that {object} is complete, and does not have it: what is kept there gets lost, so use another target until its author has mended the plugin"
    )]
    Vanished { object: String },
    #[error(
        "{object} was completed, and right before the manifest was to be written it is {found}, so nothing was committed: what is kept at this target gets lost, so use another one until its plugin, or what is behind it, is mended"
    )]
    NotKept { object: String, found: String },
    #[error(
        "{object} is damaged: it should be {expected_size} bytes with sha256 {expected_sha256}, but it is {found}"
    )]
    Damaged {
        object: String,
        expected_size: u64,
        expected_sha256: String,
        found: String,
    },
    #[error(
        "{object} does not hold what the manifest says: opened, it should be {expected_size} bytes with sha256 {expected_sha256}, but it is {found}"
    )]
    PlainMismatch {
        object: String,
        expected_size: u64,
        expected_sha256: String,
        found: String,
    },
    #[error("{object} cannot be opened")]
    Unseal {
        object: String,
        #[source]
        source: UnsealError,
    },
    #[error("{object} is stored as the manifest says but cannot be opened: it was sealed wrongly")]
    Unreadable {
        object: String,
        #[source]
        source: io::Error,
    },
    #[error("what was read from {object} cannot be written")]
    Write {
        object: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "{what} holds more than {entries_max} entries: look at a single cluster, or remove what is old"
    )]
    TooMany { what: String, entries_max: usize },
    #[error("{point} cannot be read: {why}")]
    Unread { point: String, why: String },
}

/// Where in the target; the whole of it has no name.
fn at(object: &str) -> String {
    if object.is_empty() {
        String::new()
    } else {
        format!(" at {object}")
    }
}

impl RepositoryError {
    pub(crate) fn target(object: &str, source: Fault) -> Self {
        Self::Target {
            object: object.to_owned(),
            source,
        }
    }

    pub(crate) fn damaged(object: &str, expected: &Measure, found: String) -> Self {
        Self::Damaged {
            object: object.to_owned(),
            expected_size: expected.size,
            expected_sha256: expected.sha256.to_string(),
            found,
        }
    }

    pub(crate) fn plain_mismatch(object: &str, expected: &Measure, found: String) -> Self {
        Self::PlainMismatch {
            object: object.to_owned(),
            expected_size: expected.size,
            expected_sha256: expected.sha256.to_string(),
            found,
        }
    }

    /// The short stable word for it.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Target { source, .. } => source.code.clone(),
            Self::NoRecoveryPoint { .. } | Self::NoArtifact { .. } => ErrorCode::NotFound,
            Self::Unsigned { .. } => ErrorCode::Unsigned,
            Self::Altered { .. } => ErrorCode::BadSignature,
            Self::Signature { source, .. } => match source {
                VerifyError::UnknownSigner { .. } => ErrorCode::UnknownSigner,
                _ => ErrorCode::BadSignature,
            },
            Self::Manifest { .. } | Self::Misplaced { .. } => ErrorCode::BadManifest,
            Self::Mark { .. } | Self::MarkNotSigned { .. } => ErrorCode::BadMark,
            Self::Name(_) => ErrorCode::BadName,
            Self::Foreign { .. } => ErrorCode::Exists,
            Self::NotKept { .. } | Self::Vanished { .. } => ErrorCode::ObjectMissing,
            Self::Unseal { .. } => ErrorCode::NotOpened,
            Self::Write { .. } => ErrorCode::WriteFailed,
            Self::TooMany { .. } => ErrorCode::TooMany,
            Self::Unread { .. } => ErrorCode::Unread,
            Self::TooLarge { .. }
            | Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::PlainMismatch { .. }
            | Self::Unreadable { .. } => ErrorCode::Corrupt,
        }
    }

    /// Whether the target failed in a way that may pass.
    pub(crate) fn is_for_now(&self) -> bool {
        matches!(self, Self::Target { source, .. } if source.class.is_retryable())
    }

    /// Whether it says that a stored artifact is gone, or is not what its manifest says. All
    /// else is a matter of the target, of this machine or of who asks.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::PlainMismatch { .. }
            | Self::Unreadable { .. } => true,
            Self::Unseal { source, .. } => matches!(source, UnsealError::Damaged(_)),
            _ => false,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Target { source, .. } => source.class,
            Self::Write { .. } => ErrorClass::Transient,
            _ => ErrorClass::Permanent,
        }
    }
}

/// The whole chain in one message, as a run's record keeps it.
impl From<RepositoryError> for Fault {
    fn from(error: RepositoryError) -> Self {
        // A target's own sentence says what, where, and how to mend it.
        if let RepositoryError::Target { source, object } = error {
            return source.with_detail("object", object);
        }
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::new(error.class(), error.code(), message)
    }
}
