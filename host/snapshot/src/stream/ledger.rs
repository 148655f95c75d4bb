//! What ties pages to each other, in a few bytes a page.
//!
//! A log holds one entry a run, an index where each page's entry begins. An
//! entry is: overflow pages and kind; for a branch its children and their keys,
//! for a leaf the roots of its buckets and its first and last key. Numbers are
//! varints; a key in the form of etcd's revisions is written as its difference
//! from the key before it.

use std::collections::BTreeMap;

use crate::error::Limit;
use crate::page::{Branch, Leaf};
use crate::problem::Problem;

/// The log's size beyond [`LOG_BYTES_PER_PAGE`] for each page so far. Keys of
/// etcd take some 16 bytes a page, so this carries a file of 16 GiB; only long
/// keys of something else fill it.
const LOG_BYTES_MAX: usize = 15 * 1024 * 1024;
/// Together with 4 bytes of index it is 16 bytes a page.
const LOG_BYTES_PER_PAGE: usize = 12;
/// The log grows in steps of this, so that little of it lies unused.
const LOG_STEP_BYTES: usize = 1024 * 1024;
/// Damaged pages whose problem is kept. A page that is not in use may look
/// damaged, so there can be many; past this they are called just damaged.
const DAMAGE_NOTED_MAX: usize = 4096;

const REVISION_BYTES: usize = 17;
const SEPARATOR: u8 = b'_';

#[derive(Default)]
pub(super) struct Ledger {
    log: Vec<u8>,
    /// Where the entry of a page begins in the log, plus one; 0 without one.
    index: Vec<u32>,
    damage: BTreeMap<u64, Problem>,
    /// Runs that were too long to be held. There may be as many as pages, since a free page
    /// can claim anything; past [`DAMAGE_NOTED_MAX`] they share the words of the last.
    too_long: BTreeMap<u64, Limit>,
}

/// One run, as it was noted.
#[derive(Debug)]
pub(super) struct Entry {
    pub overflow: u32,
    pub body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Branch(Vec<(u64, Vec<u8>)>),
    Leaf {
        keys: Option<(Vec<u8>, Vec<u8>)>,
        buckets: Vec<u64>,
    },
    Freelist,
    Damaged(Problem),
    TooLong(Limit),
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Branch,
    Leaf,
    LeafEmpty,
    Freelist,
    Damaged,
    TooLong,
}

/// How a key is written: as it is, or as a revision without or with one more
/// byte behind it.
const FORM_PLAIN: u8 = 0;
const FORM_REVISION: u8 = 1;
const FORM_MARKED: u8 = 2;

/// A key in the form of etcd's revisions.
#[derive(Clone, Copy, Default)]
struct Revision {
    main: u64,
    sub: u64,
    mark: Option<u8>,
}

/// Writes one entry to the end of the log.
struct Writer<'l> {
    log: &'l mut Vec<u8>,
    last: Revision,
}

/// Reads one entry from the log. The log is our own, so it is well formed.
struct Reader<'l> {
    rest: &'l [u8],
    last: Revision,
}

impl Ledger {
    pub fn branch(&mut self, page: u64, overflow: u32, branch: &Branch<'_>) -> Result<(), Limit> {
        let mut entry = self.entry(page, overflow, Tag::Branch);
        entry.number(u64::from(branch.count()));
        for index in 0..branch.count() {
            entry.number(branch.child(index));
            entry.key(branch.key(index));
        }
        self.checked()
    }

    pub fn leaf(
        &mut self,
        page: u64,
        overflow: u32,
        leaf: &Leaf<'_>,
        buckets: &[u64],
    ) -> Result<(), Limit> {
        if leaf.count() == 0 {
            self.entry(page, overflow, Tag::LeafEmpty);
            return self.checked();
        }
        let mut entry = self.entry(page, overflow, Tag::Leaf);
        entry.key(leaf.entry(0).key);
        entry.key(leaf.entry(leaf.count() - 1).key);
        entry.number(buckets.len() as u64);
        buckets.iter().for_each(|root| entry.number(*root));
        self.checked()
    }

    pub fn freelist(&mut self, page: u64, overflow: u32) -> Result<(), Limit> {
        self.entry(page, overflow, Tag::Freelist);
        self.checked()
    }

    pub fn damage(&mut self, page: u64, overflow: u32, problem: Problem) -> Result<(), Limit> {
        if self.damage.len() < DAMAGE_NOTED_MAX {
            self.damage.insert(page, problem);
        }
        self.entry(page, overflow, Tag::Damaged);
        self.checked()
    }

