//! A drill: a recovery point is taken from its target and brought back to life in scratch,
//! and what lives is compared with what the manifest says.
//!
//! In order: a scratch folder and the programs ([`drydock_scratch`]); the artifacts, fetched,
//! their digests compared, unsealed ([`data`]); the snapshot's pages and figures
//! ([`data`]); all members restored and booted, the revision not bumped ([`boot`]); hashes,
//! revisions and counts of the living members ([`compare`]); where it is asked for, a
//! kube-apiserver on top that lists objects ([`objects`]). Everything that was compared is
//! a check; how long each phase took stands in the [`DrillReport`], which
//! [`page`] prints and [`mark`] makes a mark of.
//!
//! Nothing outside of the scratch folder is written meanwhile. Servers and folder go when
//! the drill ends, however it ends; if this process is killed, the kernel kills the
//! servers and the next drill removes the folder.
//!
//! **Invariant:** only data can fail a recovery point. What is wrong with this machine is a
//! [`DrillError`] and leaves no mark.
//!
//! **Invariant:** no key's value and no secret stands in a report, a mark, a log or an error.

pub mod boot;
mod compare;
pub mod data;
pub mod encryption;
pub mod mark;
mod objects;
pub mod open;
mod page;
pub mod perform;
pub mod report;
pub mod reports;
pub mod resources;

use std::path::PathBuf;
use std::sync::Arc;

use drydock_api_types::drill::{DrillReport, Phase};
use drydock_capability_http::HttpConfig;
use drydock_core::{CrashPoint, ErrorClass, ErrorCode, Fault, UnixTime, chain};
use drydock_documents::{DrillConfig, drill::MEMBERS};
use drydock_repository::{
    Identities, Repository, RepositoryError, manifest::MediaType, recovery_point::RecoveryPoint,
};
use drydock_scratch::{
    Scratch, ScratchError,
    authority::Authority,
    children::Nursery,
    etcd,
    program::{Named, ProgramStore},
};
use drydock_snapshot::{Prefix, SnapshotError, restore::RestoreError};
pub use page::seconds;
use report::Report;

/// What is to be drilled, and with what.
pub struct Asked<'a> {
    pub repository: Repository<'a>,
    pub point: &'a RecoveryPoint,
    /// The target's name.
    pub target: &'a str,
    pub identities: Arc<Identities>,
    pub config: &'a DrillConfig,
    pub places: Places,
    pub http: &'a Arc<HttpConfig>,
    /// Whether a kube-apiserver is started as well.
    pub api_server: bool,
    /// An EncryptionConfiguration in place of the recovery point's own.
    pub encryption: Option<PathBuf>,
    /// In place of the prefix that the snapshot's own keys tell.
    pub etcd_prefix: Option<Prefix>,
    pub node: String,
    pub now: UnixTime,
    /// Hears of each phase.
    pub crash: &'a dyn CrashPoint,
}

impl Asked<'_> {
    fn enters(&self, phase: Phase) {
        self.crash.in_phase(phase as u64);
    }
}

/// Folders of the node.
#[derive(Debug, Clone)]
pub struct Places {
    pub scratch: PathBuf,
    pub programs: PathBuf,
    pub reports: PathBuf,
}

/// Why a drill could not be carried out. Nothing is said about the data.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error("the snapshot cannot be read in the scratch folder")]
    Snapshot(#[source] SnapshotError),
    #[error("the members cannot be written")]
    Restore(#[source] RestoreError),
    #[error("recovery point {point} holds no etcd snapshot, so there is nothing to boot")]
    NoSnapshot { point: String },
    #[error(
        "this etcd is version {has} and the snapshot was written by {needs}: name one of {needs} or newer as spec.drill.etcd of the node's configuration"
    )]
    OlderEtcd { has: String, needs: String },
    #[error(
        "the snapshot has no objects of an API server, so there is nothing for one to read: name its --etcd-prefix, or leave the API server out"
    )]
    NoObjects,
    #[error(
        "the snapshot has no objects of an API server under {named}; those that it has are under {}: name that one, or leave --etcd-prefix out",
        has.join(", ")
    )]
    OtherPrefix { named: String, has: Vec<String> },
    #[error("{0}")]
    Encryption(#[from] encryption::EncryptionError),
    #[error("the recovery point cannot be brought back to life: {0}")]
    Data(String),
    #[error("a scratch member does not answer: {0}")]
    Member(Fault),
    #[error("a part of the drill stopped in the middle: report what the log says of it")]
    Stopped,
}

