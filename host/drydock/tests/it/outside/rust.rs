//! What walks that build plugins in Rust share.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use drydock_testkit::guests::GuestToolchain;

use crate::world::checkout;

/// A target folder that all walks use: crates are compiled once a machine, and the versions
/// are those that the plugins of the repository were built with, so that nothing is fetched.
/// Whoever has it is alone with it, since finished components lie there for a moment.
pub struct SharedTarget {
    folder: PathBuf,
    _alone: File,
}

impl SharedTarget {
    /// Waits for whoever has it. Write the crate's files afterwards: by their age cargo tells
    /// them from those of earlier walks.
    pub fn lock() -> Self {
        let toolchain = GuestToolchain::find().unwrap();
        let folder = toolchain.target_folder("outside").unwrap();
        let alone = File::create(folder.join(".walk")).unwrap();
        alone.lock().unwrap();
        Self {
            folder,
            _alone: alone,
        }
    }

    /// Lends it to the crate in this folder, `name` with `_`.
    pub fn lend(&self, folder: &Path, name: &str) {
        forget_earlier_walks(&self.folder, name);
        symlink(&self.folder, folder.join("target")).unwrap();
        std::fs::copy(lock_file(), folder.join("Cargo.lock")).unwrap();
    }

    /// The same as commands in the crate's folder.
    pub fn script(&self, name: &str) -> String {
        forget_earlier_walks(&self.folder, name);
        format!(
            "ln -s '{}' target\ncp '{}' Cargo.lock\n",
            self.folder.display(),
            lock_file().display()
        )
    }
}

fn lock_file() -> PathBuf {
    checkout().join("plugins/Cargo.lock")
}

/// Each walk is in a folder of its own, so to cargo its crate is another one each time; what
/// it made of the earlier ones is of no use any more.
fn forget_earlier_walks(target: &Path, crate_name: &str) {
    let release = target.join("wasm32-wasip2/release");
    for folder in ["deps", ".fingerprint", "build"].map(|name| release.join(name)) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().replace('-', "_");
            let path = entry.path();
            match (name.contains(crate_name), path.is_dir()) {
                (false, _) => {}
                (true, true) => std::fs::remove_dir_all(path).unwrap(),
                (true, false) => std::fs::remove_file(path).unwrap(),
            }
        }
    }
}
