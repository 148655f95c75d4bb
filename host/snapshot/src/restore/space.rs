//! Whether there is room, before anything large is written.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::statvfs;

use super::copy::can_share;
use super::error::RestoreError;
use super::staging::Staging;
use super::wal::SEGMENT_BYTES;

/// A member's `.snap`, its folders, and the new pages of its database.
const SMALL_BYTES: u64 = 2 * 1024 * 1024;

/// Checks the file systems that the hidden folders lie on: `members` databases
/// of `bytes`, and as many logs.
pub(crate) fn check(
    staging: &Staging,
    source: &File,
    bytes: u64,
    members: u64,
) -> Result<(), RestoreError> {
    let databases = bytes * copies(&staging.root, source, members);
    let logs = members * SEGMENT_BYTES;
    let small = members * SMALL_BYTES;
    match staging.logs_root() {
        Some(apart) if device(apart)? != device(&staging.root)? => {
            check_one(&staging.root, databases + small)?;
            check_one(apart, logs)
        }
        _ => check_one(&staging.root, databases + small + logs),
    }
}

/// How many copies of the database take room of their own.
fn copies(root: &Path, source: &File, members: u64) -> u64 {
    let shares =
        |from: &File| tempfile::tempfile_in(root).is_ok_and(|scratch| can_share(from, &scratch));
    if shares(source) {
        return 0;
    }
    let shared_here = tempfile::tempfile_in(root).is_ok_and(|first| shares(&first));
    if shared_here { 1 } else { members }
}

fn check_one(folder: &Path, needed: u64) -> Result<(), RestoreError> {
    let refused = RestoreError::io("ask for the free space of", folder);
    let found = statvfs(folder).map_err(|errno| refused(errno.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= needed {
        return Ok(());
    }
    Err(RestoreError::Space {
        path: folder.parent().unwrap_or(folder).to_owned(),
        free,
        needed,
    })
}

fn device(path: &Path) -> Result<u64, RestoreError> {
    let found = fs::metadata(path).map_err(RestoreError::io("look at", path))?;
    Ok(found.dev())
}
