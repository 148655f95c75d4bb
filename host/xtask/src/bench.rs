//! `cargo xtask bench`: Drydock beside the tools that people use today.
//!
//! This part only prepares: tools, plugins, and the programs that are also installed and
//! tested. The measuring is the program `drydock-bench`, since it talks to etcd, and for
//! `engine` and `sandbox` the benches of those crates, which nobody beside them could write.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::program::{run as run_program, step};
use crate::workspace::Workspace;
use crate::{programs, tools};

/// The peers, and what the build needs.
const BENCH_TOOLS: &[&str] = &["protoc", "etcd-3.6.16", "etcd-3.7.3", "age", "zstd"];

/// What only `stores` needs beside them.
const STORES_TOOLS: &[&str] = &["versitygw", "azurite", "restic-0.18.0", "awscli-1.46.3"];

/// The comparison that needs them, and the program that moves bytes natively.
const STORES: &str = "stores";

/// What is a bench of the crate of that name. They have no data sets and no peers.
const OF_CRATES: [&str; 2] = ["engine", "sandbox"];

/// What is measured and how often; the program knows the defaults.
pub struct Wanted<'a> {
    pub names: &'a [String],
    pub mebibytes: Option<u64>,
    pub runs: Option<usize>,
    pub members: Option<usize>,
    pub json: Option<&'a Path>,
}

/// The chore: prepares everything and becomes the scenario.
pub fn run(workspace: &Workspace, wanted: &Wanted<'_>) -> Result<()> {
    let folder = programs::prepare(workspace, BENCH_TOOLS)?;
    let is_all = wanted.names.is_empty();
    if is_all || wanted.names.iter().any(|name| name == STORES) {
        step("prepare the tools of the stores", || {
            tools::prepare(workspace, STORES_TOOLS)
        })?;
        step("build the native peer", || {
            run_program(&mut native(workspace))
        })?;
    }
    for bench in OF_CRATES {
        if is_all || wanted.names.iter().any(|name| name == bench) {
            step(&format!("measure the {bench}"), || {
                of_crate(workspace, bench, wanted)
            })?;
        }
    }
    if is_all || scenarios(wanted).next().is_some() {
        // The scenario takes this process over, so that Ctrl-C reaches only the one that has
        // something to stop.
        let error = scenario(workspace, &folder, wanted)?.exec();
        return Err(error).context("cannot start drydock-bench");
    }
    Ok(())
}

/// A workspace of its own beside the bench: with another feature of a crate that Drydock uses
/// too, everything would be built anew.
fn native(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo();
    cargo
        .current_dir(workspace.root.join("host/bench/native"))
        .env("CARGO_TARGET_DIR", native_target(workspace))
        .args(["build", "--locked"]);
    cargo
}

fn native_target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("bench-native")
}

/// What the program `drydock-bench` measures.
fn scenarios<'a>(wanted: &'a Wanted<'_>) -> impl Iterator<Item = &'a String> {
    let names = wanted.names.iter();
    names.filter(|name| !OF_CRATES.contains(&name.as_str()))
}

/// One crate by itself. Its figures go to a file beside the others'.
fn of_crate(workspace: &Workspace, name: &str, wanted: &Wanted<'_>) -> Result<()> {
    let mut bench = workspace.cargo();
    bench.args([
        "bench",
        "--profile",
        "dev",
        "--workspace",
        "--bench",
        name,
        "--",
    ]);
    if let Some(runs) = wanted.runs {
        bench.arg("--runs").arg(runs.to_string());
    }
    if let Some(json) = wanted.json {
        // cargo runs it in the crate's folder.
        let json = std::path::absolute(json).context("there is no current folder")?;
        bench
            .arg("--json")
            .arg(json.with_extension(format!("{name}.json")));
    }
    run_program(&mut bench)
}

fn scenario(workspace: &Workspace, programs: &Path, wanted: &Wanted<'_>) -> Result<Command> {
    let mut command = Command::new(programs.join("drydock-bench"));
    command
        .env("DRYDOCK_CACHE", workspace.cache.root())
        .arg("--drydock")
        .arg(programs.join("drydock"))
        .arg("--native")
        .arg(native_target(workspace).join("debug/drydock-bench-native"))
        .arg("--data")
        .arg(workspace.cache.folder("bench")?);
    let numbers = [
        ("--mebibytes", wanted.mebibytes),
        ("--runs", wanted.runs.map(|runs| runs as u64)),
        ("--members", wanted.members.map(|members| members as u64)),
    ];
    for (flag, number) in numbers {
        if let Some(number) = number {
            command.arg(flag).arg(number.to_string());
        }
    }
    if let Some(json) = wanted.json {
        command.arg("--json").arg(json);
    }
    command.args(scenarios(wanted));
    Ok(command)
}
