//! Committing: the signature first, then a look at every object that the manifest names,
//! then `manifest.json` if absent. That one creation commits the recovery point.
//!
//! **Invariant:** once the manifest's bytes were handed to the target, nothing but what is
//! read there afterwards tells whether it is committed: no answer of the target's, and not
//! that it says that nothing is there. Every fault is then of unknown certainty.
//! **Invariant:** the signature is removed only when another manifest was read and believed
//! in the place of the one that it is over.
//!
//! A crash between the two leaves a signature without a manifest, which means nothing
//! to anybody. Committing the same bytes again ends as [`CommitOutcome::AlreadyOurs`],
//! where all that belongs to the manifest is there too, or goes on where it stopped.

use drydock_core::{Certainty, ErrorClass, ErrorCode, Fault, UnixTime};

use super::{Repository, label};
use crate::digest::Sha256;
use crate::error::RepositoryError;
use crate::manifest::{MANIFEST_BYTES_MAX, Manifest};
use crate::names::Folder;
use crate::object::{self, Creation};
use crate::sign::SIGNATURE_BYTES_MAX;

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The manifest was created now, and read back.
    Committed,
    /// The same manifest was already there: this commit had succeeded before.
    AlreadyOurs,
    /// The manifest was read back, although the target failed while it was written, or did
    /// not lock it.
    Despite(Fault),
    /// Another manifest was there first, which was read and can be believed: ours is not
    /// there, and cannot be any more.
    Superseded {
        /// Keys of what the other one names. Where a journal was put back, or a node's
        /// state copied, these can be objects of this very run.
        names: Vec<String>,
    },
}

/// What is written to commit: the text from [`Manifest::to_text`], a signature over exactly
/// these bytes, and until when both are locked.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    pub manifest: &'a str,
    pub signature: &'a str,
    pub retain_until: Option<UnixTime>,
}

