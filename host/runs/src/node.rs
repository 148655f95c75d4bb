//! What carries out a node of the graph, and what it is told: [`NodeRunner`] is one step's,
//! [`NodeCall`] one effect's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use drydock_core::{ErrorCode, Fault, StepName, Value};
use drydock_engine::model::{Answer, EffectId};
use drydock_engine::state::RunState;
use drydock_engine::{Emissions, Job};
use drydock_sandbox::{Occasion, StopSignal, asked_to_stop};
use tokio::sync::watch;

/// Carries out the effects of one node.
#[async_trait]
pub trait NodeRunner: Send + Sync {
    /// Does the work.
    async fn attempt(&self, call: NodeCall) -> Answer;

    /// Says what became of an attempt. Only asked of a step that may not simply run again.
    async fn probe(&self, call: NodeCall) -> Answer {
        Answer::failed(not_asked(&call.step, "probed"))
    }

    /// Takes the step back. Only asked of a step that says it can be.
    async fn undo(&self, call: NodeCall) -> Answer {
        Answer::failed(not_asked(&call.step, "undone"))
    }
}

/// One effect of a node.
pub struct NodeCall {
    /// The run as it was when the effect was recorded.
    pub state: Arc<RunState>,
    pub step: StepName,
    pub attempt: u32,
    /// The same in all effects of the step.
    pub key: String,
    /// What it takes from earlier steps, by its own names.
    pub inputs: BTreeMap<String, Value>,
    pub emissions: Emissions,
    pub stop: StopSignal,
    /// True once a hold is to be let go.
    pub let_go: watch::Receiver<bool>,
}

/// Tells the effects of one run that they are to come to an end. An effect may be told
/// before its task first ran.
pub struct Signals {
    /// For what brings the run forward as a whole: verdicts and uploads.
    run: watch::Sender<Option<Fault>>,
    effects: Mutex<HashMap<EffectId, Signal>>,
}

struct Signal {
    stop: watch::Sender<Option<Fault>>,
    let_go: watch::Sender<bool>,
    /// Whether it brings the run forward, so that it stops with it.
    is_forward: bool,
}

/// What one effect hears. Nobody can tell it anything once this is dropped.
pub struct Listening<'a> {
    signals: &'a Signals,
    id: EffectId,
    pub stop: StopSignal,
    pub let_go: watch::Receiver<bool>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            run: watch::channel(None).0,
            effects: Mutex::default(),
        }
    }
}

impl Signals {
    /// Hears that the run as a whole is to stop.
    pub fn of_run(&self) -> StopSignal {
        self.run.subscribe()
    }

    /// Begins to listen for an effect. One that brings the run forward and was asked for
    /// before the run was to stop hears of that too.
    pub fn listen(&self, job: &Job) -> Listening<'_> {
        let is_forward = job.state.is_forward(&job.effect);
        let mut effects = self.lock();
        let signal = effects.entry(job.id).or_default();
        signal.is_forward = is_forward;
        let listening = Listening {
            signals: self,
            id: job.id,
            stop: signal.stop.subscribe(),
            let_go: signal.let_go.subscribe(),
        };
        let stopped = self.run.borrow().clone();
        if let Some(reason) = stopped.filter(|_| is_forward && !job.state.is_ending()) {
            signal.stop.send_replace(Some(reason));
        }
        listening
    }

    /// The run as a whole is to stop.
    pub fn stop_run(&self, reason: &Fault) {
        let effects = self.lock();
        self.run.send_replace(Some(reason.clone()));
        for signal in effects.values().filter(|signal| signal.is_forward) {
            signal.stop.send_replace(Some(reason.clone()));
        }
    }

    /// One effect is to stop.
    pub fn stop(&self, id: EffectId, reason: &Fault) {
        let mut effects = self.lock();
        let signal = effects.entry(id).or_default();
        signal.stop.send_replace(Some(reason.clone()));
    }

    /// One hold is to be let go.
    pub fn let_go(&self, id: EffectId) {
        let mut effects = self.lock();
        effects.entry(id).or_default().let_go.send_replace(true);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EffectId, Signal>> {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Signal {
    fn default() -> Self {
        Self {
            stop: watch::channel(None).0,
            let_go: watch::channel(false).0,
            is_forward: false,
        }
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.signals.lock().remove(&self.id);
    }
}

/// What a plugin is told of which work of which run it does.
pub fn occasion(call: &NodeCall) -> Occasion {
    Occasion {
        run: call.state.spec.run.to_string(),
        step: call.step.to_string(),
        attempt: call.attempt,
        key: call.key.clone(),
        inputs: call.inputs.clone(),
        ..Occasion::default()
    }
}

/// Waits for the work unless it is to stop.
///
/// # Errors
/// As the work says, or why it is to stop.
pub async fn while_wanted<T>(
    stop: &StopSignal,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let mut stop = stop.clone();
    tokio::select! {
        biased;
        done = work => done,
        why = asked_to_stop(&mut stop) => Err(why),
    }
}

fn not_asked(step: &StepName, what: &str) -> Fault {
    Fault::permanent(
        ErrorCode::NotAnEffect,
        format!("step {step} cannot be {what}: report this"),
    )
}
