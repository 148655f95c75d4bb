//! Thousands of snapshots changed at random: every reader refuses them or reads
//! them rightly, with a bound on time and memory.
//!
//! A mutant is a sound file of any page size with one to three changes: flipped
//! bits, cut ends, swapped, copied and wiped pages, cycles, lying counts and
//! lengths. Most get a right trailer again, so that only the structure tells. The
//! same seed makes the same mutant; a failure names it.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use drydock_snapshot::inspect::{Order, compare};
use drydock_snapshot::restore::{Bump, InitialCluster, RestoreError, preview, restore};
use drydock_snapshot::{
    Figures, Hints, Limits, SnapshotFile, Source, Survey, figures, hash_kv, status, verify,
};
use sha2::{Digest, Sha256};

use crate::allocations;
use crate::build::{built, grown};
use crate::files::{FREELIST_STORED, SERVERS, bytes, stream};
use crate::restore::refused::everything;
use crate::restore::{THREE, bump, database, request};
use crate::tools::etcdutl_status;

/// What one mutant may take, far above the sound files' needs: they have 200 KB, and
/// the crate promises 32 MiB and a few bytes a page and key.
const ALLOCATED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How often the bytes of a file may be read by all readers together. Each walks it
/// once, some look at parts again.
const READ_FACTOR_MAX: u64 = 60;
/// Mutants that we take and etcdutl is asked about as well.
const ASKED_OF_ETCDUTL: u64 = 40;
/// One in so many is restored to the disk as well, which takes some 50 ms.
const WRITTEN_EVERY: u64 = 256;
const TRAILER: usize = 32;
const HEAD: usize = 16;
const META_BYTES: usize = 64;

/// What became of many mutants.
#[derive(Debug, Default)]
pub struct Tally {
    pub refused: u64,
    pub read: u64,
}

/// A sound file and its page size.
struct Original {
    bytes: Vec<u8>,
    page_bytes: usize,
}

/// A mutant's bytes, counting how many are read.
struct Counted<'a> {
    bytes: &'a [u8],
    read: AtomicU64,
}

/// A small generator, as any will do that repeats itself.
struct Random(u64);

/// Checks mutants until `end`; panics with the seed of the first that comes out wrong.
pub fn run(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let mutant = mutant(seed);
        let judged = catch_unwind(AssertUnwindSafe(|| {
            if seed % WRITTEN_EVERY == 0 {
                restore_to_disk(&mutant);
            }
            judge(&mutant, tally.read)
        }));
        match judged {
            Ok(true) => tally.read += 1,
            Ok(false) => tally.refused += 1,
            Err(_) => panic!("mutant {seed} came out wrong, as said above"),
        }
    }
    tally
}

#[test]
fn ten_thousand_mutants_are_refused_or_read_rightly() {
    let halves = [0, 1].map(|half| {
        std::thread::spawn(move || run((0..10_000).filter(move |seed| seed % 2 == half)))
    });
    let tallies = halves.map(|half| half.join().expect("as said above"));
    let [refused, read] = [
        tallies.iter().map(|tally| tally.refused).sum::<u64>(),
        tallies.iter().map(|tally| tally.read).sum::<u64>(),
    ];
    assert_eq!(refused + read, 10_000);
    // Both must happen often, or the mutants are too dull or too wild.
    assert!(
        refused > 2000 && read > 500,
        "{refused} refused, {read} read"
    );
}

/// Lets every reader at a mutant. Whether it is taken.
fn judge(mutant: &[u8], read_so_far: u64) -> bool {
    let source = Counted {
        bytes: mutant,
        read: AtomicU64::new(0),
    };
    let before = allocations::start();
    let whole = read_all(&source);
    let peak = allocations::peak_since(before);
    assert!(peak < ALLOCATED_BYTES_MAX, "{peak} bytes allocated");
    let read = source.read.load(Ordering::Relaxed);
    let read_max = READ_FACTOR_MAX * (mutant.len() as u64 + 200_000);
    assert!(read < read_max, "{read} bytes read of {}", mutant.len());
    let Some(figures) = whole else {
        return false;
    };
    if read_so_far < ASKED_OF_ETCDUTL {
        assert_read_rightly(mutant, &figures);
    }
    true
}

