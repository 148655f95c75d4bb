//! Where a command line looks for recovery points: the targets of the node's documents, or
//! a target's folder by its path; and whom it believes.

mod latest;
mod signers;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use drydock_core::{ClusterName, RecoveryPointName, nearest};
use drydock_documents::{Located, Target as TargetDocument};
use drydock_drill::perform;
use drydock_node::{Configuration, Need, PluginRegistry, RegistryError};
use drydock_repository::{
    Identities, Repository, RepositoryError, TrustedSigners, names::Folder,
    recovery_point::RecoveryPoint,
};
use drydock_sandbox::StoreTarget;
use drydock_terminal::print;

use super::args::{At, Global};
use crate::{Context as _, Failure};

pub use latest::{LATEST, Purpose};
pub use signers::{Strangers, line_of};

/// Largest identity file.
const IDENTITY_BYTES_MAX: u64 = 64 * 1024;

/// The targets and clusters that a command line asks for.
pub struct Catalog {
    pub registry: PluginRegistry,
    pub signers: TrustedSigners,
    target: Option<String>,
    pub cluster: Option<ClusterName>,
    /// Whether something may be written: marks of drills.
    writes: bool,
}

/// A recovery point and where it was found.
pub struct Found {
    pub target: StoreTarget,
    pub target_name: String,
    pub point: RecoveryPoint,
}

impl Catalog {
    /// Opens what is named to read there. Blocks; call it on the process's runtime.
    ///
    /// # Errors
    /// What is needed of configuration and documents is wrong, or a flag is.
    pub fn open(global: &Global, at: &At) -> Result<Self, Failure> {
        let need = Need::target(at.target.as_deref());
        Self::over(node(global, at, &need)?, at, false)
    }

    /// The same with a node that was loaded already. Where `writes`, marks may be put there.
    ///
    /// # Errors
    /// As [`Catalog::open`].
    pub fn over(node: Configuration, at: &At, writes: bool) -> Result<Self, Failure> {
        if let Some(name) = &at.target {
            node.target(name)?;
        }
        let registry = PluginRegistry::open_to_read(node)?;
        let signers = signers::trusted(registry.signers()?, &at.signers)?;
        Ok(Self {
            registry,
            signers,
            target: at.target.clone(),
            cluster: at.cluster.clone().map(ClusterName::new),
            writes,
        })
    }

    pub fn documents(&self) -> impl Iterator<Item = &Located<TargetDocument>> {
        self.registry.node.documents.targets().filter(|target| {
            self.target
                .as_ref()
                .is_none_or(|name| target.value.name.as_str() == name)
        })
    }

    pub fn target(&self, document: &Located<TargetDocument>) -> Result<StoreTarget, RegistryError> {
        let cluster = self.cluster.clone().unwrap_or_else(|| ClusterName::new(""));
        if self.writes {
            self.registry.idle_target(document, &cluster)
        } else {
            self.registry.target_to_read(document, &cluster)
        }
    }

    /// The identity of the command line, or of the node's configuration; none where
    /// neither names one.
    pub fn identities(&self, file: Option<&Path>) -> Result<Option<Arc<Identities>>, Failure> {
        match file {
            Some(file) => identities(file).map(Some),
            None => Ok(perform::identities(&self.registry.node)?),
        }
    }

