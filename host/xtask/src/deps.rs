//! `cargo xtask check-deps`: the crates depend on each other one way only.
//!
//! What a crate may use stands in `rules`, a row a crate. Plugins never depend on the host.

mod rules;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::program::output;
use crate::workspace::{Workspace, cargo_program};

/// A crate of one of the two workspaces, as `cargo metadata` tells it.
#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
    /// Where a crate of ours lies.
    path: Option<String>,
}

impl Dependency {
    fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The chore: prints the shape of each crate, and fails with every broken rule.
pub fn run(workspace: &Workspace) -> Result<()> {
    let host = packages(&workspace.root)?;
    let mut broken = rules::host_violations(&host);
    let mut count = host.len();
    let plugins = workspace.plugins();
    if plugins.join("Cargo.toml").is_file() {
        let guests = packages(&plugins)?;
        count += guests.len();
        let host = workspace.root.join("host");
        broken.extend(rules::plugin_violations(&guests, &host));
    }
    if !broken.is_empty() {
        bail!(
            "the dependency rules are broken:\n  {}",
            broken.join("\n  ")
        );
    }
    println!("{count} crates keep the dependency rules");
    Ok(())
}

fn packages(folder: &Path) -> Result<Vec<Package>> {
    let mut command = Command::new(cargo_program());
    command
        .current_dir(folder)
        .args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Metadata = serde_json::from_str(&output(&mut command)?)
        .with_context(|| format!("cargo metadata of {} is not readable", folder.display()))?;
    Ok(metadata.packages)
}
