//! What the last recovery point of the same lineage says: it is what a new
//! snapshot is compared with, and what the new manifest names as its predecessor.
//!
//! The targets are asked side by side while the snapshot still streams in, so that one that hangs
//! keeps nothing from the others.
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
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{error::Elapsed, timeout};

use super::Store;
use super::guard::Known;

/// How long a target may take to tell of its newest recovery point: one that hangs must not
/// hold up what is stored at the others.
const ASK_WALL_MAX: Duration = Duration::from_secs(60);

/// How long the others are waited for once one has told what there is, as a rule the same.
const LAGGARD_WAIT_MAX: Duration = Duration::from_secs(10);

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

/// The targets that are being asked. Nobody is asked any more once it is dropped.
pub struct Asking {
    previous: Arc<Previous>,
    answers: JoinSet<(usize, Answer)>,
}

/// What a target tells, and what this node knows of it; or that it does not answer.
type Answer = Result<Result<(Ancestry, Known), Fault>, Elapsed>;

impl Asking {
    /// Waits for all targets. What they tell is taken in the order of the document.
    pub async fn told(mut self) -> Told {
        let mut answers: Vec<Option<Answer>> = Vec::new();
        answers.resize_with(self.previous.stores.len(), || None);
        let mut patience = ASK_WALL_MAX;
        while let Ok(Some(joined)) = timeout(patience, self.answers.join_next()).await {
            if let Ok((index, answer)) = joined {
                if matches!(answer, Ok(Ok(_))) {
                    patience = LAGGARD_WAIT_MAX;
                }
                answers[index] = Some(answer);
            }
        }
        let mut told = Told::default();
        for (store, answer) in self.previous.stores.iter().zip(answers) {
            match answer {
                Some(Ok(answer)) => told.take(store, answer),
                Some(Err(_)) | None => told.unreadable(store, "it does not answer"),
            }
        }
        told
    }
}

impl Previous {
    /// Begins to ask the targets.
    pub fn ask(self: &Arc<Self>, runtime: &Handle) -> Asking {
        let mut answers = JoinSet::new();
        for index in 0..self.stores.len() {
            let previous = Arc::clone(self);
            let asked = async move {
                let answer = previous.at(&previous.stores[index]);
                (index, timeout(ASK_WALL_MAX, answer).await)
            };
            answers.spawn_on(asked, runtime);
        }
        Asking {
            previous: Arc::clone(self),
            answers,
        }
    }

    /// What a target tells, and whether this node had stored there before. It writes nothing:
    /// the run may go on without it at any time.
    async fn at(&self, store: &Store) -> Result<(Ancestry, Known), Fault> {
        // By the one that waits for nobody's turn: a queue of parts is no target that hangs.
        let target = &*store.cleanup;
        let known = store.guard.look(target).await?;
        let repository = Repository::new(target, &self.signers);
        match repository
            .last_point(&self.cluster)
            .await
            .map_err(Fault::from)
        {
            // Where nobody ever stored, the place itself is made with the first upload.
            Err(fault) if fault.code == ErrorCode::PlaceMissing && !known.is_known => {
                Ok((Ancestry::default(), known))
            }
            ancestry => Ok((ancestry?, known)),
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
    fn take(&mut self, store: &Store, answer: Result<(Ancestry, Known), Fault>) {
        let claimed = answer.and_then(|(ancestry, known)| {
            store.guard.claim(&known)?;
            Ok((ancestry, known.is_known))
        });
        match claimed {
            Ok((ancestry, is_known)) => self.add(store, ancestry, is_known),
            // What is there is asked by its other name.
            Err(fault) if fault.code == ErrorCode::SameTarget => {}
            Err(fault) => self.unreadable(store, &fault.message),
        }
    }

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