    pub fn too_long(&mut self, page: u64, overflow: u32, limit: Limit) -> Result<(), Limit> {
        if self.too_long.len() == DAMAGE_NOTED_MAX {
            self.too_long.pop_first();
        }
        self.too_long.insert(page, limit);
        self.entry(page, overflow, Tag::TooLong);
        self.checked()
    }

    /// The entry of `page`; `None` if it did not look like a page in use.
    pub fn get(&self, page: u64) -> Option<Entry> {
        let start = *self.index.get(usize::try_from(page).ok()?)?;
        let start = usize::try_from(start).ok()?.checked_sub(1)?;
        let mut reader = Reader {
            rest: &self.log[start..],
            last: Revision::default(),
        };
        let tag = reader.byte();
        let overflow = u32::try_from(reader.number()).expect("it was written as a u32");
        let body = reader
            .body(tag)
            .or_else(|| self.limit(page, tag))
            .unwrap_or_else(|| {
                let problem = self.damage.get(&page).cloned();
                Body::Damaged(problem.unwrap_or(Problem::PageDamaged { page }))
            });
        Some(Entry { overflow, body })
    }

    fn limit(&self, page: u64, tag: u8) -> Option<Body> {
        if tag != Tag::TooLong as u8 {
            return None;
        }
        let own = self.too_long.get(&page);
        let last = || self.too_long.values().next_back();
        own.or_else(last).cloned().map(Body::TooLong)
    }

    fn entry(&mut self, page: u64, overflow: u32, tag: Tag) -> Writer<'_> {
        let page = usize::try_from(page).expect("page numbers fit into 30 bits");
        if self.index.len() <= page {
            self.index.resize(page + 1, 0);
        }
        self.index[page] = u32::try_from(self.log.len() + 1).expect("the log is limited");
        if self.log.capacity() - self.log.len() < LOG_STEP_BYTES / 2 {
            self.log.reserve_exact(LOG_STEP_BYTES);
        }
        let mut writer = Writer {
            log: &mut self.log,
            last: Revision::default(),
        };
        writer.log.push(tag as u8);
        writer.number(u64::from(overflow));
        writer
    }

    fn checked(&self) -> Result<(), Limit> {
        let bytes_max = LOG_BYTES_MAX + self.index.len() * LOG_BYTES_PER_PAGE;
        if self.log.len() > bytes_max {
            return Err(Limit::LedgerFull { bytes_max });
        }
        Ok(())
    }

    /// The memory it takes, for the test that holds it to its promise.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.log.capacity() + self.index.capacity() * size_of::<u32>()
    }
}

impl Revision {
    fn of(key: &[u8]) -> Option<Self> {
        let (main, rest) = key.split_first_chunk::<8>()?;
        let (separator, rest) = rest.split_first()?;
        let (sub, mark) = rest.split_first_chunk::<8>()?;
        let formed = *separator == SEPARATOR && mark.len() <= 1;
        formed.then(|| Self {
            main: u64::from_be_bytes(*main),
            sub: u64::from_be_bytes(*sub),
            mark: mark.first().copied(),
        })
    }

    fn to_key(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(REVISION_BYTES + 1);
        key.extend_from_slice(&self.main.to_be_bytes());
        key.push(SEPARATOR);
        key.extend_from_slice(&self.sub.to_be_bytes());
        key.extend(self.mark);
        key
    }
}

impl Writer<'_> {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.log.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.log.push(number as u8);
    }

    fn key(&mut self, key: &[u8]) {
        let Some(revision) = Revision::of(key) else {
            self.log.push(FORM_PLAIN);
            self.number(key.len() as u64);
            return self.log.extend_from_slice(key);
        };
        self.log.push(if revision.mark.is_some() {
            FORM_MARKED
        } else {
            FORM_REVISION
        });
        self.log.extend(revision.mark);
        self.number(revision.main.wrapping_sub(self.last.main));
        self.number(revision.sub);
        self.last = revision;
    }
}

