//! `manifest.json`: what a recovery point holds, in words that `docs/format.md`
//! promises. It is written once, byte for byte the same for the same values, and the
//! bytes are what is signed; a manifest that was read is never written again.

use std::time::Duration;

use drydock_core::nature::{EtcdFigures, EtcdSection};
use drydock_core::{
    ClusterName, Finding, PluginDigest, RecoveryPointName, RunId, ScheduleName, StepName, UnixTime,
};
use serde::{Deserialize, Serialize};

use crate::digest::{Measure, Sha256};
use crate::names::{self, Folder, NameError};
use crate::recipient::Sensitivity;
use crate::seal::Sealing;

pub(crate) mod instant;

/// The version that is written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 1;

/// Largest manifest that is written or read: hundreds of artifacts fit, and a
/// damaged target cannot fill the memory.
pub const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

/// The media type of an etcd snapshot as `etcdctl snapshot save` writes it.
const MEDIA_TYPE_ETCD: &str = "application/vnd.etcd.snapshot";

/// The media type of a tar archive.
const MEDIA_TYPE_TAR: &str = "application/x-tar";

/// The media type of everything else.
const MEDIA_TYPE_BYTES: &str = "application/octet-stream";

/// A recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub format_version: u32,
    pub cluster: ClusterName,
    pub recovery_point: RecoveryPointName,
    pub run: RunId,
    pub schedule: ScheduleName,
    /// When the run was due; for a run by hand, when it was asked for.
    #[serde(with = "instant")]
    pub due: UnixTime,
    /// When the first backup step began to read the data.
    #[serde(with = "instant")]
    pub taken: UnixTime,
    /// When the manifest was made: artifacts were stored and verified by then.
    #[serde(with = "instant")]
    pub finished: UnixTime,
    pub lineage: Lineage,
    /// Null when no artifact is an etcd snapshot.
    pub etcd: Option<EtcdSection>,
    pub consistency: Consistency,
    pub artifacts: Vec<Artifact>,
    pub verification: Vec<StepVerdict>,
    /// The recovery point before this one in the same lineage.
    pub predecessor: Option<Predecessor>,
    pub workflow_digest: String,
    pub plugins: Vec<PluginUsed>,
    pub tool: Tool,
}

/// Within one lineage revisions only grow and can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// 16 lower-case hex digits.
    pub id: String,
    /// etcd's cluster id in lower-case hex; null without an etcd snapshot.
    pub cluster_id: Option<String>,
}

/// How far the parts of a recovery point belong to one instant. Measured, not promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consistency {
    pub level: ConsistencyLevel,
    /// From the first byte that was asked for to the last that came, in whole seconds; 0
    /// for a single snapshot.
    pub skew_milliseconds: u64,
}

/// The steps of [`Consistency`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsistencyLevel {
    /// One sound etcd snapshot, consistent in itself.
    SingleSnapshot,
    /// Artifacts that were taken one after the other: an etcd snapshot is of one instant,
    /// files are of the instants at which each was read. All of them lie within the skew.
    SeparateCuts,
    /// A level that this version does not know yet.
    #[serde(other)]
    Other,
}

/// One object of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    pub name: String,
    /// File name inside the recovery point's folder.
    pub object: String,
    pub media_type: MediaType,
    pub sensitivity: Sensitivity,
    pub compression: Compression,
    pub sealing: Sealing,
    /// Before compression and sealing.
    pub plain: Measure,
    /// The object as it is stored.
    pub sealed: Measure,
}

/// What an artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum MediaType {
    EtcdSnapshot,
    Tar,
    Bytes,
    /// One that this version does not know yet.
    Other(String),
}

/// How an artifact is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    Zstd,
}

/// What a verify step said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepVerdict {
    pub step: StepName,
    pub artifact: String,
    pub pass: bool,
    pub findings: Vec<Finding>,
}

/// The recovery point before this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predecessor {
    pub recovery_point: RecoveryPointName,
    pub manifest_sha256: Sha256,
}

/// A plugin that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginUsed {
    pub step: StepName,
    pub name: String,
    pub digest: PluginDigest,
}

/// What wrote the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    pub name: String,
    pub version: String,
    /// Version of the runtime that ran the plugins.
    pub wasmtime: String,
}

