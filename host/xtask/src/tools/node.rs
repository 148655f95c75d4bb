//! Tools that are packages of npm, run by the Node on the search path.
//!
//! npm installs exactly what a committed `package-lock.json` names, each file under its
//! SHA-512, into a folder of the tool's own. No script of a package runs meanwhile. The
//! program is a small script that starts the tool's own one.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::{make_executable, remove_folder, write_if_changed};
use crate::program::{capture, find};
use crate::workspace::Workspace;

/// What npm is told to install.
const PACKAGE: [&str; 2] = ["package.json", "package-lock.json"];

/// Installs the packages of `tool` below `place` and writes the program, which starts
/// `script`.
pub fn install(
    workspace: &Workspace,
    tool: &str,
    (program, script): (&str, &str),
    place: &Path,
) -> Result<()> {
    let node = find("node").zip(find("npm"));
    let (node, npm) = node.with_context(|| {
        format!("{tool} needs node and npm on the search path: install Node.js 20 or newer")
    })?;
    remove_folder(place)?;
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    let committed = workspace.root.join("host/xtask/tools").join(tool);
    for file in PACKAGE {
        fs::copy(committed.join(file), place.join(file))
            .with_context(|| format!("cannot copy {file} of {tool}"))?;
    }
    let mut install = Command::new(npm);
    install
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(place);
    capture(&mut install).with_context(|| format!("npm cannot install {tool}"))?;
    // The program comes last: its being there says that the tool is whole.
    let script = place.join("node_modules").join(script);
    let text = format!(
        "#!/bin/sh\nexec '{}' '{}' \"$@\"\n",
        node.display(),
        script.display()
    );
    let scratch = place.join(".program");
    write_if_changed(&scratch, text.as_bytes())?;
    make_executable(&scratch)?;
    let program = place.join(program);
    fs::rename(&scratch, &program).with_context(|| format!("cannot make {}", program.display()))
}
