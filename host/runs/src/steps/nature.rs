//! What an artifact is: an etcd snapshot, a tar archive, or bytes. Its first bytes tell, here
//! and nowhere else, and decide what checks its stream, what its media type is, and what the
//! manifest says of it. Nothing that is found later makes something else of it.

use drydock_archive::ArchiveCheck;
use drydock_core::Nature;
use drydock_core::nature::{ArchiveReport, EtcdSection, SnapshotDamage, SnapshotReport, Trailer};
use drydock_repository::manifest::MediaType;
use drydock_repository::{Sha256, Tally};
use drydock_snapshot::{Problems, StreamCheck, StreamRefused};

/// Bytes at the start of an artifact that tell what it is: those up to the end of the
/// last mark. A database has a page and an archive two blocks at least, so that neither
/// can be shorter; what was cut off before is bytes.
const SNIFF_BYTES: usize = ARCHIVE_MARK.0 + ARCHIVE_MARK.1.len();

/// Where bbolt's magic number and its version 2 stand in the first page, little-endian. Any
/// bbolt file has them, etcd's or not.
const DATABASE_MARK: (usize, [u8; 8]) = (16, [0xED, 0xDA, 0x0C, 0xED, 2, 0, 0, 0]);

/// Where the header of a tar archive's first entry says that it is one (POSIX.1-2017,
/// ustar interchange format).
const ARCHIVE_MARK: (usize, [u8; 5]) = (257, *b"ustar");

/// Problems that are kept one by one; the count tells of the rest.
const PROBLEMS_KEPT_MAX: usize = 16;

/// The checks of what the bytes turn out to be; and, in the same pass, the digest of all of
/// them.
pub enum Checker {
    /// So few bytes so far that they are still held.
    Unknown(Vec<u8>),
    Bytes(Box<Tally>),
    Snapshot(Box<StreamCheck>),
    Archive(Box<(ArchiveCheck, Tally)>),
}

/// What the checks of a stream amounted to.
pub enum Streamed {
    /// What the stream's window could not judge is no problem yet: the walk over the whole
    /// spool judges it.
    Snapshot(Result<(), SnapshotDamage>),
    Archive(ArchiveReport),
    Bytes,
}

impl Checker {
    pub fn new() -> Self {
        Self::Unknown(Vec::with_capacity(SNIFF_BYTES))
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Unknown(head) => {
                head.extend_from_slice(bytes);
                if head.len() >= SNIFF_BYTES {
                    let head = std::mem::take(head);
                    *self = Self::of(&head);
                    self.push(&head);
                }
            }
            Self::Bytes(tally) => tally.update(bytes),
            Self::Archive(check) => {
                check.0.push(bytes);
                check.1.update(bytes);
            }
            Self::Snapshot(check) => {
                // What nothing can mend is told again at the end; until then only the
                // digest goes on.
                let _ = check.push(bytes);
            }
        }
    }

    /// The checks for what begins with `head`, which holds [`SNIFF_BYTES`] at least. A
    /// database has zeros where an archive has its mark; an archive has the name of its first
    /// entry where a database has its own, so that the archive is asked for first.
    fn of(head: &[u8]) -> Self {
        if has_mark(head, ARCHIVE_MARK) {
            Self::Archive(Box::new((ArchiveCheck::new(), Tally::new())))
        } else if has_mark(head, DATABASE_MARK) {
            Self::Snapshot(Box::new(StreamCheck::new()))
        } else {
            Self::Bytes(Box::new(Tally::new()))
        }
    }

    pub fn is_snapshot(&self) -> bool {
        matches!(self, Self::Snapshot(_))
    }

    /// The digest of all bytes so far.
    pub fn digest(&self) -> Sha256 {
        match self {
            Self::Unknown(head) => Sha256::of(head),
            Self::Bytes(tally) => tally.as_ref().clone().finish().sha256,
            Self::Snapshot(check) => Sha256(check.digest()),
            Self::Archive(check) => check.1.clone().finish().sha256,
        }
    }

    /// The stream has ended.
    pub fn finish(self) -> Streamed {
        match self {
            Self::Unknown(_) | Self::Bytes(_) => Streamed::Bytes,
            Self::Snapshot(check) => Streamed::Snapshot(match check.finish() {
                Err(StreamRefused::Damaged { trailer, problems }) => {
                    Err(damage(trailer, &problems))
                }
                Ok(_) | Err(StreamRefused::Unjudged(_)) => Ok(()),
            }),
            Self::Archive(check) => {
                let summary = check.0.finish();
                Streamed::Archive(ArchiveReport {
                    entries: summary.entries,
                    bytes: summary.bytes,
                    problems_total: summary.problems_total,
                    problems: kept(&summary.problems),
                    names_unchecked: summary.names_unchecked,
                })
            }
        }
    }
}

