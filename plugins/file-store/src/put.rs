//! Objects that come in one piece.
//!
//! Such an object is written to a file of its own, `.drydock-puts/<seconds>-<id>`, which gets
//! the object's name once it is whole, and loses its own. A crash in between leaves that file;
//! a later call removes it a day after it was begun. What a look at the folder tries out goes
//! by the same names, so that its crash leaves nothing for longer either.

use drydock_plugin_sdk::{
    DigestAlgorithm, Error, Folder, ObjectStat, Slice, clock, unique_id, warn,
};

use crate::create::{Found, Wanted};

/// Where they are written, as a prefix of paths.
pub const PUTS: &str = ".drydock-puts/";

/// Far longer than any call lasts.
const LEFT_SECONDS_MAX: u64 = 24 * 60 * 60;

const NANOSECONDS: u64 = 1_000_000_000;

/// Writes, compares, publishes.
pub fn put(folder: &Folder, object: &str, bytes: &Slice) -> Result<ObjectStat, Error> {
    let sha256 = bytes.digest(DigestAlgorithm::Sha256)?;
    let wanted = Wanted {
        object,
        size: bytes.size(),
        sha256: &sha256,
        bytes: Some(bytes),
    };
    let now = now();
    remove_left(folder, now);
    let file = new_name(now);
    let made = write(folder, &file, bytes, &wanted);
    // The object is there or is not, and nothing that follows changes that.
    if let Err(error) = folder.remove(&file) {
        warn!("{file} stays behind for a day: {}", error.message);
    }
    made.map(|()| wanted.stat())
}

/// A name of its own for a file that is no object yet, begun at this second.
pub fn new_name(now: u64) -> String {
    format!("{PUTS}{now}-{}", unique_id())
}

/// Seconds since 1970.
pub fn now() -> u64 {
    clock::now() / NANOSECONDS
}

fn write(folder: &Folder, file: &str, bytes: &Slice, wanted: &Wanted) -> Result<(), Error> {
    folder.write_at(file, 0, bytes)?;
    // Only clean pages can be forgotten by the kernel and read back from the disk.
    folder.sync(file)?;
    match wanted.look(folder, file)? {
        Found::Equal => wanted.publish(folder, file),
        Found::OtherBytes(offset) => Err(wanted.wrong_bytes(offset)),
        Found::Nothing | Found::OtherSize(_) => Err(wanted.wrong_bytes(None)),
    }
}

/// What crashes left. It is only room, so that an error is no reason to put nothing.
fn remove_left(folder: &Folder, now: u64) {
    let Ok(page) = folder.list(PUTS, None) else {
        return;
    };
    let left = page.entries.iter().filter(|put| is_left(&put.path, now));
    for put in left {
        if let Err(error) = folder.remove(&put.path) {
            warn!("{} stays behind: {}", put.path, error.message);
        }
    }
}

fn is_left(path: &str, now: u64) -> bool {
    let name = path
        .strip_prefix(PUTS)
        .and_then(|name| name.split_once('-'));
    let begun = name.and_then(|(seconds, _)| seconds.parse::<u64>().ok());
    begun.is_some_and(|begun| begun.saturating_add(LEFT_SECONDS_MAX) < now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_day_old_is_left_behind() {
        let now = 1_767_323_045;
        for (path, expected) in [
            (".drydock-puts/1767323045-00ff", false),
            (".drydock-puts/1767236645-00ff", false),
            (".drydock-puts/1767236644-00ff", true),
            // A clock that was set back.
            (".drydock-puts/1767999999-00ff", false),
            (".drydock-puts/notes", false),
            ("c1/1-x", false),
        ] {
            assert_eq!(is_left(path, now), expected, "{path}");
        }
    }
}
