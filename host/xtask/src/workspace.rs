//! Where things are: the checkout, the folder cargo builds into, and the cache folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Cache;

/// The folders that every chore works with.
pub struct Workspace {
    /// The root of the checkout.
    pub root: PathBuf,
    /// The folder that cargo builds the host workspace into. It is the one that this
    /// program was built into, so that nothing is ever built twice.
    pub target: PathBuf,
    /// The cache of tools and toolchains, outside the checkout.
    pub cache: Cache,
}

impl Workspace {
    /// Finds the checkout that `cargo xtask` was called in.
    pub fn find() -> Result<Self> {
        let root = checkout()?;
        let target = target_folder()?;
        let cache = Cache::find()?;
        Ok(Self {
            root,
            target,
            cache,
        })
    }

    /// The workspace of the guest plugins.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// `cargo` for the host workspace.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(cargo_program());
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("DRYDOCK_CACHE", self.cache.root());
        for name in said_of_this_crate() {
            command.env_remove(name);
        }
        command
    }
}

/// What `cargo run` says of the crate xtask in the environment. Build scripts that ask for
/// such variables, ring's among them, would be run anew, with all that depends on them, each
/// time a build by `cargo xtask` follows one by `cargo` itself.
fn said_of_this_crate() -> impl Iterator<Item = OsString> {
    let of_crate = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    std::env::vars_os().map(|(name, _)| name).filter(of_crate)
}

/// The checkout, from what `cargo run` says, else from the current folder. It is not taken
/// from where this program was built: checkouts that share a target folder share the
/// program as well, whichever of them built it.
fn checkout() -> Result<PathBuf> {
    if let Some(manifest) = std::env::var_os("CARGO_MANIFEST_DIR") {
        let root = Path::new(&manifest).ancestors().nth(2);
        return root
            .map(Path::to_path_buf)
            .context("the xtask crate is expected at host/xtask of the checkout");
    }
    let here = std::env::current_dir().context("cannot tell the current folder")?;
    let root = here
        .ancestors()
        .find(|folder| folder.join("host/xtask/Cargo.toml").is_file());
    root.map(Path::to_path_buf)
        .with_context(|| format!("{} lies in no checkout of Drydock", here.display()))
}

/// The cargo that runs this program, else the one on the search path.
pub fn cargo_program() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Where cargo keeps the sources of crates from outside.
pub fn cargo_home() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// cargo puts its programs at `TARGET/PROFILE/NAME`; two folders up is the target folder.
fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    let target = program.ancestors().nth(2);
    target
        .map(Path::to_path_buf)
        .with_context(|| format!("{} lies in no target folder of cargo", program.display()))
}
