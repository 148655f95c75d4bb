//! Which pages are in use: each once, and none that the freelist calls free.

use crate::meta::Geometry;
use crate::pageset::PageSet;
use crate::problem::Problem;

/// The pages that a walk has come by so far.
pub(crate) struct Claims {
    geometry: Geometry,
    seen: PageSet,
    freed: Option<PageSet>,
}

impl Claims {
    /// The two meta pages are in use from the start.
    pub fn new(geometry: Geometry) -> Self {
        let seen = PageSet::new(geometry.pages);
        seen.insert(0);
        seen.insert(1);
        Self {
            geometry,
            seen,
            freed: None,
        }
    }

    /// Sets what the stored freelist names; it must be set before any claim.
    pub fn set_freed(&mut self, freed: Option<PageSet>) {
        self.freed = freed;
    }

    /// Marks a page and its `overflow` pages as used, each of which must lie
    /// in the file, be used once and be on no freelist. The last is reported
    /// and does not end the walk, since such a page can still be read.
    pub fn claim(&self, page: u64, overflow: u32, report: &dyn Fn(Problem)) -> Result<(), Problem> {
        let run = page..page + u64::from(overflow) + 1;
        if run.end > self.geometry.pages {
            return Err(Problem::Overflow { page, overflow });
        }
        for id in run {
            if !self.seen.insert(id) {
                return Err(Problem::DoubleReference { page: id });
            }
            if self.freed.as_ref().is_some_and(|freed| freed.contains(id)) {
                report(Problem::ReachableFreed { page: id });
            }
        }
        Ok(())
    }

    /// How many pages the file has.
    pub fn pages(&self) -> u64 {
        self.geometry.pages
    }

    /// How many pages are in use.
    pub fn used(&self) -> u64 {
        self.seen.count()
    }

    /// Reports, once all is claimed, the pages that are neither in use nor
    /// free. Without a stored freelist everything not in use is free.
    pub fn report_unreachable(&self, report: &mut dyn FnMut(Problem)) {
        let Some(freed) = &self.freed else { return };
        (0..self.geometry.pages)
            .filter(|page| !self.seen.contains(*page) && !freed.contains(*page))
            .for_each(|page| report(Problem::Unreachable { page }));
    }
}
