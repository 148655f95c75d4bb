//! Cutting a stream of bytes into pages.
//!
//! Any page may begin a run, also one inside the run of another: a freed run
//! keeps its header while its pages are used again one by one. So each page is
//! looked at, and a run is checked once its last page has arrived.

use std::collections::BTreeMap;

use crate::error::{Limit, Trouble};
use crate::freelist;
use crate::meta::{Geometry, HEAD_WANTED_BYTES};
use crate::page::{Bounds, Head, Kind, Page};
use crate::pageset::PageSet;
use crate::problem::Problem;
use crate::stream::ledger::Ledger;

/// The longest run that is held. It fits four values of 4 MiB, more than twice
/// what etcd takes unless it is told otherwise; a longer one is noted as such, and is left
/// to whoever has the complete file.
const RUN_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes that are done with are dropped once there are so many of them.
const DROP_BYTES_MIN: usize = 1024 * 1024;
/// Problems of the freelist that are kept; one is enough to refuse a file.
const FREELIST_PROBLEMS_MAX: usize = 16;

/// What the pages have told about themselves.
#[derive(Default)]
pub(super) struct Noted {
    pub ledger: Ledger,
    /// The run of the stored freelist, as it came by.
    freelist: Option<Vec<u8>>,
    pub freed: Option<PageSet>,
    pub freelist_problems: Vec<Problem>,
}

#[derive(Default)]
pub(super) struct Pager {
    geometry: Option<Geometry>,
    /// Bytes that are still needed, and the offset of the first of them.
    window: Vec<u8>,
    start: u64,
    /// The next page to look at.
    next: u64,
    /// Runs whose last page has not arrived: behind their last page, and
    /// their first.
    waiting: BTreeMap<(u64, u64), Head>,
    noted: Noted,
}

impl Pager {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.window.extend_from_slice(bytes);
        if self.geometry.is_none() && self.window.len() >= HEAD_WANTED_BYTES {
            self.geometry = Some(Geometry::find(&self.window)?.counted()?);
        }
        match self.geometry {
            Some(geometry) => Ok(self.look(&geometry)?),
            None => Ok(()),
        }
    }

    /// Ends the stream after `body` bytes of pages.
    pub fn finish(mut self, body: u64) -> Result<(Geometry, Noted), Trouble> {
        let geometry = match self.geometry {
            Some(geometry) => geometry,
            None => Geometry::find(&self.window)?,
        };
        let needed = geometry.body_bytes();
        if body < needed {
            return Err(Trouble::Damage(Problem::Truncated {
                needed,
                found: body,
            }));
        }
        geometry.counted()?;
        self.look(&geometry)?;
        self.noted.read_freelist(&geometry);
        Ok((geometry, self.noted))
    }

    /// Looks at all pages that have arrived since.
    fn look(&mut self, geometry: &Geometry) -> Result<(), Limit> {
        let page_bytes = u64::from(geometry.page_bytes);
        let arrived = (self.start + self.window.len() as u64) / page_bytes;
        while self.next < arrived.min(geometry.pages) {
            let page = self.next;
            self.next += 1;
            let head = Head::of(self.pages(geometry, page, 1));
            self.begin(geometry, page, head)?;
            self.end_runs(geometry)?;
        }
        self.drop_done(page_bytes, geometry.pages);
        Ok(())
    }

    /// Begins a run at `page`, if that looks like one.
    fn begin(&mut self, geometry: &Geometry, page: u64, head: Head) -> Result<(), Limit> {
        let freelist = geometry.freelist == Some(page);
        if page < 2 || head.id != page || (!freelist && head.kind(page).is_err()) {
            return Ok(());
        }
        let bytes = head.run_pages() * u64::from(geometry.page_bytes);
        let behind = page + head.run_pages();
        if behind > geometry.pages {
            let problem = Problem::Overflow {
                page,
                overflow: head.overflow,
            };
            return self.noted.ledger.damage(page, 0, problem);
        }
        if bytes > RUN_BYTES_MAX {
            let limit = Limit::RunTooLong {
                page,
                bytes,
                bytes_max: RUN_BYTES_MAX,
            };
            return self.noted.ledger.too_long(page, head.overflow, limit);
        }
        self.waiting.insert((behind, page), head);
        Ok(())
    }

    /// Checks all runs that are complete.
    fn end_runs(&mut self, geometry: &Geometry) -> Result<(), Limit> {
        while let Some(run) = self.waiting.first_entry() {
            let (behind, page) = *run.key();
            if behind > self.next {
                break;
            }
            let head = run.remove();
            let bytes = window(&self.window, self.start, geometry, page, behind - page);
            self.noted.run(geometry, page, head, bytes)?;
        }
        Ok(())
    }

    fn pages(&self, geometry: &Geometry, page: u64, count: u64) -> &[u8] {
        window(&self.window, self.start, geometry, page, count)
    }

    /// Drops bytes before the first page that is still needed, unless so few
    /// that moving the others costs more. Past the last page all are dropped.
    fn drop_done(&mut self, page_bytes: u64, pages: u64) {
        let needed = self
            .waiting
            .keys()
            .map(|(_, page)| *page)
            .min()
            .unwrap_or(self.next);
        let window_end = self.start + self.window.len() as u64;
        let keep_from = if needed >= pages {
            window_end
        } else {
            needed * page_bytes
        };
        let done = usize::try_from(keep_from - self.start).expect("it lies within the window");
        if done >= DROP_BYTES_MIN.min(self.window.len() / 2) {
            self.window.drain(..done);
            self.start += done as u64;
        }
    }
}

