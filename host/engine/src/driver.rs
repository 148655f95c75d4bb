//! One task owns one run: it takes an event, lets the pure parts decide, records event
//! and effects in one transaction, and hands the effects out. Everything else happens
//! in tasks of its own, whose answers come back through one queue, in order.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use drydock_core::{ErrorClass, ErrorCode, Fault};
use drydock_journal::{JournalError, NewRecord};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::decide::decide;
use crate::engine::{Ended, Parts};
use crate::error::EngineError;
use crate::model::{Effect, Event};
use crate::replay::{effect_record, event_record};
use crate::row;
use crate::runner::{Events, StepRunner};
use crate::state::RunState;
use crate::view::RunView;

/// Events that wait for their transaction. A stream that seals faster than the journal
/// syncs is held back by it.
const EVENTS_QUEUE_MAX: usize = 256;

/// Cleaning up may take so many times the grace of what is under way: it has several steps,
/// each tried some times, and must not hold up the next run for hours.
const CLEANUP_GRACES: u32 = 4;

/// What a handle asks of its run.
pub enum Control {
    Cancel(String),
    Suspend,
}

/// The owner of a run.
pub struct Driver {
    parts: Parts,
    state: RunState,
    /// Transactions of this run in this process.
    transactions: u64,
    tasks: JoinSet<()>,
    running: HashMap<Id, (Effect, AbortHandle)>,
    sender: Events,
    receiver: mpsc::Receiver<Event>,
    /// Events of the driver itself.
    own: VecDeque<Event>,
    deadline: Option<Instant>,
    /// None until the run needs nothing more of what is under way.
    wind_down: Option<WindDown>,
    progress: watch::Sender<RunView>,
}

/// A run that is ending, or has all it wanted, waits for nobody without end.
struct WindDown {
    /// What brings the run forward is dropped then; none when that is over.
    drop_at: Option<Instant>,
    /// Taking back is given up then; none when that is over.
    give_up_at: Option<Instant>,
    cleanup: Duration,
}

enum Input {
    Event(Event),
    Suspend,
    /// A task ended whose answer had come before.
    Nothing,
}

impl Driver {
    pub fn new(parts: Parts, state: RunState) -> Self {
        let (sender, receiver) = mpsc::channel(EVENTS_QUEUE_MAX);
        let (progress, _) = watch::channel(RunView::of(&state));
        let deadline = deadline_of(&state, &parts);
        Self {
            parts,
            state,
            transactions: 0,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            sender,
            receiver,
            own: VecDeque::new(),
            deadline,
            wind_down: None,
            progress,
        }
    }

    pub fn progress(&self) -> watch::Receiver<RunView> {
        self.progress.subscribe()
    }

    /// Works on the run until it has ended, is suspended, or the journal fails. Every
    /// task that was spawned has ended when this returns.
    pub async fn run(mut self, mut control: mpsc::Receiver<Control>) -> Result<Ended, EngineError> {
        let ended = self.work(&mut control).await;
        self.tasks.shutdown().await;
        ended
    }

    /// Takes in one event: decides, records, starts.
    pub async fn take(&mut self, event: Event) -> Result<(), EngineError> {
        self.state.apply(&event);
        let effects = decide(&self.state, &event);
        if event.is_recorded() || !effects.is_empty() {
            self.record(&event, &effects).await?;
        }
        for effect in &effects {
            self.state.started(effect);
        }
        // A stream says often how far it is; an operator sees it part by part.
        if event.is_recorded() || !effects.is_empty() {
            self.progress.send_replace(RunView::of(&self.state));
        }
        self.start(effects);
        self.wind_down();
        tell(&event);
        Ok(())
    }

    async fn work(&mut self, control: &mut mpsc::Receiver<Control>) -> Result<Ended, EngineError> {
        loop {
            if let Some(finished) = &self.state.finished {
                return Ok(Ended::Finished(finished.outcome.clone()));
            }
            if self.is_stuck() {
                return Err(EngineError::Stopped);
            }
            match self.next(control).await {
                Input::Event(event) => self.take(event).await?,
                Input::Suspend => return Ok(Ended::Suspended),
                Input::Nothing => {}
            }
        }
    }

    /// Nothing is under way that could ever bring an event. Waiting would be for ever.
    fn is_stuck(&self) -> bool {
        self.running.is_empty() && self.own.is_empty() && self.receiver.is_empty()
    }

    /// Requests come first, so that a busy stream cannot hold them up; a task's end comes
    /// last, after everything that the task had said.
    async fn next(&mut self, control: &mut mpsc::Receiver<Control>) -> Input {
        if let Some(event) = self.own.pop_front() {
            return Input::Event(event);
        }
        tokio::select! {
            biased;
            asked = control.recv() => asked_for(asked),
            () = reached(self.deadline) => self.overdue(),
            () = reached(self.wind_down.as_ref().and_then(WindDown::next)) => self.cut(),
            Some(event) = self.receiver.recv() => Input::Event(event),
            Some(joined) = self.tasks.join_next_with_id() => self.joined(joined),
        }
    }

