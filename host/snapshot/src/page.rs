//! One page of a bbolt file, with every number checked before it is followed.
//!
//! A page begins with 16 bytes: its own number u64, flags u16, the count of its
//! elements u16, and u32 overflow pages that continue it; together they are a
//! run. Then comes a table of 16-byte elements, then keys and values. A branch
//! element is position u32, key length u32, child page u64; a leaf element is
//! flags u32, position u32, key length u32, value length u32. Positions count
//! from the element itself.
//!
//! Writers lay keys and values down in the order of the table without
//! overlapping. This is required here (bbolt itself does not check it): it
//! keeps the work in a hostile page linear in its size.

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::crc::Crc;
use crate::error::SnapshotError;
use crate::problem::Problem;
use crate::source::{Source, read};

/// The bytes of a page's own header.
pub(crate) const HEAD_BYTES: usize = 16;
/// The bytes of one element of the table.
pub(crate) const ELEMENT_BYTES: usize = 16;
/// The bytes of a bucket's header: root page u64, sequence u64.
pub(crate) const BUCKET_HEAD_BYTES: usize = 16;

pub(crate) const FLAG_BRANCH: u16 = 0x01;
pub(crate) const FLAG_LEAF: u16 = 0x02;
const FLAG_FREELIST: u16 = 0x10;
/// A leaf element that is a bucket.
pub(crate) const ELEMENT_BUCKET: u32 = 0x01;

/// A page's header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub id: u64,
    pub flags: u16,
    pub count: u16,
    pub overflow: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Branch,
    Leaf,
}

/// The range a parent allows its child's keys: from `min` on, below `max`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds<'a> {
    pub min: Option<&'a [u8]>,
    pub max: Option<&'a [u8]>,
}

/// A run of pages, seen as one page. `page` is what problems call it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub page: u64,
    head: Head,
    bytes: &'a [u8],
}

/// A branch page whose elements have been checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Branch<'a>(Page<'a>);

/// A leaf page whose elements have been checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'a> {
    page: Page<'a>,
    /// The values of which `page` holds a frame only, by index.
    cuts: &'a [Cut],
}

/// A value that is too long to be held: what of it is not in the page. The page has the
/// fields of the row in its place, without what was put under the key; where it is no row
/// of etcd, something that is none either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub index: u16,
    /// Covers the whole value.
    pub crc: Crc,
    /// Where the whole value stands in the file.
    pub offset: u64,
}

/// One element of a leaf. `start` is where its key begins in the page; the
/// value follows the key at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub index: u16,
    pub start: usize,
    pub key: &'a [u8],
    /// Only its frame if `cut` says so.
    pub value: &'a [u8],
    pub cut: Option<&'a Cut>,
    pub is_bucket: bool,
}

/// What the value of a bucket element says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BucketRoot<'a> {
    /// The bucket is a tree of its own.
    Page(u64),
    /// The bucket is one small leaf inside the value.
    Inline(Leaf<'a>),
}

impl Bounds<'_> {
    /// Checks the smallest and the greatest key of a page.
    pub fn hold(&self, page: u64, first: &[u8], last: &[u8]) -> Result<(), Problem> {
        if self.min.is_some_and(|min| first < min) {
            return Err(Problem::KeyBelowParent { page });
        }
        if self.max.is_some_and(|max| last >= max) {
            return Err(Problem::KeyAboveParent { page });
        }
        Ok(())
    }
}

impl Head {
    /// Reads the header that `bytes` begin with (at least [`HEAD_BYTES`]).
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            id: u64_at(bytes, 0),
            flags: u16_at(bytes, 8),
            count: u16_at(bytes, 10),
            overflow: u32_at(bytes, 12),
        }
    }

    /// Whether the page is a branch or a leaf, and calls itself `page`.
    pub fn kind(&self, page: u64) -> Result<Kind, Problem> {
        match self.flags {
            _ if self.id != page => Err(Problem::PageId {
                page,
                found: self.id,
            }),
            FLAG_BRANCH => Ok(Kind::Branch),
            FLAG_LEAF => Ok(Kind::Leaf),
            flags => Err(Problem::PageType { page, flags }),
        }
    }

    pub fn is_freelist(&self, page: u64) -> bool {
        self.id == page && self.flags == FLAG_FREELIST
    }

    /// Where the table of elements ends.
    pub fn table_end(&self) -> usize {
        HEAD_BYTES + usize::from(self.count) * ELEMENT_BYTES
    }

    /// The pages of the run, with this one.
    pub fn run_pages(&self) -> u64 {
        u64::from(self.overflow) + 1
    }
}

