//! Marks: what was learnt of a recovery point after it was committed, e.g. that it was
//! drilled. Each is a small signed object of its own beside the manifest, which it never
//! changes; `docs/format.md` promises its form.
//!
//! A mark names the digest of the manifest that it is about, and its own name holds its
//! kind, its instant and the start of its own digest: it cannot be moved to another
//! recovery point, nor be overwritten by another one.

use drydock_core::{ClusterName, RecoveryPointName, UnixTime};
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::manifest::instant;

/// The version that is written, and the newest that is read.
pub const MARK_FORMAT_VERSION: u32 = 1;

/// Largest mark that is written or read: some hundreds of checks fit.
pub const MARK_BYTES_MAX: u64 = 256 * 1024;

/// What every mark's file name begins with.
pub const MARK_PREFIX: &str = "mark.";

/// Endings of a mark's two objects.
const CONTENT: &str = ".json";
const SIGNATURE: &str = ".minisig";

/// Characters of an instant in a name: `20260102T030405Z`.
const STAMP_CHARS: usize = 16;

/// Hex digits of the mark's own digest in its name.
const DIGEST_CHARS: usize = 16;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// It was restored into a scratch etcd, and everything was as the manifest says.
    Drilled,
    /// A drill found its data to be not what the manifest says, or not to be restorable.
    Failed,
    /// It was restored, and the cluster's revisions were bumped.
    Restored,
    /// Every object was read back, and is what the manifest says.
    Verified,
    /// Reading back found an object that is gone, or not what the manifest says.
    Damaged,
}

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    pub format_version: u32,
    pub mark: MarkKind,
    pub cluster: ClusterName,
    pub recovery_point: RecoveryPointName,
    /// Of the bytes of the `manifest.json` that it is about.
    pub manifest_sha256: Sha256,
    /// When what it says was found.
    #[serde(with = "instant")]
    pub at: UnixTime,
    /// The node that found it.
    pub node: String,
    /// Why the kind is `failed` or `damaged`, in a sentence; null otherwise.
    pub reason: Option<String>,
    pub checks: Vec<MarkCheck>,
    /// From the first byte that was fetched to a cluster that answers; null where it did
    /// not come to that.
    pub recovery_milliseconds: Option<u64>,
    /// What a restore made of it, where the kind is `restored`; null otherwise.
    pub restored: Option<Restoration>,
    pub tool: MarkTool,
}

/// What a restore made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restoration {
    /// The revision from which the restored cluster goes on.
    pub bumped_to: i64,
    /// Its id in lower-case hex.
    pub cluster_id: String,
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkCheck {
    pub name: String,
    pub expected: String,
    pub found: String,
    /// `pass`, `fail` or `skipped`.
    pub verdict: String,
}

/// What made the mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkTool {
    pub name: String,
    pub version: String,
}

/// The name of a mark's two objects without their endings, e.g.
/// `mark.drilled.20260102T030405Z.0123456789abcdef`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarkName {
    // The instant comes first, so that names are in its order.
    stamp: String,
    kind: MarkKind,
    digest: String,
}

/// A mark that cannot be written or believed.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    #[error("the mark is larger than {MARK_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the mark is not valid JSON of this format")]
    Syntax(#[source] serde_json::Error),
    #[error(
        "the mark has formatVersion {found} and this version of Drydock reads up to {MARK_FORMAT_VERSION}: use a newer Drydock"
    )]
    Newer { found: u32 },
    #[error("the mark is about {found}: its file was moved or renamed")]
    Misplaced { found: String },
}

impl MarkKind {
    pub const ALL: [Self; 5] = [
        Self::Drilled,
        Self::Failed,
        Self::Restored,
        Self::Verified,
        Self::Damaged,
    ];

    /// The word in names and manifests.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Drilled => "drilled",
            Self::Failed => "failed",
            Self::Restored => "restored",
            Self::Verified => "verified",
            Self::Damaged => "damaged",
        }
    }

    /// Whether it says that the recovery point is as it should be.
    #[must_use]
    pub fn is_good(self) -> bool {
        match self {
            Self::Drilled | Self::Verified | Self::Restored => true,
            Self::Failed | Self::Damaged => false,
        }
    }
}

