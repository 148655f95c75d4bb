//! `test-once`: a line at the end of a file for each time it was done. It cannot be asked
//! what became of it, nor taken back.

use async_trait::async_trait;
use drydock_core::{ActionManifest, ErrorCode, Fault, Finding, Repeat};
use drydock_engine::model::Done;
use drydock_node::action::{Action, ActionCall, ProbeEnd};

use super::config::{Config, Place};
use super::{append, manifest};

pub struct TestOnce(ActionManifest);

impl TestOnce {
    pub fn new() -> Self {
        Self(manifest(Repeat::AtMostOnce, false))
    }
}

#[async_trait]
impl Action for TestOnce {
    fn version(&self) -> &str {
        super::VERSION
    }

    fn manifest(&self) -> &ActionManifest {
        &self.0
    }

    async fn check_config(&self, config: &str) -> Result<Vec<Finding>, Fault> {
        Config::check(config)
    }

    async fn run(&self, call: ActionCall) -> Result<Done, Fault> {
        let config = Config::of(&call.config)?;
        config.come_to(Place::Before, &call).await?;
        let line = format!(
            "{} {} attempt {}",
            call.occasion.run, call.occasion.step, call.occasion.attempt
        );
        append(config.path()?, &line)?;
        config.come_to(Place::After, &call).await?;
        Ok(Done::default())
    }

    async fn probe(&self, call: ActionCall) -> Result<ProbeEnd, Fault> {
        Err(unasked(&call))
    }

    async fn undo(&self, call: ActionCall) -> Result<(), Fault> {
        Err(unasked(&call))
    }
}

/// What a run may not ask of this action, so that a test finds out that it did.
pub fn unasked(call: &ActionCall) -> Fault {
    let message = format!(
        "step {} is asked what it never says it can do",
        call.occasion.step
    );
    Fault::permanent(ErrorCode::of("test"), message)
}
