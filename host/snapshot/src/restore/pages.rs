//! Writing pages behind the end of a database, in the format that
//! [`crate::page`] reads.

use crate::page::{ELEMENT_BUCKET, ELEMENT_BYTES, FLAG_BRANCH, FLAG_LEAF, HEAD_BYTES};

/// A bucket that takes more than this part of a page gets a page of its own, as
/// bbolt does it.
const INLINE_SHARE: u64 = 4;

/// Pages that follow the last one of a database.
pub(crate) struct Tail {
    page_bytes: u64,
    first: u64,
    bytes: Vec<u8>,
}

/// An element of a leaf.
pub(crate) struct Element<'a> {
    pub is_bucket: bool,
    pub key: &'a [u8],
    pub value: &'a [u8],
}

impl<'a> Element<'a> {
    pub fn pair(key: &'a [u8], value: &'a [u8]) -> Self {
        Self {
            is_bucket: false,
            key,
            value,
        }
    }
}

/// An element of a branch: the first key below a child, and its page.
pub(crate) type Child = (Vec<u8>, u64);

impl Tail {
    /// Pages from number `first` on.
    pub fn new(page_bytes: u64, first: u64) -> Self {
        Self {
            page_bytes,
            first,
            bytes: Vec::new(),
        }
    }

    /// The number of the page that comes next, which is how many pages there are.
    pub fn next(&self) -> u64 {
        self.first + self.bytes.len() as u64 / self.page_bytes
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Adds a leaf, with overflow pages if it needs them, and gives its page.
    pub fn leaf(&mut self, elements: &[Element<'_>]) -> u64 {
        self.run(leaf(elements))
    }

    /// Adds a branch and gives its page.
    pub fn branch(&mut self, children: &[Child]) -> u64 {
        self.run(branch(children))
    }

    /// Adds the pages of a leaf or branch that has no page number yet.
    pub fn run(&mut self, mut run: Vec<u8>) -> u64 {
        let page = self.next();
        let pages = (run.len() as u64).div_ceil(self.page_bytes);
        run.resize((pages * self.page_bytes) as usize, 0);
        run[..8].copy_from_slice(&page.to_le_bytes());
        run[12..16].copy_from_slice(&narrow(pages - 1).to_le_bytes());
        self.bytes.append(&mut run);
        page
    }

    /// The value of a bucket element that holds these pairs: the whole leaf if
    /// it is small, else the page that it was added as.
    pub fn bucket(&mut self, pairs: &[Element<'_>]) -> Vec<u8> {
        let inline = leaf(pairs);
        if inline.len() as u64 > self.page_bytes / INLINE_SHARE {
            return bucket_at(self.run(inline));
        }
        [&[0; 16][..], &inline].concat()
    }

    /// Whether a branch of these children fits into one page.
    pub fn fits(&self, children: &[Child]) -> bool {
        let keys: usize = children.iter().map(|(key, _)| key.len()).sum();
        (HEAD_BYTES + children.len() * ELEMENT_BYTES + keys) as u64 <= self.page_bytes
    }
}

/// The value of a bucket element whose tree begins at `page`. The sequence
/// number, which etcd does not use, is zero.
pub(crate) fn bucket_at(page: u64) -> Vec<u8> {
    [page, 0].map(u64::to_le_bytes).concat()
}

fn leaf(elements: &[Element<'_>]) -> Vec<u8> {
    let mut page = Draft::new(FLAG_LEAF, elements.len());
    for element in elements {
        let flags = if element.is_bucket { ELEMENT_BUCKET } else { 0 };
        let position = page.position();
        let lengths = [element.key.len(), element.value.len()].map(|length| narrow(length as u64));
        page.element([flags, position, lengths[0], lengths[1]]);
        page.data.extend_from_slice(element.key);
        page.data.extend_from_slice(element.value);
    }
    page.finish()
}

fn branch(children: &[Child]) -> Vec<u8> {
    let mut page = Draft::new(FLAG_BRANCH, children.len());
    for (key, child) in children {
        let position = page.position();
        let (low, high) = (*child as u32, (*child >> 32) as u32);
        page.element([position, narrow(key.len() as u64), low, high]);
        page.data.extend_from_slice(key);
    }
    page.finish()
}

/// A page while it is written: header and table, and the data behind them.
struct Draft {
    count: usize,
    head: Vec<u8>,
    data: Vec<u8>,
}

impl Draft {
    fn new(flags: u16, count: usize) -> Self {
        let count_field = u16::try_from(count).expect("callers keep below the limits of a page");
        let mut head = vec![0; 8];
        head.extend_from_slice(&flags.to_le_bytes());
        head.extend_from_slice(&count_field.to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        Self {
            count,
            head,
            data: Vec::new(),
        }
    }

    /// How far behind its own element the next data begins.
    fn position(&self) -> u32 {
        let table_end = HEAD_BYTES + self.count * ELEMENT_BYTES;
        narrow((table_end + self.data.len() - self.head.len()) as u64)
    }

    fn element(&mut self, fields: [u32; 4]) {
        self.head.extend(fields.map(u32::to_le_bytes).concat());
    }

    fn finish(mut self) -> Vec<u8> {
        self.head.append(&mut self.data);
        self.head
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("runs are limited to far below 4 GiB")
}
