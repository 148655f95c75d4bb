//! What is archived and what is not, and what an operator hears of it. Nothing here
//! touches the host.
//!
//! What vanished meanwhile is a note: files come and go. What is there and cannot be read
//! is a failure, since nobody knows whether it was the key. What no archive should bring
//! back, a socket or a device, is left out and told.

mod links;
mod required;

use std::collections::HashMap;

use drydock_plugin_sdk::contents::{Content, Contents};
use drydock_plugin_sdk::glob::Glob;
use drydock_plugin_sdk::{Error, ErrorClass, Finding, Item, ItemKind};

use crate::config::Order;
use crate::tar::{Entry, Kind};

/// Names that a sentence spells out; the others are counted.
const SPELLED_MAX: usize = 3;

/// Files with several names that are remembered, at some hundred bytes each; nodes have
/// none to a few. Beyond it a file is archived once a name.
const SHARED_MAX: usize = 50_000;

/// Characters of a path in a sentence.
const PATH_SHOWN_MAX: usize = 200;

/// What to do with an item.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Leave,
    /// Neither it nor what lies in it is wanted.
    LeaveFolder,
    Archive,
}

/// Things of one sort: how many, and the first of them.
#[derive(Debug, Default)]
struct Tally {
    count: u64,
    spelled: Vec<String>,
}

/// A file with several names: the one under which it is in the archive, and the version
/// whose bytes are there.
struct Shared {
    path: Vec<u8>,
    version: Vec<u8>,
}

/// What is known so far.
pub struct Ledger<'a> {
    order: &'a Order,
    /// What was archived, by its name in the archive.
    contents: Contents,
    /// Where files with several names are in the archive, and in which state.
    shared: HashMap<(u64, u64), Shared>,
    /// The file system of the folder that is walked, and what was left out of it last.
    device: u64,
    left_out: Option<Vec<u8>>,
    pub files: u64,
    pub folders: u64,
    pub others: u64,
    pub bytes: u64,
    excluded: u64,
    vanished: Tally,
    sockets: Tally,
    devices: Tally,
    mounts: Tally,
    unreadable: Tally,
    /// The class of the worst of them.
    trouble: Option<ErrorClass>,
}

impl<'a> Ledger<'a> {
    pub fn new(order: &'a Order) -> Self {
        Self {
            order,
            contents: Contents::default(),
            shared: HashMap::new(),
            device: 0,
            left_out: None,
            files: 0,
            folders: 0,
            others: 0,
            bytes: 0,
            excluded: 0,
            vanished: Tally::default(),
            sockets: Tally::default(),
            devices: Tally::default(),
            mounts: Tally::default(),
            unreadable: Tally::default(),
            trouble: None,
        }
    }

    /// Decides what becomes of an item of `folder`.
    pub fn see(&mut self, folder: &str, item: &Item) -> Step {
        if item.path.is_empty() {
            self.device = item.identity.0;
            self.left_out = None;
        }
        if self.is_left_out(&item.path) {
            return Step::Leave;
        }
        if any_matches(&self.order.exclude, folder, &item.path) {
            self.excluded += 1;
            return self.leave(item);
        }
        let path = || shown(&whole(folder, &item.path));
        if let Some(trouble) = &item.trouble {
            if trouble.is("not-found") {
                self.vanished.add(path())
            } else {
                self.cannot_read(trouble.class, &trouble.message)
            }
            return self.leave(item);
        }
        if self.order.one_file_system && item.identity.0 != self.device {
            self.mounts.add(path());
            return self.leave(item);
        }
        match item.kind {
            ItemKind::Socket => self.sockets.add(path()),
            _ if Kind::of(item).is_none() => self.devices.add(path()),
            _ => return Step::Archive,
        }
        Step::Leave
    }