impl Noted {
    /// Checks a complete run by itself and notes what ties it to others.
    fn run(
        &mut self,
        geometry: &Geometry,
        page: u64,
        head: Head,
        bytes: &[u8],
    ) -> Result<(), Limit> {
        if geometry.freelist == Some(page) {
            self.freelist = Some(bytes.to_vec());
            return self.ledger.freelist(page, head.overflow);
        }
        let noted = match head.kind(page) {
            Ok(Kind::Branch) => Page::new(page, bytes)
                .branch(Bounds::default())
                .map(|branch| self.ledger.branch(page, head.overflow, &branch)),
            Ok(Kind::Leaf) => Page::new(page, bytes)
                .leaf(Bounds::default())
                .and_then(|leaf| Ok((leaf, leaf.bucket_roots()?)))
                .map(|(leaf, roots)| self.ledger.leaf(page, head.overflow, &leaf, &roots)),
            Err(problem) => Err(problem),
        };
        noted.unwrap_or_else(|problem| self.ledger.damage(page, head.overflow, problem))
    }

    /// Reads the stored freelist, once it is known that the file has as many pages
    /// as it says: before that, nobody can tell how large a set of them may be.
    fn read_freelist(&mut self, geometry: &Geometry) {
        let (Some(page), Some(run)) = (geometry.freelist, self.freelist.take()) else {
            return;
        };
        let problems = std::cell::RefCell::new(Vec::new());
        let report = |problem| {
            let mut problems = problems.borrow_mut();
            if problems.len() < FREELIST_PROBLEMS_MAX {
                problems.push(problem);
            }
        };
        match freelist::freed(geometry, page, &run, &report) {
            Ok(freed) => self.freed = Some(freed),
            Err(problem) => report(problem),
        }
        self.freelist_problems = problems.into_inner();
    }
}

fn window<'w>(
    window: &'w [u8],
    start: u64,
    geometry: &Geometry,
    page: u64,
    count: u64,
) -> &'w [u8] {
    let page_bytes = u64::from(geometry.page_bytes);
    let from = (page * page_bytes - start) as usize;
    &window[from..from + (count * page_bytes) as usize]
}
