//! Which row of each user key is the newest.
//!
//! Rows stand in the order of revisions, not of keys, so this needs an index.
//! It keeps 24 bytes a distinct key: a 112-bit fingerprint of the key (two
//! SipHashes under random keys, so that nobody can make two keys collide), the
//! number of its resource, and the place of its newest row. Rows are spread over
//! partitions by fingerprint; a partition drops superseded rows whenever it has grown by a
//! third. Past the memory that was allowed, partitions move to an unnamed file as sorted runs.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bytes::u64_at;
use crate::error::SnapshotError;
use crate::prefix::Prefixes;
use crate::resource::{ResourceMemo, ResourceNumber, Resources};

/// Enough that a spilled partition of the largest file fits into memory (some
/// 10 MiB), few enough that an empty index costs nothing.
const PARTITIONS: usize = 64;
/// Rows that one thread gathers for a partition before it takes the lock.
const BATCH_ROWS_MAX: usize = 128;
/// A partition this small is not worth cleaning: 64 of them take 6 MiB.
const CLEAN_ROWS_MIN: usize = 4096;
const RECORD_BYTES: usize = 24;
/// The bits of a fingerprint's second word that hold the number of the resource.
const RESOURCE_BITS: u64 = 0xFFFF;

/// The place of a row: the number of its unit (17 bits), of its leaf in the
/// unit (30 bits), its index in the leaf (16 bits), and whether it deletes its
/// key (1 bit). Places order as revisions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowPlace(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    fingerprint: [u64; 2],
    place: RowPlace,
}

/// The index while it is filled by several threads.
pub(crate) struct KeyIndex {
    resources: Resources,
    hashers: [RandomState; 2],
    partitions: Vec<Mutex<Partition>>,
    rows_max: usize,
    rows: AtomicUsize,
    spill: Option<Spill>,
}

/// One thread's gathered rows.
pub(crate) struct Gather<'i> {
    index: &'i KeyIndex,
    memo: ResourceMemo,
    batches: Vec<Vec<Record>>,
    failure: Option<io::Error>,
}

#[derive(Default)]
struct Partition {
    records: Vec<Record>,
    clean_at: usize,
    /// Sorted runs in the spill file: offset in bytes, number of records.
    runs: Vec<(u64, usize)>,
}

struct Spill {
    file: File,
    end: AtomicU64,
}

impl RowPlace {
    pub fn new(unit: u32, leaf: u32, index: u16, deleted: bool) -> Self {
        let place = (u64::from(unit) << 30 | u64::from(leaf)) << 16 | u64::from(index);
        Self(place << 1 | u64::from(deleted))
    }

    pub fn unit(self) -> usize {
        (self.0 >> 47) as usize
    }

    pub fn leaf(self) -> usize {
        (self.0 >> 17 & 0x3FFF_FFFF) as usize
    }

    pub fn index(self) -> u16 {
        (self.0 >> 1) as u16
    }

    pub fn deleted(self) -> bool {
        self.0 & 1 != 0
    }
}

impl KeyIndex {
    /// An empty index that tells resources under these prefixes apart. Past so many bytes it
    /// moves to a file in the folder; without a folder it never does.
    pub fn new(
        bytes_max: usize,
        spill_folder: Option<&Path>,
        prefixes: &Prefixes,
    ) -> Result<Self, SnapshotError> {
        let spill = spill_folder
            .map(Spill::new)
            .transpose()
            .map_err(SnapshotError::Spill)?;
        Ok(Self {
            resources: Resources::under(prefixes.clone()),
            hashers: [RandomState::new(), RandomState::new()],
            partitions: (0..PARTITIONS).map(|_| Mutex::default()).collect(),
            rows_max: bytes_max / RECORD_BYTES,
            rows: AtomicUsize::new(0),
            spill,
        })
    }

    /// The prefixes under which it tells resources apart.
    pub fn prefixes(&self) -> &Prefixes {
        self.resources.prefixes()
    }