    fn overdue(&mut self) -> Input {
        self.deadline = None;
        let seconds = self.state.spec.policy.active_deadline_seconds;
        let running = self.running.values();
        let under_way = running.filter_map(|(effect, _)| self.state.slow(effect));
        let under_way: BTreeSet<String> = under_way.collect();
        Input::Event(Event::DeadlinePassed {
            seconds: seconds.unwrap_or_default(),
            under_way: under_way.into_iter().collect(),
        })
    }

    /// A task that ended without an answer, because it was abandoned or panicked, gets
    /// one.
    fn joined(&mut self, joined: Result<(Id, ()), JoinError>) -> Input {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let known = self.running.remove(&id);
        match (joined, known) {
            (Err(error), Some((effect, _))) => Input::Event(self.unanswered(effect, &error)),
            _ => Input::Nothing,
        }
    }

    /// The fault of an effect that was dropped, or whose task panicked.
    fn unanswered(&self, effect: Effect, error: &JoinError) -> Event {
        let given_up = self.state.cleanup_given_up.clone();
        let fault = if !error.is_cancelled() {
            panicked()
        } else if effect.is_cleanup() {
            given_up.unwrap_or_else(abandoned)
        } else {
            abandoned()
        };
        failed(effect, fault)
    }

    async fn record(&mut self, event: &Event, effects: &[Effect]) -> Result<(), EngineError> {
        let at = self.parts.clock.now();
        let event_records = event.is_recorded().then(|| event_record(event, at));
        let effect_records = effects.iter().map(|effect| effect_record(effect, at));
        let records: Vec<_> = event_records.into_iter().chain(effect_records).collect();
        self.transactions += 1;
        self.parts.crash.before_record(self.transactions);
        self.write(event, records).await?;
        self.parts.crash.after_record(self.transactions);
        Ok(())
    }

    /// Writes records in one transaction with the row of the run that they lead to.
    async fn write(&self, event: &Event, records: Vec<NewRecord>) -> Result<(), EngineError> {
        let journal = Arc::clone(&self.parts.journal);
        let run = self.state.spec.run.clone();
        let progress = row::progress(&self.state);
        let new = match event {
            Event::RunCreated { spec, at } => Some(row::new_run(spec, *at)),
            _ => None,
        };
        let written = tokio::task::spawn_blocking(move || match new {
            Some(new) => journal.begin(&new, &progress, &records),
            None => journal.append(&run, &progress, &records),
        });
        match written.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(JournalError::RunExists { run })) => Err(EngineError::Exists { run }),
            Ok(Err(source)) => Err(EngineError::Journal {
                run: self.state.spec.run.clone(),
                source: Box::new(source),
            }),
            Err(_) => Err(EngineError::Stopped),
        }
    }

    fn start(&mut self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        let state = Arc::new(self.state.for_runner());
        for effect in effects {
            match effect {
                Effect::Finish { outcome } => self.own.push_back(Event::RunFinished {
                    outcome,
                    at: self.parts.clock.now(),
                }),
                Effect::Wait {
                    timer,
                    milliseconds,
                } => {
                    let wait = wait(timer, milliseconds, self.sender.clone());
                    self.spawn(effect, wait);
                }
                effect => {
                    let runner = Arc::clone(&self.parts.runner);
                    let state = Arc::clone(&state);
                    let task = carry_out(runner, state, effect.clone(), self.sender.clone());
                    self.spawn(effect, task);
                }
            }
        }
    }

    fn spawn(&mut self, effect: Effect, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.tasks.spawn(task.in_current_span());
        self.running.insert(handle.id(), (effect, handle));
    }

    /// A run that is ending, or has all it wanted, does not wait for slow effects that it has
    /// no more use for, asks the others to come to an end, and sets a time to both them and
    /// its cleanup.
    fn wind_down(&mut self) {
        let is_over = self.state.is_ending() || self.state.is_settled();
        if !is_over || self.wind_down.is_some() {
            return;
        }
        let reason = self.state.ending.clone().unwrap_or_else(no_more_needed);
        let grace = self.parts.runner.stop(&reason);
        let cleanup = grace * CLEANUP_GRACES;
        let drop_at = Instant::now() + grace;
        self.wind_down = Some(WindDown {
            drop_at: Some(drop_at),
            give_up_at: Some(drop_at + cleanup),
            cleanup,
        });
        self.drop_running(Effect::may_be_abandoned);
    }

    /// Drops what did not come to an end in its time. What became of it is not known.
    fn cut(&mut self) -> Input {
        let Some(wind_down) = &mut self.wind_down else {
            return Input::Nothing;
        };
        if wind_down.drop_at.take().is_some() {
            self.drop_running(|effect| !effect.is_cleanup());
            return Input::Nothing;
        }
        wind_down.give_up_at = None;
        let seconds = wind_down.cleanup.as_secs();
        self.drop_running(|_| true);
        Input::Event(Event::CleanupGivenUp { seconds })
    }

    fn drop_running(&self, which: impl Fn(&Effect) -> bool) {
        let running = self.running.values();
        running
            .filter(|(effect, _)| which(effect) && !matches!(effect, Effect::Wait { .. }))
            .for_each(|(_, handle)| handle.abort());
    }
}

