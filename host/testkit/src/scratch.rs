//! Scratch folders that vanish with whoever uses them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::guard;

/// A folder for one test or one cluster. It is removed when this is dropped, or when the
/// process ends without that, unless the caller named the folder and so owns it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    owned: Option<TempDir>,
}

impl Scratch {
    /// Makes a new empty folder that is only for this user.
    ///
    /// # Errors
    /// When the system's folder for temporary files is not writable.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("drydock-test-")
            .tempdir()
            .context("cannot make a scratch folder")?;
        guard::remove_at_exit(folder.path());
        Ok(Self {
            path: folder.path().to_path_buf(),
            owned: Some(folder),
        })
    }

    /// Uses a folder that stays, made if absent.
    ///
    /// # Errors
    /// When the folder cannot be made or holds something already.
    pub fn at(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let path = std::fs::canonicalize(path)
            .with_context(|| format!("cannot find {}", path.display()))?;
        let mut entries =
            std::fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))?;
        anyhow::ensure!(
            entries.next().is_none(),
            "{} is not empty: name an empty or a new folder",
            path.display()
        );
        Ok(Self { path, owned: None })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in the folder; nothing is made.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// A folder in the folder, made if absent.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: impl AsRef<Path>) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The folder itself is removed by `owned` right after this.
        if self.owned.is_some() {
            guard::keep_at_exit(&self.path);
        }
    }
}
