//! How guests are built on this machine: what `cargo xtask plugins` found out when it last
//! built some.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::tools::cache_folder;

/// The file in the cache folder that xtask writes.
const FILE: &str = "guest-toolchain.json";

/// What a build of guests needs in its environment.
#[derive(Debug, Clone, Deserialize)]
pub struct GuestToolchain {
    /// Variables to set, such as `RUSTC`.
    set: BTreeMap<String, String>,
    /// Variables to leave out: they are meant for the host's build.
    unset: Vec<String>,
    /// Differs between standard libraries that cargo takes for the same.
    identity: String,
}

impl GuestToolchain {
    /// Reads what xtask found out.
    ///
    /// # Errors
    /// When it has built no guests yet; the message names the command that helps.
    pub fn find() -> Result<Self> {
        let path = cache_folder()?.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "{} cannot be read: run `cargo xtask plugins` once",
                path.display()
            )
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Gives a command, and what it starts, the environment to build guests in.
    pub fn apply(&self, command: &mut Command) {
        for name in &self.unset {
            command.env_remove(name);
        }
        command.envs(&self.set);
    }

    /// A target folder in the cache for guests called `name`, apart from everybody else's.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn target_folder(&self, name: &str) -> Result<PathBuf> {
        let key = self.identity.get(..8).unwrap_or("installed");
        let folder = cache_folder()?.join("guests").join(format!("{name}-{key}"));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }
}
