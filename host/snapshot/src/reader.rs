//! Reading runs of pages through a small window.
//!
//! A parent knows its children, and neighbours in the tree are often
//! neighbours in the file: so the window reads ahead as far as the parent says
//! and no further. It is small enough to stay in a core's cache.

use crate::abridged::{Abridged, Run};
use crate::error::{Fault, Limit, SnapshotError};
use crate::meta::Geometry;
use crate::page::{Bounds, HEAD_BYTES, Head, Leaf, Page};
use crate::problem::Problem;
use crate::source::Source;

/// Read ahead at most so far: the second-level cache of one core, halved.
pub(crate) const WINDOW_BYTES_MAX: usize = 256 * 1024;
/// The longest run that is held; each thread holds one. Leaves that are longer are
/// abridged; bbolt writes no branch that comes near.
const RUN_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// The longest run that is looked at at all: its bytes are counted in 32 bits. bbolt takes
/// no value over 2 GiB and etcd no request that large.
const LEAF_BYTES_MAX: u64 = u32::MAX as u64;

pub(crate) struct Reader<'a> {
    source: &'a dyn Source,
    geometry: Geometry,
    window: Vec<u8>,
    window_start: u64,
    /// The last leaf that was too long for the window.
    abridged: Abridged,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a dyn Source, geometry: Geometry) -> Self {
        Self {
            source,
            geometry,
            window: Vec::new(),
            window_start: 0,
            abridged: Abridged::default(),
        }
    }

    /// Where the bytes come from.
    pub fn source(&self) -> &'a dyn Source {
        self.source
    }

    /// The header of page `page`, read with up to `ahead` pages behind it.
    pub fn head(&mut self, page: u64, ahead: u64) -> Result<Head, Fault> {
        let pages = self.geometry.pages;
        if page >= pages {
            return Err(Problem::PageOutOfBounds {
                page,
                last: pages - 1,
            }
            .into());
        }
        let offset = page * self.page_bytes();
        if !self.holds(offset, HEAD_BYTES as u64) {
            let wanted = (ahead * self.page_bytes()).min(WINDOW_BYTES_MAX as u64);
            let end = self.geometry.body_bytes();
            self.fill(offset, wanted.max(self.page_bytes()).min(end - offset))?;
        }
        Ok(Head::of(self.slice(offset, HEAD_BYTES as u64)))
    }

    /// The bytes of the run that begins with page `page` and has `head`.
    pub fn run(&mut self, page: u64, head: Head) -> Result<&[u8], Fault> {
        let run = self.whole(page, head, RUN_BYTES_MAX)?;
        if !self.holds(run.offset, run.bytes) {
            self.fill(run.offset, run.bytes)?;
        }
        Ok(self.slice(run.offset, run.bytes))
    }

    /// The leaf in the run that begins with page `page` and has `head`.
    pub fn leaf_of(
        &mut self,
        page: u64,
        head: Head,
        bounds: Bounds<'_>,
    ) -> Result<Leaf<'_>, Fault> {
        let run = self.whole(page, head, LEAF_BYTES_MAX)?;
        if run.bytes <= RUN_BYTES_MAX {
            return Ok(Page::new(page, self.run(page, head)?).leaf(bounds)?);
        }
        self.abridged = Abridged::read(run)?;
        Ok(self.abridged.leaf(page, bounds)?)
    }

    /// The leaf that begins with page `page`, checked by itself.
    pub fn leaf(&mut self, page: u64) -> Result<Leaf<'_>, SnapshotError> {
        let head = self.head(page, 1)?;
        head.kind(page)?;
        Ok(self.leaf_of(page, head, Bounds::default())?)
    }

    /// Where a run stands that lies in the file and is not longer than `bytes_max`.
    pub fn whole(&self, page: u64, head: Head, bytes_max: u64) -> Result<Run<'a>, Fault> {
        let bytes = head.run_pages() * self.page_bytes();
        if page + head.run_pages() > self.geometry.pages {
            return Err(Problem::Overflow {
                page,
                overflow: head.overflow,
            }
            .into());
        }
        if bytes > bytes_max {
            return Err(Limit::RunTooLong {
                page,
                bytes,
                bytes_max,
            }
            .into());
        }
        Ok(Run {
            source: self.source,
            page,
            offset: page * self.page_bytes(),
            bytes,
        })
    }

    fn page_bytes(&self) -> u64 {
        u64::from(self.geometry.page_bytes)
    }

    fn holds(&self, offset: u64, bytes: u64) -> bool {
        offset >= self.window_start
            && offset + bytes <= self.window_start + self.window.len() as u64
    }

    fn slice(&self, offset: u64, bytes: u64) -> &[u8] {
        let start = (offset - self.window_start) as usize;
        &self.window[start..start + bytes as usize]
    }

    fn fill(&mut self, offset: u64, bytes: u64) -> Result<(), SnapshotError> {
        let bytes = usize::try_from(bytes).expect("a window is at most RUN_BYTES_MAX long");
        self.window.resize(bytes, 0);
        self.window_start = offset;
        self.source
            .read_exact_at(&mut self.window, offset)
            .map_err(|source| SnapshotError::Read {
                offset,
                bytes,
                source,
            })
    }
}
