//! Copying the database, checking the copy, and writing the members' folders.
//!
//! What is checked is the copy, so the snapshot is read once, and what passed
//! the check is what etcd will open. Copies for the other members are made, and
//! all are on their way to the disk, while the first is still being checked.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use ring::digest::{Context, SHA256};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::problem::Problems;
use crate::verify::{gather, mismatch};

use super::cluster::InitialCluster;
use super::copy::{CopiedBy, copy};
use super::edit::Patch;
use super::error::RestoreError;
use super::inspect::Findings;
use super::staging::{is_hidden, make_folder, make_folders};
use super::switch::sync_folder;
use super::{snap, wal};

/// Read at once for hashing; it stays in a core's cache.
const HASHED_BYTES: usize = 256 * 1024;

/// The folders of one member while they are built, and its empty database.
pub(crate) struct Building {
    pub id: u64,
    snap: PathBuf,
    wal: PathBuf,
    database: PathBuf,
    file: File,
}

/// What came of copying and checking.
pub(crate) struct Copied {
    pub findings: Findings,
    pub first: CopiedBy,
    /// How the others were made of the first; as the first if there are none.
    pub others: CopiedBy,
}

/// A snapshot as far as it was looked at before anything is written.
pub(crate) struct Original<'a> {
    pub file: &'a File,
    /// Bytes before the trailer.
    pub body: u64,
    /// What they are to hash to, unless that is not to be checked.
    pub trailer: Option<[u8; 32]>,
}

impl Building {
    /// Makes the folders of a member in `folder`, which is there, and its log's
    /// folder at `wal`, or where etcd looks for it by itself.
    pub fn begin(id: u64, folder: &Path, wal: Option<PathBuf>) -> Result<Self, RestoreError> {
        let member = folder.join("member");
        let snap = member.join("snap");
        make_folder(&member)?;
        make_folder(&snap)?;
        let wal = wal.unwrap_or_else(|| member.join("wal"));
        make_folders(&wal)?;
        let database = snap.join("db");
        let file = create(&database)?;
        Ok(Self {
            id,
            snap,
            wal,
            database,
            file,
        })
    }

    /// The copied database.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Changes the database, adds the log and the `.snap`, and makes all of it
    /// safe.
    pub fn finish(&self, cluster: &InitialCluster, patch: &Patch) -> Result<(), RestoreError> {
        self.apply(patch)
            .and_then(|()| self.file.sync_all())
            .map_err(RestoreError::io("write", &self.database))?;
        let log = self.wal.join(wal::FILE_NAME);
        write_new(&log, &wal::log(cluster, self.id), Some(wal::SEGMENT_BYTES))?;
        let snap = self.snap.join(snap::file_name(cluster));
        write_new(&snap, &snap::file(cluster), None)?;
        [&self.snap, &self.wal].into_iter().try_for_each(|folder| {
            let mut above = folder.ancestors().take_while(|folder| !is_hidden(folder));
            above.try_for_each(sync_folder)
        })
    }

    fn apply(&self, patch: &Patch) -> io::Result<()> {
        self.file.set_len(patch.tail_at)?;
        self.file.write_all_at(&patch.tail, patch.tail_at)?;
        for (at, bytes) in &patch.metas {
            self.file.write_all_at(bytes, *at)?;
        }
        Ok(())
    }

    fn copy_of(
        &self,
        from: &File,
        bytes: u64,
        each: impl FnMut(Range<u64>),
    ) -> Result<CopiedBy, RestoreError> {
        let copied = copy(from, &self.file, bytes, each);
        copied.map_err(RestoreError::io("copy the snapshot to", &self.database))
    }

    /// Sends to the disk what is there so far, so that the last sync is short.
    fn sync_early(&self) -> Result<(), RestoreError> {
        let synced = self.file.sync_data();
        synced.map_err(RestoreError::io("write", &self.database))
    }
}

/// Copies the snapshot into every member's database and checks the first copy.
pub(crate) fn copy_and_check(
    original: &Original<'_>,
    members: &[Building],
) -> Result<Copied, RestoreError> {
    let (first, others) = members
        .split_first()
        .expect("a cluster has at least one member");
    thread::scope(|scope| {
        let (arrived, pieces) = channel();
        let trailer = original.trailer;
        let hash = scope.spawn(move || check_trailer(&first.file, trailer, &pieces));
        let by = first.copy_of(original.file, original.body, |piece| {
            // Without a trailer to check nobody listens.
            let _ = arrived.send(piece);
        });
        drop(arrived);
        let first_by = by?;
        let rest: Vec<_> = others
            .iter()
            .map(|other| {
                scope.spawn(|| {
                    let by = other.copy_of(&first.file, original.body, |_| {})?;
                    other.sync_early().map(|()| by)
                })
            })
            .collect();
        let synced = scope.spawn(|| first.sync_early());
        let findings = Findings::of(&first.file);
        let mut others_by = first_by;
        for other in rest {
            others_by = other.join().expect(NO_PANIC)?;
        }
        synced.join().expect(NO_PANIC)?;
        Ok(Copied {
            findings: judge(findings, hash.join().expect(NO_PANIC))?,
            first: first_by,
            others: others_by,
        })
    })
}

const NO_PANIC: &str = "copying returns its errors and never panics";

/// Joins what the walk and the hash found: all problems together.
fn judge(
    findings: Result<Findings, crate::SnapshotError>,
    trailer: Result<(), crate::SnapshotError>,
) -> Result<Findings, RestoreError> {
    let mut problems = Problems::default();
    let trailer = gather(trailer, &mut problems)?;
    let findings = gather(findings, &mut problems)?;
    match (trailer, findings) {
        (Some(()), Some(findings)) => Ok(findings),
        _ => Err(problems.into()),
    }
}

/// Hashes the pieces of a copy as they arrive.
fn check_trailer(
    copy: &File,
    trailer: Option<[u8; 32]>,
    pieces: &Receiver<Range<u64>>,
) -> Result<(), crate::SnapshotError> {
    let Some(trailer) = trailer else {
        return Ok(());
    };
    let mut hasher = Context::new(&SHA256);
    let mut buffer = vec![0; HASHED_BYTES];
    for piece in pieces {
        let mut offset = piece.start;
        while offset < piece.end {
            let bytes = (piece.end - offset).min(HASHED_BYTES as u64) as usize;
            crate::verify::read(copy, &mut buffer[..bytes], offset)?;
            hasher.update(&buffer[..bytes]);
            offset += bytes as u64;
        }
    }
    let computed = hasher.finish();
    if computed.as_ref() == trailer {
        return Ok(());
    }
    Err(mismatch(&trailer, computed.as_ref()).into())
}

fn create(path: &Path) -> Result<File, RestoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(path).map_err(RestoreError::io("make", path))
}

/// Writes a new file, which is `length` bytes long if that is more.
fn write_new(path: &Path, bytes: &[u8], length: Option<u64>) -> Result<(), RestoreError> {
    let file = create(path)?;
    let written = length
        .map_or(Ok(()), |length| reserve(&file, length))
        .and_then(|()| file.write_all_at(bytes, 0))
        .and_then(|()| file.sync_all());
    written.map_err(RestoreError::io("write", path))
}

/// Takes the room at once where the file system can, as etcd does.
fn reserve(file: &File, length: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => file.set_len(length),
        reserved => Ok(reserved?),
    }
}