/// A restore that is refused leaves nothing; one that is not leaves a sound database.
fn restore_to_disk(mutant: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("snapshot.db");
    std::fs::write(&path, mutant).expect("room");
    let mut request = request(&folder.path().join("cluster"));
    request.only = Some("m1".to_owned());
    let file = SnapshotFile::open(&path).expect("it is there");
    match restore(&file, &request) {
        Ok(_) => {
            let database = SnapshotFile::open(database(&request.data_dir)).expect("restored");
            status(&database).expect("a restored database is sound");
        }
        Err(_) => assert_eq!(everything(folder.path()), [path]),
    }
}

/// Every reader gives its answer, and they agree; the figures if it is sound.
fn read_all(source: &Counted<'_>) -> Option<Figures> {
    let limits = Limits {
        threads: 1,
        ..Limits::default()
    };
    let all = figures(source, Hints::default(), &limits).ok();
    let status = status(source).ok();
    let hash = hash_kv(source, None).ok();
    let verified = verify(source).ok();
    let streamed = stream(source.bytes, 32 * 1024);
    if let Some(verified) = &verified {
        assert_eq!(Some(&verified.status), status.as_ref());
        streamed.expect("the stream check takes what the file check takes");
    }
    if let Some(all) = &all {
        assert_eq!(Some(&all.status), status.as_ref());
        assert_eq!(Some(all.hash_kv), hash);
        assert_inspected_rightly(source, &limits, all);
    }
    let cluster = InitialCluster::parse(THREE, "tok").expect("a cluster");
    for bump in [Bump::None, bump(1_000_000)] {
        match preview(source, &cluster, bump, false) {
            Ok(restored) => assert_restored_rightly(&restored, bump, all.as_ref()),
            Err(RestoreError::Newer { .. } | RestoreError::BumpTooFar { .. }) => {}
            Err(error) => assert!(verified.is_none(), "{error}"),
        }
    }
    all
}

/// Looking inside finds as many live keys as the figures say, in order, and no difference
/// between a file and itself.
fn assert_inspected_rightly(source: &Counted<'_>, limits: &Limits, figures: &Figures) {
    let survey = Survey::of(source, limits).expect("it has figures");
    let mut live = 0;
    let all = survey.changes(|_, is_live| {
        live += u64::from(is_live);
        ControlFlow::Continue(())
    });
    all.expect("the walk has read every row before");
    let sorted = || survey.sorted(None, Order::Key).expect("the same rows");
    let same = compare(sorted(), sorted(), |difference| panic!("{difference:?}"));
    let keys = figures.status.total_key;
    assert_eq!((live, same.expect("memory alone")), (keys, keys));
}

/// What was restored is sound by our own measure, and holds what the snapshot held.
fn assert_restored_rightly(restored: &dyn Source, bump: Bump, before: Option<&Figures>) {
    let after = status(&restored).expect("a restored database is sound");
    let Some(before) = before else { return };
    if bump == Bump::None {
        assert_eq!(after.total_key, before.status.total_key);
        assert_eq!(after.revision, before.status.revision);
        assert_eq!(hash_kv(&restored, None).ok(), Some(before.hash_kv));
    } else {
        assert!(after.revision >= before.status.revision + 1_000_000);
    }
}

/// bbolt reads the same figures, where it takes the file at all.
fn assert_read_rightly(mutant: &[u8], figures: &Figures) {
    let output = etcdutl_status(mutant);
    if output.status.success() {
        let theirs: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("etcdutl's JSON");
        let ours = serde_json::to_value(&figures.status).expect("plain data");
        assert_eq!(ours, theirs);
    }
}