/// A manifest that cannot be written or believed.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest is larger than {MANIFEST_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the manifest is not valid JSON of this format")]
    Syntax(#[source] serde_json::Error),
    #[error(
        "the manifest has formatVersion {found} and this version of Drydock reads up to {FORMAT_VERSION}: use a newer Drydock"
    )]
    Newer { found: u64 },
    #[error("the manifest has formatVersion 0, which never existed: it is damaged")]
    Zero,
    #[error("a name in the manifest cannot be used")]
    Name(#[from] NameError),
    #[error("artifact {artifact:?} names the object {object:?}, which is not one of its own")]
    Object { artifact: String, object: String },
    #[error("the manifest lists artifact {artifact:?} twice")]
    Twice { artifact: String },
}

impl Manifest {
    /// How far it tells of: instants are whole seconds, so that of two in one second the
    /// revision says which came later.
    #[must_use]
    pub fn progress(&self) -> (UnixTime, Option<i64>) {
        let revision = self.figures().map(|etcd| etcd.revision);
        (self.taken, revision)
    }

    /// The figures of its etcd snapshot; none where there is no snapshot, or none that is
    /// sound.
    #[must_use]
    pub fn figures(&self) -> Option<&EtcdFigures> {
        self.etcd.as_ref()?.figures()
    }

    /// The canonical text: keys in the order of `docs/format.md`, two spaces of
    /// indentation, one newline at the end.
    ///
    /// # Errors
    /// When it would be too large or could not be read back.
    pub fn to_text(&self) -> Result<String, ManifestError> {
        self.check()?;
        let mut text = serde_json::to_string_pretty(self).map_err(ManifestError::Syntax)?;
        text.push('\n');
        if text.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge);
        }
        Ok(text)
    }

    /// Reads a manifest. Unknown fields are passed over. The caller checks the
    /// signature over the same bytes first.
    ///
    /// # Errors
    /// For anything that is not a manifest of a known version.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge);
        }
        check_version(bytes)?;
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Syntax)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Where it belongs under a target.
    ///
    /// # Errors
    /// When its names cannot be part of an object's name.
    pub fn folder(&self) -> Result<Folder, NameError> {
        Folder::new(&self.cluster, &self.recovery_point)
    }

    /// The artifact of that name.
    #[must_use]
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.name == name)
    }

    fn check(&self) -> Result<(), ManifestError> {
        self.folder()?;
        let mut seen = std::collections::BTreeSet::new();
        for artifact in &self.artifacts {
            artifact.check()?;
            if !seen.insert(&artifact.name) {
                let artifact = artifact.name.clone();
                return Err(ManifestError::Twice { artifact });
            }
        }
        Ok(())
    }
}

impl Artifact {
    fn check(&self) -> Result<(), ManifestError> {
        names::check_artifact(&self.name)?;
        if names::is_artifact_file(&self.object, &self.name, self.sealing) {
            return Ok(());
        }
        Err(ManifestError::Object {
            artifact: self.name.clone(),
            object: self.object.clone(),
        })
    }
}

impl MediaType {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::EtcdSnapshot => MEDIA_TYPE_ETCD,
            Self::Tar => MEDIA_TYPE_TAR,
            Self::Bytes => MEDIA_TYPE_BYTES,
            Self::Other(other) => other,
        }
    }
}

impl From<String> for MediaType {
    fn from(text: String) -> Self {
        match text.as_str() {
            MEDIA_TYPE_ETCD => Self::EtcdSnapshot,
            MEDIA_TYPE_TAR => Self::Tar,
            MEDIA_TYPE_BYTES => Self::Bytes,
            _ => Self::Other(text),
        }
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.as_str().to_owned()
    }
}

impl Consistency {
    /// Of a recovery point that is one sound etcd snapshot.
    #[must_use]
    pub fn single_snapshot() -> Self {
        Self {
            level: ConsistencyLevel::SingleSnapshot,
            skew_milliseconds: 0,
        }
    }

    /// Of a recovery point whose artifacts were read within this time, one after the other.
    #[must_use]
    pub fn separate_cuts(skew: Duration) -> Self {
        Self {
            level: ConsistencyLevel::SeparateCuts,
            skew_milliseconds: u64::try_from(skew.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Looks at the version alone, since a newer manifest may differ in all else.
fn check_version(bytes: &[u8]) -> Result<(), ManifestError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        format_version: u64,
    }

    let version: Version = serde_json::from_slice(bytes).map_err(ManifestError::Syntax)?;
    match version.format_version {
        0 => Err(ManifestError::Zero),
        found if found > u64::from(FORMAT_VERSION) => Err(ManifestError::Newer { found }),
        _ => Ok(()),
    }
}
