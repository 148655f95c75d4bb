//! What the kernel says, as a fault that an operator understands.

use std::fmt::Display;

use drydock_core::{ErrorCode, Fault, without_os_number};
use rustix::io::Errno;

use drydock_capability_artifact::errno::{class, class_of};

/// The fault for `errno`, met when Drydock tried to `act` (e.g. `write`) on `place`.
pub(super) fn of(errno: Errno, act: &str, place: impl Display) -> Fault {
    let (code, why) = reading(errno);
    let because = if why.is_empty() {
        without_os_number(&std::io::Error::from(errno).to_string())
    } else {
        why.to_owned()
    };
    let message = format!("cannot {act} {place}: {because}");
    Fault::new(class(errno), code, message).with_detail("errno", errno.raw_os_error())
}

/// The same for a granted folder that could not be opened. That it is not there says
/// nothing of what it holds, so it is told by a code of its own.
pub(super) fn of_place(errno: Errno, place: impl Display) -> Fault {
    if errno != Errno::NOENT {
        return of(errno, "open the folder", place);
    }
    Fault::permanent(
        ErrorCode::PlaceMissing,
        format!(
            "the folder {place} does not exist: mount the file system that it lies on, or make it"
        ),
    )
    .with_detail("errno", errno.raw_os_error())
}

/// The same for an error of the standard library.
pub(super) fn of_io(error: &std::io::Error, act: &str, place: impl Display) -> Fault {
    match error.raw_os_error() {
        Some(code) => of(Errno::from_raw_os_error(code), act, place),
        None => Fault::new(
            class_of(error),
            ErrorCode::Io,
            format!("cannot {act} {place}: {error}"),
        ),
    }
}

/// A full file system: how much was wanted and how much there is.
pub(super) fn full(place: impl Display, wanted: u64, free: Option<u64>) -> Fault {
    let free = free.map_or_else(String::new, |free| format!(" and {free} are free"));
    Fault::transient(
        ErrorCode::NoSpace,
        format!(
            "cannot write {place}: the file system is full ({wanted} bytes more are wanted{free}): make room there"
        ),
    )
    .with_detail("errno", Errno::NOSPC.raw_os_error())
}

/// A file system on which no file can be given a name only where that name is free.
pub(super) fn no_step(
    place: impl Display,
    folder: impl Display,
    link: Errno,
    rename: Errno,
) -> Fault {
    let said = |errno: Errno| without_os_number(&std::io::Error::from(errno).to_string());
    Fault::permanent(
        ErrorCode::CannotPublish,
        format!(
            "cannot publish {place}: the file system of {folder} has neither hard links (linkat: {}) nor renames that overwrite nothing (renameat2: {}), without which two runs could overwrite each other's objects: keep them in a folder on another file system, e.g. ext4, XFS, Btrfs or NFS, or at a store that is no folder",
            said(link),
            said(rename)
        ),
    )
    .with_detail("errno", rename.raw_os_error())
    .with_detail("errno-of-link", link.raw_os_error())
}

/// Code and, where the kernel's own words would not help, a sentence.
fn reading(errno: Errno) -> (ErrorCode, &'static str) {
    match errno {
        Errno::NOSPC => (
            ErrorCode::NoSpace,
            "the file system is full: make room there",
        ),
        Errno::DQUOT => (
            ErrorCode::NoSpace,
            "the disk quota is used up: make room there, or raise it",
        ),
        Errno::ROFS => (
            ErrorCode::ReadOnly,
            "the file system is mounted read-only: remount it for writing",
        ),
        Errno::NOENT => (ErrorCode::NotFound, "it does not exist"),
        Errno::EXIST => (
            ErrorCode::Exists,
            "it exists already: see who put it there, and move it away",
        ),
        Errno::NOTDIR => (
            ErrorCode::NotAFolder,
            "something stands there that is no folder: move it away, or name another folder",
        ),
        Errno::ISDIR => (ErrorCode::NotAFile, "it is a folder"),
        Errno::ACCESS | Errno::PERM => (
            ErrorCode::PermissionDenied,
            "the file permissions do not allow it to the daemon's user: give them to it",
        ),
        Errno::LOOP => (
            ErrorCode::SymbolicLink,
            "a part of the path is a symbolic link, and a plugin follows none: put the folder itself there",
        ),
        Errno::XDEV => (
            ErrorCode::NotGranted,
            "the path leads out of the granted folder",
        ),
        Errno::NAMETOOLONG => (ErrorCode::BadPath, "the path or a name in it is too long"),
        Errno::FBIG => (
            ErrorCode::TooLarge,
            "the file system does not take files of that size",
        ),
        other => of_the_machine(other),
    }
}

/// What is wrong with the machine rather than with a path.
fn of_the_machine(errno: Errno) -> (ErrorCode, &'static str) {
    match errno {
        Errno::MFILE | Errno::NFILE => (
            ErrorCode::NoHandles,
            "no more files can be opened: raise the daemon's limit (`LimitNOFILE=` of its unit)",
        ),
        Errno::IO => (
            ErrorCode::Io,
            "the disk failed: see the kernel's log, and exchange it",
        ),
        Errno::UCLEAN | Errno::BADMSG => (
            ErrorCode::Corrupt,
            "the file system itself is damaged: see the kernel's log, and check it (fsck)",
        ),
        Errno::STALE | Errno::NODEV | Errno::NXIO | Errno::NOTCONN => {
            (ErrorCode::Gone, "the file system is gone: mount it again")
        }
        Errno::NOSYS => (
            ErrorCode::KernelTooOld,
            "the kernel lacks openat2, which keeps plugins inside their folder: use Linux 5.6 or later",
        ),
        _ => (ErrorCode::Io, ""),
    }
}

#[cfg(test)]
mod tests {
    use drydock_core::ErrorClass;

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
            (Errno::UCLEAN, "corrupt", ErrorClass::Permanent),
            (Errno::NOTDIR, "not-a-folder", ErrorClass::Permanent),
            (Errno::NAMETOOLONG, "bad-path", ErrorClass::Permanent),
            (Errno::MLINK, "io", ErrorClass::Permanent),
            (Errno::INVAL, "io", ErrorClass::Permanent),
        ];
        for (errno, code, class) in table {
            let fault = of(errno, "write", "a/b");
            assert_eq!((fault.code.as_str(), fault.class), (code, class));
        }
    }

    #[test]
    fn a_file_system_without_the_step_is_told_with_what_it_said() {
        let place = "/backups/c1/p/manifest.json";
        let fault = no_step(place, "/backups", Errno::PERM, Errno::INVAL);
        assert_eq!(
            (fault.code.as_str(), fault.class),
            ("cannot-publish", ErrorClass::Permanent)
        );
        assert_eq!(
            fault.message,
            "cannot publish /backups/c1/p/manifest.json: the file system of /backups has neither hard links (linkat: Operation not permitted) nor renames that overwrite nothing (renameat2: Invalid argument), without which two runs could overwrite each other's objects: keep them in a folder on another file system, e.g. ext4, XFS, Btrfs or NFS, or at a store that is no folder"
        );
    }

    #[test]
    fn the_sentence_says_what_and_where() {
        assert_eq!(
            of(Errno::NOSPC, "write", "/backups/a").message,
            "cannot write /backups/a: the file system is full: make room there"
        );
    }
}