fn originals() -> &'static [Original] {
    static ORIGINALS: OnceLock<Vec<Original>> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let real = SERVERS.into_iter().chain([FREELIST_STORED]);
        let mut all: Vec<Original> = real
            .map(|name| Original {
                bytes: bytes(name),
                page_bytes: 4096,
            })
            .collect();
        for (page_bytes, rows) in [(512, 300), (1024, 400), (16_384, 500), (65_536, 1000)] {
            all.push(Original {
                bytes: grown(page_bytes, rows),
                page_bytes,
            });
        }
        all.push(Original {
            bytes: built(1024, 40_000),
            page_bytes: 1024,
        });
        all
    })
}

/// The mutant of a seed.
fn mutant(seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let originals = originals();
    let original = &originals[random.below(originals.len())];
    let mut bytes = original.bytes.clone();
    for _ in 0..=random.below(3) {
        change(&mut bytes, original.page_bytes, &mut random);
    }
    if random.below(8) != 0 {
        seal(&mut bytes);
    }
    bytes
}

/// Makes metas and trailer right again, so that only the structure tells.
fn seal(bytes: &mut [u8]) {
    let Some(body) = bytes.len().checked_sub(TRAILER) else {
        return;
    };
    let hash = Sha256::digest(&bytes[..body]);
    bytes[body..].copy_from_slice(&hash);
}

fn change(bytes: &mut Vec<u8>, page_bytes: usize, random: &mut Random) {
    let pages = bytes.len() / page_bytes;
    if pages < 3 {
        return;
    }
    // Page 2 on: the metas have a change of their own.
    let page = (2 + random.below(pages - 2)) * page_bytes;
    let other = random.below(pages) * page_bytes;
    match random.below(14) {
        0 | 1 => flip(bytes, random),
        2 => flip_in_head(bytes, page, page_bytes, random),
        3 => cut(bytes, random),
        4 => swap_pages(bytes, page, other, page_bytes, random),
        5 => copy_page(bytes, page, other, page_bytes, random),
        6 => bytes[page..page + page_bytes].fill([0, 0xFF][random.below(2)]),
        7 => set(bytes, page + 10, &random.lie().to_le_bytes()[..2]),
        8 => set(bytes, page + 12, &random.lie().to_le_bytes()[..4]),
        9 => lie_in_element(bytes, page, page_bytes, random),
        10 => point_elsewhere(bytes, page, page_bytes, pages, random),
        11 => lie_in_meta(bytes, page_bytes, pages, random),
        12 => noise(bytes, page, page_bytes, random),
        _ => set(
            bytes,
            page + 8,
            &[[1, 2, 4, 0x10, 0, 3][random.below(6)], 0],
        ),
    }
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    let at = random.below(bytes.len());
    bytes[at] ^= 1 << random.below(8);
}

fn flip_in_head(bytes: &mut [u8], page: usize, page_bytes: usize, random: &mut Random) {
    let at = page + random.below(page_bytes.min(16 * HEAD));
    bytes[at] ^= 1 << random.below(8);
}

fn cut(bytes: &mut Vec<u8>, random: &mut Random) {
    let end = random.below(bytes.len());
    bytes.truncate(if random.below(2) == 0 {
        end
    } else {
        end / 512 * 512 + TRAILER
    });
}

/// Swaps two pages, which then call themselves rightly or as before.
fn swap_pages(bytes: &mut [u8], a: usize, b: usize, page_bytes: usize, random: &mut Random) {
    let one = bytes[a..a + page_bytes].to_vec();
    bytes.copy_within(b..b + page_bytes, a);
    bytes[b..b + page_bytes].copy_from_slice(&one);
    if random.below(2) == 0 {
        name_page(bytes, a, page_bytes);
        name_page(bytes, b, page_bytes);
    }
}

