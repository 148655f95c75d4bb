//! Where a new recovery point stands among those before it. Revisions compare only
//! within one lineage; a new one begins when etcd's cluster id changes, when a revision
//! that both snapshots hold differs, when a restore bumped the revision, or when the
//! cluster's raft term or raft index falls below the last recorded. A revision number that
//! falls while all of these go on is no new lineage: it is a member that lags, and a verify
//! step's business.

use drydock_core::{ClusterName, Fault, RecoveryPointName, SharedHistory};

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

/// What the snapshot at hand and the members say of their cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed<'a> {
    /// Lower-case hex; none when no member told.
    pub cluster_id: Option<&'a str>,
    /// The highest raft term of the members that see a leader.
    pub raft_term: Option<u64>,
    /// The highest applied raft index of the members that answer.
    pub raft_index: Option<u64>,
    /// The revision to which the last restore bumped the cluster.
    pub bumped_to: Option<i64>,
    /// What became of the last recovery point's witnesses.
    pub history: SharedHistory,
}

/// The lineage id of what belongs to none that is known: an archive alone, or a snapshot
/// whose predecessors could not be read.
pub const LINEAGE_UNKNOWN: &str = "0000000000000000";

/// What came before.
#[derive(Debug)]
pub enum Succession {
    /// No recovery point of this cluster can be believed.
    First,
    /// The lineage goes on after this recovery point. `unsure` is a sentence for the
    /// operator where nothing confirms that.
    Continues {
        last: Box<RecoveryPoint>,
        unsure: Option<String>,
    },
    /// A new lineage begins; `why` is a sentence for the operator.
    Begins {
        last: Box<RecoveryPoint>,
        why: String,
    },
    /// There may be recovery points that nobody could read, so that nobody knows.
    Unknown,
}

/// What a target tells of the recovery points before.
#[derive(Debug, Default)]
pub struct Ancestry {
    /// The one that was taken last, of those that can be believed.
    pub last: Option<Box<RecoveryPoint>>,
    /// Those that were passed over, with the reason.
    pub refused: Vec<String>,
    /// What could not be read, a sentence each.
    pub unread: Vec<String>,
    pub foreign: Foreign,
}

impl Repository<'_> {
    /// Finds the last recovery point of the cluster with an etcd snapshot.
    ///
    /// # Errors
    /// When the target fails.
    pub async fn last_point(&self, cluster: &ClusterName) -> Result<Ancestry, RepositoryError> {
        let mut walk = self.walk(Some(cluster)).await?;
        let mut refused = Vec::new();
        let mut sound: Vec<Box<RecoveryPoint>> = Vec::new();
        for place in walk.places() {
            match self.standing(&place).await? {
                // Archives and what is damaged have no revision that a snapshot could be held
                // against.
                Standing::Signed(point) if point.manifest.figures().is_none() => {}
                Standing::Signed(point) => sound.push(point),
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
        let last = sound
            .into_iter()
            .max_by_key(|point| (point.has_lineage(), point.manifest.progress()));
        Ok(Ancestry {
            last,
            refused,
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
    /// Judges whether the lineage of the last recovery point goes on.
    #[must_use]
    pub fn of(last: Option<Box<RecoveryPoint>>, observed: Observed<'_>) -> Self {
        let Some(last) = last else {
            return Self::First;
        };
        match break_of(&last, observed) {
            Some(why) => Self::Begins {
                why: format!("{why}: a new lineage begins"),
                last,
            },
            None => Self::Continues {
                unsure: doubt(&last, observed),
                last,
            },
        }
    }

    /// The lineage that a recovery point of this name belongs to. A new lineage's id
    /// follows from the names, so that a manifest that is made again after a crash
    /// carries the same one.
    #[must_use]
    pub fn lineage(
        &self,
        cluster: &ClusterName,
        name: &RecoveryPointName,
        cluster_id: Option<&str>,
    ) -> Lineage {
        let id = match self {
            Self::Unknown => LINEAGE_UNKNOWN.to_owned(),
            Self::Continues { last, .. } if last.has_lineage() => last.manifest.lineage.id.clone(),
            Self::Continues { .. } | Self::First | Self::Begins { .. } => {
                let cluster_id = cluster_id.unwrap_or_default();
                let origin = format!("drydock lineage\n{cluster}\n{name}\n{cluster_id}\n");
                Sha256::of(origin.as_bytes()).short()
            }
        };
        Lineage {
            id,
            cluster_id: cluster_id.map(str::to_owned),
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
            Self::Continues { last, .. } => Some(last),
            Self::First | Self::Begins { .. } | Self::Unknown => None,
        }
    }

    /// What is left of it where recovery points may be missing: to go on after one that was
    /// read is sound, to begin anew is not.
    #[must_use]
    pub fn with_unread(self) -> Self {
        match self {
            Self::Continues { .. } => self,
            Self::First | Self::Begins { .. } | Self::Unknown => Self::Unknown,
        }
    }
}

/// Why the lineage does not go on, if so.
fn break_of(last: &RecoveryPoint, observed: Observed<'_>) -> Option<String> {
    let name = &last.manifest.recovery_point;
    let before = last.manifest.lineage.cluster_id.as_deref();
    if differs(before, observed.cluster_id) {
        return Some(format!("etcd's cluster id changed since {name}"));
    }
    if let Some(revision) = observed.history.differs {
        return Some(format!(
            "etcd's revision {revision} is not what it was in {name}, so etcd was put back to a state from before that and went on differently"
        ));
    }
    let etcd = last.manifest.figures()?;
    if let Some(bumped_to) = observed.bumped_to.filter(|to| *to > etcd.revision) {
        return Some(format!(
            "etcd was restored since {name} and its revision bumped to {bumped_to}"
        ));
    }
    let figures = [
        ("term", etcd.raft_term, observed.raft_term),
        ("index", etcd.raft_index, observed.raft_index),
    ];
    figures.into_iter().find_map(|(what, old, new)| {
        let (old, new) = (old?, new?);
        (new < old).then(|| format!("etcd's raft {what} fell from {old} to {new} since {name}"))
    })
}

/// Two ids that are known, and are two.
fn differs(before: Option<&str>, now: Option<&str>) -> bool {
    before.zip(now).is_some_and(|(before, now)| before != now)
}

/// What is to be told where no revision confirms that the history goes on.
fn doubt(last: &RecoveryPoint, observed: Observed<'_>) -> Option<String> {
    let etcd = last.manifest.figures()?;
    if observed.history.same > 0 {
        return None;
    }
    let name = &last.manifest.recovery_point;
    let none = match etcd.witnesses.len() {
        0 => format!("{name} noted no revision to compare"),
        noted => format!("this snapshot has none of the {noted} revisions that {name} noted"),
    };
    Some(format!(
        "{none}, so only the cluster's id and its raft figures say that etcd was not put back to an earlier state meanwhile"
    ))
}
