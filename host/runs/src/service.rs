//! A node with its state folder: the journal, the lock, and the runs.
//!
//! A run starts by the documents in force, of which it pins what it uses; from then on it goes
//! by its pins alone. Both ways lead through the same preparation.

mod gone;
mod reconcile;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use drydock_core::{Clock, ErrorCode, RunId, ScheduleName, UnixTime, chain};
use drydock_engine::model::{Origin, RunSpec};
use drydock_engine::state::RunState;
use drydock_engine::{Engine, EngineError, RunHandle, StepRunner};
use drydock_journal::{Journal, LockOwner, StateLock};
use drydock_node::{Configuration, NoSuchDocument, PluginRegistry, RegistryError, check_clock};
use drydock_repository::{SigningKey, TrustedSigners};

use super::check::check_steps;
use super::error::{PrepareError, ServiceError, StartError};
use super::limits::{NodeLimits, RunClaim};
use super::pins::{PinBatch, PinnedError, PinnedWorkflow, Pins};
use super::prepare::{Prepared, RunRequest};
use super::tools::Tell;

use gone::StepsGone;
pub use reconcile::Reconciled;

/// A node that can run schedules. While it lives, no other process can.
pub struct RunService {
    pub registry: PluginRegistry,
    pub journal: Arc<Journal>,
    pub key: Arc<SigningKey>,
    pub signers: Arc<TrustedSigners>,
    pub clock: Arc<dyn Clock>,
    pub pins: Pins,
    pub limits: Arc<NodeLimits>,
    _lock: Arc<StateLock>,
}

