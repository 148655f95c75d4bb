//! Tools that are built from Go modules.
//!
//! `go install MODULE@VERSION` refuses modules with `replace` lines and pins nothing
//! below the first level, so each tool has a tiny committed module (`go.mod`, `go.sum`)
//! that pins all of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::cache::remove_folder;
use crate::program::{capture, find, output};
use crate::workspace::Workspace;

/// Builds `programs` (name and package) from the module `host/xtask/tools/<tool>` into
/// the folder `place`. They are built aside and renamed into it. `link` are more flags of
/// the linker.
pub fn build(
    workspace: &Workspace,
    tool: &str,
    programs: &[(&str, &str)],
    link: &str,
    place: &Path,
) -> Result<()> {
    if find("go").is_none() {
        bail!(
            "{tool} is built with Go, which is not on the search path: install Go 1.26 or newer \
             (https://go.dev/dl), or put the finished programs into {}",
            place.display()
        );
    }
    let module = workspace.root.join("host/xtask/tools").join(tool);
    let scratch = place.with_file_name(format!(".{tool}"));
    remove_folder(&scratch)?;
    fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    for (program, package) in programs {
        capture(&mut go_build(
            &module,
            &scratch.join(program),
            package,
            link,
        ))
        .with_context(|| format!("cannot build {program} from {}", module.display()))?;
    }
    move_all(programs, &scratch, place)
}

/// The flags of the environment are replaced, not extended: `-mod=mod` there would
/// rewrite the committed module, and a `go.work` above would change its versions.
fn go_build(module: &Path, program: &Path, package: &str, link: &str) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .env("GOWORK", "off")
        .env_remove("GOOS")
        .env_remove("GOARCH")
        .args(["build", "-trimpath", "-ldflags"])
        .arg(format!("-s -w {link}"))
        .arg("-o")
        .arg(program)
        .arg(package);
    command
}

/// Copies files of one folder of a module into the folder `place`. The module's version is
/// the one that the committed module of the tool `of` names.
pub fn copy_files(
    workspace: &Workspace,
    of: &str,
    (module, folder, ends): (&str, &str, &[&str]),
    place: &Path,
) -> Result<()> {
    let mut command = Command::new("go");
    command
        .current_dir(workspace.root.join("host/xtask/tools").join(of))
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .args(["mod", "download", "-json", module]);
    let answer: Downloaded = serde_json::from_str(&output(&mut command)?)
        .with_context(|| format!("go does not say where {module} is"))?;
    let scratch = tempfile::tempdir_in(place.parent().unwrap_or(place))?;
    let from = answer.dir.join(folder);
    let entries = fs::read_dir(&from).with_context(|| format!("cannot list {}", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if ends.iter().any(|end| name.ends_with(end)) {
            // Written, not copied: files of the module cache are read-only.
            fs::write(scratch.path().join(&*name), fs::read(&path)?)?;
        }
    }
    fs::rename(scratch.path(), place)
        .with_context(|| format!("cannot move the files of {module} to {}", place.display()))?;
    Ok(())
}

/// What `go mod download -json` tells of a module.
#[derive(Deserialize)]
struct Downloaded {
    #[serde(rename = "Dir")]
    dir: PathBuf,
}

fn move_all(programs: &[(&str, &str)], scratch: &Path, place: &Path) -> Result<()> {
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    for (program, _) in programs {
        fs::rename(scratch.join(program), place.join(program))
            .with_context(|| format!("cannot move {program} into {}", place.display()))?;
    }
    remove_folder(scratch)
}
