//! What the last recovery point of the same lineage says, as facts: it is what a new
//! snapshot is compared with, and what the new manifest names as its predecessor.
//!
//! **Invariant:** recovery points that cannot be read are not taken for none: nothing begins
//! a lineage while there may be some, and the run is degraded.

use std::sync::Arc;
use std::time::Duration;

use drydock_core::{
    ClusterName, ErrorCode, FactValue, Facts, Fault, Finding, Level, RecoveryPointName,
};
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

    /// What a target tells, and whether this node had stored there before.
    async fn at(&self, store: &Store) -> Result<(Ancestry, bool), Fault> {
        let admitted = store.guard.admit(&*store.target).await?;
        let repository = Repository::new(&*store.target, &self.signers);
        let ancestry = repository.last_point(&self.cluster).await?;
        Ok((ancestry, admitted.is_known))
    }

    /// Sets `previous.*` and `lineage.*`, and answers what an operator has to know.
    pub fn tell(&self, told: Told, observed: Observed<'_>, facts: &mut Facts) -> Vec<Finding> {
        let succession = Succession::of(told.last, observed);
        let succession = if told.unread {
            succession.with_unread()
        } else {
            succession
        };
        self.set(&succession, observed.cluster_id, facts);
        told.findings
    }

    fn set(&self, succession: &Succession, cluster_id: Option<&str>, facts: &mut Facts) {
        let lineage = succession.lineage(&self.cluster, &self.name, cluster_id);
        facts.set_text("lineage.id", lineage.id);
        match succession {
            Succession::Begins { why, .. } => facts.set_text("lineage.begins", why),
            Succession::Continues {
                unsure: Some(why), ..
            } => facts.set_text("lineage.unsure", why),
            Succession::Continues { unsure: None, .. }
            | Succession::First
            | Succession::Unknown => {}
        }
        let Some(last) = succession.previous() else {
            return;
        };
        facts.set_text(
            "previous.recovery-point",
            last.manifest.recovery_point.as_str(),
        );
        facts.set_text("previous.manifest-sha256", last.manifest_sha256.to_string());
        if let Some(etcd) = &last.manifest.etcd {
            facts.set("previous.revision", FactValue::Signed(etcd.revision));
            facts.set("previous.total-key", FactValue::Unsigned(etcd.total_keys));
        }
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
