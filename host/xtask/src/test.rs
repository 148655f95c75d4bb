//! `cargo xtask test`: everything the tests need, then the tests.
//!
//! One `cargo test` over the whole workspace, with the profile and features that the
//! quickstart and the lints use as well, so that no crate is built twice.

use anyhow::Result;

use crate::program::{run as run_program, step};
use crate::workspace::Workspace;
use crate::{plugins, tools};

/// The tools that tests ask the testkit for, beside those of the default set.
const TEST_TOOLS: &[&str] = &["protoc", "etcd-3.6.16", "age", "minisign", "zstd"];

/// The chore: prepares, then runs the tests whose names contain one of `filters`.
pub fn run(workspace: &Workspace, filters: &[String]) -> Result<()> {
    step("prepare the tools", || {
        tools::prepare(workspace, TEST_TOOLS)
    })?;
    step("prepare the plugins", || plugins::build(workspace))?;
    let mut command = workspace.cargo();
    command.args(["test", "--workspace", "--"]).args(filters);
    step("run the tests", || run_program(&mut command))
}
