//! Everything about one thing in a folder that an archive has to keep.

use drydock_core::{ErrorCode, Fault};
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;

use super::beneath;
use super::fault;
use super::folder::Folder;

/// Most bytes of a file's extended attributes, names and values. An access control list
/// and a label take a few hundred.
const ATTRIBUTES_BYTES_MAX: usize = 256 * 1024;

/// Times that the list of attributes is asked for again when it grows meanwhile.
const LIST_TRIES_MAX: usize = 4;

/// What an [`Item`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemKind {
    File,
    Folder,
    SymbolicLink,
    Fifo,
    Socket,
    CharacterDevice,
    BlockDevice,
    Other,
}

/// One thing in a folder. Owners are numbers: which names they have on this node is not
/// known to a daemon that may run in a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Relative to the folder; empty for the folder itself.
    pub path: Vec<u8>,
    pub kind: ItemKind,
    /// Bytes; 0 for anything but a file.
    pub size: u64,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    pub user: u32,
    pub group: u32,
    /// Seconds since 1970 and nanoseconds.
    pub modified: (i64, u32),
    /// Device and inode: two names of one file have the same.
    pub identity: (u64, u64),
    /// How many names the file has.
    pub names: u64,
    /// Where a symbolic link points.
    pub link: Vec<u8>,
    /// Extended attributes, sorted by name.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    pub version: Version,
    /// Why it, or what is in it, could not be read; what is known stands above.
    pub trouble: Option<Fault>,
}

/// Which state of a file was seen: its identity, size, and times of change. Another
/// state has another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version([u8; VERSION_BYTES]);

const VERSION_BYTES: usize = 48;

impl Folder {
    /// Looks at what `path` names, without following it; at the folder itself when empty.
    /// Blocks.
    ///
    /// # Errors
    /// `bad-path`, `not-found`, or what the kernel says.
    pub fn look(&self, path: &[u8]) -> Result<Item, Fault> {
        beneath::check(path)?;
        let failed = |errno| fault::of(errno, "look at", self.shown_bytes(path));
        let fd = beneath::open(self.fd(), path, OFlags::PATH).map_err(failed)?;
        let stat = rustix::fs::fstat(&fd).map_err(failed)?;
        let mut item = Item::of(path, &stat);
        let completed = item.complete(&fd);
        item.trouble = completed.err().map(|trouble| match trouble {
            Trouble::Kernel(errno) => {
                fault::of(errno, "read the attributes of", self.shown_bytes(path))
            }
            Trouble::TooMuch => Fault::permanent(
                ErrorCode::TooLarge,
                format!(
                    "the extended attributes of {} take more than {ATTRIBUTES_BYTES_MAX} bytes",
                    self.shown_bytes(path)
                ),
            ),
        });
        Ok(item)
    }
}

enum Trouble {
    Kernel(Errno),
    TooMuch,
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl Item {
    /// What could not even be looked at.
    pub(super) fn unseen(path: &[u8], trouble: Fault) -> Self {
        Self {
            path: path.to_vec(),
            kind: ItemKind::Other,
            size: 0,
            mode: 0,
            user: 0,
            group: 0,
            modified: (0, 0),
            identity: (0, 0),
            names: 0,
            link: Vec::new(),
            attributes: Vec::new(),
            version: Version([0; VERSION_BYTES]),
            trouble: Some(trouble),
        }
    }

    fn of(path: &[u8], stat: &Stat) -> Self {
        let kind = ItemKind::of(stat);
        Self {
            path: path.to_vec(),
            kind,
            size: match kind {
                ItemKind::File => size(stat),
                _ => 0,
            },
            mode: stat.st_mode & 0o7777,
            user: stat.st_uid,
            group: stat.st_gid,
            modified: (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            identity: (stat.st_dev, stat.st_ino),
            names: stat.st_nlink,
            link: Vec::new(),
            attributes: Vec::new(),
            version: Version::of(stat),
            trouble: None,
        }
    }

    /// Bytes that it takes up when it is handed over.
    pub(super) fn weight(&self) -> usize {
        let attributes = self.attributes.iter();
        let held: usize = attributes
            .map(|(name, value)| name.len() + value.len())
            .sum();
        size_of::<Self>() + self.path.len() + self.link.len() + held
    }

    /// Reads what `fstat` does not tell.
    fn complete(&mut self, fd: &OwnedFd) -> Result<(), Trouble> {
        if self.kind == ItemKind::SymbolicLink {
            self.link = rustix::fs::readlinkat(fd, "", Vec::new())?.into_bytes();
        }
        // A descriptor that only names a file cannot be asked for attributes itself; its
        // name under /proc can, and leads to this very file whatever it is.
        let place = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let names = names_of_attributes(&place)?;
        let mut bytes = 0;
        for name in names
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            let room = ATTRIBUTES_BYTES_MAX.saturating_sub(bytes + name.len());
            if let Some(value) = attribute(&place, name, room)? {
                bytes += name.len() + value.len();
                self.attributes.push((name.to_vec(), value));
            }
        }
        self.attributes.sort_unstable();
        Ok(())
    }
}

/// The names, each with a NUL behind it.
fn names_of_attributes(place: &str) -> Result<Vec<u8>, Trouble> {
    for _ in 0..LIST_TRIES_MAX {
        let length = match rustix::fs::listxattr_query(place) {
            Ok(length) => length,
            // This file system has none.
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(errno) => return Err(errno.into()),
        };
        if length > ATTRIBUTES_BYTES_MAX {
            return Err(Trouble::TooMuch);
        }
        let mut names = vec![0; length];
        match rustix::fs::listxattr(place, names.as_mut_slice()) {
            Ok(length) => {
                names.truncate(length);
                return Ok(names);
            }
            Err(Errno::RANGE) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Trouble::Kernel(Errno::AGAIN))
}

/// None when it is gone again.
fn attribute(place: &str, name: &[u8], bytes_max: usize) -> Result<Option<Vec<u8>>, Trouble> {
    for _ in 0..LIST_TRIES_MAX {
        let length = match rustix::fs::getxattr_query(place, name) {
            Ok(length) => length,
            Err(Errno::NODATA) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        if length > bytes_max {
            return Err(Trouble::TooMuch);
        }
        let mut value = vec![0; length];
        match rustix::fs::getxattr(place, name, value.as_mut_slice()) {
            Ok(length) => {
                value.truncate(length);
                return Ok(Some(value));
            }
            Err(Errno::RANGE) => {}
            Err(Errno::NODATA) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(Trouble::Kernel(Errno::AGAIN))
}

impl ItemKind {
    fn of(stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::SymbolicLink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::CharacterDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::Unknown => Self::Other,
        }
    }
}

impl Version {
    pub(super) fn of(stat: &Stat) -> Self {
        let mut bytes = [0; VERSION_BYTES];
        let fields = [
            stat.st_dev,
            stat.st_ino,
            size(stat),
            stat.st_mtime.cast_unsigned(),
            stat.st_ctime.cast_unsigned(),
            u64::from(nanoseconds(stat.st_mtime_nsec)) << 32
                | u64::from(nanoseconds(stat.st_ctime_nsec)),
        ];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        Self(bytes)
    }

    /// The version that a plugin hands back.
    ///
    /// # Errors
    /// `bad-version` when it never was one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let bytes = bytes.try_into().map_err(|_| {
            Fault::permanent(
                ErrorCode::BadVersion,
                "the version of a file has to be handed back as it was given",
            )
        })?;
        Ok(Self(bytes))
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn nanoseconds(field: impl TryInto<u32>) -> u32 {
    field.try_into().unwrap_or(0)
}
