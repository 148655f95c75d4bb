//! The cache folder: tools and toolchains that outlive `cargo clean`.
//!
//! Everything in it is keyed by version, so that a new version never meets an old file,
//! and may be deleted at any time: the next chore makes it again.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The cache folder: `DRYDOCK_CACHE`, else `$XDG_CACHE_HOME/drydock`, else
/// `~/.cache/drydock`.
pub struct Cache {
    root: PathBuf,
}

/// An exclusive lock on a part of the cache, held until it is dropped.
pub struct CacheLock {
    _file: File,
}

impl Cache {
    /// Finds the cache folder from the environment. It is made on first use.
    pub fn find() -> Result<Self> {
        let root = chosen_root(|name| std::env::var_os(name).map(PathBuf::from))?;
        let root = std::path::absolute(&root)
            .with_context(|| format!("cannot make {} absolute", root.display()))?;
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder of the cache, made if absent.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the cache folder {}", folder.display()))?;
        Ok(folder)
    }

    /// Waits for the lock called `name` and takes it. It ends with the process at the
    /// latest, so that a crash leaves no lock behind.
    pub fn lock(&self, name: &str) -> Result<CacheLock> {
        let path = self.folder("locks")?.join(name);
        let file = File::create(&path)
            .with_context(|| format!("cannot open the lock file {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("waiting for another run that holds {}", path.display());
            file.lock()
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(CacheLock { _file: file })
    }
}

/// The rule of [`Cache`], with the environment as a parameter. Empty values count as unset.
fn chosen_root(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.as_os_str().is_empty());
    if let Some(chosen) = set("DRYDOCK_CACHE") {
        return Ok(chosen);
    }
    if let Some(caches) = set("XDG_CACHE_HOME") {
        return Ok(caches.join("drydock"));
    }
    let home = set("HOME").context("neither DRYDOCK_CACHE nor HOME is set; set one of them")?;
    Ok(home.join(".cache/drydock"))
}

/// Writes `bytes` to `path` unless the file holds them already, and tells whether it
/// wrote. An unchanged file keeps its time stamp, so that nothing is rebuilt for it.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(false);
    }
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let scratch = tempfile::Builder::new()
        .prefix(".writing-")
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(|| format!("cannot write in {}", folder.display()))?;
    fs::write(scratch.path(), bytes)
        .with_context(|| format!("cannot write {}", scratch.path().display()))?;
    scratch
        .persist(path)
        .with_context(|| format!("cannot replace {}", path.display()))?;
    Ok(true)
}

/// Makes a file executable for everybody who may read it.
pub fn make_executable(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", path.display()))
}

/// Removes a folder with all it holds; it may be absent.
pub fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(variables: &'static [(&'static str, &'static str)]) -> Result<PathBuf> {
        chosen_root(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn the_cache_folder_follows_the_nearest_variable() {
        let all = &[
            ("DRYDOCK_CACHE", "/own"),
            ("XDG_CACHE_HOME", "/xdg"),
            ("HOME", "/home/me"),
        ];
        assert_eq!(root_with(all).unwrap(), Path::new("/own"));
        assert_eq!(root_with(&all[1..]).unwrap(), Path::new("/xdg/drydock"));
        assert_eq!(
            root_with(&all[2..]).unwrap(),
            Path::new("/home/me/.cache/drydock")
        );
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let variables = &[("DRYDOCK_CACHE", ""), ("HOME", "/home/me")];
        assert_eq!(
            root_with(variables).unwrap(),
            Path::new("/home/me/.cache/drydock")
        );
        assert!(root_with(&[]).is_err());
    }

    #[test]
    fn an_unchanged_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file");
        assert!(write_if_changed(&path, b"one").unwrap());
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(!write_if_changed(&path, b"one").unwrap());
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        assert!(write_if_changed(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }
}
