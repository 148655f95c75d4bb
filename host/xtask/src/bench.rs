//! `cargo xtask bench`: Drydock beside the tools that people use today.
//!
//! This part only prepares: tools, plugins, and the programs that are also installed and
//! tested. The measuring is the program `drydock-bench`, since it talks to etcd, and for
//! `engine` and `sandbox` the benches of those crates, which nobody beside them could write.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::program::{run as run_program, step};
use crate::programs;
use crate::workspace::Workspace;

/// The peers, and what the build needs.
const BENCH_TOOLS: &[&str] = &["protoc", "etcd-3.6.16", "etcd-3.7.3", "age", "zstd"];

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
