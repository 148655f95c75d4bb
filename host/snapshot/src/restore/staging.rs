//! Where a restore builds, and how what it built comes to its place.
//!
//! Everything is built in a hidden folder beside the data folder, on the same
//! file system, and moved to its place by one rename. A data folder that is a
//! mount point cannot be renamed over: there the hidden folder lies inside, and
//! each entry is moved by a rename of its own. Where there are several renames,
//! e.g. also for a write-ahead log elsewhere, they stand in a file, the switch,
//! before the first of them.
//!
//! What a crash leaves: a hidden folder that the next restore to the same place
//! recognises by its name, unless a living process holds its lock. If it holds
//! a switch whose renames are not all done, those that are done are taken back
//! first, provided that nobody has used the folders since. If they are all done,
//! the restore was complete, and stays.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, StatxAttributes, StatxFlags, flock, statx};
use rustix::io::Errno;

use super::Phase;
use super::error::RestoreError;
use super::switch::{self, Move};

/// The end of a hidden folder's name, and its whole name in a mount point.
const HIDDEN: &str = ".drydock-restore";
/// What becomes the data folder, or the entries of it.
const BUILT: &str = "data";
/// Holds the path of the hidden folder for the logs, if there is one.
const LOGS: &str = "logs";
/// What a new file system may hold of itself.
const OF_THE_FILE_SYSTEM: &str = "lost+found";

/// Hidden folders of a restore under way; they vanish with this value.
pub(crate) struct Staging {
    /// Where the data folder will be.
    pub data_dir: PathBuf,
    /// Whether it is a mount point.
    inside: bool,
    /// The hidden folder.
    pub root: PathBuf,
    /// The folder for the logs, if they go elsewhere.
    logs: Option<Logs>,
    /// Folders above that had to be made, the highest first.
    made: Vec<PathBuf>,
    /// The hidden folders that were made, with the locks on them.
    ours: Vec<(PathBuf, File)>,
    done: bool,
}

/// A folder for logs outside of the data folder.
struct Logs {
    wal_dir: PathBuf,
    root: PathBuf,
}

impl Staging {
    /// Checks that nothing is in the way, clears away what a dead restore left,
    /// and makes the hidden folders.
    pub fn begin(data_dir: &Path, wal_dir: Option<&Path>) -> Result<Self, RestoreError> {
        let data_dir = resolved(data_dir)?;
        let inside = is_mount_point(&data_dir)?;
        let root = hidden(&data_dir, inside);
        clear_dead(&root, &data_dir)?;
        check_empty(&data_dir, inside)?;
        let logs = wal_dir.map(|wal| Logs::of(wal, &data_dir)).transpose()?;
        let mut staging = Self {
            data_dir,
            inside,
            root,
            logs,
            made: Vec::new(),
            ours: Vec::new(),
            done: false,
        };
        staging.make()?;
        Ok(staging)
    }

    /// The folder in which the data folder is built.
    pub fn data(&self) -> PathBuf {
        self.root.join(BUILT)
    }

    /// Where the logs are built that will be in `wal_dir`, if that was asked for.
    pub fn logs(&self) -> Option<(PathBuf, PathBuf)> {
        let logs = self.logs.as_ref()?;
        let built = match logs.wal_dir.strip_prefix(&self.data_dir) {
            Ok(below) => self.data().join(below),
            Err(_) => logs.root.join(BUILT),
        };
        Some((built, logs.wal_dir.clone()))
    }

    /// The hidden folder of logs that lie outside of the data folder.
    pub fn logs_root(&self) -> Option<&Path> {
        let logs = self.logs.as_ref()?;
        let apart = !logs.wal_dir.starts_with(&self.data_dir);
        apart.then_some(&*logs.root)
    }

    /// Moves everything to its place.
    pub fn place(mut self, watch: &dyn Fn(Phase)) -> Result<(), RestoreError> {
        let moves = self.moves()?;
        switch::carry_out(&self.root, &moves, watch)?;
        self.done = true;
        self.remove()
    }

    /// The log comes first: a member without one would begin a new cluster.
    fn moves(&self) -> Result<Vec<Move>, RestoreError> {
        let mut moves = Vec::new();
        if let (Some(logs), Some(root)) = (&self.logs, self.logs_root()) {
            moves.push(Move::new(root.join(BUILT), logs.wal_dir.clone()));
        }
        if !self.inside {
            moves.push(Move::new(self.data(), self.data_dir.clone()));
            return Ok(moves);
        }
        for name in names(&self.data())? {
            let place = self.data_dir.join(&name);
            moves.push(Move::new(self.data().join(name), place));
        }
        Ok(moves)
    }

    /// The note of the second hidden folder comes before that folder.
    fn make(&mut self) -> Result<(), RestoreError> {
        self.make_root(self.root.clone())?;
        if let Some(logs) = self.logs_root().map(Path::to_owned) {
            switch::write_synced(&self.root.join(LOGS), switch::bytes_of(&logs))?;
            self.make_root(logs)?;
        }
        self.take_over_owner()
    }

    fn make_root(&mut self, root: PathBuf) -> Result<(), RestoreError> {
        self.make_above(&root)?;
        make_folder(&root)?;
        let lock = File::open(&root).map_err(RestoreError::io("open", &root))?;
        lock_or_busy(&lock, &self.data_dir)?;
        make_folder(&root.join(BUILT))?;
        self.ours.push((root, lock));
        Ok(())
    }