    /// The recovery point of this name, from the first target that has one that can be
    /// believed; or the newest, where it is called `latest`.
    pub async fn find(&self, name: &str, purpose: Purpose) -> Result<Found, Failure> {
        if name == LATEST {
            return self.latest(purpose).await;
        }
        let name = RecoveryPointName::new(name);
        let mut failures = Vec::new();
        for document in self.documents() {
            match self.find_at(document, &name).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(failure) => failures.push(failure),
            }
        }
        // Something is there and cannot be believed, or cannot be looked at: that is the
        // better answer.
        Err(match failures.into_iter().next() {
            Some(failure) => failure,
            None => self.unknown(&name).await?,
        })
    }

    /// The recovery point of this name at one target; none where there is none.
    async fn find_at(
        &self,
        document: &Located<TargetDocument>,
        name: &RecoveryPointName,
    ) -> Result<Option<Found>, Failure> {
        let target = self.target(document)?;
        let repository = Repository::new(&target, &self.signers);
        let ours = match &self.cluster {
            Some(cluster) => BTreeSet::from([cluster.clone()]),
            None => self.documented(),
        };
        let mut matches = matching(&repository, &ours, name).await;
        if matches.is_empty() && self.cluster.is_none() {
            // A name that cannot be one is told as such, and nothing is listed for it.
            Folder::new(&ClusterName::new("any"), name)?;
            let folders = repository.folders(None).await?;
            let has = folders.iter().filter(|folder| folder.name() == name);
            let others = has.map(|folder| folder.cluster().clone()).collect();
            matches = matching(&repository, &others, name).await;
        }
        let (mut sound, mut refused) = (Vec::new(), None);
        for found in matches {
            match found {
                Ok(point) => sound.push(point),
                Err(error) => refused = Some(error),
            }
        }
        let target_name = document.value.name.to_string();
        match (sound.len(), sound.pop(), refused) {
            (1, Some(point), _) => Ok(Some(Found {
                target,
                target_name,
                point,
            })),
            (_, Some(last), _) => {
                sound.push(last);
                let clusters = sound.iter().map(|point| point.manifest.cluster.as_str());
                Err(Failure::usage(format!(
                    "{name} is there of each of these clusters: {}; say which one with --cluster",
                    clusters.collect::<Vec<_>>().join(", ")
                )))
            }
            (_, None, Some(error)) => Err(Failure::failed(error)),
            (_, None, None) => Ok(None),
        }
    }

    /// The clusters that documents define.
    fn documented(&self) -> BTreeSet<ClusterName> {
        let clusters = self.registry.node.documents.clusters();
        clusters.map(|cluster| cluster.value.name.clone()).collect()
    }

    /// No target has a recovery point of this name: which ones there are.
    async fn unknown(&self, name: &RecoveryPointName) -> Result<Failure, Failure> {
        let mut known = Vec::new();
        let mut targets = Vec::new();
        for document in self.documents() {
            let target = self.target(document)?;
            let repository = Repository::new(&target, &self.signers);
            let folders = repository.folders(self.cluster.as_ref()).await?;
            known.extend(folders.iter().map(|folder| folder.name().to_string()));
            targets.push(document.value.name.as_str());
        }
        if targets.is_empty() {
            return Ok(self.no_target());
        }
        let hint = match nearest(name.as_str(), known.iter().map(String::as_str)) {
            Some(near) => format!("; did you mean {near}?"),
            None if known.is_empty() => "; there is none at all".to_owned(),
            None => "; `drydock recovery-point list` shows those that are there".to_owned(),
        };
        Ok(Failure::failed(format!(
            "there is no recovery point {name} at {}{hint}",
            targets.join(", ")
        )))
    }

    /// There is nowhere to look.
    pub fn no_target(&self) -> Failure {
        let why = if self.registry.node.is_partial() {
            "no document that can be used defines a target; mend those that are warned of"
        } else {
            "the documents define no target"
        };
        Failure::usage(format!("{why}, or name its folder with --target-folder"))
    }
}

/// What there is of this name, of each of these clusters that has it.
async fn matching(
    repository: &Repository<'_>,
    clusters: &BTreeSet<ClusterName>,
    name: &RecoveryPointName,
) -> Vec<Result<RecoveryPoint, RepositoryError>> {
    let mut found = Vec::new();
    for cluster in clusters {
        match repository.load(cluster, name).await {
            Err(RepositoryError::NoRecoveryPoint { .. }) => {}
            loaded => found.push(loaded),
        }
    }
    found
}

/// The node whose targets are meant.
pub fn node(global: &Global, at: &At, need: &Need<'_>) -> Result<Configuration, Failure> {
    match &at.target_folder {
        Some(folder) => crate::runtime::of_folder(global, folder),
        None => crate::runtime::load(global, need),
    }
}

/// Says that a target could not be looked at, where others could.
pub fn warn_of(document: &Located<TargetDocument>, failure: &Failure) {
    print::note(&format!(
        "warning: what is at {} cannot be told: {}",
        document.value.name, failure
    ));
}

/// The identity in a file.
pub fn identities(path: &Path) -> Result<Arc<Identities>, Failure> {
    let read = || -> Result<String, Box<dyn Error + Send + Sync>> {
        if fs::metadata(path)?.len() > IDENTITY_BYTES_MAX {
            return Err("it is too large to be an identity file".into());
        }
        String::from_utf8(fs::read(path)?).map_err(|_| {
            "it is not text; give an age identity file or an ssh-ed25519 private key".into()
        })
    };
    let text = read()
        .map_err(Failure::usage)
        .with_context(|| format!("the identity {} cannot be read", path.display()))?;
    let identities =
        Identities::parse(&path.display().to_string(), &text).map_err(Failure::usage)?;
    Ok(Arc::new(identities))
}
