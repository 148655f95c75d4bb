//! `cargo xtask plugins`: builds the guest workspace and lays the components into
//! `plugins/dist`.
//!
//! The guests are every member of the `plugins` workspace that builds a `cdylib`. Each
//! one becomes `dist/NAME.wasm` under its package name; those below `plugins/fixtures`
//! go to `dist/fixtures`. A component that did not change keeps its time stamp, so that
//! the host crates that embed it are not rebuilt.

pub mod debian;
mod toolchain;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::cache::write_if_changed;
use crate::program::{output, run as run_program, step};
use crate::workspace::{Workspace, cargo_home, cargo_program};
use toolchain::GuestToolchain;

/// The target that guests are built for. Its output is a component already.
pub const GUEST_TARGET: &str = "wasm32-wasip2";

/// Variables that `cargo run` or the user set for the host's build and that would lead
/// the guests' build astray.
const HOST_VARIABLES: &[&str] = &[
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "CARGO_TARGET_DIR",
    "LD_LIBRARY_PATH",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
];

/// What stands between flags in `CARGO_ENCODED_RUSTFLAGS`, which unlike `RUSTFLAGS` takes
/// paths with spaces.
const ENCODED_SEPARATOR: &str = "\x1f";

/// One guest: what cargo builds and where it belongs.
#[derive(Debug, PartialEq, Eq)]
struct Guest {
    /// The file that cargo writes, such as `etcd_backup.wasm`.
    built: String,
    /// The place below `dist`, such as `etcd-backup.wasm` or `fixtures/spin.wasm`.
    dist: PathBuf,
}

/// The chore: builds all guests, prints what changed, and says how a guest elsewhere is built
/// on this machine.
pub fn run(workspace: &Workspace) -> Result<()> {
    for path in build(workspace)? {
        println!("{}", path.display());
    }
    if let Some(rustc) = toolchain::find(workspace)?.rustc {
        eprintln!(
            "a plugin of your own is built here by: RUSTC={} cargo build --release --target {GUEST_TARGET}",
            rustc.display()
        );
    }
    Ok(())
}

/// Builds all guests and returns the components that changed in `plugins/dist`.
pub fn build(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let plugins = workspace.plugins();
    if !plugins.join("Cargo.toml").is_file() {
        bail!(
            "{} holds no Cargo.toml: is this a whole checkout?",
            plugins.display()
        );
    }
    let toolchain = toolchain::find(workspace)?;
    toolchain.tell(&workspace.cache)?;
    let guests = guests_of(&plugins)?;
    let target = workspace.cache.folder(&target_name(&plugins, &toolchain))?;
    step("build the guest plugins", || {
        run_program(&mut cargo_build(&toolchain, &plugins, &target))
    })?;
    let built = target.join(GUEST_TARGET).join("release");
    publish(&guests, &built, &plugins.join("dist"))
}

/// cargo for guests: without anything that was meant for the host's build.
fn guest_cargo(toolchain: &GuestToolchain) -> Command {
    let mut command = Command::new(cargo_program());
    for name in HOST_VARIABLES {
        command.env_remove(name);
    }
    if let Some(rustc) = &toolchain.rustc {
        command.env("RUSTC", rustc);
    }
    command
}

/// Flags that give folders of this machine the same name everywhere, so that the paths in
/// panic messages neither tell where a component was built nor change its digest.
fn neutral_paths(folders: &[(&Path, &str)]) -> String {
    let flags = folders
        .iter()
        .map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()));
    flags.collect::<Vec<_>>().join(ENCODED_SEPARATOR)
}

fn cargo_build(toolchain: &GuestToolchain, plugins: &Path, target: &Path) -> Command {
    let mut command = guest_cargo(toolchain);
    let flags = neutral_paths(&[(plugins, "/plugins"), (&cargo_home(), "/cargo")]);
    command
        .current_dir(plugins)
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", target)
        .args([
            "build",
            "--release",
            "--workspace",
            "--target",
            GUEST_TARGET,
        ]);
    command
}

/// Guests are built outside the checkout, in a folder of this checkout's own: two
/// checkouts would overwrite each other's finished files. cargo knows a compiler by its
/// version alone, so that a standard library built anew needs a new folder as well: crates
/// that were built against the old one cannot be used with it.
fn target_name(plugins: &Path, toolchain: &GuestToolchain) -> String {
    let mut digest = Sha256::new();
    digest.update(plugins.as_os_str().as_encoded_bytes());
    digest.update([0]);
    digest.update(&toolchain.identity);
    format!("guests/{}", &hex::encode(digest.finalize())[..8])
}

