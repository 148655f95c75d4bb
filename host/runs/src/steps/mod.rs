//! The engine's effects, carried out: where sandbox, snapshot, repository and etcd meet.
//!
//! [`Steps`] serves one run. An effect of a node goes to what carries that node out, one of
//! the recovery point to `point`. What backup steps make goes through `pipeline`, which checks
//! and seals it; they share `outputs`.

mod attempts;
mod backup;
mod block_sums;
mod commit;
mod digest;
mod examine;
mod facts;
#[cfg(test)]
mod fixture;
pub mod guard;
mod live;
mod nature;
mod outputs;
mod pipeline;
mod point;
mod previous;
mod room;
mod seal;
mod spool;
mod stopwatch;
mod upload;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::{ErrorCode, Fault, StepName, Value};
use drydock_engine::model::{Answer, Effect, EffectId};
use drydock_engine::state::RunState;
use drydock_engine::{Emissions, Job, StepRunner};
use drydock_point::model::PointAnswer;

pub use attempts::Attempts;
pub use backup::Backups;
pub use commit::Commit;
pub use examine::Examiner;
pub use guard::{RunTargets, TargetGuard};
pub use outputs::Outputs;
pub use pipeline::{PipelineContext, PlainSpools};
pub use point::PointSteps;
pub use previous::Previous;
pub use seal::Sealing;
pub use spool::SealedSpool;
pub use upload::Store;
pub use verdict::Verdicts;

use crate::kind::step_key;
use crate::limits::RunClaim;
use crate::node::{Listening, NodeCall, NodeRunner, Signals};

/// Everything that one run's effects need.
pub struct Steps {
    /// By step; gates have none.
    pub nodes: BTreeMap<StepName, Arc<dyn NodeRunner>>,
    /// Of a run that makes a recovery point.
    pub point: Option<PointSteps>,
    pub signals: Arc<Signals>,
    /// How long what was asked to come to an end may go on.
    pub grace: Duration,
    /// Keeps others from the run as long as this process works on it.
    pub claim: RunClaim,
}

/// What a plugin's end takes after its own grace, until its effect is dropped with it.
pub const GRACE_SPARE: Duration = Duration::from_secs(1);

#[async_trait]
impl StepRunner for Steps {
    async fn perform(&self, job: Job, emissions: Emissions) -> Answer {
        let done = match &job.effect {
            Effect::Attempt { node, attempt } => {
                self.attempt(&job, node, *attempt, emissions).await
            }
            Effect::Probe { node, attempt } => {
                let listening = self.signals.listen(&job);
                match self.call_again(&job, node, *attempt, emissions, &listening) {
                    Ok((runner, call)) => Ok(runner.probe(call).await),
                    Err(fault) => Err(fault),
                }
            }
            Effect::Undo { node, attempt } => {
                let listening = self.signals.listen(&job);
                match self.call_again(&job, node, *attempt, emissions, &listening) {
                    Ok((runner, call)) => Ok(runner.undo(call).await),
                    Err(fault) => Err(fault),
                }
            }
            Effect::Point { point: effect } => {
                let point = match &self.point {
                    Some(point) => point.perform(&job.state, effect).await,
                    None => PointAnswer::Failed {
                        fault: not_an_effect(&job.effect),
                    },
                };
                Ok(Answer::Point { point })
            }
            Effect::Stop { .. }
            | Effect::LetGo { .. }
            | Effect::Ask { .. }
            | Effect::Wait { .. }
            | Effect::Finish { .. } => Err(not_an_effect(&job.effect)),
        };
        done.unwrap_or_else(Answer::failed)
    }

    /// The plugins hear of it first, and end by themselves or by their own limit.
    fn stop(&self, reason: &Fault) -> Duration {
        self.signals.stop_run(reason);
        self.grace + GRACE_SPARE
    }

    fn stop_attempt(&self, attempt: EffectId, reason: &Fault) -> Duration {
        self.signals.stop(attempt, reason);
        self.grace + GRACE_SPARE
    }

    fn let_go(&self, attempt: EffectId) -> Duration {
        self.signals.let_go(attempt);
        self.grace + GRACE_SPARE
    }
}

impl Steps {
    /// An attempt waits until it is the run's turn on this node. What takes back does not.
    async fn attempt(
        &self,
        job: &Job,
        step: &StepName,
        attempt: u32,
        emissions: Emissions,
    ) -> Result<Answer, Fault> {
        let listening = self.signals.listen(job);
        let inputs = inputs(&job.state, step)?;
        let (runner, mut call) = self.call_again(job, step, attempt, emissions, &listening)?;
        call.inputs = inputs;
        let turn = self.claim.turn(&call.stop).await;
        turn.map_err(Fault::not_done)?;
        Ok(runner.attempt(call).await)
    }

    /// What looks after an attempt, and what it is told. An attempt whose inputs were not
    /// given never took place: that there was nothing to take back is for its undo to say.
    fn call_again(
        &self,
        job: &Job,
        step: &StepName,
        attempt: u32,
        emissions: Emissions,
        listening: &Listening<'_>,
    ) -> Result<(&dyn NodeRunner, NodeCall), Fault> {
        let runner = self.nodes.get(step).ok_or_else(|| no_such_step(step))?;
        let call = NodeCall {
            key: step_key(&job.state.spec.run, step, None),
            state: Arc::clone(&job.state),
            step: step.clone(),
            attempt,
            inputs: job.state.inputs(step).unwrap_or_default(),
            emissions,
            stop: listening.stop.clone(),
            let_go: listening.let_go.clone(),
        };
        Ok((&**runner, call))
    }
}

/// What an attempt takes from earlier steps. Nothing was done where that fails.
fn inputs(state: &RunState, step: &StepName) -> Result<BTreeMap<String, Value>, Fault> {
    state.inputs(step).map_err(|from| {
        let told = format!(
            "step {step} takes {} of step {}, which did not give it: tell its author",
            from.output, from.step
        );
        Fault::permanent(ErrorCode::NoSuchOutput, told).not_done()
    })
}

fn no_such_step(step: &StepName) -> Fault {
    Fault::permanent(
        ErrorCode::NoSuchStep,
        format!("nothing carries out step {step} of the run"),
    )
    .not_done()
}

fn not_an_effect(effect: &Effect) -> Fault {
    Fault::permanent(
        ErrorCode::NotAnEffect,
        format!("{} is not carried out here", effect.word()),
    )
}
