//! The compiler of protocol buffers, which the etcd client's build script needs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use crate::cache::{make_executable, remove_folder, write_if_changed};

/// The program below the tool's folder. protoc looks for the files that every `.proto` may
/// import in `../include` of its own place.
pub const PROGRAM: &str = "bin/protoc";

/// Where those files lie, below the tool's folder and below the crate's.
const IMPORTS: &str = "google/protobuf";

/// Copies `protoc` and what it imports out of the crate that carries them for this machine.
pub fn copy(place: &Path) -> Result<()> {
    let missing = |error: protoc_bin_vendored::Error| {
        anyhow!("{error}: install protoc and set PROTOC to its path for this machine")
    };
    let carried = protoc_bin_vendored::protoc_bin_path().map_err(missing)?;
    let imports = protoc_bin_vendored::include_path().map_err(missing)?;
    // The folder is whole before it gets its name, since a build may start as soon as the
    // name is there.
    let scratch = place.with_extension("new");
    remove_folder(&scratch)?;
    copy_imports(
        &imports.join(IMPORTS),
        &scratch.join("include").join(IMPORTS),
    )?;
    let program = scratch.join(PROGRAM);
    copy_file(&carried, &program)?;
    make_executable(&program)?;
    remove_folder(place)?;
    fs::rename(&scratch, place).with_context(|| format!("cannot make {}", place.display()))
}

/// Copies the files of one folder. Folders in it are for compilers of other languages.
fn copy_imports(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            copy_file(&path, &to.join(name))?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write_if_changed(to, &bytes).map(drop)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_copy_compiles_what_imports_the_common_files() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("protoc-x.y");
        copy(&place).unwrap();
        let text = "syntax = \"proto3\"; import \"google/protobuf/descriptor.proto\"; message M {}";
        fs::write(folder.path().join("m.proto"), text).unwrap();
        let done = Command::new(place.join(PROGRAM))
            .current_dir(folder.path())
            .args(["--proto_path=.", "--descriptor_set_out=m.bin", "m.proto"])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}