/// A run that somebody wants.
#[derive(Debug, Clone)]
pub struct StartRequest {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub due: UnixTime,
    pub origin: Origin,
    /// An open run in whose way the new one may get.
    pub despite: Option<RunId>,
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
        let pins = Pins::new(node.state());
        let registry = PluginRegistry::open(node)?;
        Ok(Self {
            clock: Arc::clone(&registry.node.deps.clock),
            key: Arc::new(registry.signing_key().map_err(RegistryError::from)?),
            signers: Arc::new(registry.signers()?),
            registry,
            journal,
            pins,
            limits: Arc::default(),
            _lock: Arc::new(lock),
        })
    }

    /// The same service with other documents: it shares the state folder, the limits and the
    /// sandbox with this one, so that runs of both can be under way side by side.
    pub fn renewed(&self, node: Configuration) -> Result<Self, RegistryError> {
        self.with_registry(self.registry.renewed(node)?)
    }

    fn with_registry(&self, registry: PluginRegistry) -> Result<Self, RegistryError> {
        Ok(Self {
            clock: Arc::clone(&registry.node.deps.clock),
            key: Arc::new(registry.signing_key()?),
            signers: Arc::new(registry.signers()?),
            registry,
            journal: Arc::clone(&self.journal),
            pins: self.pins.clone(),
            limits: Arc::clone(&self.limits),
            _lock: Arc::clone(&self._lock),
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
        let workflow = self.registry.node.workflow(schedule)?;
        let config = &self.registry.node.config.value.spec;
        let lacks_identity = config.drill.identity.is_none();
        if lacks_identity && workflow.drills().next().is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        tell("its plugins are compiled, and the files that it names are read");
        let request = RunRequest {
            run: RunId::of(schedule, now, Some("check")),
            schedule: schedule.clone(),
            due: now,
            origin: Origin::Manual,
            pins: Vec::new(),
        };
        self.prepare(request).await?;
        PrepareError::several(check_steps(&self.registry, &workflow, tell).await)
    }

    /// Refuses a schedule that is not there.
    pub fn schedule(&self, schedule: &ScheduleName) -> Result<(), NoSuchDocument> {
        self.registry.node.workflow(schedule).map(|_| ())
    }

    /// Runs of the schedule that have no end, the oldest first.
    pub async fn unfinished(&self, schedule: &ScheduleName) -> Result<Vec<RunId>, ServiceError> {
        let journal = Arc::clone(&self.journal);
        let schedule = schedule.clone();
        let rows =
            tokio::task::spawn_blocking(move || journal.open_runs(Some(&schedule))).await??;
        Ok(rows.into_iter().map(|row| row.run).collect())
    }

    /// Starts a new run by the documents in force. What it uses is pinned before the journal
    /// knows the run.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(self: &Arc<Self>, request: StartRequest) -> Result<RunHandle, StartError> {
        let claim = self.claim(&request.run)?;
        let started = self.start_pinned(request, claim).await;
        if started.is_err()
            && let Err(error) = self.sweep_pins().await
        {
            tracing::warn!("{}", chain(&error));
        }
        started
    }

    async fn start_pinned(
        self: &Arc<Self>,
        request: StartRequest,
        claim: RunClaim,
    ) -> Result<RunHandle, StartError> {
        let (service, batch, pins) = self.pin(&request.schedule).await?;
        let StartRequest {
            run,
            schedule,
            due,
            origin,
            despite,
        } = request;
        let prepared = service.prepare(RunRequest {
            run,
            schedule: schedule.clone(),
            due,
            origin,
            pins,
        });
        let prepared = prepared.await?;
        let workflow = service.registry.node.workflow(&schedule);
        let workflow = workflow.map_err(PrepareError::from)?;
        PrepareError::several(check_steps(&service.registry, &workflow, &|_| {}).await)?;
        let spec = prepared.spec.clone();
        let run = spec.run.clone();
        let steps = Arc::new(prepared.steps(claim));
        let started = self.engine(steps).start(spec, despite).await;
        // From here on the journal keeps them, or nobody wants them.
        drop(batch);
        let handle = started?;
        self.limits.follow(&run, handle.progress());
        Ok(handle)
    }

    /// Resumes a run by what it pinned, whatever the documents in force say.
    ///
    /// # Errors
    /// [`StartError`]. The run stays as it is.
    pub async fn resume(self: &Arc<Self>, run: &RunId) -> Result<RunHandle, StartError> {
        self.resume_as(run, Lack::Refused).await
    }

    /// The same of a run that is to come to an end: one whose pins are gone goes on with
    /// nothing, and tells at its end what could not be taken back.
    ///
    /// # Errors
    /// [`StartError`]. The run stays as it is.
    pub async fn resume_to_end(self: &Arc<Self>, run: &RunId) -> Result<RunHandle, StartError> {
        self.resume_as(run, Lack::GoesOn).await
    }

    async fn resume_as(self: &Arc<Self>, run: &RunId, lack: Lack) -> Result<RunHandle, StartError> {
        let claim = self.claim(run)?;
        let state = self.state_of(run).await?;
        if state.finished.is_some() {
            // Its pins are gone, and that is in order.
            return Err(EngineError::Ended { run: run.clone() }.into());
        }
        let engine = match self.prepare_pinned(&state.spec).await {
            Ok(prepared) => self.engine(Arc::new(prepared.steps(claim))),
            Err(StartError::Pinned(PinnedError::Pin(error)))
                if error.is_lost() && (lack == Lack::GoesOn || is_cancelled(&state)) =>
            {
                tracing::warn!(%run, "{}", chain(&error));
                self.engine(Arc::new(StepsGone::new(&error, claim)))
            }
            Err(error) => return Err(error),
        };
        let handle = engine.resume(run).await?;
        self.limits.follow(run, handle.progress());
        Ok(handle)
    }

    /// The run as its records have it: what it pinned, and everything that it was bound to.
    async fn state_of(&self, run: &RunId) -> Result<RunState, StartError> {
        let journal = Arc::clone(&self.journal);
        let wanted = run.clone();
        let records = tokio::task::spawn_blocking(move || journal.records(&wanted)).await??;
        Ok(drydock_engine::replay::replay(run, &records)?)
    }

    /// Pins what a run of the schedule uses. Gives a service that uses nothing else: what is
    /// prepared with it is what a resumed run is prepared with.
    async fn pin(
        self: &Arc<Self>,
        schedule: &ScheduleName,
    ) -> Result<(Arc<Self>, PinBatch, Vec<drydock_core::Pin>), StartError> {
        let (service, schedule) = (Arc::clone(self), schedule.clone());
        let pinning = tokio::task::spawn_blocking(move || {
            let workflow = service.registry.node.workflow(&schedule);
            let workflow = workflow.map_err(PrepareError::from)?;
            let used = PinnedWorkflow::of_workflow(&service.registry, &workflow)
                .map_err(PrepareError::of_registry)?;
            let mut batch = service.pins.batch();
            let pins = used.put(&mut batch)?;
            let pinned = service.with_registry(used.registry(&service.registry)?);
            let pinned = pinned.map_err(PrepareError::from)?;
            Ok((Arc::new(pinned), batch, pins))
        });
        pinning.await?
    }

    /// Prepares a run by its pins alone. What that gives is what its records say, or
    /// Drydock does not do what it should.
    async fn prepare_pinned(self: &Arc<Self>, spec: &RunSpec) -> Result<Prepared, StartError> {
        let (service, pins) = (Arc::clone(self), spec.pins.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let read = PinnedWorkflow::read(&service.pins, &pins)?;
            let pinned = service.with_registry(read.registry(&service.registry)?);
            Ok::<_, StartError>(Arc::new(pinned.map_err(PrepareError::from)?))
        });
        let pinned = reading.await??;
        let prepared = pinned.prepare(RunRequest {
            run: spec.run.clone(),
            schedule: spec.schedule.clone(),
            due: spec.due,
            origin: spec.origin.clone(),
            pins: spec.pins.clone(),
        });
        let prepared = prepared.await?;
        if with_grants_of(prepared.spec.clone(), spec) == *spec {
            Ok(prepared)
        } else {
            Err(StartError::OtherSpec {
                run: spec.run.clone(),
            })
        }
    }

    /// Compiles plugins and reads files, out of the way of others: whoever waits for it may
    /// go away.
    async fn prepare(self: &Arc<Self>, request: RunRequest) -> Result<Prepared, PrepareError> {
        let service = Arc::clone(self);
        tokio::task::spawn_blocking(move || Prepared::new(&service, request)).await?
    }

    fn claim(&self, run: &RunId) -> Result<RunClaim, EngineError> {
        let running = || EngineError::Running { run: run.clone() };
        self.limits.claim(run).ok_or_else(running)
    }

    fn engine(&self, steps: Arc<dyn StepRunner>) -> Engine {
        let engine = Engine::new(Arc::clone(&self.journal), steps, Arc::clone(&self.clock));
        engine.with_crash_point(Arc::clone(&self.registry.node.deps.crash))
    }
}

/// What becomes of a run whose pins are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// It stays as it is.
    Refused,
    /// It goes on with nothing.
    GoesOn,
}

/// Whether somebody asked the run to come to an end, whatever it pinned.
fn is_cancelled(state: &RunState) -> bool {
    let why = state.ending.as_ref().or(state.failing.as_ref());
    why.is_some_and(|why| why.code == ErrorCode::Cancelled)
}

/// A specification with the recorded grants: the node's ceiling may have sunk since, which
/// narrows what plugins may do and is no other run.
fn with_grants_of(mut spec: RunSpec, recorded: &RunSpec) -> RunSpec {
    let nodes = spec.nodes.iter_mut().filter_map(|node| node.pin.as_mut());
    let point = spec.point.iter_mut();
    let point = point.flat_map(|point| {
        let verify = point.verify.iter_mut().map(|part| &mut part.pin);
        verify.chain(point.stores.iter_mut().map(|part| &mut part.pin))
    });
    for (pin, recorded) in nodes.chain(point).zip(recorded.step_pins()) {
        pin.grants = recorded.grants.clone();
    }
    spec
}
