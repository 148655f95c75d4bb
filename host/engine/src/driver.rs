//! One task owns one run: it takes an event, lets the pure parts decide, records event
//! and effects in one transaction, and hands the effects out. Everything else happens
//! in tasks of its own, whose answers come back through one queue, in order.
//!
//! A run that waits for an operator has nothing under way. It stays here, parked, until
//! somebody decides, cancels, or lets go of it.

mod decision;
mod running;
mod wind_down;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use drydock_core::UnixTime;
use drydock_journal::{JournalError, NewRecord, NewRun};
use drydock_point::model::{PointAnswer, PointEffect};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::decide::decide_and_start;
use crate::engine::{Ended, Parts};
use crate::error::EngineError;
use crate::model::{Answer, Effect, EffectId, Event};
use crate::replay::{EffectRecord, effect_record, event_record};
use crate::row;
use crate::runner::{Emissions, Job, StepRunner};
use crate::state::RunState;
use crate::view::RunView;

pub use decision::{DecideError, DecideRequest};
use running::{Joined, Running};
use wind_down::WindDown;

/// Events that wait for their transaction. A stream that seals faster than the journal
/// syncs is held back by it.
const EVENTS_QUEUE_MAX: usize = 256;

/// What a handle asks of its run.
pub enum Control {
    Cancel(String),
    Decide(DecideRequest),
    Suspend,
}

/// The owner of a run.
pub struct Driver {
    parts: Parts,
    state: RunState,
    /// The row of a run that has no record yet.
    beginning: Option<NewRun>,
    /// Transactions of this run in this process.
    transactions: u64,
    running: Running,
    sender: mpsc::Sender<Event>,
    receiver: mpsc::Receiver<Event>,
    /// Events of the driver itself.
    own: VecDeque<Event>,
    deadline: Option<Instant>,
    /// None until the run needs nothing more of what is under way.
    wind_down: Option<WindDown>,
    progress: watch::Sender<RunView>,
}

enum Input {
    Event(Event),
    Decide(DecideRequest),
    Suspend,
    /// Nothing that matters to the run.
    Nothing,
}

impl Driver {
    /// Works on a run that the journal has, or whose row is this.
    pub fn new(parts: Parts, state: RunState, beginning: Option<NewRun>) -> Self {
        let (sender, receiver) = mpsc::channel(EVENTS_QUEUE_MAX);
        let (progress, _) = watch::channel(RunView::of(&state));
        let deadline = deadline_of(&state, &parts);
        Self {
            parts,
            state,
            beginning,
            transactions: 0,
            running: Running::default(),
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
        self.running.shutdown().await;
        ended
    }

    /// Takes in one event: decides, records, starts. All of that is of one instant.
    pub async fn take(&mut self, event: Event) -> Result<(), EngineError> {
        let at = self.instant_of(&event);
        self.state.apply(&event, at);
        let effects = self.decide(&event, at);
        // A stream says often how far it is; an operator sees it part by part.
        if event.is_recorded() || !effects.is_empty() {
            self.record(&event, &effects, at).await?;
            self.progress.send_replace(RunView::of(&self.state));
        }
        self.start(effects, at);
        self.wind_down();
        Ok(())
    }

    async fn work(&mut self, control: &mut mpsc::Receiver<Control>) -> Result<Ended, EngineError> {
        loop {
            if let Some(finished) = &self.state.finished {
                let outcome = &finished.outcome;
                tracing::debug!(outcome = outcome.word(), "the run's end is recorded");
                return Ok(Ended::Finished(outcome.clone()));
            }
            if self.is_at_a_loss() {
                return Err(EngineError::Stopped);
            }
            match self.next(control).await {
                Input::Event(event) => self.take(event).await?,
                Input::Decide(request) => self.take_decision(request).await?,
                Input::Suspend => return Ok(Ended::Suspended),
                Input::Nothing => {}
            }
        }
    }

    /// Nothing is under way that could ever bring an event, and nobody was asked. Waiting
    /// would be for ever.
    fn is_at_a_loss(&self) -> bool {
        let is_idle = self.running.is_empty() && self.own.is_empty() && self.receiver.is_empty();
        is_idle && self.state.open_questions().next().is_none()
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
            () = reached(self.running.next_limit()) => self.drop_overdue(),
            () = reached(self.wind_down.as_ref().and_then(WindDown::next)) => self.cut(),
            Some(event) = self.receiver.recv() => self.received(event),
            Some(joined) = self.running.join_next() => self.joined(&joined),
        }
    }

