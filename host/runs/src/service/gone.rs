//! A run whose pins are gone, on its way to its end: nothing carries out its effects any more,
//! and it says so for each.

use async_trait::async_trait;
use drydock_core::{ErrorCode, Fault, chain};
use drydock_engine::model::{Answer, Effect};
use drydock_engine::{Emissions, Job, StepRunner};
use drydock_point::model::PointAnswer;

use crate::limits::RunClaim;
use crate::pins::PinError;

/// Answers every effect with why it does not take place.
pub struct StepsGone {
    fault: Fault,
    /// Keeps others from the run as long as this process works on it.
    _claim: RunClaim,
}

impl StepsGone {
    pub fn new(error: &PinError, claim: RunClaim) -> Self {
        let fault = Fault::permanent(ErrorCode::PinMissing, chain(error));
        Self {
            fault: fault.not_done(),
            _claim: claim,
        }
    }
}

#[async_trait]
impl StepRunner for StepsGone {
    async fn perform(&self, job: Job, _emissions: Emissions) -> Answer {
        let fault = self.fault.clone();
        match job.effect {
            Effect::Point { .. } => Answer::Point {
                point: PointAnswer::Failed { fault },
            },
            Effect::Undo { .. } => Answer::Gone { fault },
            _ => Answer::failed(fault),
        }
    }
}
