//! `test-file`: a file in a folder, named by the step's key.

use std::path::PathBuf;

use async_trait::async_trait;
use drydock_core::{
    ActionManifest, Fault, Finding, Probed, Repeat, SubjectAccess, Value, ValueType,
};
use drydock_engine::model::Done;
use drydock_node::action::{Action, ActionCall, ProbeEnd};

use super::config::{Config, Lie, Place};
use super::{make, manifest, remove};

const OUTPUT: &str = "path";

pub struct TestFile(ActionManifest);

impl TestFile {
    pub fn new() -> Self {
        let mut manifest = manifest(Repeat::Keyed, true);
        manifest.access = SubjectAccess::Writes;
        manifest.outputs.insert(OUTPUT.to_owned(), ValueType::Text);
        Self(manifest)
    }
}

#[async_trait]
impl Action for TestFile {
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
        let path = path(&config, &call)?;
        make(
            &path,
            &format!("{} {}\n", call.occasion.run, call.occasion.step),
        )?;
        config.come_to(Place::After, &call).await?;
        Ok(done(&path))
    }

    async fn probe(&self, call: ActionCall) -> Result<ProbeEnd, Fault> {
        let config = Config::of(&call.config)?;
        let path = path(&config, &call)?;
        let is_done = match config.lie {
            Some(lie) => lie == Lie::Done,
            None => path.exists(),
        };
        Ok(if is_done {
            ProbeEnd::Done(done(&path))
        } else {
            ProbeEnd::Found(Probed::NotBegun)
        })
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

fn done(path: &std::path::Path) -> Done {
    let mut done = Done::default();
    let path = Value::Text(path.display().to_string());
    done.outputs.insert(OUTPUT.to_owned(), path);
    done
}
