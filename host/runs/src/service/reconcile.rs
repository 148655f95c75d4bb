//! Holds that nobody looks after. A process that died leaves them in the journal; what it
//! names is enough to let them go, whatever became of the run's documents.

use std::collections::BTreeSet;
use std::sync::Arc;

use drydock_core::{RunId, chain};
use drydock_engine::RunHandle;
use drydock_journal::HoldRow;

use super::RunService;
use crate::error::ServiceError;

/// What became of the holds that nobody looked after.
#[derive(Default)]
pub struct Reconciled {
    /// Runs with holds that go on: each lets its own go. Whoever gets them waits for their
    /// ends; dropping one suspends its run.
    pub resumed: Vec<RunHandle>,
    /// Runs with holds that could not be resumed, and why, in a sentence for an operator.
    pub stuck: Vec<(RunId, String)>,
}

impl RunService {
    /// Resumes every run that may hold something and that this process does not work on,
    /// and removes the pins that no open run uses. To be called at start and each minute.
    ///
    /// # Errors
    /// The journal fails.
    pub async fn reconcile(self: &Arc<Self>) -> Result<Reconciled, ServiceError> {
        self.sweep_pins().await?;
        let journal = Arc::clone(&self.journal);
        let holds = tokio::task::spawn_blocking(move || journal.open_holds()).await??;
        let active = self.limits.active();
        let lost: Vec<_> = holds
            .into_iter()
            .filter(|(run, _)| !active.contains(run))
            .collect();
        let runs: BTreeSet<&RunId> = lost.iter().map(|(run, _)| run).collect();
        let mut reconciled = Reconciled::default();
        for run in runs {
            match self.resume(run).await {
                Ok(handle) => reconciled.resumed.push(handle),
                Err(error) => {
                    let holds = lost.iter().filter(|(of, _)| of == run);
                    let why = self.stuck(run, holds.map(|(_, hold)| hold), &chain(&error));
                    tracing::error!(%run, "{why}");
                    reconciled.stuck.push((run.clone(), why));
                }
            }
        }
        Ok(reconciled)
    }

    /// Removes the pins that no open run uses. What cannot be removed takes room, and is no
    /// reason to stop.
    ///
    /// # Errors
    /// The journal fails.
    pub async fn sweep_pins(self: &Arc<Self>) -> Result<(), ServiceError> {
        let service = Arc::clone(self);
        let sweeping = tokio::task::spawn_blocking(move || {
            // Begun first, so that a run that begins meanwhile keeps what it pinned.
            let sweep = service.pins.begin_sweep();
            let in_use = service.journal.pins_in_use()?;
            if let Err(error) = sweep.finish(&in_use) {
                tracing::warn!("{}", chain(&error));
            }
            Ok(())
        });
        sweeping.await?
    }

    fn stuck<'a>(
        &self,
        run: &RunId,
        holds: impl Iterator<Item = &'a HoldRow>,
        why: &str,
    ) -> String {
        let now = self.clock.now();
        let told = holds.map(|hold| {
            let until = hold.deadline;
            let passed = if until <= now {
                "was to be let go by"
            } else {
                "is to be let go by"
            };
            let evidence = hold.evidence.as_ref();
            let evidence = evidence.map_or(String::new(), |text| format!(" ({text})"));
            format!("step {}{evidence}, which {passed} {until}", hold.step)
        });
        let told: Vec<_> = told.collect();
        format!(
            "run {run} may still hold what it took with {}, and cannot be resumed: {why}; look at what it holds and let it go by hand if it stands, then mend this, and the run goes on by itself",
            told.join(" and ")
        )
    }
}
