//! `cargo xtask quickstart`: from a fresh checkout to a restored etcd.
//!
//! This part only prepares: tools, plugins and the two programs. The scenario itself is
//! the program `drydock-quickstart`, since it talks to etcd.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::program::{run as run_program, step};
use crate::workspace::Workspace;
use crate::{plugins, tools};

/// The tools that the scenario runs.
const QUICKSTART_TOOLS: &[&str] = &["protoc", "etcd-3.6.16"];

/// The chore: prepares everything and becomes the scenario.
pub fn run(workspace: &Workspace, keep: bool, scratch: Option<&Path>) -> Result<()> {
    step("prepare the tools", || {
        tools::prepare(workspace, QUICKSTART_TOOLS)
    })?;
    step("prepare the plugins", || plugins::build(workspace))?;
    step("build drydock and the scenario", || {
        let mut build = workspace.cargo();
        // The whole workspace, so that cargo chooses the same features as for the tests
        // and builds no crate twice.
        build.args(["build", "--workspace", "--bins"]);
        run_program(&mut build)
    })?;
    // The scenario takes this process over, so that Ctrl-C reaches only the one that has
    // something to stop.
    let error = scenario(workspace, keep, scratch).exec();
    Err(error).context("cannot start drydock-quickstart")
}

fn scenario(workspace: &Workspace, keep: bool, scratch: Option<&Path>) -> Command {
    let programs = workspace.target.join("debug");
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
