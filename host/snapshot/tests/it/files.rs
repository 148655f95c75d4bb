//! The fixtures, and changing them the way damage does.

use std::ops::Range;
use std::path::PathBuf;

use drydock_snapshot::{Problems, SnapshotFile, StreamCheck, StreamRefused, StreamSummary};
use sha2::{Digest, Sha256};

pub const SERVERS: [&str; 3] = ["etcd-3.5.35", "etcd-3.6.16", "etcd-3.7.3"];
pub const FREELIST_STORED: &str = "freelist-stored";
const PAGE: usize = 4096;
const HEAD: usize = 16;
const TRAILER: usize = 32;

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

pub fn open(name: &str) -> SnapshotFile {
    SnapshotFile::open(path(&format!("{name}.db"))).expect("the fixture is there")
}

pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(&format!("{name}.db"))).expect("the fixture is there")
}

/// Sends bytes through a stream check in pieces of `piece` bytes.
pub fn stream(bytes: &[u8], piece: usize) -> Result<StreamSummary, StreamRefused> {
    let mut check = StreamCheck::new();
    for piece in bytes.chunks(piece) {
        // What nothing can mend is told again at the end.
        let _ = check.push(piece);
    }
    check.finish()
}

/// What is wrong with bytes that a stream check must find damaged.
pub fn stream_problems(bytes: &[u8], piece: usize) -> Problems {
    match stream(bytes, piece) {
        Err(StreamRefused::Damaged { problems, .. }) => problems,
        other => panic!("damaged bytes must be refused as such: {other:?}"),
    }
}

/// A snapshot in memory that can be damaged on purpose. It knows just enough
/// of the format to find its way, and trusts the undamaged file.
pub struct Image {
    pub bytes: Vec<u8>,
}

impl Image {
    pub fn of(name: &str) -> Self {
        Self { bytes: bytes(name) }
    }

    /// Makes the trailer right again, so that only the structure tells.
    pub fn sealed(mut self) -> Vec<u8> {
        let body = self.bytes.len() - TRAILER;
        let hash = Sha256::digest(&self.bytes[..body]);
        self.bytes[body..].copy_from_slice(&hash);
        self.bytes
    }

    pub fn set_u16(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    pub fn set_u32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub fn set_u64(&mut self, at: usize, value: u64) {
        self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    fn u32(&self, at: usize) -> usize {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four bytes")) as usize
    }

    pub fn count(&self, page: u64) -> usize {
        let at = offset(page) + 10;
        usize::from(u16::from_le_bytes(
            self.bytes[at..at + 2].try_into().expect("two bytes"),
        ))
    }

    /// Where element `index` of `page` begins.
    pub fn element(&self, page: u64, index: usize) -> usize {
        offset(page) + HEAD + index * HEAD
    }

    /// Where the key of an element of a leaf lies.
    pub fn leaf_key(&self, page: u64, index: usize) -> Range<usize> {
        let element = self.element(page, index);
        let start = element + self.u32(element + 4);
        start..start + self.u32(element + 8)
    }

    /// Where the key of an element of a branch lies.
    pub fn branch_key(&self, page: u64, index: usize) -> Range<usize> {
        let element = self.element(page, index);
        let start = element + self.u32(element);
        start..start + self.u32(element + 4)
    }

    pub fn child(&self, page: u64, index: usize) -> u64 {
        self.u64(self.element(page, index) + 8)
    }

    pub fn set_child(&mut self, page: u64, index: usize, child: u64) {
        self.set_u64(self.element(page, index) + 8, child);
    }

    /// The root page of the bucket `key`, a branch in all fixtures.
    pub fn key_root(&self) -> u64 {
        let root = self.u64(HEAD + 16);
        let index = (0..self.count(root))
            .find(|index| &self.bytes[self.leaf_key(root, *index)] == b"key")
            .expect("every snapshot has the bucket");
        self.u64(self.leaf_key(root, index).end)
    }

    /// Where the pages lie that no tree leads to. Runs of several pages count
    /// as used whole.
    pub fn free_pages(&self) -> Vec<Range<usize>> {
        let mut used = vec![false; (self.bytes.len() - TRAILER) / PAGE];
        used[..2].fill(true);
        self.use_pages(self.u64(HEAD + 16), &mut used);
        if (self.freelist() as usize) < used.len() {
            self.use_pages(self.freelist(), &mut used);
        }
        let pages = (0..).zip(used);
        pages
            .filter(|(_, used)| !used)
            .map(|(page, _)| offset(page)..offset(page + 1))
            .collect()
    }

    fn use_pages(&self, page: u64, used: &mut [bool]) {
        let at = offset(page);
        let overflow = self.u32(at + 12);
        used[page as usize..=page as usize + overflow].fill(true);
        for index in 0..self.count(page) {
            let element = self.element(page, index);
            match self.bytes[at + 8] {
                1 => self.use_pages(self.child(page, index), used),
                2 if self.bytes[element] == 1 => {
                    let root = self.u64(self.leaf_key(page, index).end);
                    if root != 0 {
                        self.use_pages(root, used);
                    }
                }
                _ => {}
            }
        }
    }

    /// The page of the stored freelist.
    pub fn freelist(&self) -> u64 {
        self.u64(HEAD + 32)
    }
}

pub fn offset(page: u64) -> usize {
    page as usize * PAGE
}
