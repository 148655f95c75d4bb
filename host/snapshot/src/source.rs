//! Where the bytes of a snapshot come from.
//!
//! Everything that reads a complete file does so by position, so that several
//! threads can share one handle and no seek offset exists to be raced for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::SnapshotError;

/// Random access to the bytes of one complete snapshot.
///
/// The bytes must not change while an operation of this crate runs; where they
/// do, the answer is an error or a figure of the mixture, never a crash.
pub trait Source: Sync {
    /// The whole length in bytes, with the SHA-256 trailer if there is one.
    ///
    /// # Errors
    /// When the length cannot be asked for.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes that begin at `offset`.
    ///
    /// # Errors
    /// When the bytes end early or cannot be read.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// Fills `buffer` with the bytes that begin at `offset`, or says which could not be read.
pub(crate) fn read(
    source: &dyn Source,
    buffer: &mut [u8],
    offset: u64,
) -> Result<(), SnapshotError> {
    let bytes = buffer.len();
    source
        .read_exact_at(buffer, offset)
        .map_err(|source| SnapshotError::Read {
            offset,
            bytes,
            source,
        })
}

/// A snapshot file opened for reading.
#[derive(Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    file: File,
}

impl SnapshotFile {
    /// Opens the file at `path` for reading. Nothing of it is read yet.
    ///
    /// # Errors
    /// [`SnapshotError::Open`] with the path.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SnapshotError> {
        let path = path.as_ref().to_path_buf();
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(SnapshotError::Open { path, source }),
        }
    }

    /// A snapshot in a file that is open already and may have no name; `path`
    /// is what errors call it.
    #[must_use]
    pub fn of(file: File, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { path, file }
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Source for SnapshotFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        Source::read_exact_at(&self.file, buffer, offset)
    }
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl Source for [u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        self.as_slice().size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(buffer, offset)
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buffer, offset)
    }
}
