//! Listing the plain files of a folder in the order of their paths, a page at a time.

use std::collections::VecDeque;
use std::fmt::Display;

use drydock_core::{ErrorCode, Fault};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::beneath;
use super::fault;
use super::folder::Folder;
use super::path;

/// Entries in a page; `wit/files.wit` promises no more.
const PAGE_ENTRIES_MAX: usize = 1000;

/// Folders inside folders; a target uses three.
const DEPTH_MAX: usize = 32;

/// Names in one folder. They are sorted in memory, about 100 bytes each.
const FOLDER_NAMES_MAX: usize = 250_000;

/// Names that one call looks at, in all folders together: a target of fifty thousand
/// recovery points has half as many. Each costs a look at the disk.
const NAMES_MAX: usize = 1_000_000;

/// A plain file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// What a listing passed over: something that could not be read, or that is no plain file.
#[derive(Debug, Clone, PartialEq)]
pub struct PassedOver {
    /// Relative to the folder, as text whatever bytes its names have.
    pub path: String,
    pub why: Fault,
}

/// A page of a listing; `next` goes into the next call.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Of the same part of the order as the entries.
    pub passed_over: Vec<PassedOver>,
    pub next: Option<String>,
}

/// What a walk looks for: files that start with `prefix` and come after `after`.
struct Walk<'a> {
    folder: &'a Folder,
    prefix: &'a str,
    after: Option<&'a str>,
    found: Vec<Found>,
    /// Names that were looked at.
    looked_at: usize,
}

/// What stands in the order of paths.
enum Found {
    File(Entry),
    Other(PassedOver),
}

/// A name in a folder; a sub-folder's sort key ends in `/`, which makes the walk's order
/// the byte order of whole paths.
struct Name {
    key: String,
    kind: Kind,
}

enum Kind {
    File { size: u64 },
    Folder,
    Other(Fault),
}

impl Folder {
    /// Plain files whose path starts with `prefix`, sorted by path, after `cursor`.
    /// Symbolic links, sockets, names that are no text and what cannot be read is passed
    /// over and told. Blocks.
    ///
    /// # Errors
    /// `bad-path`, or what the kernel says of the folder itself.
    pub fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<Page, Fault> {
        path::check_prefix(prefix)?;
        let mut walk = Walk {
            folder: self,
            prefix,
            after: cursor,
            found: Vec::new(),
            looked_at: 0,
        };
        walk.enter("", 0)?;
        let more = walk.found.len() > PAGE_ENTRIES_MAX;
        walk.found.truncate(PAGE_ENTRIES_MAX);
        let last = walk.found.last().filter(|_| more);
        let next = last.map(|last| last.path().to_owned());
        let mut page = Page {
            entries: Vec::new(),
            passed_over: Vec::new(),
            next,
        };
        for found in walk.found {
            match found {
                Found::File(entry) => page.entries.push(entry),
                Found::Other(passed) => page.passed_over.push(passed),
            }
        }
        Ok(page)
    }
}

