//! What the last recovery point of the same lineage says: it is what a new
//! snapshot is compared with, and what the new manifest names as its predecessor.
//!
//! **Invariant:** recovery points that cannot be read are not taken for none: nothing begins
//! a lineage while there may be some, and the run is degraded.

use std::sync::Arc;
use std::time::Duration;

use drydock_core::nature::{Descent, DescentRemark, PreviousPoint};
use drydock_core::{ClusterName, ErrorCode, Fault, Finding, Level, RecoveryPointName};
use drydock_repository::{
    Repository, TrustedSigners,
    recovery_point::{Ancestry, Observed, RecoveryPoint, Succession},
};
use tokio::time::timeout;

use super::Store;

/// How long a target may take to tell of its newest recovery point: one that hangs must not
/// hold up what is stored at the others.
const ASK_WALL_MAX: Duration = Duration::from_secs(60);

/// Looks at the run's own targets.
pub struct Previous {
    pub cluster: ClusterName,
    pub name: RecoveryPointName,
    pub stores: Vec<Store>,
    pub signers: Arc<TrustedSigners>,
}

/// What all targets together tell.
#[derive(Default)]
pub struct Told {
    /// The recovery point that was taken last.
    pub last: Option<Box<RecoveryPoint>>,
    /// Whether there may be recovery points that nobody could read.
    unread: bool,
    findings: Vec<Finding>,
}

impl Previous {
    /// Asks the targets.
    pub async fn ask(&self) -> Told {
        let mut told = Told::default();
        for store in &self.stores {
            match timeout(ASK_WALL_MAX, self.at(store)).await {
                Ok(Ok((ancestry, is_known))) => told.add(store, ancestry, is_known),
                // What is there is asked by its other name.
                Ok(Err(fault)) if fault.code == ErrorCode::SameTarget => {}
                Ok(Err(fault)) => told.unreadable(store, &fault.message),
                Err(_) => told.unreadable(store, "it does not answer"),
            }
        }
        told
    }

    /// What a target tells, and whether this node had stored there before. It writes nothing:
    /// the run may go on without it at any time.
    async fn at(&self, store: &Store) -> Result<(Ancestry, bool), Fault> {
        let is_known = store.guard.is_known(&*store.target).await?;
        let repository = Repository::new(&*store.target, &self.signers);
        match repository
            .last_point(&self.cluster)
            .await
            .map_err(Fault::from)
        {
            // Where nobody ever stored, the place itself is made with the first upload.
            Err(fault) if fault.code == ErrorCode::PlaceMissing && !is_known => {
                Ok((Ancestry::default(), is_known))
            }
            ancestry => Ok((ancestry?, is_known)),
        }
    }

    /// Where the snapshot stands among the recovery points before it, and what an operator has
    /// to know.
    pub fn descent(&self, told: Told, observed: Observed<'_>) -> (Descent, Vec<Finding>) {
        let succession = Succession::of(told.last, observed);
        let succession = if told.unread {
            succession.with_unread()
        } else {
            succession
        };
        let lineage = succession.lineage(&self.cluster, &self.name, observed.cluster_id);
        let previous = succession.previous().and_then(|last| {
            let etcd = last.manifest.figures()?;
            Some(PreviousPoint {
                recovery_point: last.manifest.recovery_point.clone(),
                manifest_sha256: last.manifest_sha256.to_string(),
                revision: etcd.revision,
                total_keys: etcd.total_keys,
            })
        });
        let remark = match succession {
            Succession::Begins { why, .. } => Some(DescentRemark::Begins(why)),
            Succession::Continues { unsure, .. } => unsure.map(DescentRemark::Unsure),
            Succession::First | Succession::Unknown => None,
        };
        let descent = Descent {
            lineage: lineage.id,
            remark,
            previous,
        };
        (descent, told.findings)
    }
}

impl Told {
    fn add(&mut self, store: &Store, ancestry: Ancestry, is_known: bool) {
        let Ancestry {
            last,
            refused,
            unread,
            foreign,
        } = ancestry;
        let target = &store.name;
        if let Some(note) = foreign.note() {
            let note = format!("target {target}: {note}");
            self.find(Level::Note, "foreign", note);
        }
        if !unread.is_empty() {
            self.unreadable(store, &unread.join("; "));
        }
        if last.is_none() && !refused.is_empty() {
            self.find(
                Level::Warning,
                "previous-refused",
                format!(
                    "none of the earlier recovery points at target {target} can be believed, so the snapshot was compared with none: {}; add their signer to trustedSigners, or see who changed them",
                    refused.join(", ")
                ),
            );
        }
        if last.is_some() && !is_known {
            self.find(
                Level::Note,
                "target-taken",
                format!("target {target} holds recovery points that this node's journal knows nothing of; it was taken as it is"),
            );
        }
        let progress = |point: &RecoveryPoint| point.manifest.progress();
        if last.as_deref().map(progress) >= self.last.as_deref().map(progress) {
            self.last = last.or(self.last.take());
        }
    }

    fn unreadable(&mut self, store: &Store, why: &str) {
        self.unread = true;
        let target = &store.name;
        self.find(
            Level::Warning,
            "previous-unread",
            format!(
                "earlier recovery points at target {target} could not be read, so that a snapshot of a stale etcd would not be noticed: {why}"
            ),
        );
    }

    fn find(&mut self, level: Level, code: &str, message: String) {
        tracing::info!(?level, code, "{message}");
        self.findings.push(Finding::new(level, code, message));
    }
}

#[cfg(test)]
mod tests;