impl<'a> Page<'a> {
    /// Sees `bytes`, a whole run, as the page `page`.
    pub fn new(page: u64, bytes: &'a [u8]) -> Self {
        Self {
            page,
            head: Head::of(bytes),
            bytes,
        }
    }

    /// Checks the elements as those of a branch, and their keys for order.
    pub fn branch(self, bounds: Bounds<'_>) -> Result<Branch<'a>, Problem> {
        if self.head.count == 0 {
            return Err(Problem::BranchEmpty { page: self.page });
        }
        let branch = Branch(self);
        let mut order = Order::new(self.page);
        let mut end = self.table_end()?;
        for index in 0..self.head.count {
            let (start, key_bytes) = branch.span(index);
            end = self.check_span(index, start, key_bytes, end)?;
            order.next(index, branch.key(index))?;
        }
        order.within(bounds)?;
        Ok(branch)
    }

    /// Sees the page as a branch that [`Page::branch`] has passed before.
    pub fn checked_branch(self) -> Branch<'a> {
        Branch(self)
    }

    /// Checks the elements as those of a leaf, and their keys for order.
    pub fn leaf(self, bounds: Bounds<'_>) -> Result<Leaf<'a>, Problem> {
        let leaf = Leaf {
            page: self,
            cuts: &[],
        };
        let mut order = Order::new(self.page);
        let mut end = self.table_end()?;
        for index in 0..self.head.count {
            let element = self.element(index);
            let flags = u32_at(element, 0);
            if flags & !ELEMENT_BUCKET != 0 {
                return Err(Problem::ElementFlags {
                    page: self.page,
                    index,
                    flags,
                });
            }
            let bytes = u64::from(u32_at(element, 8)) + u64::from(u32_at(element, 12));
            end = self.check_span(index, self.start(index, u32_at(element, 4)), bytes, end)?;
            order.next(index, leaf.entry(index).key)?;
        }
        order.within(bounds)?;
        Ok(leaf)
    }

    fn table_end(&self) -> Result<usize, Problem> {
        let end = self.head.table_end();
        if end > self.bytes.len() {
            return Err(Problem::ElementTable {
                page: self.page,
                count: self.head.count,
            });
        }
        Ok(end)
    }

    /// Checks that an element's bytes lie within the page and behind `end`,
    /// and gives the place behind them.
    fn check_span(&self, index: u16, start: u64, bytes: u64, end: usize) -> Result<usize, Problem> {
        let page = self.page;
        let behind = start + bytes;
        if behind > self.bytes.len() as u64 {
            return Err(Problem::ElementBounds { page, index });
        }
        if start < end as u64 {
            return Err(Problem::ElementOverlap { page, index });
        }
        Ok(usize::try_from(behind).expect("it lies within a slice"))
    }

    fn element(&self, index: u16) -> &'a [u8] {
        let at = HEAD_BYTES + usize::from(index) * ELEMENT_BYTES;
        &self.bytes[at..at + ELEMENT_BYTES]
    }

    /// Where an element's bytes begin, given its position field.
    fn start(&self, index: u16, position: u32) -> u64 {
        (HEAD_BYTES + usize::from(index) * ELEMENT_BYTES) as u64 + u64::from(position)
    }
}

impl<'a> Branch<'a> {
    pub fn count(&self) -> u16 {
        self.0.head.count
    }

    pub fn key(&self, index: u16) -> &'a [u8] {
        let (start, bytes) = self.span(index);
        let start = start as usize;
        &self.0.bytes[start..start + bytes as usize]
    }

    pub fn child(&self, index: u16) -> u64 {
        u64_at(self.0.element(index), 8)
    }

    /// The range of keys allowed below the child `index`.
    pub fn bounds<'b>(&self, index: u16, own: Bounds<'b>) -> Bounds<'b>
    where
        'a: 'b,
    {
        let next = index + 1;
        let max = if next < self.count() {
            Some(self.key(next))
        } else {
            own.max
        };
        Bounds {
            min: Some(self.key(index)),
            max,
        }
    }

    fn span(&self, index: u16) -> (u64, u64) {
        let element = self.0.element(index);
        (
            self.0.start(index, u32_at(element, 0)),
            u64::from(u32_at(element, 4)),
        )
    }
}

impl<'a> Leaf<'a> {
    /// The same leaf, of which some values are not held.
    pub fn with_cuts(self, cuts: &'a [Cut]) -> Self {
        Self { cuts, ..self }
    }