impl Walk<'_> {
    /// Walks the folder whose path inside is `at` (empty or ending in `/`).
    fn enter(&mut self, at: &str, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(too_many("folders inside each other", DEPTH_MAX, at));
        }
        let mut names = VecDeque::from(self.names_at(at)?);
        while let Some(name) = names.pop_front() {
            if self.found.len() > PAGE_ENTRIES_MAX {
                break;
            }
            let path = format!("{at}{}", name.key);
            match name.kind {
                Kind::File { size } if self.wants_file(&path) => {
                    self.found.push(Found::File(Entry { path, size }));
                }
                Kind::Folder if self.wants_folder(&path) => {
                    if let Err(why) = self.enter(&path, depth + 1) {
                        self.check(&path)?;
                        self.pass_over(path, why);
                    }
                }
                Kind::Other(why) => self.pass_over(path, why),
                Kind::File { .. } | Kind::Folder => {}
            }
        }
        Ok(())
    }

    /// Nothing, when the folder vanished since its name was read.
    fn names_at(&mut self, at: &str) -> Result<Vec<Name>, Fault> {
        match self.folder.open_folder(at.trim_end_matches('/')) {
            Ok(fd) => self.names(&fd, at),
            Err(fault) if fault.code == ErrorCode::NotFound && !at.is_empty() => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    fn wants_file(&self, path: &str) -> bool {
        path.starts_with(self.prefix) && self.is_new(path)
    }

    /// Whether files that are wanted can lie below `path` (which ends in `/`).
    fn wants_folder(&self, path: &str) -> bool {
        let passed = self
            .after
            .is_some_and(|after| after > path && !after.starts_with(path));
        self.leads(path) && !passed
    }

    /// Told where files of the prefix could be behind it.
    fn pass_over(&mut self, path: String, why: Fault) {
        let below = format!("{}/", path.trim_end_matches('/'));
        if self.leads(&below) && self.is_new(&path) {
            self.found.push(Found::Other(PassedOver { path, why }));
        }
    }

    fn leads(&self, folder: &str) -> bool {
        folder.starts_with(self.prefix) || self.prefix.starts_with(folder)
    }

    fn is_new(&self, path: &str) -> bool {
        self.after.is_none_or(|after| path > after)
    }

    fn names(&mut self, fd: &OwnedFd, at: &str) -> Result<Vec<Name>, Fault> {
        let folder = self.folder;
        let failed = |errno| fault::of(errno, "list", folder.shown(at));
        let mut names = Vec::new();
        for entry in Dir::read_from(fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if names.len() == FOLDER_NAMES_MAX {
                return Err(too_many("names in one folder", FOLDER_NAMES_MAX, at));
            }
            self.count(at)?;
            names.extend(self.look_at(fd, at, entry.file_name().to_bytes()));
        }
        names.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(names)
    }

    /// One name more.
    fn count(&mut self, at: &str) -> Result<(), Fault> {
        self.looked_at += 1;
        self.check(at)
    }

    /// What ends the whole listing, and is no trouble of one folder.
    fn check(&self, at: &str) -> Result<(), Fault> {
        self.folder.work().go_on()?;
        if self.looked_at <= NAMES_MAX {
            return Ok(());
        }
        Err(too_many("names in one listing", NAMES_MAX, at))
    }

    /// The name and what it names; none when it is gone again.
    fn look_at(&self, fd: &OwnedFd, at: &str, bytes: &[u8]) -> Option<Name> {
        let shown = beneath::shown(bytes);
        if matches!(bytes, b"." | b"..") {
            return None;
        }
        let other = |why| Some(Name::other(&shown, why));
        let place = || self.folder.shown(&format!("{at}{shown}"));
        let name = match std::str::from_utf8(bytes) {
            Ok(name) if !name.contains(char::is_control) => name,
            _ => {
                return other(odd(
                    place(),
                    ErrorCode::BadName,
                    "its name is no plain text",
                ));
            }
        };
        let stat = match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return None,
            Err(errno) => return other(fault::of(errno, "look at", place())),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Some(Name {
                key: name.to_owned(),
                kind: Kind::File {
                    size: u64::try_from(stat.st_size).unwrap_or(0),
                },
            }),
            FileType::Directory => Some(Name {
                key: format!("{name}/"),
                kind: Kind::Folder,
            }),
            FileType::Symlink => other(odd(
                place(),
                ErrorCode::SymbolicLink,
                "it is a symbolic link, and none is followed",
            )),
            _ => other(odd(
                place(),
                ErrorCode::NotAFile,
                "it is neither file nor folder",
            )),
        }
    }
}

impl Found {
    fn path(&self) -> &str {
        match self {
            Self::File(entry) => &entry.path,
            Self::Other(passed) => &passed.path,
        }
    }
}

impl Name {
    fn other(shown: &str, why: Fault) -> Self {
        Self {
            key: shown.to_owned(),
            kind: Kind::Other(why),
        }
    }
}

fn odd(place: impl Display, code: ErrorCode, why: &str) -> Fault {
    Fault::permanent(code, format!("cannot list {place}: {why}"))
}

fn too_many(what: &str, limit: usize, at: &str) -> Fault {
    Fault::permanent(
        ErrorCode::TooMany,
        format!("cannot list {at:?} in the folder: there are more than {limit} {what}"),
    )
}
