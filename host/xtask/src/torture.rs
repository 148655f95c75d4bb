//! `cargo xtask torture`: whole runs simulated, hostile guests at random beside a real backup,
//! and snapshots of every version on servers of every other, with mutants of them.
//!
//! This part only prepares. The tortures themselves are examples of the crates that they
//! torment, built with the features of the whole workspace, so that no crate is built a
//! second time for them.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program::{run as run_program, step};
use crate::workspace::Workspace;
use crate::{plugins, tools};

/// What the build needs, the cluster that is backed up, and the servers of the matrix.
const TORTURE_TOOLS: &[&str] = &["protoc", "etcd-3.6.16", "etcd-3.5.35", "etcd-3.7.3"];

/// The tortures by name, each with its example, in the order in which they run.
const TORTURES: [(&str, &str); 3] = [
    ("engine", "torture_engine"),
    ("restore", "torture_snapshot"),
    ("plugins", "torture"),
];

/// Which, and how much; the programs know the defaults.
pub struct Wanted<'a> {
    pub names: &'a [String],
    pub sequences: Option<u64>,
    pub seed: Option<u64>,
    pub minutes: Option<u64>,
}

/// The chore: prepares everything and becomes the last torture.
pub fn run(workspace: &Workspace, wanted: &Wanted<'_>) -> Result<()> {
    let examples = chosen(wanted.names)?;
    step("prepare the tools", || {
        tools::prepare(workspace, TORTURE_TOOLS)
    })?;
    step("prepare the plugins", || plugins::build(workspace))?;
    step("build the torture", || {
        let mut build = workspace.cargo();
        build.args(["build", "--workspace"]);
        for example in &examples {
            build.args(["--example", example]);
        }
        run_program(&mut build)
    })?;
    let (last, others) = examples.split_last().context("there is one at least")?;
    for example in others {
        run_program(&mut torture(workspace, example, wanted))?;
    }
    // It takes this process over, so that Ctrl-C reaches only the one that has something
    // to stop.
    let error = torture(workspace, last, wanted).exec();
    Err(error).context("cannot start the torture")
}

/// The examples of these tortures, or of all where none is named.
fn chosen(names: &[String]) -> Result<Vec<&'static str>> {
    let known = TORTURES.map(|(name, _)| name);
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!(
            "there is no torture `{name}`; choose from {}",
            known.join(", ")
        );
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let tortures = TORTURES.iter().filter(|(name, _)| wanted(name));
    Ok(tortures.map(|(_, example)| *example).collect())
}

fn torture(workspace: &Workspace, example: &str, wanted: &Wanted<'_>) -> Command {
    let mut command = Command::new(workspace.target.join("debug/examples").join(example));
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
