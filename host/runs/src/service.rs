//! A node with its state folder: the journal, the lock, and the runs.

use std::sync::Arc;

use drydock_core::{Clock, RunId, ScheduleName, UnixTime};
use drydock_engine::{Engine, RunHandle, StepRunner, model::RunSpec};
use drydock_journal::{Journal, LockOwner, StateLock};
use drydock_node::{
    Configuration, NoSuchDocument, PluginRegistry, RegistryError, Work, check_clock,
};
use drydock_repository::{SigningKey, TrustedSigners};

use super::drill::Prepared as PreparedDrill;
use super::error::{PrepareError, ServiceError, StartError};
use super::prepare::{Prepared, Tell};

/// A node that can run schedules. While it lives, no other process can.
pub struct RunService {
    pub registry: PluginRegistry,
    pub journal: Arc<Journal>,
    pub key: Arc<SigningKey>,
    pub signers: Arc<TrustedSigners>,
    pub clock: Arc<dyn Clock>,
    _lock: Arc<StateLock>,
}

/// A run that is ready to start.
enum Ready {
    Backup(Box<Prepared>),
    Drill(Box<PreparedDrill>),
}

impl Ready {
    fn spec(&self) -> &RunSpec {
        match self {
            Self::Backup(prepared) => &prepared.spec,
            Self::Drill(prepared) => &prepared.spec,
        }
    }

    async fn check_config(&self, tell: Tell<'_>) -> Result<(), RegistryError> {
        match self {
            Self::Backup(prepared) => prepared.check_config(tell).await,
            Self::Drill(prepared) => prepared.check_config(tell).await,
        }
    }

    fn runner(self, service: &RunService) -> Arc<dyn StepRunner> {
        match self {
            Self::Backup(prepared) => Arc::new(prepared.steps(service)),
            Self::Drill(prepared) => Arc::new(prepared.steps()),
        }
    }
}

impl RunService {
    /// Takes the state folder. `command` is what others are told of this process.
    pub fn open(node: Configuration, command: &str) -> Result<Self, ServiceError> {
        crate::handles::require()?;
        let owner = LockOwner {
            command: format!("drydock {command}"),
            since: node.deps.clock.now(),
        };
        let lock = StateLock::acquire(node.state(), &owner)?;
        let journal = Arc::new(Journal::open(node.state())?);
        let registry = PluginRegistry::open(node)?;
        Ok(Self::assembled(registry, journal, Arc::new(lock))?)
    }

    /// The same service with other documents: it shares the state folder and the sandbox
    /// with this one, so that runs of both can be under way side by side.
    pub fn renewed(&self, node: Configuration) -> Result<Self, RegistryError> {
        Self::assembled(
            self.registry.renewed(node)?,
            Arc::clone(&self.journal),
            Arc::clone(&self._lock),
        )
    }

    fn assembled(
        registry: PluginRegistry,
        journal: Arc<Journal>,
        lock: Arc<StateLock>,
    ) -> Result<Self, RegistryError> {
        let key = Arc::new(registry.signing_key()?);
        let signers = Arc::new(registry.signers()?);
        Ok(Self {
            clock: Arc::clone(&registry.node.deps.clock),
            registry,
            journal,
            key,
            signers,
            _lock: lock,
        })
    }

