//! A program of the system, or the same program out of a Debian package, unpacked into
//! the cache folder without root rights and without installing anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{make_executable, remove_folder, write_if_changed};
use crate::program::{capture, find};

/// Where Debian's packages have programs, and shared libraries that programs look for.
const PROGRAMS: &str = "usr/bin";
const LIBRARIES: [&str; 2] = ["usr/lib", "lib"];

/// Puts `program` into the folder `place`: a link to the one on the search path, else
/// the file out of the first of `packages`, which finds libraries of the others.
pub fn provide(program: &str, packages: &[&str], place: &Path) -> Result<()> {
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    let link = place.join(program);
    // A link to a program that was uninstalled since would be in the way.
    let _absent = fs::remove_file(&link);
    if let Some(installed) = find(program) {
        return make_link(&installed, &link);
    }
    let files = unpack(program, packages, place)?;
    let unpacked = files.join(PROGRAMS).join(program);
    let libraries = library_folders(&files)?;
    if libraries.is_empty() {
        return make_link(&unpacked, &link);
    }
    // The script comes last: its being there says that the tool is whole.
    let scratch = place.join(".program");
    write_if_changed(&scratch, script(&unpacked, &libraries).as_bytes())?;
    make_executable(&scratch)?;
    fs::rename(&scratch, &link).with_context(|| format!("cannot make {}", link.display()))
}

fn make_link(program: &Path, link: &Path) -> Result<()> {
    std::os::unix::fs::symlink(program, link)
        .with_context(|| format!("cannot link {} to {}", link.display(), program.display()))
}

/// The folder that the packages were unpacked into.
fn unpack(program: &str, packages: &[&str], place: &Path) -> Result<PathBuf> {
    if find("apt-get").is_none() || find("dpkg-deb").is_none() {
        bail!("{program} is not on the search path: install it with the system's package manager");
    }
    let files = place.join("package");
    remove_folder(&files)?;
    fs::create_dir_all(&files).with_context(|| format!("cannot make {}", files.display()))?;
    let mut download = Command::new("apt-get");
    capture(download.current_dir(&files).arg("download").args(packages)).with_context(|| {
        format!(
            "cannot download the Debian packages {}",
            packages.join(", ")
        )
    })?;
    for archive in archives(&files)? {
        capture(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&files))?;
    }
    Ok(files)
}

/// The folders of shared libraries that were unpacked below `files`.
fn library_folders(files: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for parent in LIBRARIES.map(|parent| files.join(parent)) {
        if parent.is_dir() {
            folders.extend(entries(&parent)?);
        }
    }
    folders.retain(|folder| folder.to_string_lossy().ends_with("-linux-gnu"));
    Ok(folders)
}

fn script(program: &Path, libraries: &[PathBuf]) -> String {
    let libraries: Vec<_> = libraries
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n",
        libraries.join(":"),
        program.display()
    )
}

/// The package files that lie in `folder`.
fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = entries(folder)?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "deb"));
    Ok(paths)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    Ok(paths.collect::<std::io::Result<_>>()?)
}
