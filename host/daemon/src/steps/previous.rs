//! What the last recovery point of the same lineage says, as facts: it is what a new
//! snapshot is compared with, and what the new manifest names as its predecessor.

use std::sync::Arc;

use drydock_core::{ClusterName, FactValue, Facts, RecoveryPointName};
use drydock_repository::recovery_point::{Observed, Succession};
use drydock_repository::{Repository, TrustedSigners};

use super::Store;

/// Looks at the run's own targets.
pub struct Previous {
    pub cluster: ClusterName,
    pub name: RecoveryPointName,
    pub stores: Vec<Store>,
    pub signers: Arc<TrustedSigners>,
}

impl Previous {
    /// Sets `previous.*` and `lineage.*`. A target that cannot be asked is passed over:
    /// the store step will say what is wrong with it.
    pub async fn tell(&self, observed: Observed<'_>, facts: &mut Facts) {
        let mut newest: Option<Succession> = None;
        for store in &self.stores {
            match self.at(store, observed).await {
                Some(found) if taken(&found) >= newest.as_ref().and_then(taken) => {
                    newest = Some(found);
                }
                _ => {}
            }
        }
        let succession = newest.unwrap_or(Succession::First {
            refused: Vec::new(),
        });
        self.set(&succession, observed.cluster_id, facts);
    }

    async fn at(&self, store: &Store, observed: Observed<'_>) -> Option<Succession> {
        let repository = Repository::new(&*store.target, &self.signers);
        match repository.last_of_lineage(&self.cluster, observed).await {
            Ok(succession) => Some(succession),
            Err(error) => {
                tracing::warn!(store = %store.step, %error, "the target's earlier recovery points cannot be read");
                None
            }
        }
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

/// When the recovery point that was found was taken; earlier than all when none was.
fn taken(succession: &Succession) -> Option<drydock_core::UnixTime> {
    match succession {
        Succession::First { .. } => None,
        Succession::Continues(last) | Succession::Begins { last, .. } => Some(last.manifest.taken),
    }
}
