//! Starting runs, resuming them, and looking at them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_core::{Clock, CrashPoint, NoCrash, QuestionId, RunId, ScheduleName};
use drydock_journal::{Journal, JournalError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::check::check;
use crate::driver::{Control, DecideError, DecideRequest, Driver};
use crate::error::EngineError;
use crate::model::{Event, Outcome, RunSpec};
use crate::replay::replay;
use crate::row;
use crate::runner::StepRunner;
use crate::state::RunState;
use crate::view::RunView;

/// Requests to a run that may be under way; somebody who cancels twice needs no more.
const CONTROL_QUEUE_MAX: usize = 4;

/// Runs runs. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    parts: Parts,
    active: Arc<Mutex<BTreeSet<RunId>>>,
}

/// What a driver works with.
#[derive(Clone)]
pub(crate) struct Parts {
    pub journal: Arc<Journal>,
    pub runner: Arc<dyn StepRunner>,
    pub clock: Arc<dyn Clock>,
    pub crash: Arc<dyn CrashPoint>,
}

/// A run that is under way in this process. Dropping the handle suspends the run.
#[must_use = "dropping the handle suspends the run"]
pub struct RunHandle {
    run: RunId,
    control: mpsc::Sender<Control>,
    progress: watch::Receiver<RunView>,
    task: JoinHandle<Result<Ended, EngineError>>,
}

/// How this process's work on a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Finished(Outcome),
    /// The run is open; it can be resumed.
    Suspended,
}

/// Keeps two tasks of one process from working on the same run.
struct Claim {
    run: RunId,
    active: Arc<Mutex<BTreeSet<RunId>>>,
}

impl Engine {
    #[must_use]
    pub fn new(journal: Arc<Journal>, runner: Arc<dyn StepRunner>, clock: Arc<dyn Clock>) -> Self {
        Self {
            parts: Parts {
                journal,
                runner,
                clock,
                crash: Arc::new(NoCrash),
            },
            active: Arc::default(),
        }
    }

    /// For tests that kill the process at chosen points.
    #[must_use]
    pub fn with_crash_point(mut self, crash: Arc<dyn CrashPoint>) -> Self {
        self.parts.crash = crash;
        self
    }

    /// Enters a new run in the journal and starts working on it. It begins although
    /// `despite` keeps from others what it works on, if that is named.
    ///
    /// # Errors
    /// [`EngineError::Exists`] when a run of this id was started before, by whomever;
    /// [`EngineError::Blocked`] when an open run that is not named keeps from it what it
    /// works on; the specification is not one of a run; the journal fails.
    pub async fn start(
        &self,
        spec: RunSpec,
        despite: Option<RunId>,
    ) -> Result<RunHandle, EngineError> {
        check(&spec).map_err(|problem| EngineError::BadSpec {
            run: spec.run.clone(),
            problem,
        })?;
        let claim = self.claim(&spec.run)?;
        let at = self.parts.clock.now();
        let row = row::new_run(&spec, at, despite);
        let created = Event::Created {
            spec: Box::new(spec.clone()),
            at,
        };
        let state = RunState::new(spec, at);
        let mut driver = Driver::new(self.parts.clone(), state, Some(row));
        driver.take(created).await?;
        Ok(spawn(driver, claim))
    }

    /// Resumes a run that has no end.
    ///
    /// # Errors
    /// The run is unknown, has ended, or is being worked on; the journal fails or holds
    /// records that cannot be read.
    pub async fn resume(&self, run: &RunId) -> Result<RunHandle, EngineError> {
        let claim = self.claim(run)?;
        let state = self.state(run).await?;
        if state.finished.is_some() {
            return Err(EngineError::Ended { run: run.clone() });
        }
        let at = self.parts.clock.now();
        let mut driver = Driver::new(self.parts.clone(), state, None);
        driver.take(Event::Resumed { at }).await?;
        Ok(spawn(driver, claim))
    }

    /// The runs without an end, of one schedule or all, the oldest first.
    ///
    /// # Errors
    /// The journal fails.
    pub async fn unfinished(
        &self,
        schedule: Option<&ScheduleName>,
    ) -> Result<Vec<RunId>, EngineError> {
        let schedule = schedule.cloned();
        let rows = self
            .read(move |journal| journal.open_runs(schedule.as_ref()))
            .await?;
        Ok(rows.into_iter().map(|row| row.run).collect())
    }

    /// What the journal knows of a run.
    ///
    /// # Errors
    /// The run is unknown; the journal fails or holds records that cannot be read.
    pub async fn state(&self, run: &RunId) -> Result<RunState, EngineError> {
        let wanted = run.clone();
        let records = self.read(move |journal| journal.records(&wanted)).await?;
        replay(run, &records)
    }

    /// As [`Engine::state`], for an operator.
    ///
    /// # Errors
    /// As [`Engine::state`].
    pub async fn view(&self, run: &RunId) -> Result<RunView, EngineError> {
        Ok(RunView::of(&self.state(run).await?))
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Journal) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let journal = Arc::clone(&self.parts.journal);
        let answer = tokio::task::spawn_blocking(move || query(&journal)).await;
        answer
            .map_err(|_| EngineError::Stopped)?
            .map_err(|source| EngineError::Read {
                source: Box::new(source),
            })
    }

    fn claim(&self, run: &RunId) -> Result<Claim, EngineError> {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        if !active.insert(run.clone()) {
            return Err(EngineError::Running { run: run.clone() });
        }
        Ok(Claim {
            run: run.clone(),
            active: Arc::clone(&self.active),
        })
    }
}

impl RunHandle {
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The run as it goes on. The last value stays after the end.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<RunView> {
        self.progress.clone()
    }

    /// Answers a question of the run, and says so once the answer is recorded. `by` is who
    /// decided.
    ///
    /// # Errors
    /// The run has no such question open, or the question has no such choice; the run is not
    /// worked on any more.
    pub async fn decide(
        &self,
        question: QuestionId,
        choice: impl Into<String>,
        by: impl Into<String>,
    ) -> Result<(), DecideError> {
        let gone = || DecideError::NotRunning {
            run: self.run.clone(),
        };
        let (reply, told) = oneshot::channel();
        let request = DecideRequest {
            question,
            choice: choice.into(),
            by: by.into(),
            reply,
        };
        let asked = Control::Decide(request);
        self.control.send(asked).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Asks the run to stop: it takes back what it began and ends Failed, or Degraded
    /// when it had committed somewhere already. Asking again changes nothing.
    pub async fn cancel(&self, reason: impl Into<String>) {
        // A run that has ended takes no requests, which is what was wanted.
        let _ = self.control.send(Control::Cancel(reason.into())).await;
    }

    /// Stops working on the run and leaves it open, as a crash would.
    pub async fn suspend(&self) {
        let _ = self.control.send(Control::Suspend).await;
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// The journal fails; the run can be resumed once it works.
    pub async fn wait(self) -> Result<Ended, EngineError> {
        self.task.await.map_err(|_| EngineError::Stopped)?
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.remove(&self.run);
    }
}

fn spawn(driver: Driver, claim: Claim) -> RunHandle {
    let (control, requests) = mpsc::channel(CONTROL_QUEUE_MAX);
    let run = claim.run.clone();
    let progress = driver.progress();
    // Whatever is logged on the way carries the run's id.
    let span = tracing::info_span!(parent: None, "run", %run);
    let task = tokio::spawn(
        async move {
            let _claim = claim;
            driver.run(requests).await
        }
        .instrument(span),
    );
    RunHandle {
        run,
        control,
        progress,
        task,
    }
}