impl Reader<'_> {
    /// The body of an entry; `None` for a damaged page, or one that was not looked at.
    fn body(&mut self, tag: u8) -> Option<Body> {
        let body = match tag {
            tag if tag == Tag::Branch as u8 => {
                let count = self.number();
                Body::Branch((0..count).map(|_| (self.number(), self.key())).collect())
            }
            tag if tag == Tag::Leaf as u8 => {
                let keys = Some((self.key(), self.key()));
                let count = self.number();
                Body::Leaf {
                    keys,
                    buckets: (0..count).map(|_| self.number()).collect(),
                }
            }
            tag if tag == Tag::LeafEmpty as u8 => Body::Leaf {
                keys: None,
                buckets: Vec::new(),
            },
            tag if tag == Tag::Freelist as u8 => Body::Freelist,
            _ => return None,
        };
        Some(body)
    }

    fn byte(&mut self) -> u8 {
        let (byte, rest) = self.rest.split_first().expect("entries are written whole");
        self.rest = rest;
        *byte
    }

    fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn key(&mut self) -> Vec<u8> {
        let form = self.byte();
        if form == FORM_PLAIN {
            let bytes = usize::try_from(self.number()).expect("it was written as a length");
            let (key, rest) = self.rest.split_at(bytes);
            self.rest = rest;
            return key.to_vec();
        }
        let mark = (form == FORM_MARKED).then(|| self.byte());
        let main = self.last.main.wrapping_add(self.number());
        self.last = Revision {
            main,
            sub: self.number(),
            mark,
        };
        self.last.to_key()
    }
}

#[cfg(test)]
mod tests {
    use super::{Ledger, Reader, Revision, Writer};
    use crate::page::{Bounds, Page};

    #[test]
    fn keys_come_back_as_they_went_in() {
        let revision = |main: u64, sub: u64, mark: &[u8]| {
            [&main.to_be_bytes()[..], b"_", &sub.to_be_bytes(), mark].concat()
        };
        let keys = [
            revision(5, 0, b""),
            b"plain".to_vec(),
            revision(6, u64::MAX, b"t"),
            revision(2, 7, b""),
            Vec::new(),
            revision(u64::MAX, 0, b"x"),
            vec![0; 300],
        ];
        let mut log = Vec::new();
        let mut writer = Writer {
            log: &mut log,
            last: Revision::default(),
        };
        keys.iter().for_each(|key| writer.key(key));
        let mut reader = Reader {
            rest: &log,
            last: Revision::default(),
        };
        let read: Vec<_> = keys.iter().map(|_| reader.key()).collect();
        assert_eq!(read, keys);
        assert!(reader.rest.is_empty());
    }

    /// The first 33 bytes of a leaf of one row, which is all that is noted.
    fn leaf_page(page: u64, main: u64) -> Vec<u8> {
        let head = [&page.to_le_bytes()[..], &[2, 0, 1, 0], &[0; 4]].concat();
        let element = [0_u32, 16, 17, 0].map(u32::to_le_bytes).concat();
        [
            head,
            element,
            main.to_be_bytes().to_vec(),
            vec![b'_'],
            vec![0; 8],
        ]
        .concat()
    }

    fn branch_page(page: u64, first: u64, children: u64) -> Vec<u8> {
        let head = [&page.to_le_bytes()[..], &[1, 0, children as u8, 0], &[0; 4]].concat();
        let element = |n: u64| {
            let position = (children - n) * 16 + n * 17;
            let fields = [position as u32, 17].map(u32::to_le_bytes).concat();
            [fields, (first + n).to_le_bytes().to_vec()].concat()
        };
        let key = |n: u64| [&(first + n).to_be_bytes()[..], b"_", &[0; 8]].concat();
        let body = (0..children)
            .flat_map(element)
            .chain((0..children).flat_map(key));
        head.into_iter().chain(body).collect()
    }

    #[test]
    fn memory_stays_within_the_promise() {
        let mut ledger = Ledger::default();
        let pages = 2_000_000_u64;
        for page in 0..pages {
            let bytes = if page % 100 == 99 {
                branch_page(page, page * 37 % pages, 100)
            } else {
                leaf_page(page, page * 37)
            };
            let seen = Page::new(page, &bytes);
            if page % 100 == 99 {
                let branch = seen.branch(Bounds::default()).expect("a sound branch");
                ledger.branch(page, 0, &branch).expect("room");
            } else {
                let leaf = seen.leaf(Bounds::default()).expect("a sound leaf");
                ledger.leaf(page, 0, &leaf, &[]).expect("room");
            }
        }
        // The window of the pager may take 16 MiB of the 32.
        let allowed = 16 * 1024 * 1024 + 16 * pages as usize;
        assert!(ledger.bytes() <= allowed, "{} bytes", ledger.bytes());
    }
}
