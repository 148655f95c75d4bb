//! The call of plugins that judge artifacts.

use std::sync::Arc;

use drydock_capability_artifact::Slice;
use drydock_core::{Facts, Verdict};

use crate::answer;
use crate::attempt::Attempt;
use crate::plugin::{Plugin, lend, lend_slice};
use crate::step::StepCall;
use crate::world::steps::verify_step::Guest as VerifyStep;
use crate::world::{SharedFacts, Step as _, WitError, World};

/// A call of a verify plugin.
pub struct JudgeCall {
    pub context: StepCall,
    pub facts: Facts,
    /// The artifact before sealing, where it still is.
    pub plain: Option<Slice>,
}

impl Plugin {
    /// Lets a verify plugin judge an artifact.
    ///
    /// The result is a fault `wrong-world` for a plugin of another world.
    pub async fn judge(&self, call: JudgeCall) -> Attempt<Verdict> {
        if let Err(fault) = self.is_of(World::Verify) {
            return Attempt::refused(fault);
        }
        let JudgeCall {
            context,
            facts,
            plain,
        } = call;
        let guest = self.powered(context);
        let facts = SharedFacts(Arc::new(facts));
        let linked = self.linked.clone();
        let attempt = self.run(guest, move |store| {
            Box::pin(async move {
                let step = VerifyStep::enter(&linked, store).await?;
                let facts = lend(store, facts)?;
                let plain = plain.map(|plain| lend_slice(store, plain)).transpose()?;
                let verdict: Result<_, WitError> = step.call_judge(store, facts, plain).await?;
                Ok(verdict.map(|verdict| (verdict.pass, verdict.findings)))
            })
        });
        attempt
            .await
            .and_then(|(pass, findings)| answer::verdict(pass, findings, self.bounds()))
    }
}
