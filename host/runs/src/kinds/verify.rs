//! `verify: PLUGIN`: a part of the recovery point. The plugin judges facts of the outputs of
//! backup steps.

use async_trait::async_trait;
use drydock_core::RunSubject;
use drydock_documents::{Step, Workflow};
use drydock_node::RegistryError;
use drydock_point::model::VerifyPin;
use drydock_sandbox::World;

use crate::PrepareError;
use crate::kind::{AccessOf, CheckContext, Part, PrepareContext, StepKind, StepRef, VerifyPart};

pub struct Verify;

#[async_trait]
impl StepKind for Verify {
    fn word(&self) -> &'static str {
        "verify"
    }

    fn admit(&self, at: StepRef<'_>) -> Result<(), RegistryError> {
        at.plugin(World::Verify).map(|_| ())
    }

    async fn check_config(&self, at: StepRef<'_>, check: CheckContext<'_>) -> Vec<PrepareError> {
        let checked = match at.plugin(World::Verify) {
            Ok(plugin) => at.judge_config(&plugin, check).await,
            Err(error) => Err(error),
        };
        checked.err().map(PrepareError::from).into_iter().collect()
    }

    fn prepare(&self, at: StepRef<'_>, context: &PrepareContext<'_>) -> Result<Part, PrepareError> {
        let plugin = at.plugin(World::Verify)?;
        Ok(Part::Verify(Box::new(VerifyPart {
            pin: VerifyPin {
                pin: at.pin(&plugin),
                judges: at.workflow.schedule.value.spec.verified_by(at.step),
            },
            call: context.tools.call_of(at.step),
            plugin,
        })))
    }

    /// What it judges is in the spool.
    fn subjects(&self, _: &Step, _: &Workflow<'_>, _: AccessOf<'_>) -> Vec<RunSubject> {
        Vec::new()
    }
}
