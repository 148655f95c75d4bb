//! An opened folder and the calls on it.

mod read_back;

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use drydock_core::{CALL_BYTES_MAX, ErrorCode, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::backend::{FolderPower, Terms};
use super::beneath::{self, RESOLVE};
use super::fault;
use super::grant::Access;
use super::mount;
use super::path::Inside;
use super::publish::{self, FolderEntry, Published, Refusal};
use super::walk::NamesBudget;
use drydock_capability_artifact::work::check_bytes;
use drydock_capability_artifact::{Sink, Slice, Work, too_large};

/// How far the disk may be ahead of a digest: a few chunks, so that neither waits for the
/// other.
const READ_AHEAD_BYTES: Option<NonZeroU64> = NonZeroU64::new(4 * CALL_BYTES_MAX as u64);

/// Times that a missing parent is made anew, when another call that removes what it left
/// empty keeps taking it away between making it and using it.
const PARENT_TRIES_MAX: usize = 16;

/// A granted folder. Clones are the same folder.
#[derive(Debug, Clone)]
pub struct Folder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    fd: OwnedFd,
    /// For messages only; nothing is resolved through it.
    path: PathBuf,
    access: Access,
    terms: Terms,
}

impl Folder {
    pub(super) fn new(fd: OwnedFd, path: PathBuf, access: Access, terms: Terms) -> Self {
        let inner = Inner {
            fd,
            path,
            access,
            terms,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Writes the whole slice at `offset`, making the file (0600) and its parents (0700)
    /// where they are missing.
    ///
    /// # Errors
    /// `not-granted` through a read grant, `no-space`, `too-large` where the file would have
    /// more than [`WORK_BYTES_MAX`](drydock_capability_artifact::WORK_BYTES_MAX) bytes,
    /// holes included, or what the kernel says.
    pub fn write_at(&self, path: &str, offset: u64, bytes: &Slice) -> Result<(), Fault> {
        let path = Inside::parse(path)?;
        self.check_end(path, offset, bytes.size())?;
        let file = self.open_to_write(path)?;
        bytes.send_each_chunk(|at, chunk| self.put(&file, path, offset.saturating_add(at), chunk))
    }

    /// The same for bytes at hand, at most [`CALL_BYTES_MAX`].
    ///
    /// # Errors
    /// As [`Folder::write_at`], and `too-large`.
    pub fn write_bytes_at(&self, path: &str, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.len() > CALL_BYTES_MAX {
            return Err(too_large(bytes.len()));
        }
        let path = Inside::parse(path)?;
        self.check_end(path, offset, bytes.len() as u64)?;
        let file = self.open_to_write(path)?;
        self.put(&file, path, offset, bytes)
    }

    /// Makes the file's bytes, its name, and the names of the folders above it durable.
    ///
    /// # Errors
    /// `not-found`, `not-granted` through a read grant, or what the kernel says.
    pub fn sync(&self, path: &str) -> Result<(), Fault> {
        self.require_write("sync", path)?;
        let path = Inside::parse(path)?;
        let file = self.open_file(path, OFlags::RDONLY, "sync")?;
        rustix::fs::fsync(&file).map_err(self.failed("sync", path))?;
        self.sync_parents(path)
    }

    /// Gives the plain file `source` the name `target`, durably. Whether it keeps its own
    /// name depends on the file system.
    ///
    /// # Errors
    /// `exists` when there is a `target`, `not-found`, `cannot-publish` where the file system
    /// has no way to do that, `not-granted` through a read grant, or what the kernel says.
    pub fn publish(&self, source: &str, target: &str) -> Result<(), Fault> {
        self.require_write("publish", target)?;
        let (source, target) = (Inside::parse(source)?, Inside::parse(target)?);
        self.open_file(source, OFlags::RDONLY, "publish")?;
        let published = self.with_parents(target, || self.give_name(source, target));
        let published = published.map_err(Fault::not_done)?;
        self.sync_parents(target)?;
        if let Published::MovedFrom(left) = published {
            // Where two folders are written by themselves, the old name could come back.
            rustix::fs::fsync(left).map_err(self.failed("sync", source))?;
        }
        Ok(())
    }

    /// Hands `length` bytes from `offset` on to the sink. Does not block: each read runs
    /// on tokio's blocking threads.
    ///
    /// # Errors
    /// `not-found`, `out-of-range` past the end, what the sink says, or the kernel.
    pub async fn read_range(
        &self,
        path: &str,
        offset: u64,
        length: u64,
        into: &Sink,
    ) -> Result<(), Fault> {
        let (folder, path) = (self.clone(), path.to_owned());
        let file = blocking(move || folder.open_range(&path, offset, length)).await?;
        let file = Arc::new(file);
        let mut done = 0;
        while done < length {
            let bytes = call_bytes(length - done);
            let (file, at) = (Arc::clone(&file), offset + done);
            into.write(blocking(move || read_exactly(&file, at, bytes)).await?)
                .await?;
            done += bytes as u64;
        }
        Ok(())
    }

    /// Up to `length` bytes from `offset` on, at most [`CALL_BYTES_MAX`].
    ///
    /// # Errors
    /// `not-found`, `out-of-range` when `offset` lies past the end, or the kernel's.
    pub fn read_bytes(&self, path: &str, offset: u64, length: u32) -> Result<Vec<u8>, Fault> {
        let path = Inside::parse(path)?;
        let file = self.open_file(path, OFlags::RDONLY, "read")?;
        let size = self.size_of(&file, path)?;
        let available = size
            .checked_sub(offset)
            .ok_or_else(|| self.past_end(path, offset, u64::from(length), size))?;
        let bytes = read_exactly(&file, offset, call_bytes(available.min(u64::from(length))))?;
        self.inner.terms.work.moved(bytes.len());
        Ok(bytes)
    }

    /// Bytes of a file.
    ///
    /// # Errors
    /// `not-found`, or what the kernel says.
    pub fn size(&self, path: &str) -> Result<u64, Fault> {
        let path = Inside::parse(path)?;
        let file = self.open_file(path, OFlags::RDONLY, "look at")?;
        self.size_of(&file, path)
    }

    /// Removes a file and the parents that it leaves empty. No error when it is not there: it
    /// may have been moved away, and leaves empty parents too.
    ///
    /// # Errors
    /// `not-granted` through a read grant, or what the kernel says.
    pub fn remove(&self, path: &str) -> Result<(), Fault> {
        self.require_write("remove", path)?;
        let path = Inside::parse(path)?;
        let parent = match self.parent_of(path) {
            Err(fault) if fault.code == ErrorCode::NotFound => return Ok(()),
            parent => parent?,
        };
        match rustix::fs::unlinkat(&parent, path.name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(self.failed("remove", path)(errno)),
        }
        rustix::fs::fsync(&parent).map_err(self.failed("remove", path))?;
        self.remove_empty_parents(path)
    }

    /// Bytes that can still be written to the folder's file system.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn free(&self) -> Result<u64, Fault> {
        let stat = rustix::fs::fstatvfs(&self.inner.fd)
            .map_err(|errno| fault::of(errno, "read the free space of", self.shown("")))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Whether the folder lies on another file system than `/` and the daemon's own folders.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn is_mounted(&self) -> Result<bool, Fault> {
        mount::lies_apart(self.fd(), &self.inner.terms.own)
            .map_err(|errno| fault::of(errno, "find the file system of", self.shown("")))
    }

    /// The folder `below` this one, made if missing where that is wanted.
    pub(super) fn subfolder(&self, below: &str, create: bool) -> Result<Self, Fault> {
        let path = Inside::parse(below)?;
        if create {
            self.with_parents(path, || self.make_folder(path))?;
        }
        let fd = self
            .descriptor(below)
            .map_err(|errno| fault::of_place(errno, self.shown(below)))?;
        let shown = self.inner.path.join(below);
        Ok(Self::new(
            fd,
            shown,
            self.inner.access,
            self.inner.terms.clone(),
        ))
    }

    /// A descriptor of the folder `inside` this one; of this one itself when empty.
    pub(super) fn open_folder(&self, inside: &str) -> Result<OwnedFd, Fault> {
        self.descriptor(inside)
            .map_err(|errno| fault::of(errno, "open the folder", self.shown(inside)))
    }

    fn descriptor(&self, inside: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = if inside.is_empty() { "." } else { inside };
        rustix::fs::openat2(&self.inner.fd, path, flags, Mode::empty(), RESOLVE)
    }

    /// The whole path, for messages.
    pub(super) fn shown(&self, inside: &str) -> impl Display + use<> {
        self.inner.path.join(inside).display().to_string()
    }

    /// The same for a path of any bytes.
    pub(super) fn shown_bytes(&self, inside: &[u8]) -> String {
        self.inner
            .path
            .join(beneath::shown(inside))
            .display()
            .to_string()
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.inner.fd.as_fd()
    }

    /// What the names that walks keep count against.
    pub(super) fn names_budget(&self) -> &NamesBudget {
        &self.inner.terms.names
    }

    /// The folder's own file system.
    pub(super) fn device(&self) -> Option<u64> {
        let stat = rustix::fs::fstat(&self.inner.fd).ok()?;
        Some(stat.st_dev)
    }

    /// The work that calls on the folder are part of.
    pub(super) fn work(&self) -> &Work {
        &self.inner.terms.work
    }

    fn failed<'a>(&'a self, act: &'a str, path: Inside<'a>) -> impl Fn(Errno) -> Fault + 'a {
        move |errno| fault::of(errno, act, self.shown(path.as_str()))
    }

    fn require_write(&self, act: &str, path: &str) -> Result<(), Fault> {
        let folder = self.inner.path.display();
        if self.inner.terms.power == FolderPower::Read {
            return Err(Fault::denied(
                ErrorCode::MayNotWrite,
                format!(
                    "the plugin wanted to {act} {path:?} in {folder} in a call that only looks: such a call writes nothing, so ask its author"
                ),
            )
            .not_done());
        }
        if self.inner.access == Access::Write {
            return Ok(());
        }
        Err(Fault::denied(
            ErrorCode::NotGranted,
            format!(
                "the plugin may only read in {folder} and wanted to {act} {path:?}: write `access: write` for `directory: {folder}` in its PluginGrant, if it shall"
            ),
        )
        .not_done())
    }

    fn open_to_write(&self, path: Inside<'_>) -> Result<File, Fault> {
        self.require_write("write", path.as_str())?;
        let flags = OFlags::WRONLY | OFlags::CREATE;
        self.with_parents(path, || self.open_file(path, flags, "write"))
    }

    /// Refuses to make a file of more bytes than any call would work on: its holes cost
    /// nothing, and reading them costs as much as reading bytes.
    fn check_end(&self, path: Inside<'_>, offset: u64, bytes: u64) -> Result<(), Fault> {
        let end = offset.saturating_add(bytes);
        check_bytes("write", self.shown(path.as_str()), end)
    }

    fn give_name(&self, source: Inside<'_>, target: Inside<'_>) -> Result<Published, Fault> {
        let from = FolderEntry {
            folder: self.parent_of(source)?,
            name: source.name(),
        };
        let to = FolderEntry {
            folder: self.parent_of(target)?,
            name: target.name(),
        };
        publish::publish(from, &to).map_err(|refusal| match refusal {
            Refusal::Kernel(errno) => self.failed("publish", target)(errno),
            Refusal::NoStep { link, rename } => {
                let (place, folder) = (self.shown(target.as_str()), self.inner.path.display());
                fault::no_step(place, folder, link, rename)
            }
        })
    }

    /// Does `work` with the parents of `path` in place, also when a call at the same time
    /// removes them as empty.
    fn with_parents<T>(
        &self,
        path: Inside<'_>,
        work: impl Fn() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        for _ in 1..PARENT_TRIES_MAX {
            match self.make_parents(path).and_then(|()| work()) {
                Err(fault) if fault.code == ErrorCode::NotFound => {}
                done => return done,
            }
        }
        self.make_parents(path).and_then(|()| work())
    }

    /// Opens a plain file. Never waits on a FIFO and never hands out anything but a plain
    /// file.
    fn open_file(&self, path: Inside<'_>, flags: OFlags, act: &str) -> Result<File, Fault> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mode = if flags.contains(OFlags::CREATE) {
            Mode::RUSR | Mode::WUSR
        } else {
            Mode::empty()
        };
        let opened = rustix::fs::openat2(&self.inner.fd, path.as_str(), flags, mode, RESOLVE);
        let fd = match opened {
            // A socket, or a FIFO that nobody reads; also a disk that is gone.
            Err(Errno::NXIO) if self.is_no_file(path) => return Err(self.no_file(act, path)),
            opened => opened.map_err(self.failed(act, path))?,
        };
        let stat = rustix::fs::fstat(&fd).map_err(self.failed(act, path))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(File::from(fd)),
            _ => Err(self.no_file(act, path)),
        }
    }

    /// Whether something else than a plain file stands there for certain.
    fn is_no_file(&self, path: Inside<'_>) -> bool {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let fd = rustix::fs::openat2(&self.inner.fd, path.as_str(), flags, Mode::empty(), RESOLVE);
        let stat = fd.and_then(rustix::fs::fstat);
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile)
    }

    fn no_file(&self, act: &str, path: Inside<'_>) -> Fault {
        Fault::denied(
            ErrorCode::NotAFile,
            format!(
                "cannot {act} {}: it is not a plain file",
                self.shown(path.as_str())
            ),
        )
    }

    fn open_range(&self, path: &str, offset: u64, length: u64) -> Result<File, Fault> {
        let path = Inside::parse(path)?;
        let file = self.open_file(path, OFlags::RDONLY, "read")?;
        let size = self.size_of(&file, path)?;
        match offset.checked_add(length) {
            Some(end) if end <= size => Ok(file),
            _ => Err(self.past_end(path, offset, length, size)),
        }
    }

    fn put(&self, file: &File, path: Inside<'_>, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let place = || self.shown(path.as_str());
        file.write_all_at(bytes, offset)
            .map_err(|error| match error.kind() {
                io::ErrorKind::StorageFull => {
                    fault::full(place(), bytes.len() as u64, self.free().ok())
                }
                _ => fault::of_io(&error, "write", place()),
            })?;
        self.inner.terms.work.moved(bytes.len());
        Ok(())
    }

    fn size_of(&self, file: &File, path: Inside<'_>) -> Result<u64, Fault> {
        let metadata = file.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|error| fault::of_io(&error, "look at", self.shown(path.as_str())))
    }

    fn past_end(&self, path: Inside<'_>, offset: u64, length: u64, size: u64) -> Fault {
        Fault::permanent(
            ErrorCode::OutOfRange,
            format!(
                "{length} bytes from offset {offset} on lie outside of {}, which has {size} bytes",
                self.shown(path.as_str())
            ),
        )
    }

    /// Makes every folder above `path` that is missing, outermost first.
    fn make_parents(&self, path: Inside<'_>) -> Result<(), Fault> {
        let Some(nearest) = path.parent() else {
            return Ok(());
        };
        if self.descriptor(nearest.as_str()).is_ok() {
            return Ok(());
        }
        let mut parents: Vec<_> = path.parents().collect();
        parents.reverse();
        parents
            .into_iter()
            .try_for_each(|parent| self.make_folder(parent))
    }

    fn make_folder(&self, path: Inside<'_>) -> Result<(), Fault> {
        let above = self.parent_of(path)?;
        match rustix::fs::mkdirat(&above, path.name(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(self.failed("make the folder", path)(errno)),
        }
    }

    fn parent_of(&self, path: Inside<'_>) -> Result<OwnedFd, Fault> {
        self.open_folder(path.parent().map_or("", Inside::as_str))
    }

    /// Syncs every folder above `path` and the granted folder itself.
    fn sync_parents(&self, path: Inside<'_>) -> Result<(), Fault> {
        for parent in path.parents() {
            let fd = self.open_folder(parent.as_str())?;
            rustix::fs::fsync(&fd).map_err(self.failed("sync", parent))?;
        }
        let top: BorrowedFd<'_> = self.inner.fd.as_fd();
        rustix::fs::fsync(top).map_err(|errno| fault::of(errno, "sync", self.shown("")))
    }

    /// Stops at the first folder that still holds something.
    fn remove_empty_parents(&self, path: Inside<'_>) -> Result<(), Fault> {
        for parent in path.parents() {
            let above = match self.parent_of(parent) {
                Err(fault) if fault.code == ErrorCode::NotFound => continue,
                above => above?,
            };
            match rustix::fs::unlinkat(&above, parent.name(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                // What was to be removed is removed. A mount, or a folder in one that the
                // daemon may not write, stays, empty as it is.
                Err(
                    Errno::NOTEMPTY
                    | Errno::EXIST
                    | Errno::BUSY
                    | Errno::ACCESS
                    | Errno::PERM
                    | Errno::ROFS,
                ) => return Ok(()),
                Err(errno) => return Err(self.failed("remove the folder", parent)(errno)),
            }
        }
        Ok(())
    }
}

/// `bytes` cut to what one call may move.
fn call_bytes(bytes: u64) -> usize {
    usize::try_from(bytes).map_or(CALL_BYTES_MAX, |bytes| bytes.min(CALL_BYTES_MAX))
}

fn read_exactly(file: &File, offset: u64, bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut buffer = vec![0; bytes];
    fill(file, offset, &mut buffer)?;
    Ok(buffer)
}

fn fill(file: &File, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
    file.read_exact_at(buffer, offset)
        .map_err(|error| fault::of_io(&error, "read", "a file that changed meanwhile"))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(Fault::transient(
            ErrorCode::Io,
            format!("the reading thread ended: {error}"),
        ))
    })
}

#[cfg(test)]
mod tests;
