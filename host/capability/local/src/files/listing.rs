//! Listing the plain files of a folder in the order of their paths, a page at a time.

use std::collections::VecDeque;

use drydock_core::Fault;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType};

use super::fault;
use super::folder::Folder;
use super::path;

/// Entries in a page; `wit/files.wit` promises no more.
const PAGE_ENTRIES_MAX: usize = 1000;

/// Folders inside folders; a target uses three.
const DEPTH_MAX: usize = 32;

/// Names in one folder. They are sorted in memory, about 100 bytes each.
const FOLDER_NAMES_MAX: usize = 250_000;

/// A plain file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// A page of a listing; `next` goes into the next call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub next: Option<String>,
}

/// What a walk looks for: files that start with `prefix` and come after `after`.
struct Walk<'a> {
    folder: &'a Folder,
    prefix: &'a str,
    after: Option<&'a str>,
    found: Vec<Entry>,
}

/// A name in a folder; a sub-folder's sort key ends in `/`, which makes the walk's order
/// the byte order of whole paths.
struct Name {
    key: String,
    size: Option<u64>,
}

impl Folder {
    /// Plain files whose path starts with `prefix`, sorted by path, after `cursor`.
    /// Symbolic links, sockets and names that are not UTF-8 are left out. Blocks.
    ///
    /// # Errors
    /// `bad-path`, `too-many` or what the kernel says.
    pub fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<Page, Fault> {
        path::check_prefix(prefix)?;
        let mut walk = Walk {
            folder: self,
            prefix,
            after: cursor,
            found: Vec::new(),
        };
        walk.enter("", 0)?;
        let more = walk.found.len() > PAGE_ENTRIES_MAX;
        walk.found.truncate(PAGE_ENTRIES_MAX);
        let next = more
            .then(|| walk.found.last().map(|last| last.path.clone()))
            .flatten();
        Ok(Page {
            entries: walk.found,
            next,
        })
    }
}

impl Walk<'_> {
    /// Walks the folder whose path inside is `at` (empty or ending in `/`).
    fn enter(&mut self, at: &str, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(too_many("folders inside each other", DEPTH_MAX, at));
        }
        let Some(fd) = self.open(at)? else {
            return Ok(());
        };
        let mut names = VecDeque::from(self.names(&fd, at)?);
        while let Some(name) = names.pop_front() {
            if self.found.len() > PAGE_ENTRIES_MAX {
                break;
            }
            let path = format!("{at}{}", name.key);
            match name.size {
                Some(size) if self.wants_file(&path) => self.found.push(Entry { path, size }),
                None if self.wants_folder(&path) => self.enter(&path, depth + 1)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// None when the folder vanished since its name was read.
    fn open(&self, at: &str) -> Result<Option<OwnedFd>, Fault> {
        match self.folder.open_folder(at.trim_end_matches('/')) {
            Ok(fd) => Ok(Some(fd)),
            Err(fault) if fault.is("not-found") && !at.is_empty() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn wants_file(&self, path: &str) -> bool {
        path.starts_with(self.prefix) && self.after.is_none_or(|after| path > after)
    }

    /// Whether files that are wanted can lie below `path` (which ends in `/`).
    fn wants_folder(&self, path: &str) -> bool {
        let leads_to_prefix = path.starts_with(self.prefix) || self.prefix.starts_with(path);
        let passed = self
            .after
            .is_some_and(|after| after > path && !after.starts_with(path));
        leads_to_prefix && !passed
    }

    fn names(&self, fd: &OwnedFd, at: &str) -> Result<Vec<Name>, Fault> {
        let failed = |errno| fault::of(errno, "list", self.folder.shown(at));
        let mut names = Vec::new();
        for entry in Dir::read_from(fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if names.len() == FOLDER_NAMES_MAX {
                return Err(too_many("names in one folder", FOLDER_NAMES_MAX, at));
            }
            if let Ok(name) = entry.file_name().to_str() {
                names.extend(self.look_at(fd, name)?);
            }
        }
        names.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(names)
    }

    /// The name as a plain file or folder; none for anything else.
    fn look_at(&self, fd: &OwnedFd, name: &str) -> Result<Option<Name>, Fault> {
        if matches!(name, "." | "..") || name.contains(char::is_control) {
            return Ok(None);
        }
        let stat = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(fault::of(errno, "look at", self.folder.shown(name))),
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Some(Name {
                key: name.to_owned(),
                size: Some(u64::try_from(stat.st_size).unwrap_or(0)),
            }),
            FileType::Directory => Some(Name {
                key: format!("{name}/"),
                size: None,
            }),
            _ => None,
        })
    }
}

fn too_many(what: &str, limit: usize, at: &str) -> Fault {
    Fault::permanent(
        "too-many",
        format!("the folder cannot be listed: more than {limit} {what} at {at:?}"),
    )
}
