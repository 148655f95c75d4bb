//! A program of the system, or the same program out of a Debian package, unpacked into
//! the cache folder without root rights and without installing anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::remove_folder;
use crate::program::{capture, find};

/// Puts `program` into the folder `place`: a link to the one on the search path, else
/// the file out of `package`.
pub fn provide(program: &str, package: &str, place: &Path) -> Result<()> {
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    let link = place.join(program);
    // A link to a program that was uninstalled since would be in the way.
    let _absent = fs::remove_file(&link);
    let source = match find(program) {
        Some(installed) => installed,
        None => unpack(program, package, place)?,
    };
    std::os::unix::fs::symlink(&source, &link)
        .with_context(|| format!("cannot link {} to {}", link.display(), source.display()))
}

fn unpack(program: &str, package: &str, place: &Path) -> Result<PathBuf> {
    if find("apt-get").is_none() || find("dpkg-deb").is_none() {
        bail!("{program} is not on the search path: install it with the system's package manager");
    }
    let files = place.join("package");
    remove_folder(&files)?;
    fs::create_dir_all(&files).with_context(|| format!("cannot make {}", files.display()))?;
    let mut download = Command::new("apt-get");
    capture(download.current_dir(&files).args(["download", package]))
        .with_context(|| format!("cannot download the Debian package {package}"))?;
    for archive in archives(&files)? {
        capture(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&files))?;
    }
    Ok(files.join("usr/bin").join(program))
}

/// The package files that lie in `folder`.
fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "deb"));
    Ok(paths)
}
