//! A node with its state folder: the journal, the lock, and the runs.

use std::sync::Arc;

use drydock_core::{Clock, RunId, ScheduleName, UnixTime};
use drydock_engine::model::RunSpec;
use drydock_engine::{Engine, NoCrash, RunHandle};
use drydock_journal::{Journal, LockError, LockOwner, StateLock};
use drydock_repository::{SigningKey, TrustedSigners};

use super::prepare::Prepared;
use super::{Node, Workshop};
use crate::clock::SystemClock;
use crate::crash::Kill;
use crate::exit::Failure;

/// A node that can run schedules. While it lives, no other process can.
pub struct Station {
    pub workshop: Workshop,
    pub journal: Arc<Journal>,
    pub key: Arc<SigningKey>,
    pub signers: Arc<TrustedSigners>,
    pub clock: Arc<dyn Clock>,
    _lock: StateLock,
}

impl Station {
    /// Takes the state folder. `command` is what others are told of this process.
    pub fn open(node: Node, command: &str) -> Result<Self, Failure> {
        let owner = LockOwner {
            command: format!("drydock {command}"),
            since: SystemClock.now(),
        };
        let lock = StateLock::acquire(node.state(), &owner).map_err(|error| match error {
            LockError::InUse { .. } => Failure::try_later(error),
            other => Failure::failed(other),
        })?;
        let journal = Arc::new(Journal::open(node.state())?);
        let workshop = Workshop::open(node)?;
        let key = Arc::new(workshop.signing_key()?);
        let signers = Arc::new(workshop.signers()?);
        Ok(Self {
            workshop,
            journal,
            key,
            signers,
            clock: Arc::new(SystemClock),
            _lock: lock,
        })
    }

    /// Refuses a schedule that is not there.
    pub fn schedule(&self, schedule: &ScheduleName) -> Result<(), Failure> {
        self.workshop.node.workflow(schedule).map(|_| ())
    }

    /// Runs of the schedule that have no end, the oldest first.
    pub async fn unfinished(&self, schedule: &ScheduleName) -> Result<Vec<RunId>, Failure> {
        let journal = Arc::clone(&self.journal);
        let schedule = schedule.clone();
        let rows =
            tokio::task::spawn_blocking(move || journal.open_runs(Some(&schedule))).await??;
        Ok(rows.into_iter().map(|row| row.run).collect())
    }

    /// Starts a new run of the schedule.
    pub async fn start(
        &self,
        schedule: &ScheduleName,
        run: RunId,
        due: UnixTime,
        by_hand: bool,
    ) -> Result<RunHandle, Failure> {
        let prepared = Prepared::new(self, schedule, run, due, by_hand)?;
        prepared.check_config().await?;
        let spec = prepared.spec.clone();
        let engine = self.engine(prepared)?;
        Ok(engine.start(spec).await?)
    }

    /// Takes a run up again. One that was pinned to other documents or plugins than
    /// those in force cannot go on: it is taken back.
    pub async fn resume(&self, run: &RunId) -> Result<RunHandle, Failure> {
        let pinned = self.pinned(run).await?;
        let prepared = Prepared::new(
            self,
            &pinned.schedule,
            run.clone(),
            pinned.due,
            pinned.by_hand,
        )?;
        let changed = changes(&pinned, &prepared.spec);
        let handle = self.engine(prepared)?.resume(run).await?;
        if let Some(changed) = changed {
            tracing::warn!(%run, changed, "the run cannot go on and is taken back");
            handle
                .cancel(format!(
                    "{changed} since the run began, and a run never changes midway"
                ))
                .await;
        }
        Ok(handle)
    }

    async fn pinned(&self, run: &RunId) -> Result<RunSpec, Failure> {
        let journal = Arc::clone(&self.journal);
        let wanted = run.clone();
        let records = tokio::task::spawn_blocking(move || journal.records(&wanted)).await??;
        Ok(drydock_engine::replay::replay(run, &records)?.spec)
    }

    fn engine(&self, prepared: Prepared) -> Result<Engine, Failure> {
        let steps = Arc::new(prepared.steps(self)?);
        let engine = Engine::new(Arc::clone(&self.journal), steps, Arc::clone(&self.clock));
        Ok(match Kill::from_environment() {
            Some(kill) => engine.with_crash_point(Arc::new(kill)),
            None => engine.with_crash_point(Arc::new(NoCrash)),
        })
    }
}

/// What is no longer as the run was pinned to it.
fn changes(pinned: &RunSpec, now: &RunSpec) -> Option<&'static str> {
    let plugins = |spec: &RunSpec| {
        let pins = std::iter::once(&spec.backup)
            .chain(&spec.verify)
            .chain(spec.stores.iter().map(|store| &store.pin));
        pins.map(|pin| pin.digest.clone()).collect::<Vec<_>>()
    };
    if plugins(pinned) != plugins(now) {
        return Some("its plugins changed");
    }
    (pinned.workflow_digest != now.workflow_digest).then_some("its documents changed")
}
