//! Copying files whose bytes need not be looked at, as cheaply as the file
//! system allows.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{copy_file_range, ioctl_ficlone};
use rustix::io::Errno;

/// Copied at once. Whoever reads behind the copy begins with the first piece,
/// and finds each in memory still.
const PIECE_BYTES: u64 = 8 * 1024 * 1024;
/// The buffer where the kernel cannot copy by itself.
const BUFFER_BYTES: usize = 1024 * 1024;

/// How the bytes of a database came to where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopiedBy {
    /// The file system shares the blocks: nothing was copied.
    Reflink,
    /// The kernel copied.
    Kernel,
    /// They were read and written, e.g. between two file systems.
    ReadWrite,
}

/// Copies the first `bytes` of `from` to `to`, which is empty, and calls `each`
/// with what has arrived; ends early when it is to `stop`.
pub(crate) fn copy(
    from: &File,
    to: &File,
    bytes: u64,
    stop: fn() -> bool,
    mut each: impl FnMut(Range<u64>),
) -> io::Result<CopiedBy> {
    if ioctl_ficlone(to, from).is_ok() {
        to.set_len(bytes)?;
        each(0..bytes);
        return Ok(CopiedBy::Reflink);
    }
    let mut by = CopiedBy::Kernel;
    let mut done = 0;
    while done < bytes {
        if stop() {
            return Err(io::Error::other("it was interrupted"));
        }
        let wanted = (bytes - done).min(PIECE_BYTES);
        let copied = match by {
            CopiedBy::ReadWrite => read_and_write(from, to, done, wanted)?,
            _ => match by_kernel(from, to, done, wanted) {
                Err(errno) if done == 0 && cannot(errno) => {
                    by = CopiedBy::ReadWrite;
                    continue;
                }
                copied => copied?,
            },
        };
        if copied == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        each(done..done + copied);
        done += copied;
    }
    Ok(by)
}

/// Whether `to` can share the blocks of `from`. It must be empty and is so
/// afterwards.
pub(crate) fn can_share(from: &File, to: &File) -> bool {
    ioctl_ficlone(to, from).is_ok() && to.set_len(0).is_ok()
}

fn by_kernel(from: &File, to: &File, at: u64, bytes: u64) -> Result<u64, Errno> {
    let (mut read, mut write) = (at, at);
    let bytes = usize::try_from(bytes).map_err(|_| Errno::INVAL)?;
    let copied = copy_file_range(from, Some(&mut read), to, Some(&mut write), bytes)?;
    Ok(copied as u64)
}

/// Whether this says that the kernel cannot copy between such files at all.
fn cannot(errno: Errno) -> bool {
    [
        Errno::XDEV,
        Errno::NOSYS,
        Errno::OPNOTSUPP,
        Errno::INVAL,
        Errno::PERM,
    ]
    .contains(&errno)
}

fn read_and_write(from: &File, to: &File, at: u64, bytes: u64) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let wanted = bytes.min(BUFFER_BYTES as u64) as usize;
    let read = from.read_at(&mut buffer[..wanted], at)?;
    to.write_all_at(&buffer[..read], at)?;
    Ok(read as u64)
}