    pub fn page(&self) -> u64 {
        self.page.page
    }

    pub fn count(&self) -> u16 {
        self.page.head.count
    }

    /// The whole run, as [`Entry::start`] counts in it.
    pub fn bytes(&self) -> &'a [u8] {
        self.page.bytes
    }

    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let leaf = *self;
        (0..self.count()).map(move |index| leaf.entry(index))
    }

    /// The roots of the buckets in this leaf that are trees of their own. The
    /// inline ones are checked here.
    pub fn bucket_roots(&self) -> Result<Vec<u64>, Problem> {
        let mut roots = Vec::new();
        for entry in self.entries().filter(|entry| entry.is_bucket) {
            if let BucketRoot::Page(root) = entry.bucket(self.page())? {
                roots.push(root);
            }
        }
        Ok(roots)
    }

    pub fn entry(&self, index: u16) -> Entry<'a> {
        let element = self.page.element(index);
        let start = self.page.start(index, u32_at(element, 4)) as usize;
        let key_end = start + u32_at(element, 8) as usize;
        let value_end = key_end + u32_at(element, 12) as usize;
        Entry {
            index,
            start,
            key: &self.page.bytes[start..key_end],
            value: &self.page.bytes[key_end..value_end],
            cut: self.cut(index),
            is_bucket: u32_at(element, 0) & ELEMENT_BUCKET != 0,
        }
    }

    fn cut(&self, index: u16) -> Option<&'a Cut> {
        let place = self.cuts.binary_search_by_key(&index, |cut| cut.index);
        place.ok().map(|place| &self.cuts[place])
    }
}

impl Cut {
    /// The whole value.
    pub fn read(&self, source: &dyn Source) -> Result<Vec<u8>, SnapshotError> {
        let bytes = usize::try_from(self.crc.bytes).expect("a run is shorter than 4 GiB");
        let mut value = vec![0; bytes];
        read(source, &mut value, self.offset)?;
        Ok(value)
    }
}

impl<'a> Entry<'a> {
    /// The same element with its whole value.
    pub fn with(self, value: &'a [u8]) -> Self {
        Self {
            value,
            cut: None,
            ..self
        }
    }

    /// Where the element's bytes end in the page.
    pub fn end(&self) -> usize {
        self.start + self.key.len() + self.value.len()
    }

    /// Reads the value as a bucket's header; `page` is where the entry lies.
    /// An inline bucket is checked whole, and may hold no bucket itself.
    pub fn bucket(&self, page: u64) -> Result<BucketRoot<'a>, Problem> {
        let damaged = Problem::BucketHeader {
            page,
            index: self.index,
        };
        if self.value.len() < BUCKET_HEAD_BYTES {
            return Err(damaged);
        }
        let (head, rest) = self.value.split_at(BUCKET_HEAD_BYTES);
        match u64_at(head, 0) {
            0 if rest.len() < HEAD_BYTES || Head::of(rest).flags != FLAG_LEAF => Err(damaged),
            0 => Ok(BucketRoot::Inline(inline_leaf(page, rest)?)),
            root => Ok(BucketRoot::Page(root)),
        }
    }
}

fn inline_leaf(page: u64, bytes: &[u8]) -> Result<Leaf<'_>, Problem> {
    let leaf = Page::new(page, bytes).leaf(Bounds::default())?;
    match leaf.entries().find(|entry| entry.is_bucket) {
        Some(entry) => Err(Problem::BucketMisplaced {
            page,
            index: entry.index,
        }),
        None => Ok(leaf),
    }
}

/// Checks the keys of one page as they come by.
struct Order<'a> {
    page: u64,
    first: Option<&'a [u8]>,
    last: Option<&'a [u8]>,
}

impl<'a> Order<'a> {
    fn new(page: u64) -> Self {
        Self {
            page,
            first: None,
            last: None,
        }
    }

    fn next(&mut self, index: u16, key: &'a [u8]) -> Result<(), Problem> {
        let page = self.page;
        if key.is_empty() {
            return Err(Problem::KeyEmpty { page, index });
        }
        if self.last.is_some_and(|last| last >= key) {
            return Err(Problem::KeyOrder { page, index });
        }
        self.first.get_or_insert(key);
        self.last = Some(key);
        Ok(())
    }

    fn within(&self, bounds: Bounds<'_>) -> Result<(), Problem> {
        match (self.first, self.last) {
            (Some(first), Some(last)) => bounds.hold(self.page, first, last),
            _ => Ok(()),
        }
    }
}
