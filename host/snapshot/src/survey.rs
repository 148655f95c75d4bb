//! One walk over a whole file that checks it and gathers what every figure is
//! computed from.
//!
//! The top-level buckets are read first. The tree of bucket `key`, which is
//! nearly the whole file, is split into units in the order of keys; threads
//! take them one by one, and what they found is joined in order again.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::bucket::{TopBucket, TopLevel, Where};
use crate::crc::Crc;
use crate::error::SnapshotError;
use crate::history::History;
use crate::index::KeyIndex;
use crate::look::{Found, Look, MetaValues};
use crate::meta::Geometry;
use crate::origin::{self, BUCKET_KEY, BUCKET_META};
use crate::prefix::{Candidates, Prefix, Prefixes};
use crate::reader::Reader;
use crate::source::Source;
use crate::tree::{Ground, Subtree, Visit};

/// More threads than this wait for memory, not for the processor.
const THREADS_MAX: usize = 8;
/// A tree is split until it has this many units, so that threads finish at the
/// same time; further splitting only costs.
const UNITS_WANTED: usize = 64;
/// Splitting stops in the middle of a level once there are so many, so that
/// their number stays below this and the children of one branch: 17 bits.
const UNITS_MAX: usize = 4 * UNITS_WANTED;

/// How much a walk over a file may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Threads that walk at once, at least one.
    pub threads: usize,
    /// Memory of the index of user keys in bytes, at 24 bytes a distinct key,
    /// before it moves to disk.
    pub index_bytes_max: usize,
    /// Where the index moves to, as an unnamed file. Without a folder it stays
    /// in memory whatever its size.
    pub spill_folder: Option<PathBuf>,
    /// A prefix of an API server's keys that the operator names.
    pub etcd_prefix: Option<Prefix>,
}

/// What one walk over a sound file found out.
pub struct Survey<'a> {
    source: &'a dyn Source,
    pub(crate) limits: Limits,
    pub(crate) prefixes: Prefixes,
    geometry: Geometry,
    pages_used: u64,
    pub(crate) hash: Crc,
    pub(crate) meta: MetaValues,
    pub(crate) history: History,
}

/// A part of the walk: one unit of one bucket. An inline bucket has no pages
/// to walk, so it has no subtree.
pub(crate) struct Job {
    bucket: usize,
    unit: u32,
    subtree: Option<Subtree>,
}

impl Job {
    /// Walks the job's part of the bucket in `place` and gives the visitor back.
    fn walk<V: Visit>(
        &self,
        ground: &Ground<'_>,
        visitor: V,
        place: &Where,
    ) -> Result<V, SnapshotError> {
        let mut walker = ground.walker(visitor);
        if let Some(subtree) = &self.subtree {
            walker.walk(subtree)?;
        } else if let Some(inline) = place.inline() {
            let looked = inline.leaf().and_then(|leaf| walker.visitor.leaf(&leaf));
            ground.note(looked.map_err(Into::into))?;
        }
        Ok(walker.visitor)
    }
}

impl Default for Limits {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            threads: threads.min(THREADS_MAX),
            index_bytes_max: 256 * 1024 * 1024,
            spill_folder: None,
            etcd_prefix: None,
        }
    }
}

impl Limits {
    /// An empty index that keeps within these.
    pub(crate) fn index(&self, prefixes: &Prefixes) -> Result<KeyIndex, SnapshotError> {
        KeyIndex::new(self.index_bytes_max, self.spill_folder.as_deref(), prefixes)
    }
}

impl<'a> Survey<'a> {
    /// Walks over all of `source`.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] with all problems found, or with the one that says
    /// that it is not etcd's; or a failure to read or to spill.
    pub fn of(source: &'a dyn Source, limits: &Limits) -> Result<Self, SnapshotError> {
        let prefixes = Prefixes::default().with(limits.etcd_prefix.clone());
        let (survey, candidates) = Self::walk(source, limits, &prefixes)?;
        let found = candidates.prefixes();
        if found.is_empty() {
            return Ok(survey);
        }
        // Keys were counted while the prefix was not known yet; the memory is needed anew.
        drop(survey);
        let (survey, _) = Self::walk(source, limits, &prefixes.with(found))?;
        Ok(survey)
    }

    fn walk(
        source: &'a dyn Source,
        limits: &Limits,
        prefixes: &Prefixes,
    ) -> Result<(Self, Candidates), SnapshotError> {
        let ground = Ground::survey(source)?;
        let index = limits.index(prefixes)?;
        let buckets = top_level(&ground)?;
        let jobs = jobs(&ground, &buckets)?;
        let look = |job: &Job, bucket: &TopBucket| {
            if bucket.name == BUCKET_KEY {
                Look::rows(job.unit, &index)
            } else {
                Look::pairs()
            }
        };
        let found = run(&ground, &jobs, &buckets, limits.threads, look, Look::finish)?;
        let geometry = ground.geometry;
        let pages_used = ground.finish();
        let applied = consistent_index(&buckets, &jobs, &found);
        let pages_used =
            pages_used.map_err(|error| origin::told(error, &buckets, applied.as_deref()))?;
        let mut survey = Self {
            source,
            limits: limits.clone(),
            prefixes: prefixes.clone(),
            geometry,
            pages_used,
            hash: Crc::default(),
            meta: MetaValues::default(),
            history: History::default(),
        };
        let candidates = survey.join(&buckets, &jobs, found);
        origin::judge(&buckets, survey.meta.consistent_index.as_deref())?;
        survey.history.settle(index)?;
        Ok((survey, candidates))
    }