    fn make_above(&mut self, path: &Path) -> Result<(), RestoreError> {
        let above = path.ancestors().skip(1);
        let missing: Vec<_> = above.take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            make_folder(folder)?;
            self.made.push(folder.to_owned());
        }
        Ok(())
    }

    /// An empty data folder that is replaced may belong to etcd's own user.
    fn take_over_owner(&self) -> Result<(), RestoreError> {
        let Ok(old) = fs::metadata(&self.data_dir) else {
            return Ok(());
        };
        let built = self.data();
        chown(&built, Some(old.uid()), Some(old.gid()))
            .and_then(|()| fs::set_permissions(&built, fs::Permissions::from_mode(old.mode())))
            .map_err(RestoreError::io("set owner and mode of", &built))
    }

    fn remove(&self) -> Result<(), RestoreError> {
        let ours = self.ours.iter().rev();
        ours.map(|(root, _)| root)
            .try_for_each(|root| remove_folder(root))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.done || self.ours.is_empty() {
            return;
        }
        // The reason of the failure is under way to the operator already; what
        // cannot be removed now is by the next restore.
        let _ = switch::take_back(&self.root).and_then(|()| self.remove());
        for folder in self.made.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Logs {
    fn of(wal_dir: &Path, data_dir: &Path) -> Result<Self, RestoreError> {
        let wal_dir = resolved(wal_dir)?;
        if wal_dir.exists() {
            return Err(RestoreError::WalExists { path: wal_dir });
        }
        if data_dir.starts_with(&wal_dir) {
            return Err(RestoreError::WalAround {
                wal: wal_dir,
                data: data_dir.to_owned(),
            });
        }
        let root = hidden(&wal_dir, false);
        if !wal_dir.starts_with(data_dir) {
            clear_dead(&root, &wal_dir)?;
        }
        Ok(Self { wal_dir, root })
    }
}

/// An absolute path without links, as far as there is something to follow.
fn resolved(path: &Path) -> Result<PathBuf, RestoreError> {
    let path = std::path::absolute(path).map_err(RestoreError::io("resolve", path))?;
    match path.canonicalize() {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => Ok(resolved(parent)?.join(name)),
                _ => Err(RestoreError::io("use", &path)(
                    io::ErrorKind::InvalidInput.into(),
                )),
            }
        }
        Err(error) => Err(RestoreError::io("resolve", &path)(error)),
    }
}

fn hidden(folder: &Path, inside: bool) -> PathBuf {
    match (folder.parent(), folder.file_name()) {
        (Some(parent), Some(name)) if !inside => {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(HIDDEN);
            parent.join(hidden)
        }
        _ => folder.join(HIDDEN),
    }
}

/// Whether a folder is a hidden one of a restore.
pub(crate) fn is_hidden(folder: &Path) -> bool {
    folder.to_string_lossy().ends_with(HIDDEN)
}

/// Whether something is mounted there: the kernel says so (since 5.8), or the
/// folder lies on another device than the one above it.
fn is_mount_point(folder: &Path) -> Result<bool, RestoreError> {
    if !folder.exists() {
        return Ok(false);
    }
    let refused = RestoreError::io("look at", folder);
    let found = statx(CWD, folder, AtFlags::empty(), StatxFlags::BASIC_STATS);
    let found = found.map_err(|errno| refused(errno.into()))?;
    if found
        .stx_attributes_mask
        .contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    let device = |path: &Path| {
        let found = fs::metadata(path).map_err(RestoreError::io("look at", path))?;
        Ok::<_, RestoreError>(found.dev())
    };
    match folder.parent() {
        Some(parent) => Ok(device(folder)? != device(parent)?),
        None => Ok(true),
    }
}

/// Clears away what a dead restore left at `root`.
fn clear_dead(root: &Path, wanted: &Path) -> Result<(), RestoreError> {
    let lock = match File::open(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(RestoreError::io("open", root))?,
    };
    lock_or_busy(&lock, wanted)?;
    switch::take_back(root)?;
    let logs = root.join(LOGS);
    if let Some(bytes) = switch::read_if_there(&logs)? {
        let logs = switch::path_of(&bytes);
        // Nothing but a hidden folder of ours is ever removed.
        if is_hidden(&logs) {
            remove_folder(&logs)?;
        }
    }
    remove_folder(root)
}

fn lock_or_busy(folder: &File, wanted: &Path) -> Result<(), RestoreError> {
    match flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(RestoreError::Busy {
            path: wanted.to_owned(),
        }),
        // Some network file systems have no locks; two restores at once into
        // one folder are unlikely enough there.
        _ => Ok(()),
    }
}

fn check_empty(folder: &Path, is_mount_point: bool) -> Result<(), RestoreError> {
    if !folder.exists() {
        return Ok(());
    }
    let names = names(folder)?;
    let none = |name: &std::ffi::OsString| is_mount_point && name == OF_THE_FILE_SYSTEM;
    if names.iter().all(none) {
        return Ok(());
    }
    Err(RestoreError::NotEmpty {
        path: folder.to_owned(),
    })
}

fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, RestoreError> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<Vec<_>>>()
    });
    let mut names = listed.map_err(RestoreError::io("list", folder))?;
    names.sort();
    Ok(names)
}

/// Makes a folder for its owner alone.
pub(crate) fn make_folder(folder: &Path) -> Result<(), RestoreError> {
    let made = DirBuilder::new().mode(0o700).create(folder);
    made.map_err(RestoreError::io("make", folder))
}

/// The same with the folders above it, none of which need be missing.
pub(crate) fn make_folders(folder: &Path) -> Result<(), RestoreError> {
    let made = DirBuilder::new().mode(0o700).recursive(true).create(folder);
    made.map_err(RestoreError::io("make", folder))
}

/// Removes a hidden folder, if it is there. Should a power cut bring it back, the
/// next restore removes it again.
fn remove_folder(folder: &Path) -> Result<(), RestoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(RestoreError::io("remove", folder)),
    }
}