fn copy_page(bytes: &mut [u8], to: usize, from: usize, page_bytes: usize, random: &mut Random) {
    bytes.copy_within(from..from + page_bytes, to);
    if random.below(4) != 0 {
        name_page(bytes, to, page_bytes);
    }
}

fn name_page(bytes: &mut [u8], page: usize, page_bytes: usize) {
    set(bytes, page, &((page / page_bytes) as u64).to_le_bytes());
}

/// Sets a position or a length of one element: to anything, or so that a leaf's
/// element ends where its page does, or a few bytes off.
fn lie_in_element(bytes: &mut [u8], page: usize, page_bytes: usize, random: &mut Random) {
    let element = page + HEAD * (1 + random.below((page_bytes / HEAD - 1).min(40)));
    if random.below(2) == 0 {
        let Some(fields) = bytes.get(element + 4..element + 12) else {
            return;
        };
        let number = |at: usize| {
            let bytes = fields[at..at + 4].try_into().expect("four bytes");
            u32::from_le_bytes(bytes) as usize
        };
        let key_end = (element - page).wrapping_add(number(0) + number(4));
        let about = random.below(24).wrapping_sub(12);
        let value = page_bytes.wrapping_sub(key_end).wrapping_add(about) as u32;
        return set(bytes, element + 12, &value.to_le_bytes());
    }
    let field = element + 4 * random.below(4);
    set(bytes, field, &random.lie().to_le_bytes()[..4]);
}

/// Lets a branch point to another page, itself and its parents not excepted, or a
/// bucket to another root.
fn point_elsewhere(
    bytes: &mut [u8],
    page: usize,
    page_bytes: usize,
    pages: usize,
    random: &mut Random,
) {
    let child = (random.below(pages + 2) as u64).to_le_bytes();
    if random.below(3) == 0 {
        let root = 2 * page_bytes..3 * page_bytes;
        let name = [&b"key"[..], b"meta", b"lease"][random.below(3)];
        let found = bytes[root.clone()]
            .windows(name.len())
            .position(|window| window == name);
        if let Some(at) = found {
            set(bytes, root.start + at + name.len(), &child);
        }
        return;
    }
    let element = page + HEAD * (1 + random.below((page_bytes / HEAD - 1).min(40)));
    set(bytes, element + 8, &child);
}

/// Changes a field of a meta page and makes its checksum right again.
fn lie_in_meta(bytes: &mut [u8], page_bytes: usize, pages: usize, random: &mut Random) {
    let field = [8, 16, 32, 40, 48][random.below(5)];
    let number = match random.below(3) {
        0 => random.lie(),
        1 => random.below(pages + 2) as u64,
        _ => 1 << random.below(34),
    };
    for start in [HEAD, page_bytes + HEAD] {
        let length = if field == 8 { 4 } else { 8 };
        set(bytes, start + field, &number.to_le_bytes()[..length]);
        let Some(meta) = bytes.get(start..start + META_BYTES) else {
            return;
        };
        let checksum = meta[..56]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        set(bytes, start + 56, &checksum.to_le_bytes());
    }
}

fn noise(bytes: &mut [u8], page: usize, page_bytes: usize, random: &mut Random) {
    let start = page + random.below(page_bytes);
    let end = (start + random.below(64)).min(page + page_bytes);
    bytes[start..end].fill_with(|| random.next() as u8);
}

/// Sets bytes as far as the file reaches.
fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

impl Source for Counted<'_> {
    fn size(&self) -> std::io::Result<u64> {
        self.bytes.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.bytes.read_exact_at(buffer, offset)
    }
}

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number as damage and malice like them: small, at a limit, or huge.
    fn lie(&mut self) -> u64 {
        match self.below(6) {
            0 => self.below(8) as u64,
            1 => self.below(5000) as u64,
            2 => u64::MAX,
            3 => 0x7FFF_FFFF_7FFF_FFFF,
            4 => 1 << self.below(63),
            _ => self.next(),
        }
    }
}
