//! A target as a repository: what is loaded from it, and what is believed.

use drydock_core::{ClusterName, RecoveryPointName};

use crate::digest::Sha256;
use crate::error::RepositoryError;
use crate::manifest::{MANIFEST_BYTES_MAX, Manifest};
use crate::names::Folder;
use crate::object;
use crate::pages::ObjectPages;
use crate::sign::{KeyId, SIGNATURE_BYTES_MAX, TrustedSigners};
use crate::target::Target;

/// Recovery points at one target, believed when one of `signers` signed them.
#[derive(Clone, Copy)]
pub struct Repository<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) signers: &'a TrustedSigners,
}

/// A recovery point whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryPoint {
    pub manifest: Manifest,
    /// Of the bytes of `manifest.json`.
    pub manifest_sha256: Sha256,
    pub signer: KeyId,
}

impl<'a> Repository<'a> {
    #[must_use]
    pub fn new(target: &'a dyn Target, signers: &'a TrustedSigners) -> Self {
        Self { target, signers }
    }

    /// Loads a recovery point and checks its signature.
    ///
    /// # Errors
    /// When it is not there, not signed by a trusted signer, or damaged.
    pub async fn load(
        &self,
        cluster: &ClusterName,
        name: &RecoveryPointName,
    ) -> Result<RecoveryPoint, RepositoryError> {
        self.load_folder(&Folder::new(cluster, name)?).await
    }

    pub(super) async fn load_folder(
        &self,
        folder: &Folder,
    ) -> Result<RecoveryPoint, RepositoryError> {
        let point = label(folder);
        let Some(bytes) = object::read(self.target, &folder.manifest(), MANIFEST_BYTES_MAX).await?
        else {
            return Err(RepositoryError::NoRecoveryPoint { point });
        };
        let manifest_sha256 = Sha256::of(&bytes);
        let file = folder.signature(&manifest_sha256);
        let Some(signature) = object::read(self.target, &file, SIGNATURE_BYTES_MAX).await? else {
            return Err(self.unsigned(folder, file).await?);
        };
        let (manifest, signer) = self.believe(folder, &bytes, &signature)?;
        Ok(RecoveryPoint {
            manifest,
            manifest_sha256,
            signer,
        })
    }

    /// Why there is no signature for the manifest as it is. A signature's name holds the
    /// digest of its manifest, so one by another name tells that the manifest was changed.
    async fn unsigned(
        &self,
        folder: &Folder,
        object: String,
    ) -> Result<RepositoryError, RepositoryError> {
        let point = label(folder);
        let prefix = folder.object("manifest.");
        let mut pages = ObjectPages::new(self.target, &prefix);
        let page = pages.next().await;
        let page = page.map_err(|fault| RepositoryError::target(&prefix, fault))?;
        let objects = page.unwrap_or_default();
        let other = objects
            .iter()
            .find(|stat| stat.object.ends_with(".minisig"));
        Ok(match other {
            Some(other) => RepositoryError::Altered {
                point,
                signature: other.object.clone(),
            },
            None => RepositoryError::Unsigned { point, object },
        })
    }

    /// Signature first, then the manifest's own words.
    pub(super) fn believe(
        &self,
        folder: &Folder,
        bytes: &[u8],
        signature: &[u8],
    ) -> Result<(Manifest, KeyId), RepositoryError> {
        let signature = String::from_utf8_lossy(signature);
        let signer = self
            .signers
            .verify(bytes, &signature, folder.cluster(), folder.name())
            .map_err(|source| RepositoryError::Signature {
                point: label(folder),
                source,
            })?;
        let manifest = Manifest::parse(bytes).map_err(|source| RepositoryError::Manifest {
            point: label(folder),
            source,
        })?;
        if manifest.folder()? != *folder {
            return Err(RepositoryError::Misplaced {
                point: label(folder),
                found: format!("{}/{}", manifest.cluster, manifest.recovery_point),
            });
        }
        Ok((manifest, signer))
    }
}

pub(super) fn label(folder: &Folder) -> String {
    format!("{}/{}", folder.cluster(), folder.name())
}
