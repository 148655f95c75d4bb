//! Whether an error of the file system passes by itself: one table for everything that
//! reads or writes files, so that nothing is tried again in vain and nothing is given up
//! that the next minute mends.

use std::io;

use drydock_core::ErrorClass;
use rustix::io::Errno;

/// The class of what the kernel said. What stands in neither list is permanent: an operator
/// hears of it at once, where trying again would only put that off.
#[must_use]
pub fn class(errno: Errno) -> ErrorClass {
    if TRANSIENT.contains(&errno) {
        ErrorClass::Transient
    } else if DENIED.contains(&errno) {
        ErrorClass::Denied
    } else {
        ErrorClass::Permanent
    }
}

/// The same for an error of the standard library, which has no number where the library
/// itself found something.
#[must_use]
pub fn class_of(error: &io::Error) -> ErrorClass {
    use io::ErrorKind as K;
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => class(Errno::from_raw_os_error(number)),
        // A file that became shorter while it was read is read anew.
        (None, K::UnexpectedEof | K::Interrupted | K::WouldBlock | K::TimedOut) => {
            ErrorClass::Transient
        }
        (None, _) => ErrorClass::Permanent,
    }
}

/// A permission is missing, or the path leads where nobody may go.
const DENIED: [Errno; 4] = [Errno::ACCESS, Errno::PERM, Errno::LOOP, Errno::XDEV];

/// Passes by itself, or is mended while a run waits for its next try.
const TRANSIENT: [Errno; 39] = [
    // Room is made, a quota raised.
    Errno::NOSPC,
    Errno::DQUOT,
    // Whoever has it lets go.
    Errno::AGAIN,
    Errno::BUSY,
    Errno::DEADLK,
    Errno::INPROGRESS,
    Errno::ALREADY,
    Errno::INTR,
    Errno::CANCELED,
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOBUFS,
    Errno::NOLCK,
    Errno::NOMEM,
    Errno::TXTBSY,
    Errno::USERS,
    // A disk fails at times before it fails for good, and a file system over a network says
    // the same of a server that restarts.
    Errno::IO,
    Errno::REMOTEIO,
    Errno::NODEV,
    Errno::NXIO,
    Errno::NOMEDIUM,
    Errno::STALE,
    Errno::KEYEXPIRED,
    // What lies behind a mount is another machine.
    Errno::COMM,
    Errno::CONNABORTED,
    Errno::CONNREFUSED,
    Errno::CONNRESET,
    Errno::HOSTDOWN,
    Errno::HOSTUNREACH,
    Errno::NETDOWN,
    Errno::NETRESET,
    Errno::NETUNREACH,
    Errno::NOLINK,
    Errno::NOTCONN,
    Errno::PIPE,
    Errno::SHUTDOWN,
    Errno::TIME,
    Errno::TIMEDOUT,
    Errno::RESTART,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The last number that Linux gives an error.
    const LAST: i32 = 133;

    /// Those that a path, a name, a size or a mount is to blame for, by their numbers on
    /// x86-64 and aarch64: named here a second time, so that none changes its class unseen.
    const PERMANENT: [(i32, &str); 21] = [
        (2, "ENOENT"),
        (9, "EBADF"),
        (14, "EFAULT"),
        (17, "EEXIST"),
        (20, "ENOTDIR"),
        (21, "EISDIR"),
        (22, "EINVAL"),
        (25, "ENOTTY"),
        (27, "EFBIG"),
        (29, "ESPIPE"),
        (30, "EROFS"),
        (31, "EMLINK"),
        (33, "EDOM"),
        (36, "ENAMETOOLONG"),
        (38, "ENOSYS"),
        (39, "ENOTEMPTY"),
        (74, "EBADMSG"),
        (75, "EOVERFLOW"),
        (84, "EILSEQ"),
        (95, "EOPNOTSUPP"),
        (117, "EUCLEAN"),
    ];

    #[test]
    fn every_error_of_the_kernel_has_its_class() {
        for (number, name) in PERMANENT {
            let class = class(Errno::from_raw_os_error(number));
            assert_eq!(class, ErrorClass::Permanent, "{name}");
        }
        let count = |wanted| {
            let all = (1..=LAST).map(Errno::from_raw_os_error);
            all.filter(|errno| class(*errno) == wanted).count()
        };
        assert_eq!(count(ErrorClass::Transient), TRANSIENT.len());
        assert_eq!(count(ErrorClass::Denied), DENIED.len());
    }

    #[test]
    fn what_the_library_finds_has_a_class_too() {
        for (kind, wanted) in [
            (io::ErrorKind::UnexpectedEof, ErrorClass::Transient),
            (io::ErrorKind::TimedOut, ErrorClass::Transient),
            (io::ErrorKind::InvalidInput, ErrorClass::Permanent),
            (io::ErrorKind::Other, ErrorClass::Permanent),
        ] {
            assert_eq!(class_of(&kind.into()), wanted, "{kind:?}");
        }
    }
}