    /// The entry of an item that is to be archived as `path`: another name of one that is
    /// there already, or itself. A file that was written to since is archived once more:
    /// another name would give back the bytes that it had before.
    pub fn entry<'e>(&'e self, path: &'e [u8], item: &'e Item) -> Option<Entry<'e>> {
        let first = self
            .shared
            .get(&item.identity)
            .filter(|first| item.kind == ItemKind::File && first.version == item.version);
        let kind = match first {
            Some(first) => Kind::HardLink(&first.path),
            None => Kind::of(item)?,
        };
        Some(Entry { path, kind, item })
    }

    /// The item is in the archive as `path`.
    pub fn archived(&mut self, path: &[u8], item: &Item) {
        let content = match item.kind {
            ItemKind::File => {
                self.files += 1;
                self.remember(path, item);
                Content::File(item.size)
            }
            ItemKind::Folder => {
                self.folders += 1;
                Content::Folder
            }
            ItemKind::SymbolicLink => {
                self.others += 1;
                Content::Link(item.link.clone())
            }
            _ => {
                self.others += 1;
                Content::Other
            }
        };
        self.contents.add(path.to_vec(), content);
    }

    /// Keeps the first name of each version of a file.
    fn remember(&mut self, path: &[u8], item: &Item) {
        let known = self.shared.get(&item.identity);
        let is_known = known.is_some_and(|first| first.version == item.version);
        let has_room = known.is_some() || self.shared.len() < SHARED_MAX;
        if item.names > 1 && !is_known && has_room {
            let first = Shared {
                path: path.to_vec(),
                version: item.version.clone(),
            };
            self.shared.insert(item.identity, first);
        }
    }

    pub fn vanished(&mut self, path: &[u8]) {
        self.vanished.add(shown(path));
    }

    /// Something that is there cannot be read: why.
    pub fn cannot_read(&mut self, class: ErrorClass, why: &str) {
        self.unreadable.add(why.to_owned());
        let lasting = self
            .trouble
            .is_some_and(|class| class != ErrorClass::Transient);
        if !lasting {
            self.trouble = Some(class);
        }
    }

    /// What an operator hears of a backup that stands.
    ///
    /// # Errors
    /// Why it does not stand.
    pub fn close(&self) -> Result<Vec<Finding>, Error> {
        self.check_readable()?;
        let mut findings = required::check(self.order, &self.contents)?;
        if self.files == 0 {
            return Err(Error::permanent(
                "empty",
                format!(
                    "there is no file to archive in {}: see whether the folders are the right ones, and what `exclude` leaves out",
                    self.order.folders.join(", ")
                ),
            ));
        }
        let told = [
            (
                &self.vanished,
                Finding::note as fn(&str, String) -> Finding,
                "vanished",
                "vanished while the folder was read",
            ),
            (
                &self.sockets,
                Finding::note,
                "socket",
                "not archived, being a socket",
            ),
            (
                &self.mounts,
                Finding::note,
                "other-file-system",
                "not archived, being on another file system (`oneFileSystem`)",
            ),
            (
                &self.devices,
                Finding::warning,
                "device",
                "not archived, being a device: list it under `exclude` if that is meant",
            ),
        ];
        let told = told.into_iter().filter(|(tally, ..)| tally.count > 0);
        let told =
            told.map(|(tally, level, code, what)| level(code, format!("{}: {what}", tally.told())));
        findings.extend(told);
        findings.extend(links::tell(self.order, &self.contents));
        Ok(findings)
    }

    /// For the log.
    pub fn summary(&self) -> String {
        format!(
            "{} files with {} bytes, {} folders, {} links and pipes; {} left out by `exclude`",
            self.files, self.bytes, self.folders, self.others, self.excluded
        )
    }

    fn check_readable(&self) -> Result<(), Error> {
        let Some(class) = self.trouble else {
            return Ok(());
        };
        let spelled = self.unreadable.spelled.join("; ");
        let more = match self.unreadable.count.saturating_sub(SPELLED_MAX as u64) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        Err(Error::new(
            class,
            "unreadable",
            format!("{spelled}{more}; list under `exclude` what need not be in the backup"),
        ))
    }

    fn is_left_out(&self, path: &[u8]) -> bool {
        let below = |left: &Vec<u8>| {
            path.strip_prefix(left.as_slice())
                .is_some_and(|rest| rest.starts_with(b"/"))
        };
        self.left_out.as_ref().is_some_and(below)
    }

    fn leave(&mut self, item: &Item) -> Step {
        if item.kind != ItemKind::Folder {
            return Step::Leave;
        }
        self.left_out = Some(item.path.clone());
        Step::LeaveFolder
    }
}

impl Tally {
    fn add(&mut self, what: String) {
        self.count += 1;
        if self.spelled.len() < SPELLED_MAX {
            self.spelled.push(what);
        }
    }

    fn told(&self) -> String {
        let spelled = self.spelled.join(", ");
        match self.count.saturating_sub(self.spelled.len() as u64) {
            0 => spelled,
            more => format!("{spelled} and {more} more"),
        }
    }
}

/// The absolute path of what stands at `path` in `folder`.
pub fn whole(folder: &str, path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        folder.as_bytes().to_vec()
    } else {
        [folder.as_bytes(), b"/", path].concat()
    }
}

fn any_matches(globs: &[Glob], folder: &str, path: &[u8]) -> bool {
    globs.iter().any(|glob| matches(glob, folder, path))
}

/// A pattern that begins at the root means whole paths; another means paths in a folder,
/// and never the folder itself.
fn matches(glob: &Glob, folder: &str, path: &[u8]) -> bool {
    if glob.is_absolute() {
        glob.matches(&whole(folder, path)[1..])
    } else {
        !path.is_empty() && glob.matches(path)
    }
}

fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    text.escape_debug().take(PATH_SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests;
