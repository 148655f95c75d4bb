//! One task attends one run from the decision to start it to its end: it tries to start
//! it, or to take it up again, follows it, and tells the scheduler what becomes of it.
//!
//! A crash at any place leaves the occurrence without a run, or the run without an end;
//! the next start takes up both.

use std::sync::Arc;
use std::time::Duration;

use drydock_core::{FailReason, RunId, ScheduleName, UnixTime, chain};
use drydock_engine::{Ended, EngineError, RunHandle, RunView, model::Origin};
use drydock_runs::{RunService, StartError, StartRequest};
use tokio::sync::{mpsc, watch};

use super::open_run::OpenRun;
use super::planning::{Patience, backoff};

/// First wait before a halted run is tried to be taken up again, and the longest one. New
/// documents cut the wait short.
const HALTED_WAIT: Duration = Duration::from_secs(15);
const HALTED_WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// The longest such wait of a run that may hold something: it stands in somebody's way until
/// it lets go.
const HOLDING_WAIT_MAX: Duration = Duration::from_secs(60);

/// What an supervisor does.
#[derive(Debug, Clone)]
pub enum Task {
    /// Start the run of an occurrence.
    Start {
        schedule: ScheduleName,
        due: UnixTime,
        patience: Patience,
    },
    /// Take up a run that has no end.
    TakeUp,
}

/// What the scheduler asks.
#[derive(Debug, Clone)]
pub enum RunCommand {
    /// The run is to stop and to take back what it began.
    Cancel(String),
    /// Begin nothing any more; a run that is under way goes on.
    Leave,
    /// Leave the run as it is, for the next start.
    Suspend,
}

/// What the scheduler is told.
#[derive(Debug)]
pub enum RunStatus {
    /// The run is under way.
    Began { taken_up: bool },
    /// The run asks something else than before, holds something else, or keeps something else
    /// from others.
    Changed { open: Box<OpenRun> },
    /// The run could not be started and is tried again.
    NotYet { why: String, again: Duration },
    /// The run could not be started, and it is too late to try again.
    GaveUp { why: FailReason },
    /// The run cannot be taken up, or not gone on with, for now.
    Halted { why: String },
    /// The run has ended.
    Ended { view: Box<RunView> },
    /// The run, or its start, is left to the next process.
    Left,
}

pub struct RunSupervisor {
    pub run: RunId,
    pub service: watch::Receiver<Arc<RunService>>,
    pub orders: mpsc::Receiver<RunCommand>,
    pub told: mpsc::Sender<(RunId, RunStatus)>,
    /// Whether it may hold something, as far as is known.
    pub holds: bool,
}

/// How an supervisor's work on its run ended.
enum After {
    /// Everything was told.
    Over,
    /// The engine stopped in the middle of the run.
    Stopped(EngineError),
}

impl RunSupervisor {
    pub async fn run(mut self, task: Task) {
        match task {
            Task::Start {
                schedule,
                due,
                patience,
            } => self.start(schedule, due, patience).await,
            Task::TakeUp => self.take_up(0).await,
        }
    }

    async fn start(&mut self, schedule: ScheduleName, due: UnixTime, mut patience: Patience) {
        loop {
            let mut cancelled = None;
            let service = Arc::clone(&self.service.borrow_and_update());
            let began = {
                let starting = start_once(&service, &schedule, &self.run, due);
                tokio::pin!(starting);
                loop {
                    tokio::select! {
                        began = &mut starting => break began,
                        order = self.orders.recv() => match order {
                            Some(RunCommand::Cancel(reason)) => cancelled = Some(reason),
                            // What may have begun is taken up by the next process.
                            _ => return self.tell(RunStatus::Left).await,
                        },
                    }
                }
            };
            let not_begun = match began {
                Ok(handle) => {
                    if let Some(reason) = cancelled {
                        handle.cancel(reason).await;
                    }
                    return self.attend_to_the_end(handle, false).await;
                }
                Err(not_begun) => not_begun,
            };
            let again = patience.wait(service.clock.now());
            let (why, again) = match not_begun {
                NotBegun::NotYet(message) => (FailReason::CannotStart { message }, again),
                NotBegun::Existed(run) => (FailReason::RunExisted { run }, None),
            };
            let cancelled = cancelled.map(|message| FailReason::Cancelled { message });
            let why = cancelled.unwrap_or(why);
            let Some(again) = again else {
                return self.tell(RunStatus::GaveUp { why }).await;
            };
            let why = why.to_string();
            self.tell(RunStatus::NotYet { why, again }).await;
            if !self.pause(again).await {
                return;
            }
        }
    }

