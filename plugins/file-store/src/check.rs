//! A look at the folder itself.

use drydock_plugin_sdk::{Error, Finding, Folder};

use crate::put;

const GIBIBYTE: u64 = 1024 * 1024 * 1024;

/// Half of etcd's default quota of 2 GiB: with less than this the next snapshot of an
/// ordinary cluster may not fit.
const FREE_BYTES_WARN: u64 = GIBIBYTE;

/// Tries out what an object needs, with a small hidden file that is removed at once, and looks
/// at the room that is left.
pub fn look_at(path: &str, folder: &Folder) -> Vec<Finding> {
    let tried = probe(path, folder);
    let room = match folder.free() {
        Ok(bytes) => room(path, bytes),
        Err(error) => Finding::warning(&error.code, format!("{path}: {}", error.message)),
    };
    tried.into_iter().chain([room]).collect()
}

/// The file is written, made durable and published under a second name, as objects are: a
/// folder where that fails could take no backup.
fn probe(path: &str, folder: &Folder) -> Vec<Finding> {
    let file = put::new_name(put::now());
    let published = format!("{file}-published");
    let tried = folder
        .write_bytes_at(&file, 0, b"probe")
        .and_then(|()| folder.sync(&file))
        .and_then(|()| folder.publish(&file, &published));
    // Removed in any case: a full disk may leave the file without its bytes, and on a file
    // system without hard links it has the second name alone.
    let left = [&file, &published].map(|name| folder.remove(name).err().map(|why| (name, why)));
    let left = left.into_iter().flatten();
    let left = left.map(|(name, why)| stays_behind(path, name, &why));
    let failed = tried.err().map(|error| not_usable(path, &error));
    failed.into_iter().chain(left).collect()
}

fn not_usable(path: &str, error: &Error) -> Finding {
    Finding::failure(
        &error.code,
        format!("{path} cannot keep objects: {}", error.message),
    )
}

fn stays_behind(path: &str, name: &str, error: &Error) -> Finding {
    Finding::warning(
        &error.code,
        format!(
            "the file that was tried out may stay behind, remove {path}/{name} by hand: {}",
            error.message
        ),
    )
}

fn room(path: &str, bytes: u64) -> Finding {
    let message = format!("{path} has room for {}", spelled(bytes));
    if bytes < FREE_BYTES_WARN {
        Finding::warning("free-space", format!("{message}: free some"))
    } else {
        Finding::note("free-space", message)
    }
}

/// In mebibytes or gibibytes, with one digit behind the point.
fn spelled(bytes: u64) -> String {
    let (unit, name) = if bytes >= GIBIBYTE {
        (GIBIBYTE, "GiB")
    } else {
        (GIBIBYTE / 1024, "MiB")
    };
    format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::Level;

    use super::*;

    #[test]
    fn room_is_told_and_warned_of() {
        let plenty = room("/a", GIBIBYTE * 5 / 2);
        assert_eq!(
            (plenty.level, plenty.message.as_str()),
            (Level::Note, "/a has room for 2.5 GiB")
        );
        let little = room("/a", GIBIBYTE - 1);
        assert_eq!(little.level, Level::Warning);
        assert_eq!(little.message, "/a has room for 1023.9 MiB: free some");
    }

    #[test]
    fn what_keeps_us_from_writing_keeps_its_code() {
        let finding = not_usable("/a", &Error::permanent("read-only", "mounted read-only"));
        assert_eq!(
            (finding.level, finding.code.as_str()),
            (Level::Failure, "read-only")
        );
        assert_eq!(finding.message, "/a cannot keep objects: mounted read-only");
    }

    #[test]
    fn what_stays_behind_is_named() {
        let why = Error::permanent("permission-denied", "it may not be removed");
        let finding = stays_behind("/a", ".drydock-puts/1-x", &why);
        assert_eq!(
            (finding.level, finding.code.as_str()),
            (Level::Warning, "permission-denied")
        );
        assert_eq!(
            finding.message,
            "the file that was tried out may stay behind, remove /a/.drydock-puts/1-x by hand: it may not be removed"
        );
    }
}