impl Mark {
    /// The canonical text: two spaces of indentation, one newline at the end.
    ///
    /// # Errors
    /// When it would be too large to be read back.
    pub fn to_text(&self) -> Result<String, MarkError> {
        let mut text = serde_json::to_string_pretty(self).map_err(MarkError::Syntax)?;
        text.push('\n');
        if text.len() as u64 > MARK_BYTES_MAX {
            return Err(MarkError::TooLarge);
        }
        Ok(text)
    }

    /// Reads a mark. Unknown fields are passed over. The caller checks the signature over
    /// the same bytes first.
    ///
    /// # Errors
    /// For anything that is not a mark of a known version.
    pub fn parse(bytes: &[u8]) -> Result<Self, MarkError> {
        if bytes.len() as u64 > MARK_BYTES_MAX {
            return Err(MarkError::TooLarge);
        }
        let mark: Self = serde_json::from_slice(bytes).map_err(MarkError::Syntax)?;
        match mark.format_version {
            found if found > MARK_FORMAT_VERSION => Err(MarkError::Newer { found }),
            _ => Ok(mark),
        }
    }

    /// The name under which this text of the mark is stored.
    #[must_use]
    pub fn name(&self, text: &str) -> MarkName {
        MarkName {
            stamp: stamp(self.at),
            kind: self.mark,
            digest: Sha256::of(text.as_bytes()).short(),
        }
    }
}

impl MarkName {
    /// The mark whose content is in this file of a recovery point's folder; none when the
    /// file is something else.
    #[must_use]
    pub fn of_content(file: &str) -> Option<Self> {
        let stem = file.strip_prefix(MARK_PREFIX)?.strip_suffix(CONTENT)?;
        let mut parts = stem.split('.');
        let (word, stamp, digest) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = MarkKind::ALL.into_iter().find(|kind| kind.word() == word)?;
        let is_digest = digest.len() == DIGEST_CHARS
            && digest
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let whole = parts.next().is_none() && stamp.len() == STAMP_CHARS && is_digest;
        whole.then(|| Self {
            stamp: stamp.to_owned(),
            kind,
            digest: digest.to_owned(),
        })
    }

    #[must_use]
    pub fn kind(&self) -> MarkKind {
        self.kind
    }

    /// File name of the mark itself.
    #[must_use]
    pub fn content_file(&self) -> String {
        self.file(CONTENT)
    }

    /// File name of the signature over it.
    #[must_use]
    pub fn signature_file(&self) -> String {
        self.file(SIGNATURE)
    }

    fn file(&self, ending: &str) -> String {
        let Self {
            stamp,
            kind,
            digest,
        } = self;
        format!("{MARK_PREFIX}{}.{stamp}.{digest}{ending}", kind.word())
    }
}

/// The comment that a signature over a mark of this recovery point carries.
#[must_use]
pub fn trusted_comment(
    kind: MarkKind,
    cluster: &ClusterName,
    recovery_point: &RecoveryPointName,
) -> String {
    format!("drydock mark {} {cluster}/{recovery_point}", kind.word())
}

/// An instant as names have it, e.g. `20260102T030405Z`.
fn stamp(at: UnixTime) -> String {
    let text = at.to_string();
    text.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_no_marks() {
        for file in [
            "manifest.json",
            "mark.drilled.20260103T030405Z.0123456789abcdef.minisig",
            "mark.pinned.20260103T030405Z.0123456789abcdef.json",
            "mark.drilled.20260103T030405Z.0123456789ABCDEF.json",
            "mark.drilled.2026.0123456789abcdef.json",
            "mark.drilled.20260103T030405Z.0123456789abcdef.x.json",
        ] {
            assert_eq!(MarkName::of_content(file), None, "{file}");
        }
    }
}
