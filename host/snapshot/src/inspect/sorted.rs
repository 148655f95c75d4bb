//! Live keys without their values, in an order of ours.
//!
//! They are gathered up to a limit, then written to an unnamed file as a sorted run; the
//! runs are merged while they are read. A key that is compared with another file's brings a
//! digest of its value along, by hashes under keys of this process.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::LazyLock;

use super::KeyValue;
use crate::bytes::{u32_at, u64_at};
use crate::error::SnapshotError;
use crate::survey::Survey;

/// Memory that keys may take before they are written down: with the index of the walk, which
/// is gone by then, and the windows of the merge it stays below the crate's bound.
const GATHERED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a gathered key takes beside its bytes: the entry and its allocation.
const KEY_OVERHEAD_BYTES: usize = size_of::<SortedKey>() + 16;

/// Read at once of each run.
const WINDOW_BYTES: usize = 32 * 1024;

/// The fixed part of a key in a run: its length in 4 bytes, then seven numbers of 8.
const HEAD_BYTES: usize = 4 + 7 * 8;

static HASHERS: LazyLock<[RandomState; 2]> =
    LazyLock::new(|| [RandomState::new(), RandomState::new()]);

/// A live key without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortedKey {
    pub key: Vec<u8>,
    pub value_bytes: u64,
    pub create_revision: i64,
    pub mod_revision: i64,
    pub version: i64,
    pub lease: i64,
    /// Equal for equal values, within this process.
    pub(super) digest: [u64; 2],
}

/// In which order keys come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Key,
    /// The largest values first.
    Size,
}

/// Live keys in order.
pub struct SortedKeys {
    order: Order,
    runs: Vec<Run>,
    file: Option<File>,
    end: u64,
    gathered: Vec<SortedKey>,
    gathered_bytes: usize,
}

/// What keys are compared by.
type Rank = (Reverse<u64>, Vec<u8>);

/// A run in the file: what is left of it, and the window on it.
struct Run {
    next: u64,
    end: u64,
    window: Vec<u8>,
    read: usize,
}

/// Gives the keys one after the other.
pub struct Merge {
    order: Order,
    file: Option<File>,
    runs: Vec<Run>,
    gathered: std::vec::IntoIter<SortedKey>,
    heads: BinaryHeap<Reverse<Head>>,
}

/// The first key of a run; the gathered ones are the run behind the last.
struct Head {
    rank: Rank,
    run: usize,
    key: SortedKey,
}

impl Survey<'_> {
    /// All keys that are alive at `revision`, or at the newest, in order. Past their memory
    /// they go to an unnamed file in the folder that the limits name.
    ///
    /// # Errors
    /// As [`Survey::live`], or a failure to write the runs.
    pub fn sorted(&self, revision: Option<i64>, order: Order) -> Result<SortedKeys, SnapshotError> {
        let mut sorted = SortedKeys::new(order);
        let folder = self.limits.spill_folder.as_deref();
        let mut failure = None;
        self.live(revision, |pair| match sorted.add(pair, folder) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        })?;
        match failure {
            Some(error) => Err(SnapshotError::Spill(error)),
            None => Ok(sorted),
        }
    }
}

impl SortedKeys {
    fn new(order: Order) -> Self {
        Self {
            order,
            runs: Vec::new(),
            file: None,
            end: 0,
            gathered: Vec::new(),
            gathered_bytes: 0,
        }
    }

    fn add(&mut self, pair: &KeyValue<'_>, folder: Option<&Path>) -> io::Result<()> {
        let key = SortedKey::of(pair);
        self.gathered_bytes += key.key.len() + KEY_OVERHEAD_BYTES;
        self.gathered.push(key);
        match folder {
            Some(folder) if self.gathered_bytes > GATHERED_BYTES_MAX => self.write_run(folder),
            _ => Ok(()),
        }
    }

    fn write_run(&mut self, folder: &Path) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(folder)?,
        };
        let mut keys = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        sort(&mut keys, self.order);
        let begin = self.end;
        let mut piece = Vec::with_capacity(WINDOW_BYTES);
        for key in &keys {
            key.write(&mut piece);
            if piece.len() >= WINDOW_BYTES {
                self.end = flush(&file, &mut piece, self.end)?;
            }
        }
        self.end = flush(&file, &mut piece, self.end)?;
        self.file = Some(file);
        self.runs.push(Run::new(begin, self.end));
        Ok(())
    }

    /// The keys, one after the other.
    ///
    /// # Errors
    /// A failure to read the runs.
    pub fn merge(mut self) -> Result<Merge, SnapshotError> {
        sort(&mut self.gathered, self.order);
        let mut merge = Merge {
            order: self.order,
            file: self.file,
            runs: self.runs,
            gathered: self.gathered.into_iter(),
            heads: BinaryHeap::new(),
        };
        for run in 0..=merge.runs.len() {
            merge.advance(run).map_err(SnapshotError::Spill)?;
        }
        Ok(merge)
    }
}

impl Merge {
    /// The next key; none behind the last.
    ///
    /// # Errors
    /// A failure to read the runs.
    pub fn next_key(&mut self) -> Result<Option<SortedKey>, SnapshotError> {
        let Some(Reverse(head)) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(head.run).map_err(SnapshotError::Spill)?;
        Ok(Some(head.key))
    }