    fn overdue(&mut self) -> Input {
        self.deadline = None;
        let seconds = self.state.spec.policy.active_deadline_seconds;
        let running = self.running.effects();
        let under_way: BTreeSet<_> = running.filter_map(|e| self.state.slow(e)).collect();
        Input::Event(Event::Deadline {
            seconds: seconds.unwrap_or_default(),
            under_way: under_way.into_iter().collect(),
        })
    }

    fn drop_overdue(&mut self) -> Input {
        self.running.drop_overdue();
        Input::Nothing
    }

    /// What a task sent. Whatever comes of an effect that is not under way any more counts
    /// for nothing: it was answered for.
    fn received(&mut self, event: Event) -> Input {
        match &event {
            Event::Emitted { effect, .. } if self.running.has(*effect) => Input::Event(event),
            Event::Answered { effect, answer } => match self.running.answered(*effect) {
                Some(effect) => {
                    tell(&effect, answer);
                    Input::Event(event)
                }
                None => Input::Nothing,
            },
            _ => Input::Nothing,
        }
    }

    /// A task that ended without an answer, because it was dropped or panicked, gets one.
    fn joined(&mut self, joined: &Joined) -> Input {
        let Some(lost) = self.running.joined(joined) else {
            return Input::Nothing;
        };
        let given_up = self.state.cleanup_given_up.as_ref();
        let answer = wind_down::answer_of(&lost, given_up);
        tell(&lost.effect, &answer);
        Input::Event(Event::Answered {
            effect: lost.id,
            answer,
        })
    }

    /// The effects that an event caused, numbered. They count as started from here on, so
    /// that what is written of the run is what its records lead to.
    fn decide(&mut self, event: &Event, at: UnixTime) -> Vec<EffectRecord> {
        decide_and_start(&mut self.state, event, at)
    }

    async fn record(
        &mut self,
        event: &Event,
        effects: &[EffectRecord],
        at: UnixTime,
    ) -> Result<(), EngineError> {
        let event = event.is_recorded().then(|| event_record(event, at));
        let effects = effects.iter().map(|effect| effect_record(effect, at));
        let records = event.into_iter().chain(effects).collect();
        self.transactions += 1;
        self.parts.crash.before_record(self.transactions);
        self.write(records).await?;
        self.parts.crash.after_record(self.transactions);
        Ok(())
    }

