//! Verify steps: the plugin judges facts of what was kept with the output.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_capability_artifact::Slice;
use drydock_capability_artifact::spool::SpoolReader;
use drydock_core::{ErrorCode, Fault, OutputId, StepName};
use drydock_point::Point;
use drydock_point::model::PointAnswer;
use drydock_sandbox::{JudgeCall, Plugin, StepCall};

use super::{Attempts, facts};

/// The verify steps of one run.
pub struct Verdicts {
    pub steps: BTreeMap<StepName, (Arc<Plugin>, StepCall)>,
    pub attempts: Attempts,
}

impl Verdicts {
    pub async fn judge(
        &self,
        point: &Point,
        step: &StepName,
        output: OutputId,
        attempt: u32,
        plain: Option<SpoolReader>,
    ) -> Result<PointAnswer, Fault> {
        let (plugin, context) = self.steps.get(step).ok_or_else(|| {
            Fault::permanent(
                ErrorCode::NoSuchStep,
                format!("the run has no verify step {step}"),
            )
        })?;
        let sealed = point.outputs().get(&output);
        let sealed = sealed.and_then(|output| output.sealed()).ok_or_else(|| {
            Fault::permanent(
                ErrorCode::NotSealed,
                format!("output {output} has no facts yet"),
            )
        })?;
        let running = self.attempts.start(step, attempt, Some(plugin.grants()));
        let call = JudgeCall {
            context: context.clone(),
            facts: facts::of(sealed)?,
            plain: plain.map(|plain| Slice::whole(Arc::new(plain))),
        };
        let done = plugin.judge(call).await;
        running.end(done.result.as_ref(), &done.log);
        let verdict = done.result?;
        for finding in &verdict.findings {
            tracing::info!(%step, level = ?finding.level, code = finding.code, "{}", finding.message);
        }
        Ok(PointAnswer::Judged { verdict })
    }
}