impl Repository<'_> {
    /// Commits a recovery point, all artifacts of which are stored already, and locked if the
    /// manifest is to be.
    ///
    /// # Errors
    /// When the signature would not be believed on the way back, when something else
    /// lies where the signature goes, when an artifact is not there, or when the target
    /// fails. The fault is `not-done` only where the manifest never left this process.
    pub async fn commit(&self, signed: Signed<'_>) -> Result<CommitOutcome, Fault> {
        let outcome = self.written(signed).await?;
        let ours = matches!(
            outcome,
            CommitOutcome::Committed | CommitOutcome::AlreadyOurs
        );
        match (signed.retain_until, ours) {
            (Some(until), true) => Ok(self.locked(signed.manifest, until, outcome).await),
            _ => Ok(outcome),
        }
    }

    /// The recovery point is there, locked or not.
    async fn locked(
        &self,
        manifest: &str,
        until: UnixTime,
        outcome: CommitOutcome,
    ) -> CommitOutcome {
        let folder = self.check(manifest).and_then(|new| Ok(new.folder()?));
        let Ok(folder) = folder else { return outcome };
        for object in [
            folder.manifest(),
            folder.signature(&Sha256::of(manifest.as_bytes())),
        ] {
            let found = object::check_retained(self.target, &object, until).await;
            if let Err(fault) = found {
                return CommitOutcome::Despite(fault);
            }
        }
        outcome
    }

    async fn written(&self, signed: Signed<'_>) -> Result<CommitOutcome, Fault> {
        let not_done = |error| Fault::from(error).not_done();
        let new = self.check(signed.manifest).map_err(not_done)?;
        let folder = new.folder().map_err(|error| not_done(error.into()))?;
        let standing = self.prepare(&folder, &new, signed).await;
        match standing.map_err(not_done)? {
            None => {}
            Some(CommitOutcome::AlreadyOurs) => {
                let whole = self.is_whole(&folder, &new, signed).await;
                // The manifest is there, whatever became of the rest.
                let whole = whole.map_err(|fault| fault.with_certainty(Certainty::Unknown));
                return whole.map(|()| CommitOutcome::AlreadyOurs);
            }
            Some(outcome) => return Ok(outcome),
        }
        self.publish(&folder, signed).await
    }

    /// Everything before the manifest itself; the outcome where it is settled already.
    async fn prepare(
        &self,
        folder: &Folder,
        new: &Manifest,
        signed: Signed<'_>,
    ) -> Result<Option<CommitOutcome>, RepositoryError> {
        let (manifest, signature) = (signed.manifest.as_bytes(), signed.signature.as_bytes());
        self.believe(folder, manifest, signature)?;
        if let Some(outcome) = self.standing_of(folder, signed.manifest).await? {
            return Ok(Some(outcome));
        }
        let file = folder.signature(&Sha256::of(manifest));
        self.put_signature(folder, &file, signed).await?;
        if let Some((object, found)) = self.not_kept(folder, new).await? {
            return Err(RepositoryError::NotKept { object, found });
        }
        if let Some(until) = signed.retain_until {
            self.check_locks(folder, new, until).await?;
        }
        Ok(None)
    }

    /// What a locked manifest names is locked at least as long.
    async fn check_locks(
        &self,
        folder: &Folder,
        new: &Manifest,
        until: UnixTime,
    ) -> Result<(), RepositoryError> {
        for artifact in &new.artifacts {
            let object = folder.object(&artifact.object);
            let locked = object::check_retained(self.target, &object, until).await;
            locked.map_err(|fault| RepositoryError::target(&object, fault))?;
        }
        Ok(())
    }

    /// Whether a manifest of ours that stands there already still has what makes it a
    /// recovery point: a signature, which is put there again, and all that it names. Time
    /// has passed since it was written, and only what is there now counts.
    async fn is_whole(
        &self,
        folder: &Folder,
        new: &Manifest,
        signed: Signed<'_>,
    ) -> Result<(), Fault> {
        let manifest = signed.manifest.as_bytes();
        let file = folder.signature(&Sha256::of(manifest));
        match object::read(self.target, &file, SIGNATURE_BYTES_MAX).await? {
            Some(stored) => {
                let believed = self.believe(folder, manifest, &stored);
                believed.map_err(|_| RepositoryError::Foreign { object: file })?;
            }
            None => self.put_signature(folder, &file, signed).await?,
        }
        match self.not_kept(folder, new).await? {
            Some((object, found)) => Err(lost(&object, &found)),
            None => Ok(()),
        }
    }

    /// The first object that the target has not kept, and what is found in its place. What a
    /// target said of an object when it was completed is one thing, and what it has when
    /// it matters another.
    async fn not_kept(
        &self,
        folder: &Folder,
        new: &Manifest,
    ) -> Result<Option<(String, String)>, RepositoryError> {
        for artifact in &new.artifacts {
            let object = folder.object(&artifact.object);
            let size = artifact.sealed.size;
            let found = match object::size_of(self.target, &object).await? {
                Some(found) if found == size => continue,
                Some(found) => format!("{found} bytes instead of {size}"),
                None => "not there any more".to_owned(),
            };
            return Ok(Some((object, found)));
        }
        Ok(None)
    }

    /// Whether the manifest beside this object names it, for whoever is about to remove it.
    /// A manifest that cannot be believed counts like any other: it may be a sound one that
    /// was read wrongly.
    ///
    /// # Errors
    /// When that cannot be told.
    pub async fn names(&self, object: &str) -> Result<bool, RepositoryError> {
        let Some((folder, file)) = Folder::split(object) else {
            return Ok(false);
        };
        let manifest = object::read(self.target, &folder.manifest(), MANIFEST_BYTES_MAX).await?;
        let text = manifest.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).contains(file))
    }

    /// Hands the manifest over, and looks when that fails. From here on no `not-done` of the
    /// target's is believed.
    async fn publish(&self, folder: &Folder, signed: Signed<'_>) -> Result<CommitOutcome, Fault> {
        let manifest = signed.manifest;
        let object = folder.manifest();
        let until = signed.retain_until;
        let published = object::publish(self.target, &object, manifest.as_bytes(), until);
        let failed = match published.await {
            Ok(Creation::Created) => return Ok(CommitOutcome::Committed),
            Ok(Creation::AlreadyThere) => None,
            Err(error) => Some(Fault::from(error)),
        };
        let found = match self.standing_of(folder, manifest).await {
            Ok(Some(CommitOutcome::AlreadyOurs)) => {
                return Ok(failed.map_or(CommitOutcome::AlreadyOurs, CommitOutcome::Despite));
            }
            found => found,
        };
        let failed = failed.unwrap_or_else(|| taken(&object));
        match found {
            Ok(Some(outcome)) => {
                self.drop_signature(folder, manifest).await;
                Ok(outcome)
            }
            Ok(None) => Err(in_doubt(
                failed,
                &object,
                "afterwards the target says that it is not there",
            )),
            Err(RepositoryError::Foreign { .. }) => Err(in_doubt(
                failed,
                &object,
                "what is read there afterwards is neither this manifest nor another that can be believed",
            )),
            Err(error) => {
                let error = Fault::from(error);
                let looked = format!("looking at it afterwards failed as well: {error}");
                Err(again_if(error.class, in_doubt(failed, &object, &looked)))
            }
        }
    }

    fn check(&self, manifest: &str) -> Result<Manifest, RepositoryError> {
        Manifest::parse(manifest.as_bytes()).map_err(|source| RepositoryError::Manifest {
            point: "the new recovery point".to_owned(),
            source,
        })
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
            Ok(Some(_)) => self.other(folder, manifest, foreign).await.map(Some),
            Err(RepositoryError::TooLarge { .. }) => Err(foreign()),
            Err(error) => Err(error),
        }
    }

    /// Another run was first only where its recovery point can be believed. Nobody may
    /// take some file under that name for a backup that was made, nor ours for another's
    /// because it was read wrongly once.
    async fn other(
        &self,
        folder: &Folder,
        manifest: &str,
        foreign: impl Fn() -> RepositoryError,
    ) -> Result<CommitOutcome, RepositoryError> {
        use RepositoryError::{Altered, Manifest, Misplaced, TooLarge, Unsigned};
        match self.load_folder(folder).await {
            Ok(point) if point.manifest_sha256 == Sha256::of(manifest.as_bytes()) => {
                Ok(CommitOutcome::AlreadyOurs)
            }
            Ok(point) => {
                let artifacts = point.manifest.artifacts.iter();
                let names = artifacts.map(|artifact| folder.object(&artifact.object));
                Ok(CommitOutcome::Superseded {
                    names: names.collect(),
                })
            }
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
        signed: Signed<'_>,
    ) -> Result<(), RepositoryError> {
        let (signature, until) = (signed.signature.as_bytes(), signed.retain_until);
        if object::create(self.target, file, signature, until).await? == Creation::Created {
            return Ok(());
        }
        let foreign = || RepositoryError::Foreign {
            object: file.to_owned(),
        };
        let stored = object::read(self.target, file, SIGNATURE_BYTES_MAX)
            .await?
            .ok_or_else(foreign)?;
        self.believe(folder, signed.manifest.as_bytes(), &stored)
            .map(|_| ())
            .map_err(|_| foreign())
    }

    /// The name carries the digest of our manifest, so nobody else needs it.
    async fn drop_signature(&self, folder: &Folder, manifest: &str) {
        let file = folder.signature(&Sha256::of(manifest.as_bytes()));
        if let Err(fault) = self.target.delete(&file).await {
            let point = label(folder);
            tracing::warn!(
                point,
                code = fault.code.as_str(),
                "a superseded signature stays behind"
            );
        }
    }
}

/// The manifest is there, and no recovery point with it.
fn lost(object: &str, found: &str) -> Fault {
    let message = format!(
        "the manifest was written, and {object}, which it names, is {found}: what is kept at this target gets lost, so use another one until its plugin, or what is behind it, is mended"
    );
    Fault::permanent(ErrorCode::ObjectMissing, message)
}

fn taken(object: &str) -> Fault {
    let message = format!("the target says that {object} was there already");
    Fault::permanent(ErrorCode::Exists, message)
}

/// The fault of a commit that may have taken place, of the first failure's class and code.
fn in_doubt(failed: Fault, object: &str, looked: &str) -> Fault {
    let message = format!("it is not known whether {object} was written: {failed}; {looked}");
    Fault { message, ..failed }.with_certainty(Certainty::Unknown)
}

/// A look that failed is worth another one, whatever is to be thought of the write.
fn again_if(look: ErrorClass, fault: Fault) -> Fault {
    if !look.is_retryable() || fault.class.is_retryable() {
        return fault;
    }
    Fault {
        class: ErrorClass::Transient,
        ..fault
    }
}
