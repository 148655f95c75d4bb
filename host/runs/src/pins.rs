//! The things that open runs are bound to, a file each under `<state>/pins`, named by the
//! sha256 of its bytes: runs that use the same plugin share one file. [`Pins`] puts, gets and
//! sweeps; what a run pins is for [`PinnedWorkflow`] to say.
//!
//! A run's pins are put through a [`PinBatch`] before the journal knows the run, and the
//! journal keeps them from then on: [`Sweep`] removes what no open run names and no batch
//! holds.
//!
//! **Invariant:** a file under its name is whole: it is written under another one, synced
//! and renamed. What is read is held against its digest all the same.
//!
//! A crash leaves files that no run names, and at most one that was being written; the next
//! sweep takes both.

mod error;
#[cfg(test)]
mod tests;
mod workflow;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drydock_core::{Pin, PinKind};

pub use error::{PinError, PinnedError};
pub use workflow::PinnedWorkflow;

const FOLDER: &str = "pins";

/// Documents may say in a plugin's `config:` what is nobody else's business.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The permission bits of a mode.
const MODE_BITS: u32 = 0o777;

/// What ends the name of a file that is being written.
const UNFINISHED: &str = ".new";

/// The pins of a state folder. Clones are the same ones; a process has one `Pins` for a
/// folder, since a sweep knows only of the batches of its own.
#[derive(Debug, Clone)]
pub struct Pins {
    store: Arc<Store>,
}

/// The pins of a run that is about to begin. While it lives, no sweep takes them: drop it
/// once the run has begun in the journal, or never will.
#[derive(Debug)]
#[must_use]
pub struct PinBatch {
    store: Arc<Store>,
    digests: Vec<String>,
}

/// Removes what nobody uses. It begins before the journal is asked which pins are in use, so
/// that a run that begins in between loses nothing.
#[derive(Debug)]
#[must_use]
pub struct Sweep {
    store: Arc<Store>,
}

#[derive(Debug)]
struct Store {
    folder: PathBuf,
    /// Held while files are written or removed. Taken before `holds`, never after.
    files: Mutex<()>,
    /// Held for a moment only.
    holds: Mutex<Holds>,
}

#[derive(Debug, Default)]
struct Holds {
    /// By digest, how many batches hold it.
    batches: BTreeMap<String, usize>,
    sweeps: usize,
    /// What batches let go of while a sweep was under way: it may have asked the journal
    /// before their runs began there.
    let_go: BTreeSet<String>,
}

impl Pins {
    /// The pins of a state folder. Nothing is created yet.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        let store = Store {
            folder: state.join(FOLDER),
            files: Mutex::default(),
            holds: Mutex::default(),
        };
        Self {
            store: Arc::new(store),
        }
    }

    /// Begins to pin things for one run.
    pub fn batch(&self) -> PinBatch {
        PinBatch {
            store: Arc::clone(&self.store),
            digests: Vec::new(),
        }
    }

    /// The pinned bytes.
    ///
    /// # Errors
    /// They are gone, damaged, or cannot be read.
    pub fn get(&self, pin: &Pin) -> Result<Vec<u8>, PinError> {
        let path = self.store.path(&pin.sha256);
        match fs::read(&path) {
            Ok(bytes) if pin.fits(&bytes) => Ok(bytes),
            Ok(_) => Err(PinError::Damaged {
                pin: pin.clone(),
                path,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PinError::Missing {
                pin: pin.clone(),
                path,
            }),
            Err(source) => Err(PinError::Unread {
                pin: pin.clone(),
                path,
                source,
            }),
        }
    }

    /// Begins a sweep. Ask the journal for the pins of open runs after this.
    pub fn begin_sweep(&self) -> Sweep {
        lock(&self.store.holds).sweeps += 1;
        Sweep {
            store: Arc::clone(&self.store),
        }
    }
}

impl PinBatch {
    /// Keeps these bytes for the run. What is there already, and whole, stays as it is.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn put(
        &mut self,
        kind: PinKind,
        name: impl Into<String>,
        bytes: &[u8],
    ) -> Result<Pin, PinError> {
        let pin = Pin::of(kind, name, bytes);
        self.store.hold(&pin.sha256);
        self.digests.push(pin.sha256.clone());
        match self.store.keep(&pin.sha256, bytes) {
            Ok(()) => Ok(pin),
            Err(source) => Err(PinError::Unwritten {
                path: self.store.path(&pin.sha256),
                pin,
                source,
            }),
        }
    }
}

