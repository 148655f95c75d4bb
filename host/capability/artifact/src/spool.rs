//! The plain spool: an unnamed file that takes an output's plain bytes while they stream
//! in, and that can be read at any offset at the same time and afterwards. It dies with
//! the process, so that plain etcd data never stays behind.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use drydock_core::ReadAt;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// What went wrong with a spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("no spool file can be made in {folder}")]
    Create {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the spool in {folder} cannot be written")]
    Write {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the free space of {folder} cannot be read")]
    Free {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the spool {folder} has {free} bytes free and {needed} are needed (each database twice, plain and sealed, and some to spare): make room there, or move `state:` of the node's configuration"
    )]
    NoSpace {
        folder: PathBuf,
        free: u64,
        needed: u64,
    },
}

/// The writing side of a plain spool. It appends only.
#[derive(Debug)]
pub struct PlainSpool {
    shared: Arc<Shared>,
}

/// Reads what has been appended so far. Clones share the file.
#[derive(Debug, Clone)]
pub struct SpoolReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    folder: PathBuf,
    written: AtomicU64,
}

impl PlainSpool {
    /// Makes an unnamed file (0600) in `folder`.
    ///
    /// # Errors
    /// [`SpoolError::Create`].
    pub fn create(folder: &Path) -> Result<Self, SpoolError> {
        let file = unnamed_file(folder)?;
        let shared = Shared {
            file,
            folder: folder.to_owned(),
            written: AtomicU64::new(0),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Appends bytes; readers see them once this returns.
    ///
    /// # Errors
    /// [`SpoolError::Write`]; what was appended before stays readable.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let end = self.written();
        let written = self.shared.file.write_all_at(bytes, end);
        written.map_err(|source| SpoolError::Write {
            folder: self.shared.folder.clone(),
            source,
        })?;
        self.shared
            .written
            .store(end + bytes.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Bytes appended so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Acquire)
    }

    /// A reader that stays good after the writing side is gone.
    #[must_use]
    pub fn reader(&self) -> SpoolReader {
        SpoolReader {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl ReadAt for SpoolReader {
    /// What has been appended up to now.
    fn size(&self) -> u64 {
        self.shared.written.load(Ordering::Acquire)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.shared.file.read_exact_at(buffer, offset)
    }
}

/// Bytes that can still be written to the file system of `folder`.
///
/// # Errors
/// [`SpoolError::Free`].
pub fn free_bytes(folder: &Path) -> Result<u64, SpoolError> {
    let stat = rustix::fs::statvfs(folder).map_err(|errno| SpoolError::Free {
        folder: folder.to_owned(),
        source: errno.into(),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Refuses to go on when `folder` has fewer than `needed` bytes free.
///
/// # Errors
/// [`SpoolError::NoSpace`] or [`SpoolError::Free`].
pub fn require_free(folder: &Path, needed: u64) -> Result<(), SpoolError> {
    let free = free_bytes(folder)?;
    if free >= needed {
        return Ok(());
    }
    Err(SpoolError::NoSpace {
        folder: folder.to_owned(),
        free,
        needed,
    })
}

/// A file (0600) in `folder` that has no name, so that it dies with the process.
///
/// # Errors
/// [`SpoolError::Create`].
pub fn unnamed_file(folder: &Path) -> Result<File, SpoolError> {
    unnamed(folder).map_err(|source| SpoolError::Create {
        folder: folder.to_owned(),
        source,
    })
}

/// A file without a name: by `O_TMPFILE`, or made and unlinked on file systems that lack
/// it (overlayfs before Linux 6.1, NFS).
fn unnamed(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => Ok(File::from(fd)),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => made_and_unlinked(folder),
        Err(errno) => Err(errno.into()),
    }
}

fn made_and_unlinked(folder: &Path) -> io::Result<File> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!(".plain-{}-{number}", std::process::id()));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?);
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_spool_is_read_while_it_is_written_and_after() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = PlainSpool::create(folder.path()).unwrap();
        let reader = spool.reader();
        spool.append(b"hello ").unwrap();
        assert_eq!(reader.size(), 6);
        spool.append(b"world").unwrap();
        drop(spool);
        let mut buffer = [0; 5];
        reader.read_exact_at(&mut buffer, 6).unwrap();
        assert_eq!(&buffer, b"world");
        let past = reader.read_exact_at(&mut buffer, 7).unwrap_err();
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_spool_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        for file in [unnamed(folder.path()), made_and_unlinked(folder.path())] {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().nlink(), 0);
            assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn too_little_room_is_named_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        require_free(folder.path(), 1).unwrap();
        let error = require_free(folder.path(), u64::MAX)
            .unwrap_err()
            .to_string();
        assert!(error.contains("make room there"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = PlainSpool::create(Path::new("/nonexistent/spool")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no spool file can be made in /nonexistent/spool"
        );
    }
}
