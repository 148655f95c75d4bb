//! Whether a folder lies on a file system of its own. One that should be mounted and is not
//! leaves a folder of the node's own disk in its place, which looks like an empty one.
//!
//! File systems are told apart, not mounts: a hardened service sees each folder that it may
//! write as a mount, whatever disk it is on.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Whether `folder`, or where it is missing the nearest folder above it, lies on another
/// file system than `/` and than each of `own`.
///
/// # Errors
/// What the kernel says of one of them.
pub fn is_own_mount(folder: &Path, own: &[PathBuf]) -> io::Result<bool> {
    Ok(lies_apart(nearest(folder)?.as_fd(), own)?)
}

/// Whether `folder` lies on another file system than `/` and than each of `own`.
pub(super) fn lies_apart(folder: BorrowedFd<'_>, own: &[PathBuf]) -> Result<bool, Errno> {
    let device = rustix::fs::fstat(folder)?.st_dev;
    for path in own.iter().map(PathBuf::as_path).chain([Path::new("/")]) {
        if rustix::fs::fstat(nearest(path)?)?.st_dev == device {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The folder itself, or the nearest one above it that is there.
fn nearest(folder: &Path) -> Result<OwnedFd, Errno> {
    let mut last = Errno::NOENT;
    for path in folder.ancestors() {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Err(errno @ Errno::NOENT) => last = errno,
            done => return done,
        }
    }
    Err(last)
}