fn guests_of(plugins: &Path) -> Result<Vec<Guest>> {
    let mut command = Command::new(cargo_program());
    command
        .current_dir(plugins)
        .args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = output(&mut command)?;
    let metadata: Metadata =
        serde_json::from_str(&text).context("cargo metadata of the plugins is not readable")?;
    Ok(select_guests(&metadata, plugins))
}

/// The members that build a `cdylib`, with their places.
fn select_guests(metadata: &Metadata, plugins: &Path) -> Vec<Guest> {
    let fixtures = plugins.join("fixtures");
    let guest = |package: &Package| {
        let library = package.targets.iter().find(|target| target.is_cdylib())?;
        let name = format!("{}.wasm", package.name);
        let dist = if package.manifest_path.starts_with(&fixtures) {
            Path::new("fixtures").join(name)
        } else {
            PathBuf::from(name)
        };
        let built = format!("{}.wasm", library.name.replace('-', "_"));
        Some(Guest { built, dist })
    };
    metadata.packages.iter().filter_map(guest).collect()
}

/// Copies what changed into `dist` and removes components that no guest builds any more.
fn publish(guests: &[Guest], built: &Path, dist: &Path) -> Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    for guest in guests {
        let source = built.join(&guest.built);
        let bytes =
            fs::read(&source).with_context(|| format!("the build left no {}", source.display()))?;
        let place = dist.join(&guest.dist);
        if write_if_changed(&place, &bytes)? {
            changed.push(place);
        }
    }
    let wanted: BTreeSet<PathBuf> = guests.iter().map(|guest| dist.join(&guest.dist)).collect();
    remove_stale(dist, &wanted)?;
    remove_stale(&dist.join("fixtures"), &wanted)?;
    Ok(changed)
}

fn remove_stale(folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        let component = path.extension().is_some_and(|end| end == "wasm");
        if component && !wanted.contains(&path) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The part of `cargo metadata` that matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Target {
    fn is_cdylib(&self) -> bool {
        self.crate_types.iter().any(|kind| kind == "cdylib")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, kind: &str) -> Package {
        Package {
            name: name.to_owned(),
            manifest_path: Path::new("/p").join(folder).join("Cargo.toml"),
            targets: vec![Target {
                name: name.replace('-', "_"),
                crate_types: vec![kind.to_owned()],
            }],
        }
    }

    #[test]
    fn guests_are_the_members_that_build_a_cdylib() {
        let metadata = Metadata {
            packages: vec![
                package("sdk", "sdk", "lib"),
                package("etcd-backup", "etcd-backup", "cdylib"),
                package("spin", "fixtures/spin", "cdylib"),
            ],
        };
        let places: Vec<(String, PathBuf)> = select_guests(&metadata, Path::new("/p"))
            .into_iter()
            .map(|guest| (guest.built, guest.dist))
            .collect();
        let expected = [
            (
                "etcd_backup.wasm".to_owned(),
                PathBuf::from("etcd-backup.wasm"),
            ),
            ("spin.wasm".to_owned(), PathBuf::from("fixtures/spin.wasm")),
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn publishing_copies_only_what_changed_and_removes_what_is_stale() {
        let folder = tempfile::tempdir().unwrap();
        let (built, dist) = (folder.path().join("built"), folder.path().join("dist"));
        fs::create_dir_all(&built).unwrap();
        fs::create_dir_all(&dist).unwrap();
        fs::write(built.join("a_b.wasm"), b"component").unwrap();
        fs::write(dist.join("gone.wasm"), b"old").unwrap();
        let guests = [Guest {
            built: "a_b.wasm".to_owned(),
            dist: PathBuf::from("a-b.wasm"),
        }];
        let changed = publish(&guests, &built, &dist).unwrap();
        assert_eq!(changed, [dist.join("a-b.wasm")]);
        assert!(!dist.join("gone.wasm").exists());
        assert!(publish(&guests, &built, &dist).unwrap().is_empty());
    }

    #[test]
    fn a_guest_that_was_not_built_is_named() {
        let guests = [Guest {
            built: "a.wasm".to_owned(),
            dist: PathBuf::from("a.wasm"),
        }];
        let error = publish(&guests, Path::new("/nowhere"), Path::new("/nowhere")).unwrap_err();
        assert_eq!(error.to_string(), "the build left no /nowhere/a.wasm");
    }
}