impl WindDown {
    fn next(&self) -> Option<Instant> {
        self.drop_at.or(self.give_up_at)
    }
}

async fn carry_out(
    runner: Arc<dyn StepRunner>,
    state: Arc<RunState>,
    effect: Effect,
    events: Events,
) {
    let last = runner.perform(state, effect.clone(), events.clone()).await;
    let last = if is_answer(&effect, &last) {
        last
    } else {
        failed(effect, wrong_answer())
    };
    // Nobody listens any more when the run is suspended: the effect counts as lost.
    let _ = events.send(last).await;
}

async fn wait(timer: u64, milliseconds: u64, events: Events) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    let _ = events.send(Event::WaitOver { timer }).await;
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The deadline counts from the run's creation, also when it was taken up again.
fn deadline_of(state: &RunState, parts: &Parts) -> Option<Instant> {
    let seconds = state.spec.policy.active_deadline_seconds?;
    let passed = parts.clock.now().0.saturating_sub(state.created.0);
    let left = seconds.saturating_sub(u64::try_from(passed).unwrap_or(0));
    Instant::now().checked_add(Duration::from_secs(left))
}

/// A handle that is gone asks for nothing but to be left alone.
fn asked_for(asked: Option<Control>) -> Input {
    match asked {
        Some(Control::Cancel(reason)) => Input::Event(Event::CancelRequested { reason }),
        Some(Control::Suspend) | None => Input::Suspend,
    }
}

/// Whether an event settles an effect. An answer that does not would leave the effect
/// in flight for ever.
fn is_answer(effect: &Effect, event: &Event) -> bool {
    match (effect, event) {
        (_, Event::EffectFailed { effect: of, .. } | Event::SpoolMissing { effect: of, .. }) => {
            **of == *effect
        }
        (
            Effect::StartBackup { step, attempt, .. },
            Event::BackupFinished {
                step: s,
                attempt: a,
                ..
            }
            | Event::BackupFailed {
                step: s,
                attempt: a,
                ..
            },
        ) => (step, attempt) == (s, a),
        (Effect::Drill { attempt }, Event::Drilled { attempt: a, .. }) => attempt == a,
        (Effect::SignManifest, Event::ManifestSigned { .. })
        | (Effect::DropSpool, Event::SpoolDropped) => true,
        (
            Effect::Judge { step, output, .. },
            Event::Judged {
                step: s, output: o, ..
            },
        ) => step == s && output == o,
        (Effect::PutPart { number, .. }, Event::PartStored { number: of, .. }) if number != of => {
            false
        }
        _ => is_store_answer(effect, event),
    }
}

fn is_store_answer(effect: &Effect, event: &Event) -> bool {
    let about = match (effect, event) {
        (Effect::BeginUpload { .. }, Event::UploadBegan { store, output, .. })
        | (Effect::PutPart { .. }, Event::PartStored { store, output, .. })
        | (Effect::CompleteUpload { .. }, Event::UploadCompleted { store, output, .. })
        | (Effect::ReadBack { .. }, Event::ReadBackPassed { store, output })
        | (Effect::AbortUpload { .. }, Event::UploadAborted { store, output })
        | (Effect::DeleteObject { .. }, Event::ObjectDeleted { store, output }) => {
            (store, Some(*output))
        }
        (
            Effect::CommitManifest { .. },
            Event::Committed { store, .. } | Event::Superseded { store, .. },
        )
        | (Effect::SweepUploads { .. }, Event::UploadsSwept { store, .. }) => (store, None),
        _ => return false,
    };
    (effect.store(), effect.output()) == (Some(about.0), about.1)
}

fn abandoned() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Abandoned,
        "the run is ending and did not wait for this any longer",
    )
}

fn panicked() -> Fault {
    Fault::new(
        ErrorClass::Indeterminate,
        ErrorCode::Panicked,
        "a part of Drydock panicked: report what the log says of it",
    )
}

fn no_more_needed() -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Over,
        "the run has come to its end at every target",
    )
}

fn wrong_answer() -> Fault {
    Fault::new(
        ErrorClass::Other,
        ErrorCode::WrongAnswer,
        "a part of Drydock answered something else than it was asked: report this",
    )
}

fn failed(effect: Effect, fault: Fault) -> Event {
    Event::EffectFailed {
        effect: Box::new(effect),
        fault,
    }
}

fn tell(event: &Event) {
    match event {
        Event::EffectFailed { effect, fault } | Event::SpoolMissing { effect, fault } => {
            tracing::warn!(
                effect = effect.word(),
                code = fault.code.as_str(),
                "{fault}"
            );
        }
        Event::BackupFailed {
            step,
            attempt,
            fault,
        } => {
            tracing::warn!(%step, attempt, code = fault.code.as_str(), "{fault}");
        }
        Event::RunFinished { outcome, .. } => {
            tracing::debug!(outcome = outcome.word(), "the run's end is recorded");
        }
        _ => {}
    }
}
