//! The machine that the figures are of, and the versions of all programs.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use drydock_testkit::program::run;
use drydock_testkit::tools;
use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    /// Whether the processor has instructions for SHA-256.
    pub sha_instructions: bool,
    pub memory_bytes: u64,
    pub kernel: String,
    /// Processes that wanted a core in the minute before.
    pub load: f64,
    pub versions: Vec<(String, String)>,
}

pub fn look(drydock: &Path) -> Result<Machine> {
    let processor = read("/proc/cpuinfo");
    let named = |name: &str| value_of(&processor, name);
    let flags = named("flags");
    Ok(Machine {
        cores: cores(),
        processor: named("model name"),
        sha_instructions: flags.split(' ').any(|flag| flag == "sha_ni"),
        memory_bytes: kibibytes(&read("/proc/meminfo"), "MemTotal") * 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load: first_number(&read("/proc/loadavg")),
        versions: vec![
            ("drydock".to_owned(), version(drydock, "--version")?),
            ("etcd".to_owned(), tools::ETCD_VERSION.to_owned()),
            ("zstd".to_owned(), version(&tools::zstd()?, "--version")?),
            ("age".to_owned(), version(&tools::age()?, "--version")?),
        ],
    })
}

/// A figure of proc(5) that is told in kB, such as `VmHWM` of a process; 0 without one.
pub fn kibibytes(text: &str, name: &str) -> u64 {
    let value = value_of(text, name);
    value.trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Of the affinity and the control group of this process.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The part after the colon of the first line that begins with `name`.
fn value_of(text: &str, name: &str) -> String {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(left, _)| left.trim() == name);
    found
        .next()
        .map_or_else(String::new, |(_, right)| right.trim().to_owned())
}

fn version(program: &Path, flag: &str) -> Result<String> {
    let printed = run(Command::new(program).arg(flag))?;
    let line = printed.stdout.lines().next().unwrap_or_default();
    Ok(line.trim_matches([' ', '*']).to_owned())
}

fn first_number(text: &str) -> f64 {
    let word = text.split(' ').next().unwrap_or_default();
    word.parse().unwrap_or(0.0)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
