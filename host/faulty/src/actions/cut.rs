//! `test-cut`: a step that others hold something for. It writes down which locks and state
//! holds stand, makes its cut, and goes on.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use drydock_core::{ActionManifest, Fault, Finding, Repeat};
use drydock_engine::model::Done;
use drydock_node::action::{Action, ActionCall, ProbeEnd};

use super::config::{Config, Place};
use super::lock::Client;
use super::once::unasked;
use super::{failed, make, manifest, remove};

pub struct TestCut(ActionManifest);

impl TestCut {
    pub fn new() -> Self {
        Self(manifest(Repeat::Idempotent, true))
    }
}

#[async_trait]
impl Action for TestCut {
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
        let handle = path(&config, &call)?;
        let standing = standing(&config).await?;
        make(&handle, &format!("{} {standing}\n", call.occasion.step))?;
        // Whoever is gone by now asks for it again.
        let _ = call.progress.keep(&handle.display().to_string()).await;
        let _ = call.progress.cut().await;
        config.come_to(Place::After, &call).await?;
        Ok(Done::default())
    }

    async fn probe(&self, call: ActionCall) -> Result<ProbeEnd, Fault> {
        Err(unasked(&call))
    }

    async fn undo(&self, call: ActionCall) -> Result<(), Fault> {
        let config = Config::of(&call.config)?;
        config.undo_fails(&call)?;
        remove(&path(&config, &call)?)?;
        config.maybe_die(Place::AfterUndo, &call);
        Ok(())
    }
}

/// Locks that are held, and how many state holds stand.
async fn standing(config: &Config) -> Result<String, Fault> {
    let locks = match &config.server {
        Some(server) => Client::connect(server).await?.ask("who").await,
        None => None,
    };
    let locks = locks.unwrap_or_default();
    let holds = config.holds.as_deref().map(count).transpose()?;
    Ok(format!("holds={} {locks}", holds.unwrap_or_default()))
}

fn count(folder: &Path) -> Result<usize, Fault> {
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    Ok(entries.count())
}

fn path(config: &Config, call: &ActionCall) -> Result<PathBuf, Fault> {
    Ok(config.path()?.join(&call.occasion.key))
}
