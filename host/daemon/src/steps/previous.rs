//! What the last recovery point of the same lineage says, as facts: it is what a new
//! snapshot is compared with, and what the new manifest names as its predecessor.
//!
//! **Invariant:** recovery points that cannot be read are not taken for none: nothing begins
//! a lineage while there may be some, and the run is degraded.

use std::sync::Arc;

use drydock_core::{ClusterName, FactValue, Facts, Fault, Finding, Level, RecoveryPointName};
use drydock_repository::recovery_point::{Ancestry, Observed, Succession};
use drydock_repository::{Repository, TrustedSigners};

use super::Store;

/// Looks at the run's own targets.
pub struct Previous {
    pub cluster: ClusterName,
    pub name: RecoveryPointName,
    pub stores: Vec<Store>,
    pub signers: Arc<TrustedSigners>,
}

/// What all targets together tell.
#[derive(Default)]
struct Told {
    newest: Option<Succession>,
    /// Whether there may be recovery points that nobody could read.
    unread: bool,
    findings: Vec<Finding>,
}

impl Previous {
    /// Sets `previous.*` and `lineage.*`, and answers what an operator has to know.
    pub async fn tell(&self, observed: Observed<'_>, facts: &mut Facts) -> Vec<Finding> {
        let mut told = Told::default();
        for store in &self.stores {
            match self.at(store, observed).await {
                Ok((ancestry, is_known)) => told.add(store, ancestry, is_known),
                Err(fault) => told.unreadable(store, &fault.message),
            }
        }
        let Told {
            newest,
            unread,
            findings,
        } = told;
        let newest = newest.unwrap_or(Succession::First {
            refused: Vec::new(),
        });
        let succession = if unread { newest.with_unread() } else { newest };
        self.set(&succession, observed.cluster_id, facts);
        findings
    }

    /// What a target tells, and whether this node had stored there before.
    async fn at(&self, store: &Store, observed: Observed<'_>) -> Result<(Ancestry, bool), Fault> {
        let admitted = store.guard.admit(&*store.target).await?;
        let repository = Repository::new(&*store.target, &self.signers);
        let ancestry = repository.last_of_lineage(&self.cluster, observed).await?;
        Ok((ancestry, admitted.is_known))
    }

    fn set(&self, succession: &Succession, cluster_id: &str, facts: &mut Facts) {
        let lineage = succession.lineage(&self.cluster, &self.name, cluster_id);
        facts.set_text("lineage.id", lineage.id);
        if let Succession::Begins { why, .. } = succession {
            facts.set_text("lineage.begins", why);
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
            succession,
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
        match &succession {
            Succession::First { refused } if !refused.is_empty() => self.find(
                Level::Warning,
                "previous-refused",
                format!(
                    "none of the earlier recovery points at target {target} can be believed, so the snapshot was compared with none: {}; add their signer to trustedSigners, or see who changed them",
                    refused.join(", ")
                ),
            ),
            Succession::Continues(_) | Succession::Begins { .. } if !is_known => self.find(
                Level::Note,
                "target-taken",
                format!("target {target} holds recovery points that this node's journal knows nothing of; it was taken as it is"),
            ),
            _ => {}
        }
        if taken(&succession) >= self.newest.as_ref().and_then(taken) {
            self.newest = Some(succession);
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

/// When the recovery point that was found was taken; earlier than all when none was.
fn taken(succession: &Succession) -> Option<drydock_core::UnixTime> {
    match succession {
        Succession::First { .. } | Succession::Unknown => None,
        Succession::Continues(last) | Succession::Begins { last, .. } => Some(last.manifest.taken),
    }
}
