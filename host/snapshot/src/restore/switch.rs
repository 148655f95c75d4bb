//! Renames that belong together, and how they are taken back when a crash came
//! between them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Phase;
use super::error::RestoreError;

/// The file that holds the renames from before the first until after the last.
const SWITCH: &str = "switch";
/// No path contains it.
const END: u8 = 0;

/// A folder that was built, and where it belongs.
pub(crate) struct Move {
    built: PathBuf,
    place: PathBuf,
}

impl Move {
    pub fn new(built: PathBuf, place: PathBuf) -> Self {
        Self { built, place }
    }

    fn is_done(&self) -> bool {
        !self.built.exists() && self.place.exists()
    }
}

/// Carries out the renames; `root` is the hidden folder that keeps the switch.
pub(crate) fn carry_out(
    root: &Path,
    moves: &[Move],
    watch: &dyn Fn(Phase),
) -> Result<(), RestoreError> {
    if moves.len() > 1 {
        let lines = moves.iter().flat_map(|step| [&step.built, &step.place]);
        let bytes = lines.flat_map(|path| bytes_of(path).iter().chain([&END]));
        write_synced(&root.join(SWITCH), &bytes.copied().collect::<Vec<_>>())?;
    }
    watch(Phase::Decided);
    for step in moves {
        rename(&step.built, &step.place)?;
        watch(Phase::Moved);
    }
    end(root)
}

/// Takes back what was renamed, unless everything was.
pub(crate) fn take_back(root: &Path) -> Result<(), RestoreError> {
    let path = root.join(SWITCH);
    let Some(bytes) = read_if_there(&path)? else {
        return Ok(());
    };
    let moves = moves_of(&bytes);
    if !moves.iter().all(Move::is_done) {
        let written = modified(&path)?;
        let done: Vec<_> = moves.iter().filter(|step| step.is_done()).collect();
        for step in &done {
            check_unused(&step.place, written)?;
        }
        for step in done {
            rename(&step.place, &step.built)?;
        }
    }
    end(root)
}

/// The bytes of a small file; none only where it surely is not there.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, RestoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RestoreError::io("read", path)(error)),
    }
}

/// From here on nothing is renamed any more.
fn end(root: &Path) -> Result<(), RestoreError> {
    let path = root.join(SWITCH);
    if path.exists() {
        fs::remove_file(&path).map_err(RestoreError::io("remove", &path))?;
        sync(root)?;
    }
    Ok(())
}

fn moves_of(bytes: &[u8]) -> Vec<Move> {
    let paths: Vec<&[u8]> = bytes.split(|byte| *byte == END).collect();
    let pairs = paths.chunks_exact(2);
    pairs
        .map(|pair| Move::new(path_of(pair[0]), path_of(pair[1])))
        .collect()
}

fn rename(from: &Path, to: &Path) -> Result<(), RestoreError> {
    fs::rename(from, to).map_err(RestoreError::io("move what was restored to", to))?;
    to.parent().map_or(Ok(()), sync)
}

/// Refuses a folder in which something was changed after `written`. The folder
/// itself is not looked at, since moving may touch it.
fn check_unused(folder: &Path, written: SystemTime) -> Result<(), RestoreError> {
    let entries = fs::read_dir(folder).map_err(RestoreError::io("list", folder))?;
    for entry in entries {
        let entry = entry.map_err(RestoreError::io("list", folder))?;
        let path = entry.path();
        if modified(&path)? > written {
            return Err(RestoreError::HalfUsed {
                path: folder.to_owned(),
            });
        }
        if path.is_dir() {
            check_unused(&path, written)?;
        }
    }
    Ok(())
}

fn modified(path: &Path) -> Result<SystemTime, RestoreError> {
    let found = fs::symlink_metadata(path).and_then(|found| found.modified());
    found.map_err(RestoreError::io("look at", path))
}

/// Writes a small file whole: the name appears only once the bytes are safe.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), RestoreError> {
    let aside = path.with_extension("new");
    let mut file = File::create(&aside).map_err(RestoreError::io("make", &aside))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(RestoreError::io("write", &aside))?;
    fs::rename(&aside, path).map_err(RestoreError::io("write", path))?;
    path.parent().map_or(Ok(()), sync)
}

/// Makes a file, or the entries of a folder, safe.
pub(crate) fn sync(path: &Path) -> Result<(), RestoreError> {
    let synced = File::open(path).and_then(|opened| opened.sync_all());
    synced.map_err(RestoreError::io("sync", path))
}

pub(crate) fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
