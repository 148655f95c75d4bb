//! A private folder for one drill. Its owner holds a lock on a file in it; a folder whose
//! lock nobody holds was left by a process that died, and goes.
//!
//! Plain bytes of a recovery point lie here while the drill goes on: the folder is for
//! this user only, and a file system in memory serves well.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock, statvfs};

use super::ScratchError;
use drydock_core::reason;

/// What every scratch folder's name begins with.
const PREFIX: &str = "lab-";

/// The file by whose lock an owner is known.
const OWNER: &str = "owner";

/// The lock under which folders are made and removed.
const DOOR: &str = "lock";

/// A scratch folder. Clones are the same one; dropping the last removes it.
#[derive(Debug, Clone)]
pub struct Scratch(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    path: PathBuf,
    _owner: File,
}

impl Scratch {
    /// Makes one under `root`, after removing those that dead owners left.
    ///
    /// # Errors
    /// [`ScratchError::Scratch`].
    pub fn new(root: &Path) -> Result<Self, ScratchError> {
        Self::made(root).map_err(|error| ScratchError::Scratch {
            folder: root.to_owned(),
            why: reason(&error),
        })
    }

    fn made(root: &Path) -> io::Result<Self> {
        let root = &std::path::absolute(root)?;
        private(root, true)?;
        let door = lock_file(&root.join(DOOR))?;
        flock(&door, FlockOperation::LockExclusive)?;
        sweep(root);
        let name = drydock_node::random_hex::<8>().map_err(io::Error::other)?;
        let path = root.join(format!("{PREFIX}{name}"));
        private(&path, false)?;
        let owner = lock_file(&path.join(OWNER))?;
        flock(&owner, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(Arc::new(Owned {
            path,
            _owner: owner,
        })))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file in it, for this user only.
    ///
    /// # Errors
    /// [`ScratchError::Write`].
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, ScratchError> {
        let path = self.join(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
            .map_err(|source| ScratchError::write(&path, source))?;
        Ok(path)
    }

    /// Refuses to go on when less than `needed` bytes are free.
    ///
    /// # Errors
    /// [`ScratchError::NoSpace`].
    pub fn require(&self, needed: u64) -> Result<(), ScratchError> {
        // Where nobody can tell, writing will.
        let Ok(figures) = statvfs(self.path()) else {
            return Ok(());
        };
        let free = figures.f_bavail.saturating_mul(figures.f_frsize);
        if free >= needed {
            return Ok(());
        }
        Err(ScratchError::NoSpace {
            folder: self.root().to_owned(),
            free,
            needed,
        })
    }

    fn root(&self) -> &Path {
        self.path().parent().unwrap_or(self.path())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "the scratch folder {} stays; the next drill removes it", self.path.display());
        }
    }
}

/// Removes the folders whose owners are gone.
fn sweep(root: &Path) {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours || has_owner(&path) {
            continue;
        }
        match fs::remove_dir_all(&path) {
            Ok(()) => tracing::info!(
                "{} was left by a drill that died; it is removed",
                path.display()
            ),
            Err(error) => {
                tracing::warn!(%error, "{} was left by a drill that died and cannot be removed", path.display())
            }
        }
    }
}

/// A folder without the file is one whose maker died before it could own it; of one whose
/// file cannot be opened nobody knows, so it stays.
fn has_owner(folder: &Path) -> bool {
    match File::open(folder.join(OWNER)) {
        Ok(owner) => flock(&owner, FlockOperation::NonBlockingLockExclusive).is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

/// Makes a folder for this user only; with `all`, those above it as well.
pub fn private(path: &Path, all: bool) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(all).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_owner_left_goes_and_what_a_living_one_has_stays() {
        let root = tempfile::tempdir().unwrap();
        let left = root.path().join("lab-0123456789abcdef");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(OWNER), "").unwrap();
        fs::write(left.join("etcd.db"), "secret").unwrap();
        fs::create_dir(root.path().join("somebody-else")).unwrap();
        let first = Scratch::new(root.path()).unwrap();
        assert!(!left.exists());
        let second = Scratch::new(root.path()).unwrap();
        assert!(first.path().exists() && root.path().join("somebody-else").exists());
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists() && first.path().exists());
    }

    /// Not even root looks behind a link to itself: whether somebody has it, nobody knows.
    #[test]
    fn what_may_have_a_living_owner_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("lab-0123456789abcdef");
        fs::create_dir(&folder).unwrap();
        let owner = folder.join(OWNER);
        std::os::unix::fs::symlink(&owner, &owner).unwrap();
        let _other = Scratch::new(root.path()).unwrap();
        assert!(folder.exists());
    }

    #[test]
    fn a_want_of_space_is_told_in_a_sentence() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(root.path()).unwrap();
        scratch.require(1).unwrap();
        let told = scratch.require(u64::MAX).unwrap_err().to_string();
        assert!(
            told.starts_with(&format!("the scratch folder {} has ", root.path().display()))
                && told.ends_with("this needs 18446744073709551615: free some, or name another one as spec.drill.scratch of the node's configuration, or as TMPDIR where --target-folder is given"),
            "{told}"
        );
    }
}
