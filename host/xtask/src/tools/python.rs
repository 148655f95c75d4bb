//! Tools that are Python packages, and a Python to run them with.
//!
//! pip installs exactly what a committed `requirements.txt` names, each file under its
//! SHA-256, into a folder of the tool's own: nothing of the system's Python is changed,
//! and nothing of its packages is seen. The program is a small script that starts the
//! tool's module.
//!
//! The Python is the one on the search path, if it is new enough and has pip. Else it is
//! unpacked from Debian packages into the cache folder, without root rights.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{make_executable, remove_folder, write_if_changed};
use crate::plugins::debian::packages::Repository;
use crate::program::{capture, find, output};
use crate::workspace::Workspace;

/// The oldest Python that the tools run on.
const MINOR_MIN: u32 = 10;

/// What a Python with pip consists of; what these depend on follows by itself. The
/// program itself is in the second, which the first only pre-depends on.
const PACKAGES: &[&str] = &["python3", "python3-minimal", "python3-pip-whl"];

/// A Python that can be started.
struct Python {
    program: PathBuf,
    /// Folders of shared libraries that are not where the system looks for them.
    libraries: Vec<PathBuf>,
    /// What starts pip: a module's name, or a wheel, which can be run as it is.
    pip: Vec<String>,
}

/// What a tool's program starts: a function of a module, under the program's name.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub program: &'static str,
    pub module: &'static str,
    pub function: &'static str,
}

/// Installs the requirements of `tool` below `place` and writes the program.
pub fn install(workspace: &Workspace, tool: &str, start: Start, place: &Path) -> Result<()> {
    let requirements = workspace
        .root
        .join("host/xtask/tools")
        .join(tool)
        .join("requirements.txt");
    let python = Python::provide(workspace)?;
    remove_folder(place)?;
    let packages = place.join("packages");
    let mut install = python.command();
    install
        .args(&python.pip)
        .args(["install", "--no-deps", "--require-hashes", "--only-binary"])
        .args([":all:", "--no-compile", "--disable-pip-version-check"])
        .arg("--target")
        .arg(&packages)
        .arg("--requirement")
        .arg(&requirements);
    capture(&mut install).with_context(|| format!("pip cannot install {tool}"))?;
    // The program comes last: its being there says that the tool is whole.
    let script = python.script(start, &packages);
    let program = place.join(start.program);
    let scratch = place.join(".program");
    write_if_changed(&scratch, script.as_bytes())?;
    make_executable(&scratch)?;
    fs::rename(&scratch, &program).with_context(|| format!("cannot make {}", program.display()))
}

impl Python {
    fn provide(workspace: &Workspace) -> Result<Self> {
        match Self::installed() {
            Some(python) => Ok(python),
            None => Self::unpacked(workspace).with_context(|| {
                format!(
                    "there is no Python 3.{MINOR_MIN} or newer with pip on the search path, and \
                     none could be unpacked from Debian packages: install python3 and \
                     python3-pip with the system's package manager"
                )
            }),
        }
    }

    /// The one on the search path. What is found there may be a script that chooses a
    /// Python by the current folder, so it is asked where it really is.
    fn installed() -> Option<Self> {
        let ask = "import sys; print(sys.version_info.minor, sys.executable)";
        let told = output(Command::new("python3").args(["-c", ask])).ok()?;
        let (minor, path) = told.trim().split_once(' ')?;
        let python = Self {
            program: PathBuf::from(path),
            libraries: Vec::new(),
            pip: vec!["-m".to_owned(), "pip".to_owned()],
        };
        let new_enough = minor.parse::<u32>().ok()? >= MINOR_MIN;
        let has_pip = || output(python.command().args(["-m", "pip", "--version"])).is_ok();
        (new_enough && has_pip()).then_some(python)
    }

