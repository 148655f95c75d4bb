//! From a node's configuration to a drill: which recovery point, which identity, which
//! folders; and afterwards the report's files and the mark. The command and the schedule
//! come through here alike.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use drydock_api_types::drill::DrillReport;
use drydock_capability_http::HttpConfig;
use drydock_core::{ClusterName, ErrorCode, Fault};
use drydock_documents::{FileError, Located, NodeConfig};
use drydock_node::{Configuration, Deps, PluginRegistry, http_config};
use drydock_repository::{
    Identities, Repository, RepositoryError, SigningKey,
    mark::MarkName,
    recovery_point::{RecoveryPoint, Standing},
};
use drydock_snapshot::Prefix;

use super::reports::{self, ReportError, Written};
use super::{Asked, DrillError, Places, carry_out, mark};

/// Folders in the state folder, where the configuration names no others.
const SCRATCH: &str = "drill";
const PROGRAMS: &str = "programs";
const REPORTS: &str = "reports";

/// What a drill is to look at, and what may differ from the node's configuration.
pub struct Wanted<'a> {
    pub repository: Repository<'a>,
    pub point: &'a RecoveryPoint,
    pub target: &'a str,
    pub identities: Arc<Identities>,
    pub api_server: bool,
    pub encryption: Option<PathBuf>,
    pub etcd_prefix: Option<Prefix>,
    /// Where the report goes, if anywhere.
    pub reports: Option<PathBuf>,
}

/// What of a node a drill works with.
pub struct Means {
    config: Located<NodeConfig>,
    deps: Deps,
    http: Arc<HttpConfig>,
    /// Signs the mark; without it there is none.
    key: Option<Arc<SigningKey>>,
}

impl Means {
    /// Where this node keeps reports.
    pub fn reports(&self) -> PathBuf {
        places(&self.config).reports
    }

    /// # Errors
    /// The node's `http:` cannot be used.
    pub fn of(registry: &PluginRegistry, key: Option<Arc<SigningKey>>) -> Result<Self, FileError> {
        let node = &registry.node;
        Ok(Self {
            http: Arc::new(http_config(&node.config, &*node.deps.env)?),
            config: node.config.clone(),
            deps: node.deps.clone(),
            key,
        })
    }
}

/// A drill that was carried out.
pub struct Done {
    pub report: DrillReport,
    /// None where none was wanted.
    pub written: Option<Result<Written, ReportError>>,
    /// None where none was wanted, or earned.
    pub mark: Option<Result<MarkName, RepositoryError>>,
}

/// Carries a drill out on this node.
///
/// # Errors
/// [`DrillError`].
pub async fn drill(means: &Means, wanted: Wanted<'_>) -> Result<Done, DrillError> {
    let config = &means.config;
    let asked = Asked {
        repository: wanted.repository,
        point: wanted.point,
        target: wanted.target,
        identities: wanted.identities,
        config: &config.value.spec.drill,
        places: places(config),
        http: &means.http,
        api_server: wanted.api_server,
        encryption: wanted.encryption,
        etcd_prefix: wanted.etcd_prefix,
        node: config.value.name.to_string(),
        now: means.deps.clock.now(),
        crash: &*means.deps.crash,
    };
    let report = Box::pin(carry_out(&asked)).await?;
    let written = wanted
        .reports
        .map(|folder| reports::write(&report, &folder));
    let mark = match (&means.key, mark::of(&report, wanted.point)) {
        (Some(key), Some(mark)) => Some(wanted.repository.mark(&mark, key).await),
        _ => None,
    };
    Ok(Done {
        report,
        written,
        mark,
    })
}

/// The newest recovery point of a cluster at a target. One that cannot be believed is no
/// reason to take an older one: nobody would hear of it.
///
/// # Errors
/// There is none, the newest is refused, or the target fails.
pub async fn newest(
    repository: &Repository<'_>,
    cluster: &ClusterName,
    target: &str,
) -> Result<RecoveryPoint, NewestError> {
    let listed = repository.list(Some(cluster), 1).await?;
    if let Some(why) = listed.unread.first() {
        return Err(NewestError::Unread(why.clone()));
    }
    let Some(newest) = listed.points.into_iter().next() else {
        return Err(NewestError::None {
            cluster: cluster.to_string(),
            target: target.to_owned(),
        });
    };
    match newest.standing {
        Standing::Signed(point) => Ok(*point),
        Standing::Refused(error) | Standing::Unread(error) => Err(NewestError::Refused(error)),
    }
}

/// There is no newest recovery point to drill.
#[derive(Debug, thiserror::Error)]
pub enum NewestError {
    #[error("there is no recovery point of cluster {cluster} at {target}: back it up first")]
    None { cluster: String, target: String },
    #[error("the newest recovery point cannot be drilled")]
    Refused(#[source] RepositoryError),
    #[error("which recovery point is the newest is not known: {0}")]
    Unread(String),
    #[error(transparent)]
    Target(#[from] RepositoryError),
}

impl NewestError {
    /// As a run's record keeps it.
    pub fn into_fault(self) -> Fault {
        match self {
            Self::None { .. } => Fault::permanent(ErrorCode::NoRecoveryPoint, self.to_string()),
            Self::Unread(_) => Fault::permanent(ErrorCode::Unread, self.to_string()),
            Self::Refused(error) | Self::Target(error) => error.into(),
        }
    }
}

/// The identity that the node's configuration names; none when it names none.
///
/// # Errors
/// It cannot be read, or is none.
pub fn identities(node: &Configuration) -> Result<Option<Arc<Identities>>, FileError> {
    let config = &node.config;
    let Some(identity) = &config.value.spec.drill.identity else {
        return Ok(None);
    };
    let path = "spec.drill.identity";
    let text = identity.value_from.read_text(&*node.deps.env);
    let text = text.map_err(|error| config.error(path, error))?;
    let parsed = Identities::parse(path, &text);
    let parsed = parsed.map_err(|error| config.sentence(path, error.to_string()))?;
    Ok(Some(Arc::new(parsed)))
}

/// Where this node drills.
#[must_use]
pub fn places(config: &Located<NodeConfig>) -> Places {
    let spec = &config.value.spec;
    let or = |path: &Option<PathBuf>, name: &str| -> PathBuf {
        path.clone()
            .unwrap_or_else(|| Path::new(&spec.state).join(name))
    };
    Places {
        scratch: or(&spec.drill.scratch, SCRATCH),
        programs: spec.state.join(PROGRAMS),
        reports: or(&spec.drill.reports, REPORTS),
    }
}