    fn advance(&mut self, run: usize) -> io::Result<()> {
        let key = match (self.runs.get_mut(run), &self.file) {
            (Some(run), Some(file)) => run.next_key(file)?,
            _ => self.gathered.next(),
        };
        if let Some(key) = key {
            let rank = key.rank(self.order);
            self.heads.push(Reverse(Head { rank, run, key }));
        }
        Ok(())
    }
}

impl Run {
    fn new(begin: u64, end: u64) -> Self {
        Self {
            next: begin,
            end,
            window: Vec::new(),
            read: 0,
        }
    }

    fn next_key(&mut self, file: &File) -> io::Result<Option<SortedKey>> {
        if self.read == self.window.len() && self.next == self.end {
            return Ok(None);
        }
        self.hold(file, HEAD_BYTES)?;
        let length = u32_at(&self.window, self.read) as usize;
        self.hold(file, HEAD_BYTES + length)?;
        let bytes = &self.window[self.read..self.read + HEAD_BYTES + length];
        self.read += bytes.len();
        Ok(Some(SortedKey::read(bytes)))
    }

    /// Makes the window hold so many bytes that are not read yet.
    fn hold(&mut self, file: &File, bytes: usize) -> io::Result<()> {
        if self.window.len() - self.read >= bytes {
            return Ok(());
        }
        self.window.drain(..self.read);
        self.read = 0;
        let held = self.window.len();
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let more = (bytes.max(WINDOW_BYTES) - held).min(left);
        self.window.resize(held + more, 0);
        file.read_exact_at(&mut self.window[held..], self.next)?;
        self.next += more as u64;
        Ok(())
    }
}

impl SortedKey {
    fn of(pair: &KeyValue<'_>) -> Self {
        Self {
            key: pair.key.to_vec(),
            value_bytes: pair.value.len() as u64,
            create_revision: pair.create_revision,
            mod_revision: pair.mod_revision,
            version: pair.version,
            lease: pair.lease,
            digest: HASHERS.each_ref().map(|hasher| hasher.hash_one(pair.value)),
        }
    }

    fn rank(&self, order: Order) -> Rank {
        let size = match order {
            Order::Key => 0,
            Order::Size => self.value_bytes,
        };
        (Reverse(size), self.key.clone())
    }

    fn write(&self, to: &mut Vec<u8>) {
        let length = u32::try_from(self.key.len()).expect("a key lies within a page of 64 MiB");
        to.extend(length.to_le_bytes());
        let numbers = [
            self.value_bytes,
            self.create_revision.cast_unsigned(),
            self.mod_revision.cast_unsigned(),
            self.version.cast_unsigned(),
            self.lease.cast_unsigned(),
            self.digest[0],
            self.digest[1],
        ];
        to.extend(numbers.into_iter().flat_map(u64::to_le_bytes));
        to.extend(&self.key);
    }

    fn read(bytes: &[u8]) -> Self {
        let number = |index: usize| u64_at(bytes, 4 + index * 8);
        let signed = |index: usize| number(index).cast_signed();
        Self {
            value_bytes: number(0),
            create_revision: signed(1),
            mod_revision: signed(2),
            version: signed(3),
            lease: signed(4),
            digest: [number(5), number(6)],
            key: bytes[HEAD_BYTES..].to_vec(),
        }
    }
}

fn sort(keys: &mut [SortedKey], order: Order) {
    keys.sort_unstable_by(|a, b| match order {
        Order::Key => a.key.cmp(&b.key),
        Order::Size => (b.value_bytes, &a.key).cmp(&(a.value_bytes, &b.key)),
    });
}

fn flush(file: &File, piece: &mut Vec<u8>, at: u64) -> io::Result<u64> {
    file.write_all_at(piece, at)?;
    let end = at + piece.len() as u64;
    piece.clear();
    Ok(end)
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.rank, self.run).cmp(&(&other.rank, other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair<'a>(key: &'a [u8], value: &'a [u8]) -> KeyValue<'a> {
        KeyValue {
            key,
            value,
            create_revision: 1,
            mod_revision: 2,
            version: 3,
            lease: 4,
            deleted: false,
        }
    }

    #[test]
    fn keys_on_disk_come_in_the_same_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for order in [Order::Key, Order::Size] {
            let mut on_disk = SortedKeys::new(order);
            let mut in_memory = SortedKeys::new(order);
            for number in 0..2000_u32 {
                let key = number.wrapping_mul(2_654_435_761).to_be_bytes();
                let value = vec![7; (number % 90) as usize];
                let pair = pair(&key, &value);
                on_disk.add(&pair, None).expect("memory alone");
                in_memory.add(&pair, None).expect("memory alone");
                if number % 300 == 299 {
                    on_disk.write_run(folder.path()).expect("a run");
                }
            }
            let (mut a, mut b) = (
                on_disk.merge().expect("runs"),
                in_memory.merge().expect("memory"),
            );
            let mut count = 0;
            while let Some(key) = a.next_key().expect("a key") {
                assert_eq!(Some(key), b.next_key().expect("a key"));
                count += 1;
            }
            assert_eq!((count, b.next_key().expect("the end")), (2000, None));
        }
    }
}
