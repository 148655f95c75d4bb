//! `cargo xtask quickstart`: from a fresh checkout to a restored etcd.
//!
//! This part only prepares: tools, plugins and programs. The scenario itself is
//! the program `drydock-quickstart`, since it talks to etcd.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::programs;
use crate::workspace::Workspace;

/// The tools that the scenario runs.
const QUICKSTART_TOOLS: &[&str] = &["protoc", "etcd-3.6.16"];

/// The chore: prepares everything and becomes the scenario.
pub fn run(workspace: &Workspace, keep: bool, scratch: Option<&Path>) -> Result<()> {
    let programs = programs::prepare(workspace, QUICKSTART_TOOLS)?;
    // The scenario takes this process over, so that Ctrl-C reaches only the one that has
    // something to stop.
    let error = scenario(workspace, &programs, keep, scratch).exec();
    Err(error).context("cannot start drydock-quickstart")
}

fn scenario(workspace: &Workspace, programs: &Path, keep: bool, scratch: Option<&Path>) -> Command {
    let mut command = Command::new(programs.join("drydock-quickstart"));
    command
        .env("DRYDOCK_CACHE", workspace.cache.root())
        .arg("--drydock")
        .arg(programs.join("drydock"))
        .arg("--checkout")
        .arg(&workspace.root);
    if let Some(scratch) = scratch {
        command.arg("--scratch").arg(scratch);
    }
    if keep {
        command.arg("--keep");
    }
    command
}
