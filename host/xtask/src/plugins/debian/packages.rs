//! Debian packages: which ones are needed, fetched and unpacked without root rights.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::program::{capture, output};

/// The package with the source of compiler and library.
pub const SOURCE: &str = "rust-web-src";

/// Packages that others name but that a machine building Rust has already.
const ASSUMED: &[&str] = &["binutils", "gcc", "libc-dev", "libc6", "libgcc-s1"];

/// More packages than a compiler or an interpreter can need; a loop in what we read would
/// exceed it.
const PACKAGES_MAX: usize = 40;

/// The machine's package sources, with lists of our own where the system has none.
pub struct Repository {
    options: Vec<String>,
}

impl Repository {
    /// Uses the system's package lists if they know `package`, else fetches lists into the
    /// folder `private`.
    pub fn open(private: &Path, package: &str) -> Result<Self> {
        let system = Self {
            options: Vec::new(),
        };
        if system.version_of(package).is_ok() {
            return Ok(system);
        }
        let own = Self::private(private)?;
        capture(own.command("apt-get").arg("update"))
            .context("cannot fetch Debian's package lists")?;
        Ok(own)
    }

    fn private(folder: &Path) -> Result<Self> {
        let lists = folder.join("lists");
        let archives = folder.join("cache/archives");
        for part in [lists.join("partial"), archives.join("partial")] {
            fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        let options = vec![
            format!("-oDir::State::Lists={}", lists.display()),
            format!("-oDir::Cache={}", folder.join("cache").display()),
        ];
        Ok(Self { options })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options);
        command
    }

    /// The version of a package that would be downloaded.
    pub fn version_of(&self, package: &str) -> Result<String> {
        let mut command = self.command("apt-cache");
        let text = output(command.args(["show", "--no-all-versions", package]))
            .with_context(|| format!("the package sources know no package {package}"))?;
        let version = text.lines().find_map(|line| line.strip_prefix("Version: "));
        version
            .map(str::to_owned)
            .with_context(|| format!("the package sources name no version of {package}"))
    }

    /// Downloads the wanted packages and what they depend on into `archives`, and unpacks
    /// them all below `root`. Dependencies that are installed are left out.
    pub fn unpack(&self, wanted: &[&str], archives: &Path, root: &Path) -> Result<()> {
        let mut open: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let mut seen: BTreeSet<String> = open.iter().cloned().collect();
        while let Some(package) = open.pop() {
            if seen.len() > PACKAGES_MAX {
                bail!(
                    "{} depends on more than {PACKAGES_MAX} packages",
                    wanted.join(", ")
                );
            }
            let archive = self.download(&package, &archives.join(&package))?;
            unpack(&package, &archive, root)?;
            for needed in missing_dependencies(&archive)? {
                if seen.insert(needed.clone()) {
                    open.push(needed);
                }
            }
        }
        Ok(())
    }

    /// Downloads one package into a folder of its own and returns the file.
    fn download(&self, package: &str, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut command = self.command("apt-get");
        capture(command.current_dir(folder).args(["download", package]))
            .with_context(|| format!("cannot download the Debian package {package}"))?;
        let mut entries =
            fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let archive = entries.find_map(|entry| entry.ok().map(|entry| entry.path()));
        archive.with_context(|| format!("apt-get left no file in {}", folder.display()))
    }
}

/// Unpacks a package below `root`. Of the compiler's source only the library is wanted: a
/// fifth of half a gigabyte.
fn unpack(package: &str, archive: &Path, root: &Path) -> Result<()> {
    let mut unpack = Command::new("dpkg-deb");
    if package != SOURCE {
        capture(unpack.arg("-x").arg(archive).arg(root))?;
        return Ok(());
    }
    let mut files = unpack
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start dpkg-deb")?;
    let pipe = files.stdout.take().expect("it was asked for");
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--directory").arg(root);
    tar.args(["--wildcards", "./usr/lib/*", "./usr/src/*/library/*"]);
    let unpacked = tar.stdin(pipe).output().context("cannot start tar")?;
    let sent = files.wait().context("cannot wait for dpkg-deb")?;
    if !unpacked.status.success() || !sent.success() {
        let reason = String::from_utf8_lossy(&unpacked.stderr).into_owned();
        bail!("cannot unpack {}: {reason}", archive.display());
    }
    Ok(())
}

fn missing_dependencies(archive: &Path) -> Result<Vec<String>> {
    let mut command = Command::new("dpkg-deb");
    let field = output(command.arg("-f").arg(archive).arg("Depends"))?;
    let mut missing = dependency_names(&field);
    missing.retain(|name| !ASSUMED.contains(&name.as_str()) && !is_installed(name));
    Ok(missing)
}

fn is_installed(package: &str) -> bool {
    let mut command = Command::new("dpkg-query");
    command.args(["--show", "--showformat=${db:Status-Status}", package]);
    output(&mut command).is_ok_and(|status| status == "installed")
}

/// The package names of a `Depends` field; of alternatives, the first. The form is
/// described in Debian's policy manual, chapter 7.
fn dependency_names(field: &str) -> Vec<String> {
    let names = field.split(',').filter_map(|entry| {
        let name = entry.split(['|', '(', ':']).next()?.trim();
        (!name.is_empty()).then(|| name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_depends_field_gives_the_first_of_each_alternative() {
        let field = "libc6 (>= 2.34), libllvm22, gcc | clang, python3:any (>= 3)\n";
        assert_eq!(
            dependency_names(field),
            ["libc6", "libllvm22", "gcc", "python3"]
        );
        assert!(dependency_names("\n").is_empty());
    }
}
