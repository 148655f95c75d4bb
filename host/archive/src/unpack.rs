//! Unpacks a proven archive below a folder of its own, and nowhere else: every name is
//! resolved beneath that folder by the kernel, no link is followed, and nothing that
//! exists is written to.
//!
//! Owners, modes and times of folders are put back last, when nothing is written into
//! them any more. What this user may not put back, owners and some attributes, is counted
//! and left.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use drydock_capability_files::open_beneath;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::{Damage, Decoder, Entry, Event, Kind, objection, parts, shown};

/// Bytes that are read from the archive at once.
const READ_BYTES: usize = 256 * 1024;

/// Bytes of the names and attributes of folders that wait for the end.
const WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The bits that lend an owner's powers: worth nothing where the owner is another one.
const LENT: u32 = 0o6000;

/// What was unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    pub files: u64,
    pub folders: u64,
    /// Symbolic and hard ones.
    pub links: u64,
    pub pipes: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Devices, which are not made.
    pub devices: u64,
    /// Entries that did not get their owner or group, for want of the right to it.
    pub owners_lost: u64,
    /// Extended attributes that this user or file system refused.
    pub attributes_lost: u64,
    /// The folders that no other entry holds, e.g. `etc/kubernetes`.
    pub roots: Vec<String>,
}

/// Why it stopped.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("the archive cannot be read")]
    Read(#[source] io::Error),
    #[error("the archive is damaged {0}")]
    Damage(String),
    #[error("{name} is refused: {why}")]
    Refused { name: String, why: &'static str },
    #[error("{name} cannot be written")]
    Write {
        name: String,
        #[source]
        source: io::Error,
    },
}

/// An unpacking under way.
struct Unpacker<'a> {
    base: BorrowedFd<'a>,
    owners: bool,
    open: Option<(Box<Entry>, File)>,
    folders: Vec<Entry>,
    waiting_bytes: usize,
    done: Unpacked,
}

/// Unpacks `archive` into the folder `base`, which nobody else writes to, with owners
/// where `owners` says so.
///
/// # Errors
/// [`UnpackError`]; what was written until then stays.
pub fn unpack(
    mut archive: impl Read,
    base: BorrowedFd<'_>,
    owners: bool,
) -> Result<Unpacked, UnpackError> {
    let mut unpacker = Unpacker {
        base,
        owners,
        open: None,
        folders: Vec::new(),
        waiting_bytes: 0,
        done: Unpacked::default(),
    };
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; READ_BYTES];
    let damage = |damage: Damage| UnpackError::Damage(damage.to_string());
    loop {
        let count = archive.read(&mut buffer).map_err(UnpackError::Read)?;
        if count == 0 {
            decoder.finish().map_err(damage)?;
            return unpacker.finish();
        }
        let mut bytes = &buffer[..count];
        while let Some(event) = decoder.next(&mut bytes).map_err(damage)? {
            unpacker.take(event)?;
        }
    }
}

