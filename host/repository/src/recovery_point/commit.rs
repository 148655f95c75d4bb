//! Committing: the signature first, then `manifest.json` if absent. That one creation
//! commits the recovery point.
//!
//! A crash between the two leaves a signature without a manifest, which means nothing
//! to anybody. Committing the same bytes again ends as [`CommitOutcome::AlreadyOurs`]
//! or goes on where it stopped.

use super::{Repository, label};
use crate::digest::Sha256;
use crate::error::RepositoryError;
use crate::manifest::{MANIFEST_BYTES_MAX, Manifest};
use crate::names::Folder;
use crate::object::{self, Creation};
use crate::sign::SIGNATURE_BYTES_MAX;

/// How a commit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The manifest was created now.
    Committed,
    /// The same manifest was already there: this commit had succeeded before.
    AlreadyOurs,
    /// Another manifest was there first; nothing of ours is left.
    Superseded,
}

impl Repository<'_> {
    /// Commits a recovery point. `manifest` is the text from [`Manifest::to_text`],
    /// `signature` is over exactly these bytes; all artifacts are stored already.
    ///
    /// # Errors
    /// When the signature would not be believed on the way back, when something else
    /// lies where the signature goes, or when the target fails.
    pub async fn commit(
        &self,
        manifest: &str,
        signature: &str,
    ) -> Result<CommitOutcome, RepositoryError> {
        let folder = self.check(manifest, signature)?;
        if let Some(outcome) = self.standing_of(&folder, manifest).await? {
            return Ok(outcome);
        }
        let file = folder.signature(&Sha256::of(manifest.as_bytes()));
        self.put_signature(&folder, &file, manifest, signature)
            .await?;
        let key = folder.manifest();
        match object::create(self.target, &key, manifest.as_bytes()).await? {
            Creation::Created => Ok(CommitOutcome::Committed),
            Creation::AlreadyThere => self.settle(&folder, &file, manifest).await,
        }
    }

    fn check(&self, manifest: &str, signature: &str) -> Result<Folder, RepositoryError> {
        let parsed =
            Manifest::parse(manifest.as_bytes()).map_err(|source| RepositoryError::Manifest {
                point: "the new recovery point".to_owned(),
                source,
            })?;
        let folder = parsed.folder()?;
        self.believe(&folder, manifest.as_bytes(), signature.as_bytes())?;
        Ok(folder)
    }

    /// What a manifest that is already there makes of ours; none when there is none.
    async fn standing_of(
        &self,
        folder: &Folder,
        manifest: &str,
    ) -> Result<Option<CommitOutcome>, RepositoryError> {
        let file = folder.manifest();
        let foreign = || RepositoryError::Foreign {
            object: file.clone(),
        };
        match object::read(self.target, &file, MANIFEST_BYTES_MAX).await {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) if bytes == manifest.as_bytes() => Ok(Some(CommitOutcome::AlreadyOurs)),
            Ok(Some(_)) => self.others(folder, foreign).await.map(Some),
            Err(RepositoryError::TooLarge { .. }) => Err(foreign()),
            Err(error) => Err(error),
        }
    }

    /// Another run was first only where its recovery point can be believed. Nobody may
    /// take some file under that name for a backup that was made.
    async fn others(
        &self,
        folder: &Folder,
        foreign: impl Fn() -> RepositoryError,
    ) -> Result<CommitOutcome, RepositoryError> {
        use RepositoryError::{Altered, Manifest, Misplaced, TooLarge, Unsigned};
        match self.load_folder(folder).await {
            Ok(_) => Ok(CommitOutcome::Superseded),
            Err(
                Altered { .. }
                | Manifest { .. }
                | Misplaced { .. }
                | TooLarge { .. }
                | Unsigned { .. },
            ) => Err(foreign()),
            Err(error) => Err(error),
        }
    }

    /// A signature over the same manifest may be there from an earlier try; signatures
    /// are randomised, so any that is believed will do.
    async fn put_signature(
        &self,
        folder: &Folder,
        file: &str,
        manifest: &str,
        signature: &str,
    ) -> Result<(), RepositoryError> {
        if object::create(self.target, file, signature.as_bytes()).await? == Creation::Created {
            return Ok(());
        }
        let foreign = || RepositoryError::Foreign {
            object: file.to_owned(),
        };
        let stored = object::read(self.target, file, SIGNATURE_BYTES_MAX)
            .await?
            .ok_or_else(foreign)?;
        self.believe(folder, manifest.as_bytes(), &stored)
            .map(|_| ())
            .map_err(|_| foreign())
    }

    /// The manifest appeared between our look and our write.
    async fn settle(
        &self,
        folder: &Folder,
        file: &str,
        manifest: &str,
    ) -> Result<CommitOutcome, RepositoryError> {
        let standing = self.standing_of(folder, manifest).await;
        let outcome = standing.map(|found| found.unwrap_or(CommitOutcome::Superseded));
        // After any other failure the manifest may be ours, which needs its signature.
        let lost = matches!(
            outcome,
            Ok(CommitOutcome::Superseded) | Err(RepositoryError::Foreign { .. })
        );
        if lost {
            self.drop_signature(folder, file).await;
        }
        outcome
    }

    /// The name carries the digest of our manifest, so nobody else needs it.
    async fn drop_signature(&self, folder: &Folder, file: &str) {
        if let Err(fault) = self.target.delete(file).await {
            let point = label(folder);
            tracing::warn!(
                point,
                code = fault.code,
                "a superseded signature stays behind"
            );
        }
    }
}