    pub fn gather(&self) -> Gather<'_> {
        Gather {
            index: self,
            memo: ResourceMemo::default(),
            batches: vec![Vec::new(); PARTITIONS],
            failure: None,
        }
    }

    /// Hands over the newest row of every key, in no order, with the number of the key's
    /// resource; then gives the resources.
    pub fn newest(
        self,
        mut each: impl FnMut(RowPlace, ResourceNumber),
    ) -> Result<Resources, SnapshotError> {
        for partition in &self.partitions {
            let mut records = std::mem::take(&mut *lock(partition));
            self.load(&mut records).map_err(SnapshotError::Spill)?;
            records.clean();
            let records = records.records.iter();
            records.for_each(|record| each(record.place, record.resource()));
        }
        Ok(self.resources)
    }

    fn load(&self, partition: &mut Partition) -> io::Result<()> {
        for (offset, count) in std::mem::take(&mut partition.runs) {
            let spill = self
                .spill
                .as_ref()
                .expect("a run is only noted by the spill file");
            spill.read(offset, count, &mut partition.records)?;
        }
        Ok(())
    }

    fn absorb(&self, number: usize, batch: &mut Vec<Record>) -> io::Result<()> {
        let mut partition = lock(&self.partitions[number]);
        let before = partition.records.len();
        partition.absorb(batch);
        let after = partition.records.len();
        let rows = self.rows.fetch_add(after, Ordering::Relaxed) + after - before;
        self.rows.fetch_sub(before, Ordering::Relaxed);
        match &self.spill {
            Some(spill) if rows > self.rows_max => {
                self.rows.fetch_sub(after, Ordering::Relaxed);
                partition.spill(spill)
            }
            _ => Ok(()),
        }
    }

    /// What tells the key from all others; the number of the resource, which follows from
    /// the key, is a part of it.
    fn fingerprint(&self, user_key: &[u8], resource: ResourceNumber) -> [u64; 2] {
        let [first, second] = &self.hashers;
        [
            first.hash_one(user_key),
            second.hash_one(user_key) & !RESOURCE_BITS | u64::from(resource.0),
        ]
    }
}

impl Gather<'_> {
    /// Adds a row. A failure to spill is kept for [`Gather::finish`].
    pub fn add(&mut self, user_key: &[u8], place: RowPlace) {
        let resource = self.index.resources.number(user_key, &mut self.memo);
        let fingerprint = self.index.fingerprint(user_key, resource);
        let number = fingerprint[0] as usize % PARTITIONS;
        self.batches[number].push(Record { fingerprint, place });
        if self.batches[number].len() >= BATCH_ROWS_MAX {
            self.flush(number);
        }
    }

    /// Hands all gathered rows to the index.
    pub fn finish(mut self) -> Result<(), SnapshotError> {
        (0..PARTITIONS).for_each(|number| self.flush(number));
        self.failure
            .map_or(Ok(()), |error| Err(SnapshotError::Spill(error)))
    }

    fn flush(&mut self, number: usize) {
        let result = self.index.absorb(number, &mut self.batches[number]);
        self.failure = self.failure.take().or(result.err());
    }
}

impl Partition {
    fn absorb(&mut self, batch: &mut Vec<Record>) {
        let needed = self.records.len() + batch.len();
        if needed > self.records.capacity() {
            // Growing by a quarter keeps the unused part of the memory small.
            self.records.reserve_exact(batch.len() + needed / 4);
        }
        self.records.append(batch);
        if self.records.len() >= self.clean_at.max(CLEAN_ROWS_MIN) {
            self.clean();
            self.clean_at = self.records.len() / 3 * 4;
        }
    }

    /// Sorts the records and keeps the newest of each key.
    fn clean(&mut self) {
        self.records.sort_unstable_by(|a, b| b.cmp(a));
        self.records.dedup_by_key(|record| record.fingerprint);
    }

    fn spill(&mut self, spill: &Spill) -> io::Result<()> {
        self.clean();
        self.runs
            .push((spill.write(&self.records)?, self.records.len()));
        self.records = Vec::new();
        Ok(())
    }
}

impl Spill {
    fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(folder)?,
            end: AtomicU64::new(0),
        })
    }

    fn write(&self, records: &[Record]) -> io::Result<u64> {
        let bytes: Vec<u8> = records.iter().copied().flat_map(Record::to_bytes).collect();
        let offset = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(&bytes, offset)?;
        Ok(offset)
    }

    fn read(&self, offset: u64, count: usize, records: &mut Vec<Record>) -> io::Result<()> {
        let mut bytes = vec![0; count * RECORD_BYTES];
        self.file.read_exact_at(&mut bytes, offset)?;
        records.extend(bytes.chunks_exact(RECORD_BYTES).map(Record::from_bytes));
        Ok(())
    }
}

impl Record {
    fn resource(&self) -> ResourceNumber {
        ResourceNumber((self.fingerprint[1] & RESOURCE_BITS) as u16)
    }

    fn to_bytes(self) -> impl Iterator<Item = u8> + use<> {
        let words = [self.fingerprint[0], self.fingerprint[1], self.place.0];
        words.into_iter().flat_map(u64::to_le_bytes)
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            fingerprint: [u64_at(bytes, 0), u64_at(bytes, 8)],
            place: RowPlace(u64_at(bytes, 16)),
        }
    }
}

fn lock(partition: &Mutex<Partition>) -> MutexGuard<'_, Partition> {
    partition.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
