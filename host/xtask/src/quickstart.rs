//! `cargo xtask quickstart`: from a fresh checkout to a restored etcd.
//!
//! This part only prepares: tools, plugins and programs. The scenario itself is
//! the program `drydock-quickstart`, since it talks to etcd.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::programs;
use crate::workspace::Workspace;

/// The tools that the scenario runs.
const QUICKSTART_TOOLS: &[&str] = &["protoc", "etcd-3.6.16"];

/// What keeps the recovery points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    Folder,
    S3,
}

/// How the scenario is told.
pub struct Wanted<'a> {
    pub target: Target,
    pub keep: bool,
    pub scratch: Option<&'a Path>,
}

impl Target {
    /// The word as it stands on the command line, and the tool that it needs.
    fn told(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Folder => ("folder", &[]),
            Self::S3 => ("s3", &["versitygw"]),
        }
    }
}

/// The chore: prepares everything and becomes the scenario.
pub fn run(workspace: &Workspace, wanted: &Wanted<'_>) -> Result<()> {
    let (_, own) = wanted.target.told();
    let programs = programs::prepare(workspace, &[QUICKSTART_TOOLS, own].concat())?;
    // The scenario takes this process over, so that Ctrl-C reaches only the one that has
    // something to stop.
    let error = scenario(workspace, &programs, wanted).exec();
    Err(error).context("cannot start drydock-quickstart")
}

fn scenario(workspace: &Workspace, programs: &Path, wanted: &Wanted<'_>) -> Command {
    let mut command = Command::new(programs.join("drydock-quickstart"));
    command
        .env("DRYDOCK_CACHE", workspace.cache.root())
        .arg("--drydock")
        .arg(programs.join("drydock"))
        .arg("--checkout")
        .arg(&workspace.root)
        .args(["--target", wanted.target.told().0]);
    if let Some(scratch) = wanted.scratch {
        command.arg("--scratch").arg(scratch);
    }
    if wanted.keep {
        command.arg("--keep");
    }
    command
}
