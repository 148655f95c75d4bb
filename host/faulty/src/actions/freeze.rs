//! `test-freeze`: a state hold. A file in a folder, named by the step's key, with the hold's
//! deadline in it.

use std::path::PathBuf;

use async_trait::async_trait;
use drydock_core::{ActionManifest, Fault, Finding, HoldKind, Probed};
use drydock_engine::model::Done;
use drydock_node::action::{Action, ActionCall, ProbeEnd};

use super::config::{Config, Lie, Place};
use super::{holding, make, remove};

pub struct TestFreeze(ActionManifest);

impl TestFreeze {
    pub fn new() -> Self {
        Self(holding(HoldKind::State))
    }
}

#[async_trait]
impl Action for TestFreeze {
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
        let deadline = call.occasion.deadline.map(|deadline| deadline.to_string());
        let deadline = deadline.unwrap_or_default();
        make(
            &path(&config, &call)?,
            &format!("{} {deadline}\n", call.occasion.step),
        )?;
        config.come_to(Place::After, &call).await?;
        Ok(Done::default())
    }

    async fn probe(&self, call: ActionCall) -> Result<ProbeEnd, Fault> {
        let config = Config::of(&call.config)?;
        let stands = match config.lie {
            Some(lie) => lie == Lie::Held,
            None => path(&config, &call)?.exists(),
        };
        Ok(ProbeEnd::Found(if stands {
            Probed::Held
        } else {
            Probed::Lost
        }))
    }

    async fn undo(&self, call: ActionCall) -> Result<(), Fault> {
        let config = Config::of(&call.config)?;
        config.undo_fails(&call)?;
        remove(&path(&config, &call)?)?;
        config.maybe_die(Place::AfterUndo, &call);
        Ok(())
    }
}

fn path(config: &Config, call: &ActionCall) -> Result<PathBuf, Fault> {
    Ok(config.path()?.join(&call.occasion.key))
}
