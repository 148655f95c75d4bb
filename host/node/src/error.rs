//! Why what this node is told cannot be used.

use std::path::PathBuf;

use drydock_core::chain;
use drydock_documents::{FileError, FileErrors, SourceSpan};
use drydock_repository::sign::KeyError;
use drydock_sandbox::{AdmitError, SandboxError, World};

use crate::registry::CONFIG_WALL_MAX;

/// Configuration or documents cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(
        "the node's configuration {} cannot be read: {why}; name another with --config, or make one with `drydock init`",
        path.display()
    )]
    Unread { path: PathBuf, why: String },
    #[error(transparent)]
    Document(#[from] FileError),
    #[error(transparent)]
    Documents(#[from] FileErrors),
    /// A target's folder, in place of a configuration.
    #[error(
        "--target-folder {} cannot be read: {why}; name the folder that holds a folder for each cluster",
        folder.display()
    )]
    NoFolder { folder: PathBuf, why: String },
    /// It lies inside of a target's folder. `advice` says where that is.
    #[error("--target-folder {} is the folder of {what}: {advice}", folder.display())]
    InnerFolder {
        folder: PathBuf,
        what: &'static str,
        advice: String,
    },
    /// This machine has no room for a state folder that goes with the process.
    #[error("no folder can be made in {}: name another one as TMPDIR: {why}", folder.display())]
    NoTemporary { folder: PathBuf, why: String },
}

/// The documents define nothing of this name.
#[derive(Debug, thiserror::Error)]
#[error("there is no {kind} {name}; {hint}")]
pub struct NoSuchDocument {
    pub kind: &'static str,
    pub name: String,
    /// The nearest name, or what else there is.
    pub hint: String,
}

/// A plugin, or the sandbox itself, cannot be used as the documents say.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Document(#[from] FileError),
    /// The node's own key cannot be among those that it trusts.
    #[error(transparent)]
    Signers(#[from] KeyError),
    #[error(
        "there is no plugin {name}: it is neither built in nor under `plugins:` of the node's configuration{hint}"
    )]
    NoSuchPlugin { name: String, hint: String },
    /// A run pinned no plugin that its documents name.
    #[error(
        "plugin {name} is not among what the run pinned, and the run goes on with nothing else: end it with `drydock run cancel RUN`"
    )]
    NotPinned { name: String },
    #[error(transparent)]
    NotAdmitted(#[from] AdmitError),
    /// It may send requests, and none can leave this node.
    #[error("{0}")]
    NoRequests(FileError),
    #[error("{subject} needs a {needed} plugin, and {name} is a {actual} plugin: name another one")]
    OtherWorld {
        /// The step or target.
        subject: String,
        needed: String,
        name: String,
        actual: World,
    },
    #[error("the configuration of {subject} is wrong: {why}")]
    ConfigRefused { subject: String, why: String },
    #[error(
        "plugin {plugin} does not say within {} s whether it accepts the configuration of {subject}: ask its author, or use another plugin",
        CONFIG_WALL_MAX.as_secs()
    )]
    NoAnswer { plugin: String, subject: String },
    /// The same, at the line of the document that is to be mended.
    #[error("{}", span.error(chain(&**error)))]
    At { span: SourceSpan, error: Box<Self> },
}

impl RegistryError {
    /// The same at a place in a document, unless it tells of a place already.
    #[must_use]
    pub fn at_span(self, span: &SourceSpan) -> Self {
        match self {
            Self::Document(_) | Self::At { .. } => self,
            error => Self::At {
                span: span.clone(),
                error: Box::new(error),
            },
        }
    }
}
