//! Walks through a granted folder for an archive: everything in it, each folder before
//! what it holds, names in the order of their bytes.
//!
//! A walk keeps the names that it has not looked at yet, of the folder where it is and of
//! those above it, within a bound that all walks of an attempt share. Everything is opened
//! anew from the granted folder, so that a folder which was moved away or exchanged for a
//! link meanwhile leads nowhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use drydock_core::{ErrorCode, Fault};
use rustix::fs::{Dir, OFlags};

use super::beneath;
use super::fault;
use super::folder::Folder;
use super::item::{Item, ItemKind};

/// Items in one page.
const PAGE_ITEMS_MAX: usize = 256;

/// Bytes after which a page is full: paths and attributes are seldom more than 300 an item.
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// Bytes of names that all walks of an attempt keep, at [`NAME_BYTES`] more a name: half a
/// million names of usual length.
const NAMES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What keeping a name costs beside its own bytes.
const NAME_BYTES: usize = 32;

/// A walk under way. Clones are the same walk.
#[derive(Debug, Clone)]
pub struct Walk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    folder: Folder,
    one_file_system: bool,
    /// The folder itself comes first.
    begun: bool,
    levels: Vec<Level>,
}

/// A folder of which some names are still to come.
#[derive(Debug)]
struct Level {
    path: Vec<u8>,
    /// In reverse order: the next one is the last.
    names: Vec<Box<[u8]>>,
    _room: Room,
}

/// The bytes of names that may still be kept. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct NamesBudget(Arc<AtomicUsize>);

/// Part of a budget; given back when dropped.
#[derive(Debug)]
struct Room {
    budget: NamesBudget,
    bytes: usize,
}

impl Folder {
    /// Begins a walk through the folder. With `one_file_system` nothing is read in folders
    /// where another file system is mounted; they are handed out themselves.
    #[must_use]
    pub fn walk(&self, one_file_system: bool) -> Walk {
        Walk(Arc::new(Mutex::new(State {
            folder: self.clone(),
            one_file_system,
            begun: false,
            levels: Vec::new(),
        })))
    }
}

impl Walk {
    /// The next items; none when the walk is at its end. What cannot be read is an item
    /// with its trouble. Blocks.
    ///
    /// # Errors
    /// When the folder itself cannot be looked at.
    pub fn next(&self) -> Result<Vec<Item>, Fault> {
        let mut state = self.lock();
        let (mut items, mut bytes) = (Vec::new(), 0);
        while items.len() < PAGE_ITEMS_MAX && bytes < PAGE_BYTES_MAX {
            state.folder.work().go_on()?;
            let Some(item) = state.next()? else { break };
            bytes += item.weight();
            items.push(item);
        }
        Ok(items)
    }

    /// Leaves out what was not handed out yet of the folder `path`.
    pub fn skip(&self, path: &[u8]) {
        let mut state = self.lock();
        state.levels.retain(|level| !lies_in(&level.path, path));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `path` is the folder `above` or lies below it.
fn lies_in(path: &[u8], above: &[u8]) -> bool {
    let below = path.strip_prefix(above);
    above.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

impl State {
    fn next(&mut self) -> Result<Option<Item>, Fault> {
        if !std::mem::replace(&mut self.begun, true) {
            let mut top = self.folder.look(b"")?;
            self.enter(&mut top);
            return Ok(Some(top));
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.pop() else {
                self.levels.pop();
                continue;
            };
            let path = if level.path.is_empty() {
                name.to_vec()
            } else {
                [&level.path, &b"/"[..], &name].concat()
            };
            return Ok(Some(self.look(&path)));
        }
        Ok(None)
    }

    fn look(&mut self, path: &[u8]) -> Item {
        match self.folder.look(path) {
            Ok(mut item) => {
                if item.kind == ItemKind::Folder {
                    self.enter(&mut item);
                }
                item
            }
            Err(trouble) => Item::unseen(path, trouble),
        }
    }

    /// Reads a folder's names, to go on with them next.
    fn enter(&mut self, item: &mut Item) {
        let elsewhere = |device| device != item.identity.0;
        if self.one_file_system && self.folder.device().is_some_and(elsewhere) {
            return;
        }
        match self.level(item) {
            Ok(level) => self.levels.push(level),
            Err(trouble) => item.trouble = Some(trouble),
        }
    }

    fn level(&self, item: &Item) -> Result<Level, Fault> {
        let folder = &self.folder;
        let failed = |errno| fault::of(errno, "list", folder.shown_bytes(&item.path));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let fd = beneath::open(folder.fd(), &item.path, flags).map_err(failed)?;
        let stat = rustix::fs::fstat(&fd).map_err(failed)?;
        if (stat.st_dev, stat.st_ino) != item.identity {
            return Err(folder.changed(&item.path, "it was exchanged for another folder"));
        }
        let mut room = folder.names_budget().room();
        let mut names: Vec<Box<[u8]>> = Vec::new();
        for entry in Dir::read_from(&fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            folder.work().go_on()?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if !room.grow(name.len() + NAME_BYTES) {
                return Err(too_many(&folder.shown_bytes(&item.path)));
            }
            names.push(name.into());
        }
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Level {
            path: item.path.clone(),
            names,
            _room: room,
        })
    }
}

impl NamesBudget {
    fn room(&self) -> Room {
        Room {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

impl Room {
    fn grow(&mut self, bytes: usize) -> bool {
        let used = self.budget.0.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        used + bytes <= NAMES_BYTES_MAX
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn too_many(place: &str) -> Fault {
    Fault::permanent(
        ErrorCode::TooMany,
        format!(
            "the folder {place} cannot be listed: with the folders above it, its names take more than {NAMES_BYTES_MAX} bytes"
        ),
    )
}

#[cfg(test)]
mod tests;
