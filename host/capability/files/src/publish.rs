//! Giving a finished file its name, where that name is free: the one step by which bytes
//! become an object.
//!
//! A hard link is that step wherever there are hard links: it is atomic, and fails where
//! the name is taken. File systems without them (CIFS, exFAT, many in user space) say so
//! in different words, and a rename that overwrites nothing is the same step there. It
//! moves the file instead of naming it twice, which is all that differs afterwards: what is
//! left of the first name is removed in either case, and who repeats the step finds the
//! object instead of the file.
//!
//! **Invariant:** nothing is overwritten: where neither step exists, the file keeps the name
//! that it has.
//!
//! A crash leaves the file under its first name, under both, or under the second alone, and
//! never a part of it under any.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

/// A name in an opened folder.
pub(super) struct FolderEntry<'a> {
    pub folder: OwnedFd,
    pub name: &'a str,
}

/// How the file came by its name.
#[derive(Debug)]
pub(super) enum Published {
    /// It has two names now.
    Linked,
    /// It was moved out of this folder, whose entry is not durable yet.
    MovedFrom(OwnedFd),
}

/// Why it did not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What the kernel says of this file or this name.
    Kernel(Errno),
    /// The file system has neither step; what it said to each.
    NoStep { link: Errno, rename: Errno },
}

/// Gives the file `from` the name `to`, if that is free.
pub(super) fn publish(from: FolderEntry<'_>, to: &FolderEntry<'_>) -> Result<Published, Refusal> {
    let (source, target) = (from.folder.as_fd(), to.folder.as_fd());
    let linked = rustix::fs::linkat(source, from.name, target, to.name, AtFlags::empty());
    let link = match linked {
        Ok(()) => return Ok(Published::Linked),
        Err(errno) if may_mean_no_links(errno) => errno,
        Err(errno) => return Err(Refusal::Kernel(errno)),
    };
    let flags = RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(source, from.name, target, to.name, flags) {
        Ok(()) => Ok(Published::MovedFrom(from.folder)),
        Err(rename) if !means_no_rename(rename) => Err(Refusal::Kernel(rename)),
        Err(_) if link == Errno::PERM && is_of_another(source, from.name) => {
            Err(Refusal::Kernel(link))
        }
        Err(rename) => Err(Refusal::NoStep { link, rename }),
    }
}

/// What file systems without hard links, and those that allow one name a file, answer. None of
/// it is certain: `PERM` is also what `fs.protected_hardlinks`, an immutable file or a filter
/// of system calls says, so the rename's answer decides.
fn may_mean_no_links(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::MLINK
    )
}

/// What file systems answer that know no flags of a rename, and filters of system calls that
/// do not know the call. Of a plain file the kernel says it for nothing else.
fn means_no_rename(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

/// Whether the kernel may have refused the link because the file is not this process' own, as
/// `fs.protected_hardlinks` has it.
fn is_of_another(folder: BorrowedFd<'_>, name: &str) -> bool {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let user = rustix::process::geteuid().as_raw();
    user != 0 && stat.is_ok_and(|stat| stat.st_uid != user)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::fs::{Mode, OFlags};

    use super::*;

    fn entry<'a>(folder: &Path, name: &'a str) -> FolderEntry<'a> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        FolderEntry {
            folder: rustix::fs::open(folder, flags, Mode::empty()).unwrap(),
            name,
        }
    }

    #[test]
    fn only_what_may_mean_no_links_leads_to_a_rename() {
        for errno in [
            Errno::OPNOTSUPP,
            Errno::NOTSUP,
            Errno::PERM,
            Errno::INVAL,
            Errno::NOSYS,
            Errno::MLINK,
        ] {
            assert!(may_mean_no_links(errno), "{errno}");
        }
        for errno in [
            Errno::EXIST,
            Errno::NOENT,
            Errno::ACCESS,
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::ROFS,
            Errno::IO,
            Errno::XDEV,
            Errno::STALE,
        ] {
            assert!(!may_mean_no_links(errno), "{errno}");
        }
    }

    /// A rename that is forbidden is not one that does not exist.
    #[test]
    fn what_forbids_a_rename_keeps_its_meaning() {
        for errno in [
            Errno::PERM,
            Errno::ACCESS,
            Errno::EXIST,
            Errno::NOSPC,
            Errno::ROFS,
            Errno::BUSY,
        ] {
            assert!(!means_no_rename(errno), "{errno}");
        }
        for errno in [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP] {
            assert!(means_no_rename(errno), "{errno}");
        }
    }

    /// The kernel itself says `PERM` to both steps here, and it is no file system without
    /// links: a folder cannot have two names, and this one stands in the way of its move.
    #[test]
    fn a_name_that_is_taken_is_told_after_a_link_that_was_refused() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("a")).unwrap();
        std::fs::create_dir(scratch.path().join("b")).unwrap();
        let refused = publish(entry(scratch.path(), "a"), &entry(scratch.path(), "b"));
        assert_eq!(refused.unwrap_err(), Refusal::Kernel(Errno::EXIST));
        let moved = publish(entry(scratch.path(), "a"), &entry(scratch.path(), "c")).unwrap();
        assert!(matches!(moved, Published::MovedFrom(_)), "{moved:?}");
        assert!(scratch.path().join("c").is_dir() && !scratch.path().join("a").exists());
    }
}
