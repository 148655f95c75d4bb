//! What the kernel says, as a fault that an operator understands.

use std::fmt::Display;

use drydock_core::{ErrorClass, Fault};
use rustix::io::Errno;

/// The fault for `errno`, met when Drydock tried to `act` (e.g. `write`) on `place`.
pub(super) fn of(errno: Errno, act: &str, place: impl Display) -> Fault {
    let (class, code, why) = reading(errno);
    let because = if why.is_empty() {
        std::io::Error::from(errno).to_string()
    } else {
        why.to_owned()
    };
    Fault::new(class, code, format!("cannot {act} {place}: {because}"))
        .with_detail("errno", errno.raw_os_error())
}

/// The same for an error of the standard library.
pub(super) fn of_io(error: &std::io::Error, act: &str, place: impl Display) -> Fault {
    match error.raw_os_error() {
        Some(code) => of(Errno::from_raw_os_error(code), act, place),
        None => Fault::transient("io", format!("cannot {act} {place}: {error}")),
    }
}

/// Class, code and, where the kernel's own words would not help, a sentence.
fn reading(errno: Errno) -> (ErrorClass, &'static str, &'static str) {
    use ErrorClass::{Denied, Permanent, Transient};
    match errno {
        Errno::NOSPC => (Transient, "no-space", "the file system is full"),
        Errno::DQUOT => (Transient, "no-space", "the disk quota is used up"),
        Errno::ROFS => (
            Permanent,
            "read-only",
            "the file system is mounted read-only",
        ),
        Errno::NOENT => (Permanent, "not-found", "it does not exist"),
        Errno::EXIST => (Permanent, "exists", "it exists already"),
        Errno::NOTDIR => (
            Permanent,
            "not-a-folder",
            "a part of the path is not a folder",
        ),
        Errno::ISDIR => (Permanent, "not-a-file", "it is a folder"),
        Errno::ACCESS | Errno::PERM => (
            Denied,
            "permission-denied",
            "the node's file permissions do not allow it to the daemon's user",
        ),
        Errno::LOOP => (
            Denied,
            "symbolic-link",
            "a part of the path is a symbolic link",
        ),
        Errno::XDEV => (
            Denied,
            "not-granted",
            "the path leads out of the granted folder",
        ),
        Errno::NAMETOOLONG => (
            Permanent,
            "bad-path",
            "the path or a name in it is too long",
        ),
        Errno::FBIG => (
            Permanent,
            "too-large",
            "the file system does not take files of that size",
        ),
        Errno::NOSYS => (
            Permanent,
            "kernel-too-old",
            "the kernel lacks openat2, which keeps plugins inside their folder: use Linux 5.6 or later",
        ),
        _ => (Transient, "io", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_kernel_keep_their_meaning() {
        let table = [
            (Errno::NOSPC, "no-space", ErrorClass::Transient),
            (Errno::DQUOT, "no-space", ErrorClass::Transient),
            (Errno::ROFS, "read-only", ErrorClass::Permanent),
            (Errno::NOENT, "not-found", ErrorClass::Permanent),
            (Errno::EXIST, "exists", ErrorClass::Permanent),
            (Errno::ACCESS, "permission-denied", ErrorClass::Denied),
            (Errno::LOOP, "symbolic-link", ErrorClass::Denied),
            (Errno::XDEV, "not-granted", ErrorClass::Denied),
            (Errno::IO, "io", ErrorClass::Transient),
        ];
        for (errno, code, class) in table {
            let fault = of(errno, "write", "a/b");
            assert_eq!((fault.code.as_str(), fault.class), (code, class));
        }
    }

    #[test]
    fn the_sentence_says_what_and_where() {
        assert_eq!(
            of(Errno::NOSPC, "write", "/backups/a").message,
            "cannot write /backups/a: the file system is full"
        );
    }
}
