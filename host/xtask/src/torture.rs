//! `cargo xtask torture`: hostile guests at random, beside a real backup.
//!
//! This part only prepares. The torture itself is the example `torture` of the sandbox,
//! built with the features of the whole workspace, so that no crate is built a second
//! time for it.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result};

use crate::program::{run as run_program, step};
use crate::workspace::Workspace;
use crate::{plugins, tools};

/// What the build needs, and the cluster that is backed up.
const TORTURE_TOOLS: &[&str] = &["protoc", "etcd-3.6.16"];

/// How much; the program knows the defaults.
pub struct Wanted {
    pub sequences: Option<u64>,
    pub seed: Option<u64>,
    pub minutes: Option<u64>,
}

/// The chore: prepares everything and becomes the torture.
pub fn run(workspace: &Workspace, wanted: &Wanted) -> Result<()> {
    step("prepare the tools", || {
        tools::prepare(workspace, TORTURE_TOOLS)
    })?;
    step("prepare the plugins", || plugins::build(workspace))?;
    step("build the torture", || {
        let mut build = workspace.cargo();
        run_program(build.args(["build", "--workspace", "--example", "torture"]))
    })?;
    // It takes this process over, so that Ctrl-C reaches only the one that has something
    // to stop.
    let error = torture(workspace, wanted).exec();
    Err(error).context("cannot start the torture")
}

fn torture(workspace: &Workspace, wanted: &Wanted) -> Command {
    let mut command = Command::new(workspace.target.join("debug/examples/torture"));
    command.env("DRYDOCK_CACHE", workspace.cache.root());
    // Arenas of threads that have come and gone hold some 30 MiB that nobody uses; with few
    // of them what is resident is what is held.
    command.env("MALLOC_ARENA_MAX", "2");
    let numbers = [
        ("--sequences", wanted.sequences),
        ("--seed", wanted.seed),
        ("--minutes", wanted.minutes),
    ];
    for (flag, number) in numbers {
        if let Some(number) = number {
            command.arg(flag).arg(number.to_string());
        }
    }
    command
}
