//! Where a new recovery point stands among those before it. Revisions compare only
//! within one lineage; a new one begins when etcd's cluster id changes, or when the
//! cluster's raft index falls below the last recorded. A revision that falls while the
//! raft index goes on is no new lineage: it is a member that lags, and a verify step's
//! business.

use drydock_core::{ClusterName, Fault, RecoveryPointName};

use super::{Foreign, RecoveryPoint, Repository, Standing, label};
use crate::digest::Sha256;
use crate::error::RepositoryError;
use crate::manifest::{Lineage, Predecessor};

/// Sound recovery points that are looked at for the one that was taken last: runs of
/// one cluster exclude each other, so only a few can be out of the order of their due
/// instants.
const LOOKBACK: usize = 4;

/// Recovery points that are refused or cannot be read and are passed over before the
/// search ends.
const PASSED_OVER_MAX: usize = 64;

/// What the snapshot at hand says of its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed<'a> {
    /// Lower-case hex.
    pub cluster_id: &'a str,
    /// The highest applied raft index of the members that answer.
    pub raft_index: Option<u64>,
}

/// The lineage id of what belongs to none that is known: an archive alone, or a snapshot
/// whose predecessors could not be read.
pub const LINEAGE_UNKNOWN: &str = "0000000000000000";

/// What came before.
#[derive(Debug)]
pub enum Succession {
    /// No recovery point of this cluster can be believed. `refused` names those that
    /// were passed over, with the reason.
    First { refused: Vec<String> },
    /// The lineage goes on after this recovery point.
    Continues(Box<RecoveryPoint>),
    /// A new lineage begins; `why` is a sentence for the operator.
    Begins {
        last: Box<RecoveryPoint>,
        why: String,
    },
    /// There may be recovery points that nobody could read, so that nobody knows.
    Unknown,
}

/// What a target tells of the recovery points before.
#[derive(Debug)]
pub struct Ancestry {
    pub succession: Succession,
    /// What could not be read, a sentence each.
    pub unread: Vec<String>,
    pub foreign: Foreign,
}

impl Repository<'_> {
    /// Finds the last recovery point of the cluster with an etcd snapshot and judges
    /// whether its lineage goes on.
    ///
    /// # Errors
    /// When the target fails.
    pub async fn last_of_lineage(
        &self,
        cluster: &ClusterName,
        observed: Observed<'_>,
    ) -> Result<Ancestry, RepositoryError> {
        let mut walk = self.walk(Some(cluster)).await?;
        let mut refused = Vec::new();
        let mut sound: Vec<Box<RecoveryPoint>> = Vec::new();
        for place in walk.places() {
            match self.standing(&place).await? {
                // Archives have no revision that a snapshot could be held against.
                Standing::Sound(point) if point.manifest.etcd.is_none() => {}
                Standing::Sound(point) => sound.push(point),
                Standing::Refused(error) => {
                    refused.push(format!("{} ({})", label(&place.folder), error.code()));
                }
                Standing::Unread(error) => walk.unread.push(Fault::from(error).message),
            }
            let passed_over = refused.len() + walk.unread.len();
            if sound.len() == LOOKBACK || passed_over >= PASSED_OVER_MAX {
                break;
            }
        }
        // One whose own lineage is not known says the least.
        let newest = |point: &Box<RecoveryPoint>| (point.has_lineage(), point.manifest.taken);
        let last = sound.into_iter().max_by_key(newest);
        Ok(Ancestry {
            succession: match last {
                None => Succession::First { refused },
                Some(last) => judge(last, observed),
            },
            unread: walk.unread,
            foreign: walk.foreign,
        })
    }
}

impl RecoveryPoint {
    fn has_lineage(&self) -> bool {
        self.manifest.lineage.id != LINEAGE_UNKNOWN
    }
}

impl Succession {
    /// The lineage that a recovery point of this name belongs to. A new lineage's id
    /// follows from the names, so that a manifest that is made again after a crash
    /// carries the same one.
    #[must_use]
    pub fn lineage(
        &self,
        cluster: &ClusterName,
        name: &RecoveryPointName,
        cluster_id: &str,
    ) -> Lineage {
        let id = match self {
            Self::Unknown => LINEAGE_UNKNOWN.to_owned(),
            Self::Continues(last) if last.has_lineage() => last.manifest.lineage.id.clone(),
            Self::Continues(_) | Self::First { .. } | Self::Begins { .. } => {
                let origin = format!("drydock lineage\n{cluster}\n{name}\n{cluster_id}\n");
                Sha256::of(origin.as_bytes()).short()
            }
        };
        Lineage {
            id,
            cluster_id: Some(cluster_id.to_owned()),
        }
    }

    /// For the manifest; none when a lineage begins.
    #[must_use]
    pub fn predecessor(&self) -> Option<Predecessor> {
        self.previous().map(|last| Predecessor {
            recovery_point: last.manifest.recovery_point.clone(),
            manifest_sha256: last.manifest_sha256,
        })
    }

    /// The recovery point whose figures compare with the new ones.
    #[must_use]
    pub fn previous(&self) -> Option<&RecoveryPoint> {
        match self {
            Self::Continues(last) => Some(last),
            Self::First { .. } | Self::Begins { .. } | Self::Unknown => None,
        }
    }

    /// What is left of it where recovery points may be missing: to go on after one that was
    /// read is sound, to begin anew is not.
    #[must_use]
    pub fn with_unread(self) -> Self {
        match self {
            Self::Continues(_) => self,
            Self::First { .. } | Self::Begins { .. } | Self::Unknown => Self::Unknown,
        }
    }
}

fn judge(last: Box<RecoveryPoint>, observed: Observed<'_>) -> Succession {
    match break_of(&last, observed) {
        None => Succession::Continues(last),
        Some(why) => {
            let why = format!(
                "{why} since {}: a new lineage begins",
                last.manifest.recovery_point
            );
            Succession::Begins { last, why }
        }
    }
}

/// Why the lineage does not go on, if so.
fn break_of(last: &RecoveryPoint, observed: Observed<'_>) -> Option<String> {
    let before = last.manifest.lineage.cluster_id.as_deref();
    if before.is_some_and(|id| id != observed.cluster_id) {
        return Some("etcd's cluster id changed".to_owned());
    }
    let etcd = last.manifest.etcd.as_ref()?;
    match (etcd.raft_index, observed.raft_index) {
        (Some(old), Some(new)) if new < old => {
            Some(format!("etcd's raft index fell from {old} to {new}"))
        }
        _ => None,
    }
}
