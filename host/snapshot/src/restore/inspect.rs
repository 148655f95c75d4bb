//! What a restore has to know of a database before it changes it, found in one
//! walk that checks every page and every row.

use crate::bucket::TopBucket;
use crate::error::SnapshotError;
use crate::meta::Geometry;
use crate::mvcc::{Row, main_revision};
use crate::origin::{self, CONSISTENT_INDEX};
use crate::page::Leaf;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::source::Source;
use crate::survey::{Job, Limits, jobs, run, top_level};
use crate::tree::{Ground, Visit};

use super::error::RestoreError;

/// etcd keeps six pairs in bucket `meta`.
const META_PAIRS_MAX: usize = 1024;
/// The longest of them is a list of the members' ids.
const META_BYTES_MAX: usize = 1024 * 1024;
/// The newest storage version whose meaning is known here.
pub(crate) const STORAGE_VERSION_MAX: (u64, u64) = (3, 7);

/// A sound database, and what its buckets hold.
pub(crate) struct Findings {
    pub geometry: Geometry,
    /// The top-level buckets in the order of their names.
    pub buckets: Vec<TopBucket>,
    /// The pairs of bucket `meta`, in order.
    pub meta: Vec<(Vec<u8>, Vec<u8>)>,
    /// The main revision of the last row, 0 without rows.
    pub revision: i64,
    pub alarms: usize,
}

/// What is looked at in one part of the walk.
enum Look {
    Rows { last: i64 },
    Meta(Vec<(Vec<u8>, Vec<u8>)>),
    Alarms(usize),
    Nothing,
}

impl Findings {
    /// Walks over the whole database.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] with every problem, or with the one that says that it
    /// is not etcd's; or a failure to read.
    pub fn of(source: &dyn Source) -> Result<Self, SnapshotError> {
        let ground = Ground::survey(source)?;
        let buckets = top_level(&ground)?;
        let jobs = jobs(&ground, &buckets)?;
        let look = |_: &Job, bucket: &TopBucket| Look::at(&bucket.name);
        let threads = Limits::default().threads;
        let looks = run(&ground, &jobs, &buckets, threads, look, Ok)?;
        let geometry = ground.geometry;
        let index = looks.iter().find_map(Look::consistent_index);
        let pages_used = ground.finish();
        pages_used.map_err(|error| origin::told(error, &buckets, index))?;
        let mut findings = Self {
            geometry,
            buckets,
            meta: Vec::new(),
            revision: 0,
            alarms: 0,
        };
        looks.into_iter().for_each(|look| findings.take(look));
        let index = findings
            .meta
            .iter()
            .find(|(key, _)| key == CONSISTENT_INDEX);
        let index = index.map(|(_, value)| value.as_slice());
        origin::judge(&findings.buckets, index)?;
        Ok(findings)
    }

    /// A reader of the same database.
    pub fn reader<'a>(&self, source: &'a dyn Source) -> Reader<'a> {
        Reader::new(source, self.geometry)
    }

    /// The value of a pair of bucket `meta`.
    pub fn meta(&self, key: &str) -> Option<&[u8]> {
        let found = self.meta.iter().find(|(name, _)| name == key.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    /// The revision that a member has which starts on this database. After a
    /// compaction that left no row it is that of the compaction.
    pub fn current_revision(&self) -> i64 {
        let compactions = ["finishedCompactRev", "scheduledCompactRev"];
        let compactions = compactions.iter().filter_map(|key| self.meta(key));
        compactions
            .filter_map(main_revision)
            .fold(self.revision, i64::max)
    }

    /// Refuses what a newer etcd may have written in a way that is unknown here.
    pub fn check_version(&self) -> Result<(), RestoreError> {
        match self.storage_version() {
            Some((major, minor)) if (major, minor) > STORAGE_VERSION_MAX => {
                Err(RestoreError::Newer {
                    version: format!("{major}.{minor}"),
                })
            }
            _ => Ok(()),
        }
    }

    /// Major and minor of the etcd whose layout the database has, if it tells.
    pub fn storage_version(&self) -> Option<(u64, u64)> {
        let text = String::from_utf8_lossy(self.meta("storageVersion")?);
        let mut numbers = text.split('.').map_while(|part| part.parse().ok());
        numbers.next().zip(numbers.next())
    }

    fn take(&mut self, look: Look) {
        match look {
            Look::Rows { last } => self.revision = self.revision.max(last),
            Look::Meta(pairs) => self.meta.extend(pairs),
            Look::Alarms(alarms) => self.alarms += alarms,
            Look::Nothing => {}
        }
    }
}

impl Look {
    fn consistent_index(&self) -> Option<&[u8]> {
        let Self::Meta(pairs) = self else { return None };
        let found = pairs.iter().find(|(key, _)| key == CONSISTENT_INDEX);
        found.map(|(_, value)| value.as_slice())
    }

    fn at(bucket: &[u8]) -> Self {
        match bucket {
            b"key" => Self::Rows { last: 0 },
            b"meta" => Self::Meta(Vec::new()),
            b"alarm" => Self::Alarms(0),
            _ => Self::Nothing,
        }
    }
}

impl Visit for Look {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Problem> {
        match self {
            Self::Rows { last } => {
                for entry in leaf.entries() {
                    *last = Row::of(&entry, leaf.page())?.main;
                }
                Ok(())
            }
            Self::Meta(pairs) => remember(pairs, leaf),
            Self::Alarms(alarms) => {
                *alarms += usize::from(leaf.count());
                Ok(())
            }
            Self::Nothing => Ok(()),
        }
    }
}

fn remember(pairs: &mut Vec<(Vec<u8>, Vec<u8>)>, leaf: &Leaf<'_>) -> Result<(), Problem> {
    let held: usize = pairs
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if pairs.len() + usize::from(leaf.count()) > META_PAIRS_MAX
        || held + leaf.bytes().len() > META_BYTES_MAX
    {
        return Err(Problem::MetaTooLarge {
            bytes_max: META_BYTES_MAX,
        });
    }
    for entry in leaf.entries() {
        // Of a value that is only framed the rest would be missing in the new database.
        if entry.cut.is_some() {
            return Err(Problem::MetaTooLarge {
                bytes_max: META_BYTES_MAX,
            });
        }
        if entry.is_bucket {
            return Err(Problem::BucketMisplaced {
                page: leaf.page(),
                index: entry.index,
            });
        }
        pairs.push((entry.key.to_vec(), entry.value.to_vec()));
    }
    Ok(())
}
