//! Walking the trees of a file: every page is claimed once and checked before
//! its elements are followed.
//!
//! The ground is what all threads share; each has a walker of its own. A
//! damaged page is noted and walked around, so that one walk finds all that
//! is wrong; only a failure to read ends it.

use std::sync::{Mutex, PoisonError};

use crate::claims::Claims;
use crate::error::{Fault, Limit, SnapshotError, Trouble};
use crate::freelist;
use crate::meta::Geometry;
use crate::page::{Bounds, Branch, Head, Kind, Leaf, Page};
use crate::problem::{Problem, Problems};
use crate::reader::{Reader, WINDOW_BYTES_MAX};
use crate::source::Source;

/// Levels of pages, buckets within buckets counted on. A tree of etcd has five
/// at 8 GiB; the limit keeps the stack small.
pub(crate) const LEVELS_MAX: u32 = 64;
/// How far apart two neighbouring children may lie to be read together.
/// Overflow pages make such gaps.
const GAP_PAGES_MAX: u64 = 4;
/// Looking further ahead than the window of the smallest pages is idle.
const AHEAD_PAGES_MAX: u64 = WINDOW_BYTES_MAX as u64 / 512;

/// What all walkers of one file share.
pub(crate) struct Ground<'a> {
    pub source: &'a dyn Source,
    pub geometry: Geometry,
    claims: Claims,
    found: Mutex<Findings>,
}

/// What a walk came by that keeps the file from being sound, or from being called so.
#[derive(Default)]
struct Findings {
    problems: Problems,
    /// The first limit; what lies behind it was not looked at.
    limit: Option<Limit>,
}

/// Looks at each checked leaf, in the order of keys.
pub(crate) trait Visit {
    /// Whether the visitor sees to the buckets of a leaf itself. Otherwise
    /// they are checked and not looked at.
    const TAKES_BUCKETS: bool = false;

    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Problem>;
}

/// Looks at nothing: the check alone.
pub(crate) struct CheckOnly;

/// A part of a tree that is walked in one go: a page, what its parent allows
/// its keys to be, and how deep it lies.
#[derive(Debug, Clone)]
pub(crate) struct Subtree {
    pub page: u64,
    pub min: Option<Vec<u8>>,
    pub max: Option<Vec<u8>>,
    pub level: u32,
}

pub(crate) struct Walker<'g, V> {
    ground: &'g Ground<'g>,
    reader: Reader<'g>,
    pub visitor: V,
}

/// Where a page hangs: what is needed to check it against its parent.
#[derive(Clone, Copy)]
struct Place<'a> {
    page: u64,
    bounds: Bounds<'a>,
    level: u32,
    /// How many pages are worth reading at once from here.
    ahead: u64,
}

/// What is left to follow once a page has been checked and looked at.
enum Below {
    Children(Vec<u8>),
    Buckets(Vec<u64>),
}

impl Visit for CheckOnly {
    fn leaf(&mut self, _: &Leaf<'_>) -> Result<(), Problem> {
        Ok(())
    }
}

impl<'a> Ground<'a> {
    /// Reads the layout and the freelist of `source`.
    pub fn survey(source: &'a dyn Source) -> Result<Self, SnapshotError> {
        let size = source.size().map_err(SnapshotError::Size)?;
        let geometry = geometry(source, size)?;
        let claims = Claims::new(geometry);
        let mut ground = Self {
            source,
            geometry,
            claims,
            found: Mutex::default(),
        };
        if let Some(page) = geometry.freelist {
            let read = freelist::read(&mut ground.reader(), &geometry, page, &|problem| {
                ground.report(problem);
            });
            if let Some((freed, head)) = ground.note(read)? {
                // Claimed behind the list, so that one that names itself is seen.
                ground.claims.set_freed(Some(freed));
                ground.note(ground.claim(page, head).map_err(Fault::from))?;
            }
        }
        Ok(ground)
    }

    pub fn report(&self, problem: Problem) {
        self.find(problem.into());
    }

    fn find(&self, trouble: Trouble) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Trouble::Damage(problem) => found.problems.add(problem),
            Trouble::Limit(limit) => found.limit = found.limit.take().or(Some(limit)),
        }
    }

    pub fn walker<V: Visit>(&'a self, visitor: V) -> Walker<'a, V> {
        Walker {
            ground: self,
            reader: self.reader(),
            visitor,
        }
    }

    pub fn reader(&self) -> Reader<'a> {
        Reader::new(self.source, self.geometry)
    }

    /// Notes what was found and goes on; passes a failure to read.
    pub fn note<T>(&self, result: Result<T, Fault>) -> Result<Option<T>, SnapshotError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Failure(error)) => Err(error),
            Err(Fault::Found(trouble)) => {
                self.find(trouble);
                Ok(None)
            }
        }
    }

    /// Ends the walk: judges the pages nobody claimed, and gives the number of
    /// pages in use. Damage that was seen is damage whatever was not looked at.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] with all problems, or [`SnapshotError::Limit`].
    pub fn finish(self) -> Result<u64, SnapshotError> {
        let found = self.found.into_inner();
        let Findings {
            mut problems,
            limit,
        } = found.unwrap_or_else(PoisonError::into_inner);
        if limit.is_none() {
            self.claims
                .report_unreachable(&mut |problem| problems.add(problem));
        }
        problems.or(())?;
        limit.map_or(Ok(self.claims.used()), |limit| Err(limit.into()))
    }

    fn claim(&self, page: u64, head: Head) -> Result<(), Problem> {
        self.claims
            .claim(page, head.overflow, &|problem| self.report(problem))
    }
}