/// Why a drill goes no further.
pub(crate) enum Stop {
    /// What was found says that nothing after it can be any better.
    Failed,
    Error(DrillError),
}

impl<E: Into<DrillError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<tokio::task::JoinError> for DrillError {
    fn from(_: tokio::task::JoinError) -> Self {
        Self::Stopped
    }
}

impl DrillError {
    /// As a run's record keeps it. Another try may find the machine in a better state.
    pub fn into_fault(self) -> Fault {
        let (class, code) = match &self {
            Self::Repository(_) | Self::Member(_) => return self.into_told(),
            Self::Scratch(ScratchError::NoProgram { .. }) => {
                (ErrorClass::Permanent, ErrorCode::NoProgram)
            }
            Self::Scratch(ScratchError::Program { .. }) => {
                (ErrorClass::Transient, ErrorCode::NoProgram)
            }
            Self::Scratch(ScratchError::NoSpace { .. }) => {
                (ErrorClass::Transient, ErrorCode::NoSpace)
            }
            Self::Restore(RestoreError::Space { .. }) => {
                (ErrorClass::Transient, ErrorCode::NoSpace)
            }
            Self::NoSnapshot { .. } => (ErrorClass::Permanent, ErrorCode::NoSnapshot),
            Self::NoObjects | Self::OtherPrefix { .. } => {
                (ErrorClass::Permanent, ErrorCode::NoObjects)
            }
            Self::OlderEtcd { .. } => (ErrorClass::Permanent, ErrorCode::OlderEtcd),
            Self::Encryption(_) => (ErrorClass::Permanent, ErrorCode::NoEncryptionConfiguration),
            _ => (ErrorClass::Transient, ErrorCode::DrillNotPossible),
        };
        Fault::new(class, code, chain(&self))
    }

    /// What a target or a member said by itself.
    fn into_told(self) -> Fault {
        match self {
            Self::Repository(error) => error.into(),
            Self::Member(fault) => fault,
            other => Fault::transient(ErrorCode::DrillNotPossible, chain(&other)),
        }
    }
}

