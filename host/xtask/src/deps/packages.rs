//! The crates of a workspace, as cargo knows them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::program::output;
use crate::workspace::cargo_program;

/// A crate of one of the two workspaces, as `cargo metadata` tells it.
#[derive(Debug, Deserialize)]
pub struct Package {
    pub name: String,
    /// Its `Cargo.toml`.
    pub manifest_path: PathBuf,
    pub dependencies: Vec<Dependency>,
    pub targets: Vec<Target>,
}

/// What a crate uses.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    pub name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    pub kind: Option<String>,
    /// Where a crate of ours lies.
    pub path: Option<String>,
}

/// A library or a program of a crate, an example, a test.
#[derive(Debug, Deserialize)]
pub struct Target {
    pub kind: Vec<String>,
    pub src_path: PathBuf,
}

impl Package {
    /// Where it lies.
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

impl Dependency {
    pub fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The crates of the workspace in a folder.
pub fn of(folder: &Path) -> Result<Vec<Package>> {
    let mut command = Command::new(cargo_program());
    command
        .current_dir(folder)
        .args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Metadata = serde_json::from_str(&output(&mut command)?)
        .with_context(|| format!("cargo metadata of {} is not readable", folder.display()))?;
    Ok(metadata.packages)
}
