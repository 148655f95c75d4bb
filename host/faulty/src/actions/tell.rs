//! `test-tell`: a notification, a line at the end of a file with what the step took from
//! earlier ones.

use async_trait::async_trait;
use drydock_core::{ActionManifest, ErrorCode, Fault, Finding, Repeat};
use drydock_engine::model::Done;
use drydock_node::action::{Action, ActionCall, ProbeEnd};

use super::config::{Config, Place};
use super::once::unasked;
use super::{append, manifest};

pub struct TestTell(ActionManifest);

impl TestTell {
    pub fn new() -> Self {
        Self(manifest(Repeat::Idempotent, false))
    }
}

#[async_trait]
impl Action for TestTell {
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
        let inputs = serde_json::to_string(&call.occasion.inputs);
        let inputs = inputs.map_err(|error| {
            Fault::permanent(ErrorCode::of("test"), format!("no JSON of inputs: {error}"))
        })?;
        append(config.path()?, &format!("{} {inputs}", call.occasion.step))?;
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
