//! Tools that are built from Go modules.
//!
//! `go install MODULE@VERSION` refuses modules with `replace` lines and pins nothing
//! below the first level, so each tool has a tiny committed module (`go.mod`, `go.sum`)
//! that pins all of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::remove_folder;
use crate::program::{capture, find};
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

fn move_all(programs: &[(&str, &str)], scratch: &Path, place: &Path) -> Result<()> {
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    for (program, _) in programs {
        fs::rename(scratch.join(program), place.join(program))
            .with_context(|| format!("cannot move {program} into {}", place.display()))?;
    }
    remove_folder(scratch)
}
