//! Where the standard library for guests comes from: three ways, tried in this order.
//!
//! 1. It is installed beside the compiler.
//! 2. rustup adds it, unless `RUSTUP_AUTO_INSTALL=0` says that toolchains are not to be
//!    fetched.
//! 3. It is built from Debian packages in a private prefix (see [`super::debian`]).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{GUEST_TARGET, HOST_VARIABLES, debian};
use crate::cache::{Cache, write_if_changed};
use crate::program::{find as find_program, output, run, step};
use crate::workspace::Workspace;

/// The compiler that guests are built with.
pub struct GuestToolchain {
    /// The compiler to use, or `None` for the one that cargo finds by itself.
    pub rustc: Option<PathBuf>,
    /// Differs where the standard library differs although the compiler's version is the
    /// same; empty for a library that came with the compiler.
    pub identity: String,
}

impl GuestToolchain {
    /// The compiler that cargo finds by itself, with the library that belongs to it.
    fn installed() -> Self {
        Self {
            rustc: None,
            identity: String::new(),
        }
    }

    /// Leaves word in the cache folder of how guests are built here, for tests that build
    /// some of their own.
    pub fn tell(&self, cache: &Cache) -> Result<()> {
        let compiler = self.rustc.iter().map(|rustc| ("RUSTC", rustc));
        let word = serde_json::json!({
            "set": compiler.collect::<BTreeMap<_, _>>(),
            "unset": HOST_VARIABLES,
            "identity": self.identity,
        });
        let place = cache.root().join("guest-toolchain.json");
        write_if_changed(&place, format!("{word:#}\n").as_bytes()).map(|_| ())
    }
}

/// Finds or makes a compiler with the guests' standard library.
pub fn find(workspace: &Workspace) -> Result<GuestToolchain> {
    if is_installed()? {
        return Ok(GuestToolchain::installed());
    }
    if rustup_may_add() && added_by_rustup() {
        return Ok(GuestToolchain::installed());
    }
    debian::prepare(workspace).with_context(|| {
        format!(
            "the Rust target {GUEST_TARGET} is missing and could not be made from Debian \
             packages: run `rustup target add {GUEST_TARGET}`"
        )
    })
}

/// The installed compiler's root folder.
pub fn sysroot() -> Result<PathBuf> {
    let text = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(text.trim()))
}

/// The standard library in a folder of libraries.
pub fn std_library(libraries: &Path) -> Option<PathBuf> {
    let mut paths = fs::read_dir(libraries)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    paths.find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

fn is_installed() -> Result<bool> {
    let mut command = Command::new("rustc");
    let text = output(command.args(["--print", "target-libdir", "--target", GUEST_TARGET]))?;
    Ok(std_library(Path::new(text.trim())).is_some())
}

fn rustup_may_add() -> bool {
    let forbidden = std::env::var_os("RUSTUP_AUTO_INSTALL").is_some_and(|value| value == "0");
    !forbidden && find_program("rustup").is_some()
}

/// rustup failing is no error yet, since a third way is left.
fn added_by_rustup() -> bool {
    let mut command = Command::new("rustup");
    command.args(["target", "add", GUEST_TARGET]);
    step("add the guests' Rust target with rustup", || {
        run(&mut command)
    })
    .is_ok()
        && is_installed().unwrap_or(false)
}