    /// Takes the run up, again and again while that does not succeed.
    async fn take_up(&mut self, mut tries: u32) {
        loop {
            let service = Arc::clone(&self.service.borrow_and_update());
            let why = match service.resume(&self.run).await {
                Ok(handle) => match self.attend(handle, true).await {
                    After::Over => return,
                    After::Stopped(error) => chain(&error),
                },
                Err(error) => chain(&error),
            };
            self.tell(RunStatus::Halted { why }).await;
            let limit = if self.holds {
                HOLDING_WAIT_MAX
            } else {
                HALTED_WAIT_MAX
            };
            let again = backoff(tries, HALTED_WAIT, limit);
            tries += 1;
            if !self.pause(again).await {
                return;
            }
        }
    }

    async fn attend_to_the_end(&mut self, handle: RunHandle, taken_up: bool) {
        if let After::Stopped(error) = self.attend(handle, taken_up).await {
            let why = chain(&error);
            self.tell(RunStatus::Halted { why }).await;
            if self.pause(HALTED_WAIT).await {
                self.take_up(1).await;
            }
        }
    }

    /// Follows a run that is under way.
    async fn attend(&mut self, handle: RunHandle, taken_up: bool) -> After {
        self.tell(RunStatus::Began { taken_up }).await;
        let mut progress = handle.progress();
        let mut open = self.tell_open(&mut progress, None).await;
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(RunCommand::Cancel(reason)) => handle.cancel(reason).await,
                    Some(RunCommand::Leave) => {}
                    Some(RunCommand::Suspend) | None => {
                        handle.suspend().await;
                        break;
                    }
                },
                // The sender goes when the run is over.
                changed = progress.changed() => match changed {
                    Ok(()) => open = self.tell_open(&mut progress, Some(open)).await,
                    Err(_) => break,
                },
            }
        }
        match handle.wait().await {
            Ok(Ended::Finished(_)) => {
                let view = Box::new(progress.borrow().clone());
                self.tell(RunStatus::Ended { view }).await;
                After::Over
            }
            Ok(Ended::Suspended) => {
                self.tell(RunStatus::Left).await;
                After::Over
            }
            Err(error) => After::Stopped(error),
        }
    }

    /// Tells how the run stands, where that is not as it was.
    async fn tell_open(
        &mut self,
        progress: &mut watch::Receiver<RunView>,
        before: Option<OpenRun>,
    ) -> OpenRun {
        let open = OpenRun::of(&progress.borrow_and_update());
        self.holds = !open.holds.is_empty();
        if before.as_ref() != Some(&open) {
            let open = Box::new(open.clone());
            self.tell(RunStatus::Changed { open }).await;
        }
        open
    }

    /// Waits, for new documents at most so long. Says whether to go on.
    async fn pause(&mut self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            changed = self.service.changed() => match changed {
                Ok(()) => true,
                Err(_) => self.left().await,
            },
            order = self.orders.recv() => match order {
                Some(RunCommand::Cancel(message)) => {
                    let why = FailReason::Cancelled { message };
                    self.tell(RunStatus::GaveUp { why }).await;
                    false
                }
                _ => self.left().await,
            },
        }
    }

    async fn left(&self) -> bool {
        self.tell(RunStatus::Left).await;
        false
    }

    async fn tell(&self, told: RunStatus) {
        // The scheduler outlives its supervisors, unless it panicked.
        let _ = self.told.send((self.run.clone(), told)).await;
    }
}

/// Why a run has not begun.
enum NotBegun {
    /// It may begin when it is tried again.
    NotYet(String),
    /// It was made before, and has ended: trying again will not help.
    Existed(RunId),
}

/// Starts the run; resumes it when it was begun by a try that was not told so.
async fn start_once(
    service: &Arc<RunService>,
    schedule: &ScheduleName,
    run: &RunId,
    due: UnixTime,
) -> Result<RunHandle, NotBegun> {
    let request = StartRequest {
        run: run.clone(),
        schedule: schedule.clone(),
        due,
        origin: Origin::Schedule,
        despite: None,
    };
    let started = match service.start(request).await {
        Err(StartError::Engine(EngineError::Exists { .. })) => service.resume(run).await,
        other => other,
    };
    started.map_err(|error| match error {
        StartError::Engine(EngineError::Ended { run }) => NotBegun::Existed(run),
        other => NotBegun::NotYet(chain(&other)),
    })
}
