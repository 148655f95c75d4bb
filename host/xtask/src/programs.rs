//! `cargo xtask build`: the programs of this workspace, in the one way that they are built.
//!
//! The quickstart, the benches and whoever installs Drydock use what this built: the same
//! profile and features as the tests, so that no crate is built twice and the program that
//! was tested is the program that runs.

use std::path::PathBuf;

use anyhow::Result;

use crate::program::{run as run_program, step};
use crate::workspace::Workspace;
use crate::{plugins, tools};

/// The chore: everything that `drydock` needs, then `drydock`, and where it is.
pub fn run(workspace: &Workspace) -> Result<()> {
    let programs = prepare(workspace, &["protoc"])?;
    println!("{}", programs.join("drydock").display());
    Ok(())
}

/// Makes the tools, the plugins and all programs; returns the programs' folder.
pub fn prepare(workspace: &Workspace, tools: &[&str]) -> Result<PathBuf> {
    step("prepare the tools", || tools::prepare(workspace, tools))?;
    step("prepare the plugins", || plugins::build(workspace))?;
    step("build the programs", || {
        let mut build = workspace.cargo();
        // The whole workspace: for a part of it cargo chooses other features.
        build.args(["build", "--workspace", "--bins"]);
        run_program(&mut build)
    })?;
    Ok(workspace.target.join("debug"))
}
