//! What this node is told: [`Configuration`] is the node's configuration with the documents
//! that it names, [`PluginRegistry`] adds the sandbox with the plugins. [`Deps`] are what `main`
//! hands down: clock, crash points, environment, built-in plugins; a configuration has them.
//!
//! The crate knows no run and no command line. A verb says with [`Need`] what it uses; what is
//! wrong elsewhere is a warning.
//!
//! **Invariant:** no secret is formatted: keys live in types whose `Debug` hides them.
//!
//! A crash leaves nothing but the cache of compiled plugins.

mod access;
pub mod action;
mod binding;
mod capabilities;
mod deps;
mod development;
mod error;
mod folder;
mod identity;
pub mod interrupt;
mod limits;
mod load;
mod need;
mod network;
mod places;
mod random;
mod registry;
mod sanity;
mod secrets;
mod throttles;

use std::path::Path;

use drydock_core::{ScheduleName, nearest};
use drydock_documents as documents;
use drydock_documents::{
    Document, DocumentSet, FileError, FileErrors, Loaded, Located, NodeConfig,
};
use tempfile::TempDir;

pub use access::{OWN_CALLS, check_authorities, cluster_access, judge_certificates};
pub use capabilities::{CAPABILITIES, example_grants};
pub use deps::{BuiltIn, Deps};
pub use error::{LoadError, NoSuchDocument, RegistryError};
pub use folder::TARGET;
pub use identity::with_identity;
pub use limits::plugin_limits;
pub use load::{files_of, read_documents, refuse_timetables};
pub use need::Need;
pub use network::http_config;
pub use places::{place, step_plugin};
pub use random::random_hex;
pub use registry::{
    COMPILE_VERB, PinnedComponent, PluginRegistry, UnreadComponent, compiler, findings_of,
    judged_config, judged_retention, read_component,
};
pub use sanity::{ClockBehind, check_clock};

/// Names that an error lists; more would hide the sentence.
const NAMED_MAX: usize = 10;

/// The node's configuration and the documents that it names, as far as they are needed.
pub struct Configuration {
    pub config: Located<NodeConfig>,
    pub documents: DocumentSet,
    /// What is wrong that was not needed: there may be more documents than these.
    pub warnings: Vec<FileError>,
    /// What is granted by folder, a sentence for each plugin: none where nobody develops
    /// plugins.
    pub development: Vec<FileError>,
    pub deps: Deps,
    /// The state folder of a node that is made up for a target's folder; it goes with it.
    lent: Option<TempDir>,
}

impl Configuration {
    /// Reads configuration and documents as far as they are needed. What is wrong elsewhere
    /// is a warning.
    ///
    /// # Errors
    /// What is needed is not there, or wrong.
    pub fn load(config: &Path, need: &Need<'_>, deps: Deps) -> Result<Self, LoadError> {
        let (config, mut warnings) = load::node_config(config, need)?;
        let (usable, development) = load::documents(&config, need, &*deps.env)?;
        warnings.extend(usable.warnings);
        Ok(Self {
            config,
            documents: usable.set,
            warnings,
            development,
            deps,
            lent: None,
        })
    }

    /// This node as it is now with the documents that a run pinned, and no others.
    ///
    /// # Errors
    /// Everything that is wrong between these documents, and values that are not where they
    /// name them.
    pub fn pinned(&self, documents: Vec<Located<Document>>) -> Result<Self, FileErrors> {
        let mut loaded = Loaded::of(documents);
        loaded.read_values(&*self.deps.env);
        let usable = loaded.take(documents::Need::All).map_err(FileErrors)?;
        Ok(Self {
            config: self.config.clone(),
            documents: usable.set,
            warnings: Vec::new(),
            development: Vec::new(),
            deps: self.deps.clone(),
            lent: None,
        })
    }

    /// Whether something is wrong that was not needed: there may be more documents.
    pub fn is_partial(&self) -> bool {
        !self.warnings.is_empty()
    }

    /// Whether this node has no configuration: it was made up for a folder.
    pub fn is_made_up(&self) -> bool {
        self.lent.is_some()
    }

    pub fn state(&self) -> &Path {
        &self.config.value.spec.state
    }

    /// The schedule's workflow, or a sentence that names the nearest schedule.
    pub fn workflow(
        &self,
        schedule: &ScheduleName,
    ) -> Result<documents::Workflow<'_>, NoSuchDocument> {
        self.documents.workflow(schedule).ok_or_else(|| {
            let known = self.documents.schedules().map(|s| s.value.name.as_str());
            unknown("schedule", schedule.as_str(), known)
        })
    }

    /// The target of that name, or a sentence that names the nearest one.
    pub fn target(&self, name: &str) -> Result<&Located<documents::Target>, NoSuchDocument> {
        let mut targets = self.documents.targets();
        targets
            .find(|target| target.value.name.as_str() == name)
            .ok_or_else(|| {
                let known = self.documents.targets().map(|t| t.value.name.as_str());
                unknown("target", name, known)
            })
    }
}

fn unknown<'a>(
    kind: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> NoSuchDocument {
    let known: Vec<&str> = known.collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "no document defines any".to_owned(),
        None if known.len() <= NAMED_MAX => format!("there are: {}", known.join(", ")),
        None => format!("there are {}, see the documents", known.len()),
    };
    NoSuchDocument {
        kind,
        name: name.to_owned(),
        hint,
    }
}
