//! The meta pages: where a bbolt file says how it is laid out.
//!
//! Pages 0 and 1 hold the same 64-byte structure, written in turn; the valid
//! one with the higher transaction id counts. A stream of `Snapshot` carries
//! two copies of one meta. The layout (little-endian): magic u32, version u32,
//! page size u32, flags u32, root bucket (page u64, sequence u64), freelist
//! page u64, high-water mark u64, transaction id u64, FNV-1a of all before it.

use crate::bytes::{u32_at, u64_at};
use crate::error::Limit;
use crate::page::HEAD_BYTES;
use crate::problem::Problem;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// The flags of a meta page.
const FLAG_META: u16 = 0x04;
const META_BYTES: usize = 64;
const CHECKSUM_AT: usize = 56;
/// The freelist page of a writer that does not store its freelist, as etcd.
const FREELIST_NONE: u64 = u64::MAX;
/// The writer's page size is that of its operating system.
const PAGE_BYTES_MIN: u32 = 512;
const PAGE_BYTES_MAX: u32 = 65_536;
/// 4 TiB of 4 KiB pages, far over etcd's largest quota; it lets page numbers
/// be kept in 30 bits.
const PAGES_MAX: u64 = 1 << 30;
/// Enough bytes from the start of a file to see both meta pages.
pub(crate) const HEAD_WANTED_BYTES: usize = PAGE_BYTES_MAX as usize + HEAD_BYTES + META_BYTES;

/// How the pages of a file are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes in a page, a power of two from 512 to 65,536.
    pub page_bytes: u32,
    /// Pages in the file, used or free: bbolt's high-water mark.
    pub pages: u64,
    /// The root page of the bucket that holds all buckets.
    pub root: u64,
    /// The page of the stored freelist; `None` when all that is not reachable
    /// counts as free, as in every file that etcd writes.
    pub freelist: Option<u64>,
    /// The transaction that wrote the file.
    pub txid: u64,
}

impl Geometry {
    /// The bytes that all pages take, without a trailer: `totalSize`.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.pages.saturating_mul(u64::from(self.page_bytes))
    }

    /// The same layout, if its pages can be numbered here. Whoever knows how long the file
    /// is asks that first: one that is too short is damaged.
    pub(crate) fn counted(self) -> Result<Self, Limit> {
        if self.pages > PAGES_MAX {
            return Err(Limit::PagesTooMany {
                pages: self.pages,
                pages_max: PAGES_MAX,
            });
        }
        Ok(self)
    }

    /// Finds the layout in the first bytes of a file (as many of
    /// [`HEAD_WANTED_BYTES`] as there are), trusting none of them unchecked.
    pub(crate) fn find(head: &[u8]) -> Result<Self, Problem> {
        let first = meta_at(head, 0);
        let candidates = match first {
            Some(meta) => vec![meta.page_bytes],
            None => page_sizes().collect(),
        };
        let second = candidates
            .into_iter()
            .find_map(|size| meta_at(head, size as usize).filter(|meta| meta.page_bytes == size));
        newer(first, second).ok_or(Problem::MetaInvalid)?.checked()
    }

    /// The bytes that the meta page `page`, 0 or 1, begins with when it says so.
    pub(crate) fn to_bytes(self, page: u64) -> Vec<u8> {
        let mut bytes = page.to_le_bytes().to_vec();
        bytes.extend_from_slice(&FLAG_META.to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        for number in [MAGIC, VERSION, self.page_bytes, 0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let freelist = self.freelist.unwrap_or(FREELIST_NONE);
        for number in [self.root, 0, freelist, self.pages, self.txid] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let checksum = fnv1a(&bytes[HEAD_BYTES..]);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn checked(self) -> Result<Self, Problem> {
        let pages = self.pages;
        let refuse = |field, value| {
            Err(Problem::MetaField {
                field,
                value,
                pages,
            })
        };
        match self {
            _ if pages < 3 => refuse("the number of pages", pages),
            Self { root, .. } if !(2..pages).contains(&root) => refuse("the root page", root),
            Self {
                freelist: Some(page),
                ..
            } if !(2..pages).contains(&page) => refuse("the freelist page", page),
            _ => Ok(self),
        }
    }
}

fn page_sizes() -> impl Iterator<Item = u32> {
    (PAGE_BYTES_MIN.ilog2()..=PAGE_BYTES_MAX.ilog2()).map(|power| 1 << power)
}

fn newer(first: Option<Geometry>, second: Option<Geometry>) -> Option<Geometry> {
    match (first, second) {
        (Some(a), Some(b)) if b.txid > a.txid => Some(b),
        (first, second) => first.or(second),
    }
}

/// The meta structure of the page that begins at `start`, if it is valid.
fn meta_at(head: &[u8], start: usize) -> Option<Geometry> {
    let meta = head.get(start + HEAD_BYTES..start + HEAD_BYTES + META_BYTES)?;
    let page_bytes = u32_at(meta, 8);
    let valid = u32_at(meta, 0) == MAGIC
        && u32_at(meta, 4) == VERSION
        && u64_at(meta, CHECKSUM_AT) == fnv1a(&meta[..CHECKSUM_AT])
        && page_sizes().any(|size| size == page_bytes);
    let freelist = u64_at(meta, 32);
    valid.then(|| Geometry {
        page_bytes,
        pages: u64_at(meta, 40),
        root: u64_at(meta, 16),
        freelist: (freelist != FREELIST_NONE).then_some(freelist),
        txid: u64_at(meta, 48),
    })
}

/// FNV-1a of 64 bits, as in draft-eastlake-fnv.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