    /// Refuses a clock that is behind the journal; with `accept` takes it for right, and
    /// what the journal holds of later instants for wrong.
    pub fn check_clock(&self, accept: bool) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let latest = self.journal.latest_instant()?;
        match check_clock(latest.as_ref(), now) {
            Err(behind) if accept => {
                tracing::warn!("the clock is accepted as right from now on: {behind}");
                Ok(self.journal.accept_clock(now)?)
            }
            checked => Ok(checked?),
        }
    }

    /// Whether a run of the schedule could be started, as far as that can be told without
    /// one: plugins admitted and of the right world, grants there, configurations accepted,
    /// keys and certificates readable. A drill on a node without an identity will be
    /// skipped, which is in order. `tell` hears what the check is at.
    pub async fn check(
        self: &Arc<Self>,
        schedule: &ScheduleName,
        tell: Tell<'_>,
    ) -> Result<(), PrepareError> {
        let lacks_identity = self
            .registry
            .node
            .config
            .value
            .spec
            .drill
            .identity
            .is_none();
        if lacks_identity && self.registry.node.documents.drill(schedule).is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let run = RunId::of(schedule, now, Some("check"));
        tell("its plugins are compiled, and the files that it names are read");
        let prepared = self.prepare(schedule, run, now, true).await?;
        Ok(prepared.check_config(tell).await?)
    }

    /// Compiles plugins and reads files, out of the way of others: whoever waits for it may
    /// go away.
    async fn prepare(
        self: &Arc<Self>,
        schedule: &ScheduleName,
        run: RunId,
        due: UnixTime,
        by_hand: bool,
    ) -> Result<Ready, PrepareError> {
        let (service, schedule) = (Arc::clone(self), schedule.clone());
        let preparing =
            tokio::task::spawn_blocking(move || match service.registry.node.work(&schedule)? {
                Work::Backup(_) => Prepared::new(&service, &schedule, run, due, by_hand)
                    .map(|prepared| Ready::Backup(Box::new(prepared))),
                Work::Drill(work) => PreparedDrill::new(&service, work, run, due, by_hand)
                    .map(|prepared| Ready::Drill(Box::new(prepared))),
            });
        preparing.await?
    }

    /// Refuses a schedule that is not there.
    pub fn schedule(&self, schedule: &ScheduleName) -> Result<(), NoSuchDocument> {
        self.registry.node.work(schedule).map(|_| ())
    }

    /// Runs of the schedule that have no end, the oldest first.
    pub async fn unfinished(&self, schedule: &ScheduleName) -> Result<Vec<RunId>, ServiceError> {
        let journal = Arc::clone(&self.journal);
        let schedule = schedule.clone();
        let rows =
            tokio::task::spawn_blocking(move || journal.open_runs(Some(&schedule))).await??;
        Ok(rows.into_iter().map(|row| row.run).collect())
    }

    /// Starts a new run of the schedule.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        self: &Arc<Self>,
        schedule: &ScheduleName,
        run: RunId,
        due: UnixTime,
        by_hand: bool,
    ) -> Result<RunHandle, StartError> {
        let prepared = self.prepare(schedule, run, due, by_hand).await?;
        let checked = prepared.check_config(&|_| {}).await;
        checked.map_err(PrepareError::from)?;
        let spec = prepared.spec().clone();
        let engine = self.engine(prepared);
        Ok(engine.start(spec).await?)
    }

    /// Takes a run up again. One that was pinned to other documents or plugins than
    /// those in force cannot go on: it is taken back.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn resume(self: &Arc<Self>, run: &RunId) -> Result<RunHandle, StartError> {
        let pinned = self.pinned(run).await?;
        let prepared = self.prepare(&pinned.schedule, run.clone(), pinned.due, pinned.by_hand);
        let prepared = prepared.await?;
        let changed = changes(&pinned, prepared.spec());
        let handle = self.engine(prepared).resume(run).await?;
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

    async fn pinned(&self, run: &RunId) -> Result<RunSpec, StartError> {
        let journal = Arc::clone(&self.journal);
        let wanted = run.clone();
        let records = tokio::task::spawn_blocking(move || journal.records(&wanted)).await??;
        Ok(drydock_engine::replay::replay(run, &records)?.spec)
    }

    fn engine(&self, prepared: Ready) -> Engine {
        let steps = prepared.runner(self);
        let engine = Engine::new(Arc::clone(&self.journal), steps, Arc::clone(&self.clock));
        engine.with_crash_point(Arc::clone(&self.registry.node.deps.crash))
    }
}

/// What is no longer as the run was pinned to it.
fn changes(pinned: &RunSpec, now: &RunSpec) -> Option<&'static str> {
    if !pinned
        .pins()
        .map(|pin| &pin.digest)
        .eq(now.pins().map(|pin| &pin.digest))
    {
        return Some("its plugins changed");
    }
    let mut pairs = pinned.pins().zip(now.pins());
    if pairs.any(|(then, now)| then.grants != now.grants) {
        return Some("what its plugins may do changed");
    }
    (pinned.workflow_digest != now.workflow_digest).then_some("its documents changed")
}
