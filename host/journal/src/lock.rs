//! One process owns a state folder. The kernel's lock on `<state>/lock` ends with the
//! process, however it ends; the file's text only tells others whom to ask.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use drydock_core::UnixTime;

use crate::error::LockError;

/// Bytes of an owner's text that are read: it is a line that this module wrote.
const OWNER_BYTES_MAX: u64 = 1024;

/// Who asks for the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockOwner {
    /// What the process is doing, e.g. `drydock run quickstart`.
    pub command: String,
    pub since: UnixTime,
}

/// The folder is ours until this is dropped or the process ends.
#[derive(Debug)]
pub struct StateLock {
    file: File,
    path: PathBuf,
}

impl StateLock {
    /// Takes the lock of a state folder, making the folder (0700) when it is missing.
    ///
    /// # Errors
    /// [`LockError::InUse`] names the owner; otherwise the folder cannot be used.
    pub fn acquire(folder: &Path, owner: &LockOwner) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let file = open(folder, &path).map_err(|source| io_error(folder, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(folder, &path)),
            Err(TryLockError::Error(source)) => return Err(io_error(folder, source)),
        }
        let mut lock = Self { file, path };
        lock.write(&line_of(owner))
            .map_err(|source| io_error(folder, source))?;
        Ok(lock)
    }

    /// The lock's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(line.as_bytes())
    }
}

/// The file stays: removing it would let two processes lock two files of one name.
impl Drop for StateLock {
    fn drop(&mut self) {
        // A text that stays behind misleads nobody: it is read only when the lock is held.
        let _ = self.file.set_len(0);
    }
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` since {}", self.command, self.since)
    }
}

fn open(folder: &Path, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn line_of(owner: &LockOwner) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "this host",
        host => host,
    };
    format!("process {} on {host}, {owner}\n", std::process::id())
}

fn in_use(folder: &Path, path: &Path) -> LockError {
    let owner = read_owner(path).unwrap_or_default();
    let owner = match owner.trim() {
        // The owner has locked the file and not written its line yet.
        "" => "a process that is just starting".to_owned(),
        owner => owner.to_owned(),
    };
    LockError::InUse {
        folder: folder.to_owned(),
        owner,
    }
}

fn read_owner(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(OWNER_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn io_error(folder: &Path, source: io::Error) -> LockError {
    let folder = folder.to_owned();
    match source.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            LockError::NoFolder { folder }
        }
        _ => LockError::Io { folder, source },
    }
}