impl Drop for PinBatch {
    fn drop(&mut self) {
        self.store.let_go(std::mem::take(&mut self.digests));
    }
}

impl Sweep {
    /// Removes every pin that is not among `in_use`, the digests that open runs name, and that
    /// no batch holds; and what an earlier process did not finish. Says how many files that
    /// were.
    ///
    /// # Errors
    /// The first file that cannot be removed; the others are gone all the same.
    pub fn finish(self, in_use: &BTreeSet<String>) -> Result<usize, PinError> {
        let failed = |source| PinError::Unswept {
            folder: self.store.folder.clone(),
            source,
        };
        self.store.remove_unused(in_use).map_err(failed)
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        let mut holds = lock(&self.store.holds);
        holds.sweeps -= 1;
        if holds.sweeps == 0 {
            holds.let_go.clear();
        }
    }
}

impl Store {
    fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(sha256)
    }

    fn hold(&self, sha256: &str) {
        let mut holds = lock(&self.holds);
        *holds.batches.entry(sha256.to_owned()).or_default() += 1;
    }

    fn let_go(&self, digests: Vec<String>) {
        let mut holds = lock(&self.holds);
        for sha256 in digests {
            holds.let_go(sha256);
        }
    }

    /// Sees to it that the file of this digest holds these bytes.
    fn keep(&self, sha256: &str, bytes: &[u8]) -> io::Result<()> {
        let _alone = lock(&self.files);
        private_folder(&self.folder)?;
        let path = self.path(sha256);
        if fs::read(&path).is_ok_and(|found| found == bytes) {
            set_mode(&path, FILE_MODE)?;
        } else {
            self.write(&path, sha256, bytes)?;
        }
        // Also where nothing was written: an earlier process may have died before it did this.
        sync(&self.folder)
    }

    fn write(&self, path: &Path, sha256: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.path(&format!("{sha256}{UNFINISHED}"));
        remove_if_there(&unfinished)?;
        let written = write_new(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
        if written.is_err() {
            // On a full disk it takes the room that others need; the sweep tries again.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn remove_unused(&self, in_use: &BTreeSet<String>) -> io::Result<usize> {
        // Nothing is being written meanwhile, so what is unfinished stays so for ever.
        let _alone = lock(&self.files);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let (mut removed, mut first) = (0, None);
        for entry in entries {
            match entry.and_then(|entry| self.remove_if_unused(&entry, in_use)) {
                Ok(is_removed) => removed += usize::from(is_removed),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(removed), Err)
    }

    fn remove_if_unused(&self, entry: &DirEntry, in_use: &BTreeSet<String>) -> io::Result<bool> {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_kept = in_use.contains(&*name) || lock(&self.holds).keep(&name);
        // A folder is none of ours: `lost+found`, where this is a file system of its own.
        if is_kept || entry.file_type()?.is_dir() {
            return Ok(false);
        }
        // Whoever holds it from here on waits for the sweep, and then writes it anew.
        fs::remove_file(entry.path())?;
        Ok(true)
    }
}

impl Holds {
    fn keep(&self, sha256: &str) -> bool {
        self.batches.contains_key(sha256) || self.let_go.contains(sha256)
    }

    fn let_go(&mut self, sha256: String) {
        if let Some(count) = self.batches.get_mut(&sha256) {
            *count -= 1;
            if *count == 0 {
                self.batches.remove(&sha256);
            }
        }
        if self.sweeps > 0 {
            self.let_go.insert(sha256);
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the folder, or takes from others what they could do with it.
fn private_folder(folder: &Path) -> io::Result<()> {
    let made = DirBuilder::new().mode(FOLDER_MODE).create(folder);
    match made {
        Ok(()) => folder.parent().map_or(Ok(()), sync),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => set_mode(folder, FOLDER_MODE),
        Err(error) => Err(error),
    }
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & MODE_BITS == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// What a panic left is whole: each change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
