//! Opening what has any name and lies at any depth, and never outside of the folder.
//!
//! A plugin that archives a folder has to reach whatever is there: names are bytes, and
//! a path can be longer than the kernel takes at once.

use drydock_core::{ErrorCode, Fault};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How paths are resolved: never out of the folder, never through a link.
pub(super) const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// Longest path inside a folder: eight times what other programs can name at once. What
/// lies deeper is told and not read.
pub(super) const PATH_BYTES_MAX: usize = 32 * 1024;

/// Longest piece that is handed to the kernel, which takes less than 4 KiB.
const PIECE_BYTES_MAX: usize = 2048;

/// Opens `path` (the folder itself when empty) beneath `folder`: plain names with `/`
/// between them, at any depth, of which no link is followed, the last one neither.
///
/// # Errors
/// The kernel's: `XDEV` for a path that leads out, `LOOP` for a link in it.
pub fn open(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let above = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut held: Option<OwnedFd> = None;
    let mut rest = if path.is_empty() { b"." } else { path };
    while rest.len() > PIECE_BYTES_MAX {
        let slash = rest[..PIECE_BYTES_MAX]
            .iter()
            .rposition(|byte| *byte == b'/');
        let (piece, after) = rest.split_at(slash.ok_or(Errno::NAMETOOLONG)?);
        held = Some(openat2(held.as_ref(), folder, piece, above)?);
        rest = &after[1..];
    }
    openat2(held.as_ref(), folder, rest, flags)
}

fn openat2(
    held: Option<&OwnedFd>,
    folder: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let base = held.map_or(folder, AsFd::as_fd);
    rustix::fs::openat2(base, path, flags, Mode::empty(), RESOLVE)
}

/// Takes a path that a plugin hands in: plain names with `/` between them, or nothing.
pub(super) fn check(path: &[u8]) -> Result<(), Fault> {
    let plain = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
    let whole = path.is_empty() || path.split(|byte| *byte == b'/').all(plain);
    if whole && path.len() <= PATH_BYTES_MAX {
        return Ok(());
    }
    Err(Fault::denied(
        ErrorCode::BadPath,
        format!(
            "the path {:?} is refused: give names with `/` between them, relative to the folder, without `.` and `..`",
            shown(&path[..path.len().min(200)])
        ),
    ))
}

/// A path for a message, whatever bytes it has.
pub(super) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    if text.contains(char::is_control) {
        return text.escape_debug().to_string();
    }
    text.into_owned()
}