    /// Unpacks one, unless an earlier run did.
    fn unpacked(workspace: &Workspace) -> Result<Self> {
        if find("apt-get").is_none() || find("dpkg-deb").is_none() {
            bail!("this machine has no apt-get and dpkg-deb");
        }
        let _lock = workspace.cache.lock("python")?;
        let folder = workspace.cache.folder("tools")?.join("python");
        let root = folder.join("root");
        if let Ok(python) = Self::below(&root) {
            return Ok(python);
        }
        remove_folder(&folder)?;
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        let repository = Repository::open(&folder.join(".apt"), PACKAGES[0])?;
        repository.unpack(PACKAGES, &folder.join("packages"), &root)?;
        remove_folder(&folder.join("packages"))?;
        Self::below(&root)
    }

    /// The Python that was unpacked below `root`, if it starts.
    fn below(root: &Path) -> Result<Self> {
        let wheels = entries(&root.join("usr/share/python-wheels"))?;
        let pip = wheels
            .iter()
            .find(|path| name_of(path).starts_with("pip-"))
            .context("there is no wheel of pip")?;
        let mut libraries = Vec::new();
        for parent in ["lib", "usr/lib"] {
            let folders = entries(&root.join(parent)).unwrap_or_default();
            libraries.extend(
                folders
                    .into_iter()
                    .filter(|path| name_of(path).ends_with("-linux-gnu")),
            );
        }
        let python = Self {
            program: root.join("usr/bin/python3"),
            libraries,
            pip: vec![pip.join("pip").display().to_string()],
        };
        output(python.command().args(&python.pip).arg("--version"))?;
        Ok(python)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Whatever environment this runs in: packages of its own must not be seen.
        for name in ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"] {
            command.env_remove(name);
        }
        if !self.libraries.is_empty() {
            command.env("LD_LIBRARY_PATH", self.library_path());
        }
        command
    }

    fn library_path(&self) -> String {
        let folders = self.libraries.iter();
        let folders: Vec<_> = folders.map(|path| path.display().to_string()).collect();
        folders.join(":")
    }

    /// A script that starts the tool with its own packages only.
    fn script(&self, start: Start, packages: &Path) -> String {
        let libraries = if self.libraries.is_empty() {
            String::new()
        } else {
            format!(
                "LD_LIBRARY_PATH='{}'\nexport LD_LIBRARY_PATH\n",
                self.library_path()
            )
        };
        let Start {
            program,
            module,
            function,
        } = start;
        // The virtual environment that is named has no packages: a component must not
        // depend on what else is installed on the machine that makes it.
        format!(
            "#!/bin/sh\n\
             {libraries}\
             PYTHONPATH='{packages}' VIRTUAL_ENV='{packages}' PYTHONNOUSERSITE=1\n\
             export PYTHONPATH VIRTUAL_ENV PYTHONNOUSERSITE\n\
             exec '{python}' -c 'import sys; sys.argv[0] = \"{program}\"; \
             from {module} import {function}; sys.exit({function}())' \"$@\"\n",
            packages = packages.display(),
            python = self.program.display(),
        )
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    Ok(paths.collect::<std::io::Result<_>>()?)
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_starts_the_module_with_its_own_packages_only() {
        let python = Python {
            program: PathBuf::from("/p/python3"),
            libraries: vec![PathBuf::from("/p/a"), PathBuf::from("/p/b")],
            pip: Vec::new(),
        };
        let start = Start {
            program: "some-tool",
            module: "some_tool.line",
            function: "begin",
        };
        let script = python.script(start, Path::new("/t/packages"));
        let expected = "#!/bin/sh\n\
            LD_LIBRARY_PATH='/p/a:/p/b'\n\
            export LD_LIBRARY_PATH\n\
            PYTHONPATH='/t/packages' VIRTUAL_ENV='/t/packages' PYTHONNOUSERSITE=1\n\
            export PYTHONPATH VIRTUAL_ENV PYTHONNOUSERSITE\n\
            exec '/p/python3' -c 'import sys; sys.argv[0] = \"some-tool\"; \
            from some_tool.line import begin; sys.exit(begin())' \"$@\"\n";
        assert_eq!(script, expected);
    }
}
