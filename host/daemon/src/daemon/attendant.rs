//! One task attends one run from the decision to start it to its end: it tries to start
//! it, or to take it up again, follows it, and tells the keeper what becomes of it.
//!
//! A crash at any place leaves the occurrence without a run, or the run without an end;
//! the next start takes up both.

use std::sync::Arc;
use std::time::Duration;

use drydock_core::{Clock as _, RunId, ScheduleName, UnixTime};
use drydock_engine::{Ended, EngineError, RunHandle, RunView};
use tokio::sync::{mpsc, watch};

use super::agenda::{Patience, backoff};
use crate::clock::SystemClock;
use crate::exit::{Chain, Failure};
use crate::node::Station;

/// First wait before a stuck run is tried to be taken up again, and the longest one. New
/// documents cut the wait short.
const STUCK_WAIT: Duration = Duration::from_secs(15);
const STUCK_WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// What an attendant does.
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

/// What the keeper asks.
#[derive(Debug, Clone)]
pub enum Order {
    /// The run is to stop and to take back what it began.
    Cancel(String),
    /// Begin nothing any more; a run that is under way goes on.
    Leave,
    /// Leave the run as it is, for the next start.
    Suspend,
}

/// What the keeper is told.
#[derive(Debug)]
pub enum Told {
    /// The run is under way.
    Began { taken_up: bool },
    /// The run could not be started and is tried again.
    NotYet { why: String, again: Duration },
    /// The run could not be started, and it is too late to try again.
    GaveUp { why: String },
    /// The run cannot be taken up, or not gone on with, for now.
    Stuck { why: String },
    /// The run has ended.
    Ended { view: Box<RunView> },
    /// The run, or its start, is left to the next process.
    Left,
}

pub struct Attendant {
    pub run: RunId,
    pub station: watch::Receiver<Arc<Station>>,
    pub orders: mpsc::Receiver<Order>,
    pub told: mpsc::Sender<(RunId, Told)>,
}

/// How an attendant's work on its run ended.
enum After {
    /// Everything was told.
    Over,
    /// The engine stopped in the middle of the run.
    Stopped(Failure),
}

impl Attendant {
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
            let station = Arc::clone(&self.station.borrow_and_update());
            let began = {
                let starting = start_once(&station, &schedule, &self.run, due);
                tokio::pin!(starting);
                loop {
                    tokio::select! {
                        began = &mut starting => break began,
                        order = self.orders.recv() => match order {
                            Some(Order::Cancel(reason)) => cancelled = Some(reason),
                            // What may have begun is taken up by the next process.
                            _ => return self.tell(Told::Left).await,
                        },
                    }
                }
            };
            let failure = match began {
                Ok(handle) => {
                    if let Some(reason) = cancelled {
                        handle.cancel(reason).await;
                    }
                    return self.attend_to_the_end(handle, false).await;
                }
                Err(failure) => failure,
            };
            let why = cancelled.unwrap_or_else(|| Chain(&failure.error).to_string());
            let again = patience.wait(SystemClock.now());
            let Some(again) = again.filter(|_| !is_final(&failure)) else {
                return self.tell(Told::GaveUp { why }).await;
            };
            self.tell(Told::NotYet { why, again }).await;
            if !self.pause(again).await {
                return;
            }
        }
    }

    /// Takes the run up, again and again while that does not succeed.
    async fn take_up(&mut self, mut tries: u32) {
        loop {
            let station = Arc::clone(&self.station.borrow_and_update());
            let failure = match station.resume(&self.run).await {
                Ok(handle) => match self.attend(handle, true).await {
                    After::Over => return,
                    After::Stopped(failure) => failure,
                },
                Err(failure) => failure,
            };
            let why = Chain(&failure.error).to_string();
            self.tell(Told::Stuck { why }).await;
            let again = backoff(tries, STUCK_WAIT, STUCK_WAIT_MAX);
            tries += 1;
            if !self.pause(again).await {
                return;
            }
        }
    }

    async fn attend_to_the_end(&mut self, handle: RunHandle, taken_up: bool) {
        if let After::Stopped(failure) = self.attend(handle, taken_up).await {
            let why = Chain(&failure.error).to_string();
            self.tell(Told::Stuck { why }).await;
            if self.pause(STUCK_WAIT).await {
                self.take_up(1).await;
            }
        }
    }

    /// Follows a run that is under way.
    async fn attend(&mut self, handle: RunHandle, taken_up: bool) -> After {
        self.tell(Told::Began { taken_up }).await;
        let mut progress = handle.progress();
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(Order::Cancel(reason)) => handle.cancel(reason).await,
                    Some(Order::Leave) => {}
                    Some(Order::Suspend) | None => {
                        handle.suspend().await;
                        break;
                    }
                },
                // The sender goes when the run is over.
                changed = progress.changed() => if changed.is_err() { break },
            }
        }
        match handle.wait().await {
            Ok(Ended::Finished(_)) => {
                let view = Box::new(progress.borrow().clone());
                self.tell(Told::Ended { view }).await;
                After::Over
            }
            Ok(Ended::Suspended) => {
                self.tell(Told::Left).await;
                After::Over
            }
            Err(error) => After::Stopped(error.into()),
        }
    }

    /// Waits, for new documents at most so long. Says whether to go on.
    async fn pause(&mut self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            changed = self.station.changed() => match changed {
                Ok(()) => true,
                Err(_) => self.left().await,
            },
            order = self.orders.recv() => match order {
                Some(Order::Cancel(why)) => {
                    self.tell(Told::GaveUp { why }).await;
                    false
                }
                _ => self.left().await,
            },
        }
    }

    async fn left(&self) -> bool {
        self.tell(Told::Left).await;
        false
    }

    async fn tell(&self, told: Told) {
        // The keeper outlives its attendants, unless it panicked.
        let _ = self.told.send((self.run.clone(), told)).await;
    }
}

/// Starts the run; takes it up when it was begun by a try that was not told so.
async fn start_once(
    station: &Arc<Station>,
    schedule: &ScheduleName,
    run: &RunId,
    due: UnixTime,
) -> Result<RunHandle, Failure> {
    match station.start(schedule, run.clone(), due, false).await {
        Err(failure) if exists(&failure) => match station.resume(run).await {
            Err(failure) if has_ended(&failure) => {
                Err(Failure::failed(MadeBefore { run: run.clone() }))
            }
            other => other,
        },
        other => other,
    }
}

/// A run of this id has ended already.
#[derive(Debug, thiserror::Error)]
#[error(
    "the run {run} was made before, while the clock was ahead: its recovery point stands for this occurrence, and the next one makes its own"
)]
struct MadeBefore {
    run: RunId,
}

/// Trying again will not help.
fn is_final(failure: &Failure) -> bool {
    failure.error.is::<MadeBefore>()
}

fn exists(failure: &Failure) -> bool {
    let error = failure.error.downcast_ref();
    matches!(error, Some(EngineError::Exists { .. }))
}

fn has_ended(failure: &Failure) -> bool {
    let error = failure.error.downcast_ref();
    matches!(error, Some(EngineError::Ended { .. }))
}