    /// Writes records in one transaction with the row of the run that they lead to.
    async fn write(&mut self, records: Vec<NewRecord>) -> Result<(), EngineError> {
        let journal = Arc::clone(&self.parts.journal);
        let run = self.state.spec.run.clone();
        let progress = row::progress(&self.state);
        let new = self.beginning.take();
        let written = tokio::task::spawn_blocking(move || match new {
            Some(new) => journal.begin(&new, &progress, &records),
            None => journal.append(&run, &progress, &records),
        });
        match written.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.refused(error)),
            Err(_) => Err(EngineError::Stopped),
        }
    }

    fn refused(&self, error: JournalError) -> EngineError {
        match error {
            JournalError::RunExists { run } => EngineError::Exists { run },
            error @ JournalError::RunBlocked { .. } => EngineError::Blocked(Box::new(error)),
            source => EngineError::Journal {
                run: self.state.spec.run.clone(),
                source: Box::new(source),
            },
        }
    }

    fn start(&mut self, effects: Vec<EffectRecord>, at: UnixTime) {
        // Made for the first one that needs it.
        let mut shared = None;
        for EffectRecord { id, effect } in effects {
            match &effect {
                Effect::Wait { milliseconds, .. } => {
                    let milliseconds = *milliseconds;
                    self.wait(id, effect, milliseconds, Answer::WaitOver);
                }
                Effect::Point {
                    point: PointEffect::Wait { milliseconds, .. },
                } => {
                    let (milliseconds, point) = (*milliseconds, PointAnswer::WaitOver);
                    self.wait(id, effect, milliseconds, Answer::Point { point });
                }
                Effect::Attempt { .. }
                | Effect::Probe { .. }
                | Effect::Undo { .. }
                | Effect::Point { .. } => self.perform(id, effect, &mut shared),
                Effect::Stop { attempt, reason } => {
                    self.ask_attempt(*attempt, |runner| runner.stop_attempt(*attempt, reason));
                }
                Effect::LetGo { attempt } => {
                    self.ask_attempt(*attempt, |runner| runner.let_go(*attempt));
                }
                // The question is in the journal, and waits for an operator.
                Effect::Ask { .. } => {}
                Effect::Finish { outcome } => self.own.push_back(Event::Finished {
                    outcome: outcome.clone(),
                    at,
                }),
            }
        }
    }

    fn perform(&mut self, id: EffectId, effect: Effect, shared: &mut Option<Arc<RunState>>) {
        let state = shared.get_or_insert_with(|| Arc::new(self.state.for_runner()));
        let job = Job {
            state: Arc::clone(state),
            id,
            effect: effect.clone(),
        };
        let runner = Arc::clone(&self.parts.runner);
        let events = self.sender.clone();
        self.running.spawn(id, effect, async move {
            let emissions = Emissions::new(id, events.clone());
            let answer = runner.perform(job, emissions).await;
            send(events, id, answer).await;
        });
    }

    fn wait(&mut self, id: EffectId, effect: Effect, milliseconds: u64, over: Answer) {
        let events = self.sender.clone();
        self.running.spawn(id, effect, async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            send(events, id, over).await;
        });
    }

    /// Asks an attempt to come to an end in its own way. It may have ended meanwhile.
    fn ask_attempt(&mut self, id: EffectId, ask: impl FnOnce(&dyn StepRunner) -> Duration) {
        if self.running.has(id) {
            let grace = ask(&*self.parts.runner);
            self.running.limit(id, grace);
        }
    }

    fn instant_of(&self, event: &Event) -> UnixTime {
        match event {
            Event::Created { at, .. } | Event::Resumed { at } | Event::Finished { at, .. } => *at,
            Event::Emitted { .. }
            | Event::Answered { .. }
            | Event::Decided { .. }
            | Event::Cancelled { .. }
            | Event::Deadline { .. }
            | Event::CleanupGivenUp { .. } => self.parts.clock.now(),
        }
    }
}

/// Sends the last that an effect tells.
async fn send(events: mpsc::Sender<Event>, effect: EffectId, answer: Answer) {
    // Nobody listens any more when the run is suspended: the effect counts as lost.
    let _ = events.send(Event::Answered { effect, answer }).await;
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The deadline counts from the run's creation, also when it was resumed.
fn deadline_of(state: &RunState, parts: &Parts) -> Option<Instant> {
    let seconds = state.spec.policy.active_deadline_seconds?;
    let passed = parts.clock.now().0.saturating_sub(state.created.0);
    let left = seconds.saturating_sub(u64::try_from(passed).unwrap_or(0));
    Instant::now().checked_add(Duration::from_secs(left))
}

/// A handle that is gone asks for nothing but to be left alone.
fn asked_for(asked: Option<Control>) -> Input {
    match asked {
        Some(Control::Cancel(reason)) => Input::Event(Event::Cancelled { reason }),
        Some(Control::Decide(request)) => Input::Decide(request),
        Some(Control::Suspend) | None => Input::Suspend,
    }
}

fn tell(effect: &Effect, answer: &Answer) {
    let Some(fault) = answer.fault() else {
        return;
    };
    let word = effect.word();
    let code = fault.code.as_str();
    match effect {
        Effect::Attempt { node, attempt }
        | Effect::Probe { node, attempt }
        | Effect::Undo { node, attempt } => {
            tracing::warn!(effect = word, step = %node, attempt, code, "{fault}");
        }
        _ => tracing::warn!(effect = word, code, "{fault}"),
    }
}
