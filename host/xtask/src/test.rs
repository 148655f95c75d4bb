//! `cargo xtask test`: everything the tests need, then the tests.
//!
//! The plugins come first, since they take seconds. Then one `cargo test` over the whole
//! host workspace, with the profile and features that the
//! quickstart and the lints use as well, so that no crate is built twice.

use std::process::Command;

use anyhow::Result;

use crate::program::{run as run_program, step};
use crate::workspace::Workspace;
use crate::{plugins, tools};

/// The tools that tests ask the testkit for, beside those of the default set.
const TEST_TOOLS: &[&str] = &[
    "protoc",
    "etcd-3.5.35",
    "etcd-3.6.16",
    "etcd-3.7.3",
    "kubernetes",
    "kubernetes-api",
    "age",
    "minisign",
    "zstd",
    "componentize-py",
];

/// The chore: prepares, then runs the tests whose names contain one of `filters`.
pub fn run(workspace: &Workspace, filters: &[String]) -> Result<()> {
    step("prepare the tools", || {
        tools::prepare(workspace, TEST_TOOLS)
    })?;
    step("prepare the plugins", || plugins::build(workspace))?;
    step("run the tests of the plugins", || {
        run_program(&mut plugin_tests(workspace, filters))
    })?;
    step("run the tests of the host", || {
        run_program(&mut host_tests(workspace, filters))
    })
}

fn host_tests(workspace: &Workspace, filters: &[String]) -> Command {
    let mut command = workspace.cargo();
    command.args(["test", "--workspace", "--"]).args(filters);
    command
}

/// What plugins decide is tested without a sandbox, as programs of this machine.
fn plugin_tests(workspace: &Workspace, filters: &[String]) -> Command {
    let mut command = workspace.cargo();
    command
        .current_dir(workspace.plugins())
        .env("CARGO_TARGET_DIR", workspace.target.join("plugins"))
        .args(["test", "--workspace", "--lib", "--"])
        .args(filters);
    command
}
