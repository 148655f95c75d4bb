//! Marks beside a recovery point: writing one, and reading back those that can be
//! believed.
//!
//! The signature goes first, then the mark itself, each if absent: a crash between the
//! two leaves a signature of nothing, which nobody reads.

use super::{RecoveryPoint, Repository, label};
use crate::error::RepositoryError;
use crate::mark::{MARK_BYTES_MAX, MARK_PREFIX, Mark, MarkError, MarkName, trusted_comment};
use crate::names::Folder;
use crate::object::{self, Creation};
use crate::sign::{KeyId, SIGNATURE_BYTES_MAX, SigningKey, VerifyError};

/// Most pages of marks of one recovery point that are walked, a thousand keys each.
const PAGES_MAX: usize = 16;

/// A mark that was found beside a recovery point.
#[derive(Debug)]
pub struct FoundMark {
    pub name: MarkName,
    pub standing: MarkStanding,
}

/// Whether a mark can be believed.
#[derive(Debug)]
pub enum MarkStanding {
    Sound {
        mark: Box<Mark>,
        signer: KeyId,
    },
    /// Why not, in a sentence.
    Refused(String),
    /// Why it could not be read, which says nothing of what it says.
    Unread(String),
}

impl Repository<'_> {
    /// Signs a mark and puts it beside its recovery point. Putting the same one again is
    /// no error.
    ///
    /// # Errors
    /// When it cannot be signed, something else lies under its name, or the target fails.
    pub async fn mark(&self, mark: &Mark, key: &SigningKey) -> Result<MarkName, RepositoryError> {
        let folder = Folder::new(&mark.cluster, &mark.recovery_point)?;
        let refused = |source| RepositoryError::Mark {
            point: label(&folder),
            source,
        };
        let text = mark.to_text().map_err(refused)?;
        let name = mark.name(&text);
        let comment = trusted_comment(mark.mark, &mark.cluster, &mark.recovery_point);
        let signature = key.sign_as(text.as_bytes(), &comment).map_err(|source| {
            RepositoryError::MarkNotSigned {
                point: label(&folder),
                source,
            }
        })?;
        let signature_key = folder.object(&name.signature_file());
        // One that is there already is over the same bytes: the name holds their digest.
        object::create(self.target, &signature_key, signature.as_bytes(), None).await?;
        let content_key = folder.object(&name.content_file());
        match object::create(self.target, &content_key, text.as_bytes(), None).await? {
            Creation::Created => Ok(name),
            Creation::AlreadyThere => {
                let stored = object::read(self.target, &content_key, MARK_BYTES_MAX).await?;
                let is_ours = stored.as_deref() == Some(text.as_bytes());
                is_ours.then_some(name).ok_or(RepositoryError::Foreign {
                    object: content_key,
                })
            }
        }
    }

    /// The marks of a loaded recovery point, the newest first, at most `count_max` of them.
    ///
    /// # Errors
    /// When the target fails, or holds more than one walk can bear.
    pub async fn marks(
        &self,
        point: &RecoveryPoint,
        count_max: usize,
    ) -> Result<Vec<FoundMark>, RepositoryError> {
        let folder = point.manifest.folder()?;
        let mut names = self.mark_names(&folder).await?;
        names.sort_by(|a, b| b.cmp(a));
        names.truncate(count_max);
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let standing = self.mark_standing(&folder, point, &name).await?;
            found.push(FoundMark { name, standing });
        }
        Ok(found)
    }

    async fn mark_names(&self, folder: &Folder) -> Result<Vec<MarkName>, RepositoryError> {
        let prefix = folder.object(MARK_PREFIX);
        let mut names = Vec::new();
        let whole = self.each_key(&prefix, PAGES_MAX, |key| {
            let ours = Folder::split(key).filter(|(of, _)| of == folder);
            names.extend(ours.and_then(|(_, file)| MarkName::of_content(file)));
            true
        });
        if whole.await? {
            Ok(names)
        } else {
            Err(RepositoryError::TooMany {
                what: prefix,
                entries_max: PAGES_MAX * 1000,
            })
        }
    }

    /// A failing target is no statement about a mark, so it is an error.
    pub(super) async fn mark_standing(
        &self,
        folder: &Folder,
        point: &RecoveryPoint,
        name: &MarkName,
    ) -> Result<MarkStanding, RepositoryError> {
        let content = folder.object(&name.content_file());
        let signature = folder.object(&name.signature_file());
        let content = object::read(self.target, &content, MARK_BYTES_MAX).await;
        let signature = object::read(self.target, &signature, SIGNATURE_BYTES_MAX).await;
        let (content, signature) = match (content, signature) {
            (Ok(Some(content)), Ok(Some(signature))) => (content, signature),
            (Ok(_), Ok(_)) => return Ok(MarkStanding::Refused("it has no signature".to_owned())),
            (Err(error), _) | (_, Err(error)) => return unread(error),
        };
        Ok(match self.believe_mark(point, name, &content, &signature) {
            Ok((mark, signer)) => MarkStanding::Sound {
                mark: Box::new(mark),
                signer,
            },
            Err(why) => MarkStanding::Refused(why),
        })
    }

    /// Signature first, then the mark's own words, held against the recovery point.
    fn believe_mark(
        &self,
        point: &RecoveryPoint,
        name: &MarkName,
        content: &[u8],
        signature: &[u8],
    ) -> Result<(Mark, KeyId), String> {
        let manifest = &point.manifest;
        let comment = trusted_comment(name.kind(), &manifest.cluster, &manifest.recovery_point);
        let signature = String::from_utf8_lossy(signature);
        let signer = self
            .signers
            .verify_as(content, &signature, &comment)
            .map_err(|error| unbelieved(&error))?;
        let mark = Mark::parse(content).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(content);
        let about_it = mark.cluster == manifest.cluster
            && mark.recovery_point == manifest.recovery_point
            && mark.manifest_sha256 == point.manifest_sha256;
        if about_it && mark.name(&text) == *name {
            return Ok((mark, signer));
        }
        let found = format!("{}/{}", mark.cluster, mark.recovery_point);
        Err(MarkError::Misplaced { found }.to_string())
    }
}

/// What it means that a mark's object was not got.
fn unread(error: RepositoryError) -> Result<MarkStanding, RepositoryError> {
    match error {
        error if error.is_for_now() => Err(error),
        RepositoryError::Target { source, .. } => Ok(MarkStanding::Unread(source.message)),
        error => Ok(MarkStanding::Refused(error.to_string())),
    }
}

/// What is wrong with a mark's signature, in the words of a mark.
fn unbelieved(error: &VerifyError) -> String {
    match error {
        VerifyError::UnknownSigner { signer, .. } => format!(
            "it is signed by key {signer}, which trustedSigners lacks: add its public key if its marks are to be believed"
        ),
        VerifyError::Damaged | VerifyError::Legacy => "its signature file is damaged".to_owned(),
        VerifyError::Mismatch { signer } => {
            format!("the signature by key {signer} does not fit it")
        }
        VerifyError::OtherRecoveryPoint { signed, .. } => {
            format!("its signature is for {signed:?}")
        }
    }
}