impl Unpacker<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), UnpackError> {
        match event {
            Event::Entry(entry) => self.begin(entry),
            Event::Data(bytes) => self.write(bytes),
            Event::EntryEnd => match self.open.take() {
                Some((entry, _)) => self.furnish(&entry),
                None => Ok(()),
            },
        }
    }

    fn begin(&mut self, entry: Box<Entry>) -> Result<(), UnpackError> {
        let failed = |errno: Errno| write_error(&entry.path, errno);
        if let Some(why) = objection(&entry.path) {
            return Err(refused(&entry.path, why));
        }
        let path = joined(&entry.path);
        let Some(place) = Place::of(&path) else {
            // The folder that is unpacked into keeps its own mode and owner.
            return Ok(());
        };
        match entry.kind {
            Kind::File => {
                let parent = self.parent(&place).map_err(failed)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let mode = Mode::RUSR | Mode::WUSR;
                let file = rustix::fs::openat(&parent, place.name, flags | OFlags::CLOEXEC, mode)
                    .map_err(failed)?;
                self.done.files += 1;
                self.open = Some((entry, File::from(file)));
                Ok(())
            }
            Kind::Folder => self.make_folder(&place, *entry),
            Kind::CharacterDevice | Kind::BlockDevice => {
                self.done.devices += 1;
                Ok(())
            }
            Kind::Unknown(_) => Err(refused(
                &entry.path,
                "it is of a kind that cannot be unpacked",
            )),
            Kind::SymbolicLink | Kind::HardLink | Kind::Fifo => self.make_other(&place, &entry),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        let Some((entry, file)) = &mut self.open else {
            return Ok(());
        };
        file.write_all(bytes).map_err(|source| UnpackError::Write {
            name: shown(&entry.path),
            source,
        })?;
        self.done.bytes += bytes.len() as u64;
        Ok(())
    }

    fn make_folder(&mut self, place: &Place<'_>, entry: Entry) -> Result<(), UnpackError> {
        let failed = |errno: Errno| write_error(&entry.path, errno);
        let parent = self.parent(place).map_err(failed)?;
        match rustix::fs::mkdirat(&parent, place.name, Mode::RWXU) {
            Ok(()) => {}
            // It was made for something in it that came first.
            Err(Errno::EXIST) if is_folder(&parent, place.name) => {}
            Err(errno) => return Err(failed(errno)),
        }
        self.done.folders += 1;
        let attributes = entry.attributes.iter();
        let held: usize = attributes
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.waiting_bytes += entry.path.len() + held + size_of::<Entry>();
        if self.waiting_bytes > WAITING_BYTES_MAX {
            return Err(refused(
                &entry.path,
                "the archive's folders take more memory than is given to them",
            ));
        }
        self.folders.push(entry);
        Ok(())
    }

    fn make_other(&mut self, place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
        let failed = |errno: Errno| write_error(&entry.path, errno);
        let parent = self.parent(place).map_err(failed)?;
        if entry.kind == Kind::HardLink {
            // Whatever is in the base was in the archive before.
            let source = joined(&entry.link);
            let source = Place::of(&source)
                .filter(|_| objection(&entry.link).is_none())
                .ok_or_else(|| refused(&entry.path, "it is another name of something outside"))?;
            let from = self.parent_that_is(&source).map_err(failed)?;
            rustix::fs::linkat(&from, source.name, &parent, place.name, AtFlags::empty())
                .map_err(failed)?;
            self.done.links += 1;
            return Ok(());
        }
        if entry.kind == Kind::SymbolicLink {
            rustix::fs::symlinkat(entry.link.as_slice(), &parent, place.name).map_err(failed)?;
            self.done.links += 1;
        } else {
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(&parent, place.name, FileType::Fifo, mode, 0).map_err(failed)?;
            self.done.pipes += 1;
        }
        self.furnish(entry)
    }

    /// Owner, attributes, mode and times, in the order in which one does not undo another.
    fn furnish(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        let failed = |errno: Errno| write_error(&entry.path, errno);
        let path = joined(&entry.path);
        let fd = open_beneath(self.base, &path, OFlags::PATH).map_err(failed)?;
        let place = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let owned = self.owners && self.give(&fd, entry).map_err(failed)?;
        for (name, value) in &entry.attributes {
            match rustix::fs::setxattr(&place, name.as_slice(), value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::PERM | Errno::ACCESS | Errno::NOTSUP | Errno::INVAL) => {
                    self.done.attributes_lost += 1;
                }
                Err(errno) => return Err(failed(errno)),
            }
        }
        if entry.kind != Kind::SymbolicLink {
            let lent = if owned || entry.kind == Kind::Folder {
                0
            } else {
                LENT
            };
            let mode = Mode::from_raw_mode(entry.mode & !lent);
            rustix::fs::chmod(&place, mode).map_err(failed)?;
        }
        let (tv_sec, nanoseconds) = entry.modified;
        let modified = Timespec {
            tv_sec,
            tv_nsec: nanoseconds.into(),
        };
        let times = Timestamps {
            last_access: modified,
            last_modification: modified,
        };
        let parent = Place::of(&path).map(|place| (self.parent_that_is(&place), place.name));
        let Some((parent, name)) = parent else {
            return Ok(());
        };
        let parent = parent.map_err(failed)?;
        rustix::fs::utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
    }

    /// Whether it now has the owner that it had.
    fn give(&mut self, fd: &OwnedFd, entry: &Entry) -> Result<bool, Errno> {
        let ids = (u32::try_from(entry.uid), u32::try_from(entry.gid));
        let (Ok(user), Ok(group)) = ids else {
            self.done.owners_lost += 1;
            return Ok(false);
        };
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        match rustix::fs::chownat(fd, "", Some(user), Some(group), AtFlags::EMPTY_PATH) {
            Ok(()) => Ok(true),
            // Not root, or an id that this user namespace does not have.
            Err(Errno::PERM | Errno::INVAL | Errno::OVERFLOW) => {
                self.done.owners_lost += 1;
                Ok(false)
            }
            Err(errno) => Err(errno),
        }
    }

    /// The folder that holds a name, made if no entry told of it.
    fn parent(&self, place: &Place<'_>) -> Result<OwnedFd, Errno> {
        match self.parent_that_is(place) {
            Err(Errno::NOENT) => {}
            found => return found,
        }
        let slashes = place
            .parent
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/');
        let ends = slashes.map(|(at, _)| at).chain([place.parent.len()]);
        for end in ends {
            let folder = Place::of(&place.parent[..end]).ok_or(Errno::INVAL)?;
            let above = self.parent_that_is(&folder)?;
            match rustix::fs::mkdirat(&above, folder.name, Mode::RWXU) {
                // As any folder of the system is: what is in it has its own mode.
                Ok(()) => rustix::fs::chmodat(
                    &above,
                    folder.name,
                    Mode::from_raw_mode(0o755),
                    AtFlags::empty(),
                )?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.parent_that_is(place)
    }

    fn parent_that_is(&self, place: &Place<'_>) -> Result<OwnedFd, Errno> {
        open_beneath(self.base, place.parent, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// Puts the folders' own things back, the innermost first, and makes all of it durable.
    fn finish(mut self) -> Result<Unpacked, UnpackError> {
        self.done.roots = roots(&self.folders);
        let folders = std::mem::take(&mut self.folders);
        for folder in folders.iter().rev() {
            self.furnish(folder)?;
        }
        rustix::fs::syncfs(self.base).map_err(|errno| write_error(b"it", errno))?;
        Ok(self.done)
    }
}

/// A name and the path of the folder that holds it, empty for the base.
struct Place<'a> {
    parent: &'a [u8],
    name: &'a [u8],
}

impl<'a> Place<'a> {
    /// None for the base itself.
    fn of(path: &'a [u8]) -> Option<Self> {
        if path.is_empty() {
            return None;
        }
        let slash = path.iter().rposition(|byte| *byte == b'/');
        Some(match slash {
            Some(at) => Self {
                parent: &path[..at],
                name: &path[at + 1..],
            },
            None => Self {
                parent: b"",
                name: path,
            },
        })
    }
}

/// The names that mean something, with one `/` between them.
fn joined(path: &[u8]) -> Vec<u8> {
    parts(path).collect::<Vec<_>>().join(&b'/')
}

fn is_folder(parent: &OwnedFd, name: &[u8]) -> bool {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Folders that lie in no other one of the archive.
fn roots(folders: &[Entry]) -> Vec<String> {
    let mut roots: Vec<Vec<u8>> = Vec::new();
    for folder in folders {
        let path = joined(&folder.path);
        let within = |root: &Vec<u8>| {
            path.strip_prefix(root.as_slice())
                .is_some_and(|rest| rest.starts_with(b"/"))
        };
        if !roots.iter().any(within) {
            roots.push(path);
        }
    }
    roots
        .iter()
        .map(|root| String::from_utf8_lossy(root).into_owned())
        .collect()
}

fn refused(path: &[u8], why: &'static str) -> UnpackError {
    UnpackError::Refused {
        name: shown(path),
        why,
    }
}

fn write_error(path: &[u8], errno: Errno) -> UnpackError {
    UnpackError::Write {
        name: shown(path),
        source: errno.into(),
    }
}

/// A descriptor of the folder, for everything that is done in it.
///
/// # Errors
/// The kernel's, as for a link in the place of the folder.
pub fn open_folder(path: &std::path::Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat(CWD.as_fd(), path, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests;