impl<V: Visit> Walker<'_, V> {
    /// Walks everything below `subtree`.
    pub fn walk(&mut self, subtree: &Subtree) -> Result<(), SnapshotError> {
        self.descend(Place::of(subtree))
    }

    /// Splits `subtree` into its children if it is a branch; `None` if it is
    /// none (then nothing is claimed yet).
    pub fn split(&mut self, subtree: &Subtree) -> Result<Option<Vec<Subtree>>, SnapshotError> {
        let head = self.reader.head(subtree.page, 1);
        let kind = head.and_then(|head| Ok(head.kind(subtree.page)?));
        if !matches!(kind, Ok(Kind::Branch)) {
            return Ok(None);
        }
        let place = Place::of(subtree);
        match self.page(place)? {
            Some(Below::Children(bytes)) => Ok(Some(children(place, &bytes))),
            _ => Ok(Some(Vec::new())),
        }
    }

    fn descend(&mut self, place: Place<'_>) -> Result<(), SnapshotError> {
        match self.page(place)? {
            Some(Below::Children(bytes)) => self.children(place, &bytes),
            Some(Below::Buckets(roots)) => self.buckets(place.level, &roots),
            None => Ok(()),
        }
    }

    fn children(&mut self, place: Place<'_>, bytes: &[u8]) -> Result<(), SnapshotError> {
        let branch = Page::new(place.page, bytes).checked_branch();
        for index in 0..branch.count() {
            self.descend(Place {
                page: branch.child(index),
                bounds: branch.bounds(index, place.bounds),
                level: place.level + 1,
                ahead: ahead(&branch, index),
            })?;
        }
        Ok(())
    }

    /// Buckets within a bucket: etcd has none, so they are checked and not
    /// looked at.
    fn buckets(&mut self, level: u32, roots: &[u64]) -> Result<(), SnapshotError> {
        let mut walker = self.ground.walker(CheckOnly);
        for page in roots {
            let subtree = Subtree {
                page: *page,
                min: None,
                max: None,
                level: level + 1,
            };
            walker.walk(&subtree)?;
        }
        Ok(())
    }

    fn page(&mut self, place: Place<'_>) -> Result<Option<Below>, SnapshotError> {
        let result = self.claimed_page(place);
        self.ground.note(result)
    }

    fn claimed_page(&mut self, place: Place<'_>) -> Result<Below, Fault> {
        let Place {
            page,
            bounds,
            level,
            ahead,
        } = place;
        if level > LEVELS_MAX {
            return Err(Problem::TooDeep {
                page,
                levels_max: LEVELS_MAX,
            }
            .into());
        }
        let head = self.reader.head(page, ahead)?;
        self.ground.claim(page, head)?;
        match head.kind(page)? {
            Kind::Branch => {
                let run = self.reader.run(page, head)?;
                Page::new(page, run).branch(bounds)?;
                Ok(Below::Children(run.to_vec()))
            }
            Kind::Leaf => {
                let leaf = self.reader.leaf_of(page, head, bounds)?;
                self.visitor.leaf(&leaf)?;
                let roots = if V::TAKES_BUCKETS {
                    Vec::new()
                } else {
                    leaf.bucket_roots()?
                };
                Ok(Below::Buckets(roots))
            }
        }
    }
}

impl Subtree {
    /// The whole tree of a bucket whose root is `page`.
    pub fn whole(page: u64) -> Self {
        Self {
            page,
            min: None,
            max: None,
            level: 0,
        }
    }
}

impl<'a> Place<'a> {
    fn of(subtree: &'a Subtree) -> Self {
        Self {
            page: subtree.page,
            bounds: Bounds {
                min: subtree.min.as_deref(),
                max: subtree.max.as_deref(),
            },
            level: subtree.level,
            ahead: 1,
        }
    }
}

/// Finds the layout of a file of `size` bytes, which must hold all its pages.
pub(crate) fn geometry(source: &dyn Source, size: u64) -> Result<Geometry, SnapshotError> {
    let bytes = usize::try_from(size)
        .unwrap_or(usize::MAX)
        .min(crate::meta::HEAD_WANTED_BYTES);
    let mut head = vec![0; bytes];
    source
        .read_exact_at(&mut head, 0)
        .map_err(|source| SnapshotError::Read {
            offset: 0,
            bytes,
            source,
        })?;
    let geometry = Geometry::find(&head)?;
    let needed = geometry.body_bytes();
    if size < needed {
        let found = size;
        return Err(Problem::Truncated { needed, found }.into());
    }
    Ok(geometry.counted()?)
}

/// The children of a checked branch, each with what it must keep to.
fn children(place: Place<'_>, bytes: &[u8]) -> Vec<Subtree> {
    let branch = Page::new(place.page, bytes).checked_branch();
    let subtree = |index| {
        let bounds = branch.bounds(index, place.bounds);
        Subtree {
            page: branch.child(index),
            min: bounds.min.map(<[u8]>::to_vec),
            max: bounds.max.map(<[u8]>::to_vec),
            level: place.level + 1,
        }
    };
    (0..branch.count()).map(subtree).collect()
}

/// How many pages from child `index` on are worth reading at once: as far as
/// the next children follow closely in the file.
fn ahead(branch: &Branch<'_>, index: u16) -> u64 {
    let first = branch.child(index);
    let mut last = first;
    for next in index + 1..branch.count() {
        let child = branch.child(next);
        if child <= last || child - last > GAP_PAGES_MAX || child - first > AHEAD_PAGES_MAX {
            break;
        }
        last = child;
    }
    last - first + 1
}
