//! Copying the database, checking the copy, and writing the members' folders.
//!
//! What is checked is the copy, so the snapshot is read once, and what passed
//! the check is what etcd will open. Copies for the other members are made, and
//! all are on their way to the disk, while the first is still being checked.

use std::collections::BTreeSet;
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
use super::switch::sync;
use super::{snap, wal};

/// Read at once for hashing; it stays in a core's cache.
const HASHED_BYTES: usize = 256 * 1024;

/// Copied before the disk is given something to do: a tenth of a second's work for it.
const SYNCED_BYTES: u64 = 64 * 1024 * 1024;
/// Files and folders that are synced at once. Three members have fewer; more would
/// wait for the disk only.
const SYNCS_MAX: usize = 32;

/// The folders of one member while they are built, and its empty database.
pub(crate) struct Building {
    id: u64,
    snap: PathBuf,
    log: PathBuf,
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
    pub fn begin(
        id: u64,
        cluster: &InitialCluster,
        folder: &Path,
        wal: Option<PathBuf>,
    ) -> Result<Self, RestoreError> {
        let member = folder.join("member");
        let snap = member.join("snap");
        make_folder(&member)?;
        make_folder(&snap)?;
        let wal = wal.unwrap_or_else(|| member.join("wal"));
        make_folders(&wal)?;
        let database = snap.join("db");
        Ok(Self {
            id,
            snap: snap.join(snap::file_name(cluster)),
            log: wal.join(wal::FILE_NAME),
            file: create(&database)?,
            database,
        })
    }

    /// The copied database.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Adds the log and the `.snap`, which depend on nothing in the snapshot.
    fn write_log(&self, cluster: &InitialCluster) -> Result<(), RestoreError> {
        let log = wal::log(cluster, self.id);
        write_new(&self.log, &log, Some(wal::SEGMENT_BYTES))?;
        write_new(&self.snap, &snap::file(cluster), None)
    }

    /// The files and folders that were made for it, up to the hidden folder.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let up = |file| Path::ancestors(file).take_while(|path| !is_hidden(path));
        up(&self.database)
            .chain(up(&self.snap))
            .chain(up(&self.log))
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
        stop: fn() -> bool,
        each: impl FnMut(Range<u64>),
    ) -> Result<CopiedBy, RestoreError> {
        let copied = copy(from, &self.file, bytes, stop, each);
        copied.map_err(RestoreError::io("copy the snapshot to", &self.database))
    }

    /// Sends to the disk what is there while more arrives.
    fn sync_behind(&self, copied: &Receiver<Range<u64>>) -> Result<(), RestoreError> {
        let mut waiting = 0;
        for piece in copied {
            waiting += piece.end - piece.start;
            if waiting >= SYNCED_BYTES {
                self.sync_early()?;
                waiting = 0;
            }
        }
        self.sync_early()
    }

    /// Sends to the disk what is there so far, so that the last sync is short.
    fn sync_early(&self) -> Result<(), RestoreError> {
        let synced = self.file.sync_data();
        synced.map_err(RestoreError::io("write", &self.database))
    }
}

/// Copies the snapshot into every member's database, checks the first copy, and
/// writes the logs meanwhile.
pub(crate) fn copy_and_check(
    original: &Original<'_>,
    cluster: &InitialCluster,
    members: &[Building],
    stop: fn() -> bool,
) -> Result<Copied, RestoreError> {
    let (first, others) = members
        .split_first()
        .expect("a cluster has at least one member");
    thread::scope(|scope| {
        let logs = scope.spawn(|| members.iter().try_for_each(|one| one.write_log(cluster)));
        let (to_hash, pieces) = channel();
        let (to_sync, copied) = channel();
        let trailer = original.trailer;
        let synced = scope.spawn(move || first.sync_behind(&copied));
        let hash = scope.spawn(move || check_trailer(&first.file, trailer, &pieces));
        let by = first.copy_of(original.file, original.body, stop, |piece| {
            // Without a trailer to check nobody listens, nor after a failure.
            let _ = to_hash.send(piece.clone());
            let _ = to_sync.send(piece);
        });
        drop((to_hash, to_sync));
        let first_by = by?;
        let clone = |other: &'_ Building| {
            let by = other.copy_of(&first.file, original.body, stop, |_| {})?;
            other.sync_early().map(|()| by)
        };
        let rest: Vec<_> = others
            .iter()
            .map(|other| scope.spawn(move || clone(other)))
            .collect();
        let findings = Findings::of(&first.file);
        let mut others_by = first_by;
        for other in rest {
            others_by = other.join().expect(NO_PANIC)?;
        }
        synced.join().expect(NO_PANIC)?;
        logs.join().expect(NO_PANIC)?;
        Ok(Copied {
            findings: judge(findings, hash.join().expect(NO_PANIC))?,
            first: first_by,
            others: others_by,
        })
    })
}

/// Writes the changes into every database, and makes all that was made safe. The
/// syncs go out together: a file system with a journal then needs one commit for
/// all of them instead of one for each.
pub(crate) fn finish(members: &[Building], patch: &Patch) -> Result<(), RestoreError> {
    for member in members {
        let applied = member.apply(patch);
        applied.map_err(RestoreError::io("write", &member.database))?;
    }
    let paths: BTreeSet<&Path> = members.iter().flat_map(Building::paths).collect();
    sync_all(&paths.into_iter().collect::<Vec<_>>())
}

fn sync_all(paths: &[&Path]) -> Result<(), RestoreError> {
    for some in paths.chunks(SYNCS_MAX) {
        thread::scope(|scope| {
            let syncs: Vec<_> = some
                .iter()
                .map(|path| scope.spawn(move || sync(path)))
                .collect();
            let mut results = syncs.into_iter().map(|sync| sync.join().expect(NO_PANIC));
            results.try_for_each(|result| result)
        })?;
    }
    Ok(())
}

const NO_PANIC: &str = "what works here returns its errors and never panics";

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
            crate::source::read(copy, &mut buffer[..bytes], offset)?;
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

/// Writes a new file, to be synced later, which is `length` bytes long if that is more.
fn write_new(path: &Path, bytes: &[u8], length: Option<u64>) -> Result<(), RestoreError> {
    let file = create(path)?;
    let written = length
        .map_or(Ok(()), |length| reserve(&file, length))
        .and_then(|()| file.write_all_at(bytes, 0));
    written.map_err(RestoreError::io("write", path))
}

/// Takes the room at once where the file system can, as etcd does.
fn reserve(file: &File, length: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => file.set_len(length),
        reserved => Ok(reserved?),
    }
}