/// Carries a drill out. The report says whether the data passed.
///
/// # Errors
/// [`DrillError`] when that could not be found out.
pub async fn carry_out(asked: &Asked<'_>) -> Result<DrillReport, DrillError> {
    let mut report = Report::begin(asked);
    match Box::pin(work(asked, &mut report)).await {
        Ok(()) | Err(Stop::Failed) => Ok(report.finish()),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// The way of a drill.
async fn work(asked: &Asked<'_>, report: &mut Report) -> Result<(), Stop> {
    let artifact = snapshot_of(asked.point)?;
    let scratch = report.timed(Phase::Prepare, async || {
        let root = asked.places.scratch.clone();
        let scratch = tokio::task::spawn_blocking(move || Scratch::new(&root)).await??;
        let sizes = asked.point.manifest.artifacts.iter();
        scratch.require(sizes.map(|artifact| artifact.plain.size).sum())?;
        Ok::<_, DrillError>(scratch)
    });
    let scratch = scratch.await?;
    let lab = Lab::open(asked, scratch, report).await?;
    asked.enters(Phase::Fetch);
    let brought = data::bring(asked, artifact, &lab.scratch, report).await?;
    asked.enters(Phase::Check);
    let figures = data::check(asked, &brought, report).await?;
    asked.enters(Phase::Restore);
    let members = boot::members(asked, &lab, &brought, report).await?;
    asked.enters(Phase::Compare);
    compare::members(asked, &members, &figures, report).await?;
    if lists_objects(asked.api_server, report.has_failed(), figures.named_keys) {
        objects::list(asked, &lab, &members, &brought, &figures, report).await?;
    }
    asked.enters(Phase::End);
    Ok(())
}

/// Whether an API server is started and lists objects: it is no use where the members have
/// failed already, and of a snapshot without a key there is nothing to list, and no prefix to
/// look under.
fn lists_objects(wanted: bool, has_failed: bool, keys: u64) -> bool {
    wanted && !has_failed && keys > 0
}

/// The artifact that is an etcd snapshot.
pub fn snapshot_of(
    point: &RecoveryPoint,
) -> Result<&drydock_repository::manifest::Artifact, DrillError> {
    let mut artifacts = point.manifest.artifacts.iter();
    artifacts
        .find(|artifact| artifact.media_type == MediaType::EtcdSnapshot)
        .ok_or_else(|| DrillError::NoSnapshot {
            point: point.manifest.recovery_point.to_string(),
        })
}

/// Scratch folder, programs and certificates of one drill.
pub struct Lab {
    pub etcd: PathBuf,
    pub api_server: Option<PathBuf>,
    pub authority: Authority,
    pub pair: drydock_scratch::authority::Pair,
    pub members: usize,
    // Servers are gone before the thread that they hang on, and it before the folder.
    pub nursery: Nursery,
    pub scratch: Scratch,
}

impl Lab {
    async fn open(
        asked: &Asked<'_>,
        scratch: Scratch,
        report: &mut Report,
    ) -> Result<Self, DrillError> {
        let written_by = asked.point.manifest.figures().map(|etcd| &etcd.version);
        let written_by = written_by.and_then(|version| etcd::two_numbers(version));
        let members = asked
            .config
            .members()
            .unwrap_or_else(|| usize::try_from(MEMBERS).expect("the default is a small number"));
        let means = Equipment {
            config: asked.config,
            places: &asked.places,
            http: asked.http,
            api_server: asked.api_server,
            written_by,
            members,
        };
        let opened = report.timed(Phase::Prepare, async || means.open(scratch).await);
        let (lab, version) = opened.await?;
        report.data.etcd_version = version;
        Ok(lab)
    }
}

/// By what a lab is opened.
pub struct Equipment<'a> {
    pub config: &'a DrillConfig,
    pub places: &'a Places,
    pub http: &'a Arc<HttpConfig>,
    pub api_server: bool,
    /// Major and minor version of the etcd that wrote the snapshot, as far as it tells.
    pub written_by: Option<(u32, u32)>,
    pub members: usize,
}

impl Equipment<'_> {
    /// Finds the programs and makes certificates; says the version of etcd.
    ///
    /// # Errors
    /// [`ScratchError`], [`DrillError::OlderEtcd`].
    pub async fn open(&self, scratch: Scratch) -> Result<(Lab, String), DrillError> {
        let shelf = ProgramStore {
            folder: self.places.programs.clone(),
            http: self.http,
        };
        let etcd = Named {
            name: "etcd",
            key: "etcd",
            document: self.config.etcd.as_ref(),
        };
        let etcd = shelf.find(etcd, &scratch).await?;
        let version = etcd::version(&etcd).await?;
        if let Some(written_by) = self.written_by.filter(|by| *by > version) {
            return Err(DrillError::OlderEtcd {
                has: format!("{}.{}", version.0, version.1),
                needs: format!("{}.{}", written_by.0, written_by.1),
            });
        }
        let api_server = if self.api_server {
            let named = Named {
                name: "kube-apiserver",
                key: "apiServer",
                document: self.config.api_server.as_ref(),
            };
            Some(shelf.find(named, &scratch).await?)
        } else {
            None
        };
        let authority = Authority::new(&scratch)?;
        let pair = authority.issue(&scratch, "etcd", "root")?;
        let lab = Lab {
            etcd,
            api_server,
            authority,
            pair,
            members: self.members,
            nursery: Nursery::new()?,
            scratch,
        };
        Ok((lab, format!("{}.{}", version.0, version.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a key an API server would end the drill with an error, where it is skipped.
    #[test]
    fn objects_are_listed_where_there_may_be_some() {
        for (wanted, has_failed, keys, expected) in [
            (true, false, 1, true),
            (true, false, 0, false),
            (true, true, 1, false),
            (true, true, 0, false),
            (false, false, 1, false),
            (false, false, 0, false),
        ] {
            let lists = lists_objects(wanted, has_failed, keys);
            assert_eq!(lists, expected, "{wanted} {has_failed} {keys}");
        }
    }
}
