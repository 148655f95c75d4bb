//! A look at the folder itself.

use drydock_plugin_sdk::{Error, Finding, Folder, unique_id};

use crate::upload::UPLOADS;

const GIBIBYTE: u64 = 1024 * 1024 * 1024;

/// Half of etcd's default quota of 2 GiB: with less than this the next snapshot of an
/// ordinary cluster may not fit.
const FREE_BYTES_WARN: u64 = GIBIBYTE;

/// Writes, makes durable and removes a small file, and looks at the room that is left.
pub fn look_at(path: &str, folder: &Folder) -> Vec<Finding> {
    let written = probe(folder).map_err(|error| not_writable(path, &error));
    let room = match folder.free() {
        Ok(bytes) => room(path, bytes),
        Err(error) => Finding::warning(&error.code, format!("{path}: {}", error.message)),
    };
    written.err().into_iter().chain([room]).collect()
}

fn probe(folder: &Folder) -> Result<(), Error> {
    let path = format!("{UPLOADS}{}/probe", unique_id());
    let written = folder
        .write_bytes_at(&path, 0, b"probe")
        .and_then(|()| folder.sync(&path));
    // Removed in any case: a full disk may leave the file without its bytes.
    let removed = folder.remove(&path);
    written.and(removed)
}

fn not_writable(path: &str, error: &Error) -> Finding {
    Finding::failure(
        &error.code,
        format!("{path} cannot be written to: {}", error.message),
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
        let finding = not_writable("/a", &Error::permanent("read-only", "mounted read-only"));
        assert_eq!(
            (finding.level, finding.code.as_str()),
            (Level::Failure, "read-only")
        );
        assert_eq!(
            finding.message,
            "/a cannot be written to: mounted read-only"
        );
    }
}