    /// The prefixes under which this file's keys of API servers lie.
    #[must_use]
    pub fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }

    /// How the file is laid out.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Pages in use; the others are free.
    #[must_use]
    pub fn pages_used(&self) -> u64 {
        self.pages_used
    }

    /// A reader of the same file, for what has to be read again.
    pub(crate) fn reader(&self) -> Reader<'a> {
        Reader::new(self.source, self.geometry)
    }

    /// Joins what the jobs found, in the order of buckets and keys.
    fn join(&mut self, buckets: &[TopBucket], jobs: &[Job], found: Vec<Found>) -> Candidates {
        let mut candidates = Candidates::default();
        let mut found = jobs.iter().map(|job| job.bucket).zip(found).peekable();
        for (number, bucket) in buckets.iter().enumerate() {
            self.hash.update(&bucket.name);
            while let Some((_, unit)) = found.next_if(|(of, _)| *of == number) {
                self.hash.append(unit.crc());
                match unit {
                    Found::Pairs(pairs) if bucket.name == BUCKET_META => {
                        self.meta.take(&pairs.meta);
                    }
                    Found::Pairs(_) => {}
                    Found::Rows(unit, of_unit) => {
                        candidates.merge(of_unit);
                        self.history.push(*unit, bucket.place.inline());
                    }
                }
            }
        }
        candidates
    }
}

/// The consistent index in bucket `meta`, whatever is wrong elsewhere.
fn consistent_index(buckets: &[TopBucket], jobs: &[Job], found: &[Found]) -> Option<Vec<u8>> {
    let of_meta = |(job, _): &(&Job, &Found)| buckets[job.bucket].name == BUCKET_META;
    let mut units = jobs.iter().zip(found).filter(of_meta);
    units.find_map(|(_, unit)| match unit {
        Found::Pairs(pairs) => pairs.meta.consistent_index.clone(),
        Found::Rows(..) => None,
    })
}

/// Walks the root bucket and gives the buckets in it, in order.
pub(crate) fn top_level(ground: &Ground<'_>) -> Result<Vec<TopBucket>, SnapshotError> {
    let mut walker = ground.walker(TopLevel::default());
    walker.walk(&Subtree::whole(ground.geometry.root))?;
    Ok(walker.visitor.buckets)
}

pub(crate) fn jobs(ground: &Ground<'_>, buckets: &[TopBucket]) -> Result<Vec<Job>, SnapshotError> {
    let mut jobs = Vec::new();
    for (bucket, top) in buckets.iter().enumerate() {
        let whole = match top.place {
            Where::Page(root) => vec![Subtree::whole(root)],
            Where::Inline(_) => Vec::new(),
        };
        let parts = if top.name == BUCKET_KEY {
            split(ground, whole)?
        } else {
            whole
        };
        if parts.is_empty() {
            jobs.push(Job {
                bucket,
                unit: 0,
                subtree: None,
            });
        }
        let job = |(unit, subtree)| Job {
            bucket,
            unit,
            subtree: Some(subtree),
        };
        jobs.extend((0..).zip(parts).map(job));
    }
    Ok(jobs)
}

/// Splits subtrees level by level until there are enough of them.
fn split(ground: &Ground<'_>, mut parts: Vec<Subtree>) -> Result<Vec<Subtree>, SnapshotError> {
    let mut walker = ground.walker(crate::tree::CheckOnly);
    let mut level = 0;
    while parts.len() < UNITS_WANTED && level < crate::tree::LEVELS_MAX {
        let mut next = Vec::new();
        let mut branches = 0;
        for part in parts {
            let children = if next.len() < UNITS_MAX {
                walker.split(&part)?
            } else {
                None
            };
            match children {
                Some(children) => {
                    branches += 1;
                    next.extend(children);
                }
                None => next.push(part),
            }
        }
        parts = next;
        level += 1;
        if branches == 0 {
            break;
        }
    }
    Ok(parts)
}

/// Walks all jobs with several threads: each with the visitor that `visitor`
/// makes for it and `finish` takes. The answers stand in the jobs' order.
pub(crate) fn run<V: Visit, T: Send>(
    ground: &Ground<'_>,
    jobs: &[Job],
    buckets: &[TopBucket],
    threads: usize,
    visitor: impl Fn(&Job, &TopBucket) -> V + Sync,
    finish: impl Fn(V) -> Result<T, SnapshotError> + Sync,
) -> Result<Vec<T>, SnapshotError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(number) else {
                return Ok::<_, SnapshotError>(done);
            };
            let bucket = &buckets[job.bucket];
            let walked = job.walk(ground, visitor(job, bucket), &bucket.place)?;
            done.push((number, finish(walked)?));
        }
    };
    let mut found = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut all = work()?;
        for helper in helpers {
            all.extend(
                helper
                    .join()
                    .expect("a walker returns its errors and never panics")?,
            );
        }
        Ok::<_, SnapshotError>(all)
    })?;
    found.sort_unstable_by_key(|(number, _)| *number);
    Ok(found.into_iter().map(|(_, unit)| unit).collect())
}
