//! `cargo xtask torture`: whole runs simulated, hostile guests at random beside a real backup,
//! snapshots of every version on servers of every other, with mutants of them, and stores whose
//! servers fail.
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

/// What the build needs, the cluster that is backed up, the servers of the matrix, and those
/// that keep objects.
const TORTURE_TOOLS: &[&str] = &[
    "protoc",
    "etcd-3.6.16",
    "etcd-3.5.35",
    "etcd-3.7.3",
    "versitygw",
    "azurite",
];

/// The tortures by name, each with its example, in the order in which they run.
const TORTURES: [Torture; 4] = [
    Torture::of_numbers("engine", "torture_engine"),
    Torture::of_numbers("restore", "torture_snapshot"),
    Torture {
        name: "stores",
        example: "torture_stores",
        takes_numbers: false,
    },
    Torture::of_numbers("plugins", "torture"),
];

#[derive(Clone, Copy)]
struct Torture {
    name: &'static str,
    example: &'static str,
    /// Whether it takes sequences, a seed and minutes. A grid is gone through once.
    takes_numbers: bool,
}

/// Which, and how much; the programs know the defaults.
pub struct Wanted<'a> {
    pub names: &'a [String],
    pub sequences: Option<u64>,
    pub seed: Option<u64>,
    pub minutes: Option<u64>,
}

/// The chore: prepares everything and becomes the last torture.
pub fn run(workspace: &Workspace, wanted: &Wanted<'_>) -> Result<()> {
    let tortures = chosen(wanted.names)?;
    step("prepare the tools", || {
        tools::prepare(workspace, TORTURE_TOOLS)
    })?;
    step("prepare the plugins", || plugins::build(workspace))?;
    step("build the torture", || {
        let mut build = workspace.cargo();
        build.args(["build", "--workspace"]);
        for torture in &tortures {
            build.args(["--example", torture.example]);
        }
        run_program(&mut build)
    })?;
    let (last, others) = tortures.split_last().context("there is one at least")?;
    for torture in others {
        run_program(&mut torture.command(workspace, wanted))?;
    }
    // It takes this process over, so that Ctrl-C reaches only the one that has something
    // to stop.
    let error = last.command(workspace, wanted).exec();
    Err(error).context("cannot start the torture")
}

/// The tortures of these names, or all where none is named.
fn chosen(names: &[String]) -> Result<Vec<Torture>> {
    let known = TORTURES.map(|torture| torture.name);
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        bail!(
            "there is no torture `{name}`; choose from {}",
            known.join(", ")
        );
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let tortures = TORTURES.iter().filter(|torture| wanted(torture.name));
    Ok(tortures.copied().collect())
}

impl Torture {
    const fn of_numbers(name: &'static str, example: &'static str) -> Self {
        Self {
            name,
            example,
            takes_numbers: true,
        }
    }

    fn command(self, workspace: &Workspace, wanted: &Wanted<'_>) -> Command {
        let program = workspace.target.join("debug/examples").join(self.example);
        let mut command = Command::new(program);
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
            if let Some(number) = number.filter(|_| self.takes_numbers) {
                command.arg(flag).arg(number.to_string());
            }
        }
        command
    }
}
