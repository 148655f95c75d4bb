//! Reading a recovery point back: signature, presence and size of every object, the
//! digest of its stored bytes, and with an identity the digest of what is inside.

use std::io;
use std::sync::Arc;

use drydock_core::{ClusterName, RecoveryPointName};

use super::{Form, RecoveryPoint, Repository};
use crate::digest::Measure;
use crate::error::RepositoryError;
use crate::recipient::Identities;

/// A recovery point that was read back.
#[derive(Debug)]
pub struct Verified {
    pub point: RecoveryPoint,
    pub artifacts: Vec<ArtifactCheck>,
}

/// What reading one artifact back showed.
#[derive(Debug)]
pub struct ArtifactCheck {
    pub artifact: String,
    /// The plain measure where it could be looked at, i.e. with an identity or for an
    /// unsealed artifact.
    pub outcome: Result<Option<Measure>, RepositoryError>,
}

impl Verified {
    /// Whether every artifact is as the manifest says. Of none nothing can be said.
    #[must_use]
    pub fn pass(&self) -> bool {
        let mut checks = self.artifacts.iter();
        !self.artifacts.is_empty() && checks.all(|check| check.outcome.is_ok())
    }
}

impl Repository<'_> {
    /// Reads every artifact back. With identities the seals are opened as well.
    ///
    /// # Errors
    /// When the recovery point itself cannot be loaded or believed. What is wrong with
    /// an artifact stands in its [`ArtifactCheck`].
    pub async fn verify(
        &self,
        cluster: &ClusterName,
        name: &RecoveryPointName,
        identities: Option<Arc<Identities>>,
    ) -> Result<Verified, RepositoryError> {
        let point = self.load(cluster, name).await?;
        let mut artifacts = Vec::with_capacity(point.manifest.artifacts.len());
        for artifact in &point.manifest.artifacts {
            let form = Form::to_check(artifact, identities.as_ref());
            let fetched = self.fetch(&point, &artifact.name, io::sink(), form).await;
            artifacts.push(ArtifactCheck {
                artifact: artifact.name.clone(),
                outcome: fetched.map(|fetched| fetched.plain),
            });
        }
        Ok(Verified { point, artifacts })
    }

    /// Reads one object back and compares its stored bytes.
    ///
    /// # Errors
    /// When it is missing or differs, or the target fails.
    pub async fn read_back(&self, object: &str, sealed: Measure) -> Result<(), RepositoryError> {
        self.fetch_object(object, sealed, io::sink()).await
    }
}