/// What is wrong with a snapshot, as it is kept.
pub fn damage(trailer: Trailer, problems: &Problems) -> SnapshotDamage {
    SnapshotDamage {
        trailer,
        problems_total: problems.total(),
        problems: kept(problems.listed()),
        not_etcd: problems.not_etcd().map(ToString::to_string),
    }
}

pub fn media_type(nature: &Nature) -> MediaType {
    match nature {
        Nature::Snapshot(_) => MediaType::EtcdSnapshot,
        Nature::Archive(_) => MediaType::Tar,
        Nature::Bytes => MediaType::Bytes,
    }
}

/// What a manifest says of a snapshot.
pub fn section(snapshot: &SnapshotReport) -> EtcdSection {
    match snapshot {
        SnapshotReport::Sound(sound) => EtcdSection::Sound(sound.figures.clone()),
        SnapshotReport::Damaged(damaged) => EtcdSection::Damaged(damaged.clone()),
    }
}

fn has_mark<const N: usize>(head: &[u8], (offset, mark): (usize, [u8; N])) -> bool {
    head.get(offset..offset + N) == Some(&mark[..])
}

fn kept(problems: &[impl ToString]) -> Vec<String> {
    let first = problems.iter().take(PROBLEMS_KEPT_MAX);
    first.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A snapshot that a real etcd 3.6.16 sent.
    const SNAPSHOT: &[u8] = include_bytes!("../../../snapshot/fixtures/etcd-3.6.16.db");

    fn checked(bytes: &[u8]) -> Checker {
        let mut checker = Checker::new();
        for piece in bytes.chunks(100) {
            checker.push(piece);
        }
        assert_eq!(checker.digest(), Sha256::of(bytes));
        checker
    }

    #[test]
    fn the_first_bytes_tell_what_it_is() {
        let sound = checked(SNAPSHOT);
        assert!(sound.is_snapshot());
        assert!(matches!(sound.finish(), Streamed::Snapshot(Ok(()))));
        let mut archive = vec![0; 1536];
        archive[257..262].copy_from_slice(b"ustar");
        assert!(matches!(checked(&archive).finish(), Streamed::Archive(_)));
        let mut other_version = SNAPSHOT.to_vec();
        other_version[20] = 1;
        for bytes in [&b""[..], &SNAPSHOT[..261], &[7; 1000], &other_version[..]] {
            assert!(matches!(checked(bytes).finish(), Streamed::Bytes));
        }
    }

    #[test]
    fn no_name_in_an_archive_makes_a_snapshot_of_it() {
        let mut archive = vec![0; 1536];
        archive[257..262].copy_from_slice(b"ustar");
        let magic = b"sixteen letters:\xED\xDA\x0C\xED";
        let ends = [&b""[..], b"\x02", b"\x02\0\0\0", b"/and/more"];
        for end in ends {
            let name = [&magic[..], end].concat();
            archive[..100].fill(0);
            archive[..name.len()].copy_from_slice(&name);
            let streamed = checked(&archive).finish();
            assert!(matches!(streamed, Streamed::Archive(_)), "{name:?}");
            // An archive of before POSIX has no mark: the version stands in the way of most.
            let mut unmarked = archive.clone();
            unmarked[257..262].fill(0);
            let is_snapshot = end.first() == Some(&2);
            assert_eq!(checked(&unmarked).is_snapshot(), is_snapshot, "{name:?}");
        }
    }

    #[test]
    fn a_snapshot_that_is_damaged_is_one_all_the_same() {
        let told = |bytes: &[u8]| match checked(bytes).finish() {
            Streamed::Snapshot(Err(damage)) => damage,
            _ => panic!("it is not told that it is damaged"),
        };
        let mut bent = SNAPSHOT.to_vec();
        let last = bent.len() - 1;
        bent[last] ^= 1;
        let bent = told(&bent);
        assert_eq!((bent.trailer, bent.problems_total), (Trailer::Mismatch, 1));
        assert_eq!((bent.problems.len(), bent.not_etcd), (1, None));
        let short = told(&SNAPSHOT[..SNAPSHOT.len() - 32]);
        assert_eq!(short.trailer, Trailer::Missing);
    }

    /// Neither meta page is valid, so that no page is looked at; the trailer is all the same.
    #[test]
    fn damaged_pages_hide_no_trailer() {
        let mut bent = SNAPSHOT.to_vec();
        // The checksums of both meta pages.
        for page in [0, 4096] {
            bent[page + 16 + 56] ^= 1;
        }
        for (bytes, trailer) in [
            (&bent[..], Trailer::Mismatch),
            (&bent[..bent.len() - 32], Trailer::Missing),
        ] {
            let Streamed::Snapshot(Err(damage)) = checked(bytes).finish() else {
                panic!("it is not told that it is damaged");
            };
            assert_eq!((damage.trailer, damage.problems_total), (trailer, 2));
        }
    }
}
