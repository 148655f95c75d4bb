//! The top-level buckets of a file: where each one's pairs are, and the checksum over the
//! pairs of a leaf.

use crate::crc::Crc;
use crate::page::{Bounds, BucketRoot, Entry, Leaf, Page};
use crate::problem::Problem;
use crate::tree::Visit;

/// etcd has ten top-level buckets.
const BUCKETS_MAX: usize = 256;

/// Collects the buckets of the root.
#[derive(Default)]
pub(crate) struct TopLevel {
    pub buckets: Vec<TopBucket>,
}

/// One top-level bucket.
pub(crate) struct TopBucket {
    pub name: Vec<u8>,
    pub place: Where,
}

/// Where a bucket's pairs are: in a tree of pages, or in one small leaf inside
/// the page `page`.
pub(crate) enum Where {
    Page(u64),
    Inline(Inline),
}

/// The one leaf of a small bucket, which lies inside the page `page`.
#[derive(Clone)]
pub(crate) struct Inline {
    page: u64,
    bytes: Vec<u8>,
}

impl Visit for TopLevel {
    const TAKES_BUCKETS: bool = true;

    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Problem> {
        let page = leaf.page();
        for entry in leaf.entries() {
            if !entry.is_bucket {
                return Err(Problem::NotABucket {
                    page,
                    index: entry.index,
                });
            }
            if self.buckets.len() == BUCKETS_MAX {
                return Err(Problem::BucketsTooMany {
                    buckets_max: BUCKETS_MAX,
                });
            }
            let place = match entry.bucket(page)? {
                BucketRoot::Page(root) => Where::Page(root),
                BucketRoot::Inline(leaf) => Where::Inline(Inline {
                    page,
                    bytes: leaf.bytes().to_vec(),
                }),
            };
            self.buckets.push(TopBucket {
                name: entry.key.to_vec(),
                place,
            });
        }
        Ok(())
    }
}

impl Where {
    pub fn inline(&self) -> Option<&Inline> {
        match self {
            Self::Page(_) => None,
            Self::Inline(inline) => Some(inline),
        }
    }
}

impl Inline {
    /// The leaf as it stands in the value, its page header first.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn leaf(&self) -> Result<Leaf<'_>, Problem> {
        Page::new(self.page, &self.bytes).leaf(Bounds::default())
    }
}

/// Covers the pairs of a leaf for which `wanted` holds: each key, then its
/// value. Pairs stand behind each other in the page, so mostly this is one
/// span. A bucket counts as a key without a value; a value that is not held was covered
/// when it was read.
pub(crate) fn hash(crc: &mut Crc, leaf: &Leaf<'_>, wanted: impl Fn(&Entry<'_>) -> bool) {
    let mut span = 0..0;
    for entry in leaf.entries().filter(wanted) {
        if entry.start != span.end {
            crc.update(&leaf.bytes()[span]);
            span = entry.start..entry.start;
        }
        let key_end = entry.start + entry.key.len();
        span.end = if entry.is_bucket || entry.cut.is_some() {
            key_end
        } else {
            entry.end()
        };
        if let Some(cut) = entry.cut {
            crc.update(&leaf.bytes()[span]);
            crc.append(cut.crc);
            span = entry.end()..entry.end();
        }
    }
    crc.update(&leaf.bytes()[span]);
}
