//! Everything that can be wrong with a snapshot, each thing by its own name.

use std::fmt;

/// How many problems are listed. A badly damaged file has one for every page,
/// which helps nobody; the total is counted past this.
pub const PROBLEMS_LISTED_MAX: usize = 64;

/// One thing that is wrong with a snapshot file. Pages are numbered from 0 in
/// units of the file's own page size; `index` counts the elements of a page
/// from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error(
        "neither of the two meta pages is valid: this is no bbolt file, or its head is damaged"
    )]
    MetaInvalid,
    #[error(
        "the meta page sets {field} to {value}, which lies outside the {pages} pages of the file"
    )]
    MetaField {
        field: &'static str,
        value: u64,
        pages: u64,
    },
    #[error("the file ends early: its pages need {needed} bytes and it has {found}")]
    Truncated { needed: u64, found: u64 },
    #[error(
        "the file has no SHA-256 trailer: {bytes} bytes is not a number of whole sectors plus 32"
    )]
    TrailerMissing { bytes: u64 },
    #[error("the SHA-256 trailer is {trailer} but the bytes before it hash to {computed}")]
    TrailerMismatch { trailer: String, computed: String },
    #[error("page {page} is referenced but lies past the last page {last}")]
    PageOutOfBounds { page: u64, last: u64 },
    #[error("page {page} calls itself page {found}")]
    PageId { page: u64, found: u64 },
    #[error("page {page} has the flags {flags:#06x}, which are neither branch nor leaf")]
    PageType { page: u64, flags: u16 },
    #[error("page {page} claims {overflow} overflow pages, which reach past the end of the file")]
    Overflow { page: u64, overflow: u32 },
    #[error("page {page} claims {count} elements, which do not fit into it")]
    ElementTable { page: u64, count: u16 },
    #[error("element {index} of page {page} reaches past the end of the page")]
    ElementBounds { page: u64, index: u16 },
    #[error("element {index} of page {page} overlaps the bytes before it")]
    ElementOverlap { page: u64, index: u16 },
    #[error("element {index} of page {page} has unknown flags {flags:#x}")]
    ElementFlags { page: u64, index: u16, flags: u32 },
    #[error("element {index} of page {page} has an empty key")]
    KeyEmpty { page: u64, index: u16 },
    #[error("the key of element {index} of page {page} is not greater than the one before it")]
    KeyOrder { page: u64, index: u16 },
    #[error("the first key of page {page} is smaller than the key its parent gives it")]
    KeyBelowParent { page: u64 },
    #[error("a key of page {page} is not smaller than the next key of its parent")]
    KeyAboveParent { page: u64 },
    #[error("page {page} is a branch without children")]
    BranchEmpty { page: u64 },
    #[error("page {page} is referenced more than once")]
    DoubleReference { page: u64 },
    #[error("page {page} is in use and on the freelist")]
    ReachableFreed { page: u64 },
    #[error("page {page} is on the freelist twice")]
    FreedTwice { page: u64 },
    #[error("the freelist names page {page}, which cannot be free in this file")]
    FreedOutOfBounds { page: u64 },
    #[error("page {page} should hold the freelist and does not")]
    FreelistPage { page: u64 },
    #[error("page {page} is neither in use nor on the freelist")]
    Unreachable { page: u64 },
    #[error("element {index} of page {page} is a bucket whose header is damaged")]
    BucketHeader { page: u64, index: u16 },
    #[error("element {index} of page {page} is a bucket where none can be")]
    BucketMisplaced { page: u64, index: u16 },
    #[error("element {index} of page {page} lies among the top-level buckets and is none")]
    NotABucket { page: u64, index: u16 },
    #[error("the file has more than {buckets_max} top-level buckets, so no etcd wrote it")]
    BucketsTooMany { buckets_max: usize },
    #[error("page {page} lies more than {levels_max} levels deep, deeper than any tree of etcd")]
    TooDeep { page: u64, levels_max: u32 },
    #[error("element {index} of page {page} is not a revision of etcd")]
    RevisionKey { page: u64, index: u16 },
    #[error("element {index} of page {page} is not a key-value record of etcd")]
    KeyValue { page: u64, index: u16 },
    #[error("the value of {name} in bucket meta is not a revision of etcd")]
    MetaValue { name: &'static str },
    #[error(
        "bucket meta holds more than {bytes_max} bytes or a thousand pairs, so no etcd wrote it"
    )]
    MetaTooLarge { bytes_max: usize },
    #[error("this is a bbolt database but not etcd's: it has {has}, and lacks {lacks}")]
    NotEtcd { has: String, lacks: String },
    #[error("page {page} is damaged; verify the complete file to see how")]
    PageDamaged { page: u64 },
}

/// The problems found in one file: the first [`PROBLEMS_LISTED_MAX`], and how
/// many there are in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    listed: Vec<Problem>,
    total: u64,
}

impl Problems {
    /// The problems that were kept, in the order they were found.
    #[must_use]
    pub fn listed(&self) -> &[Problem] {
        &self.listed
    }

    /// How many problems there are, listed or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// What says that a sound database is not etcd's, if that is what is wrong.
    #[must_use]
    pub fn not_etcd(&self) -> Option<&Problem> {
        let is_foreign = |problem: &&Problem| {
            matches!(
                problem,
                Problem::NotEtcd { .. }
                    | Problem::BucketsTooMany { .. }
                    | Problem::MetaTooLarge { .. }
            )
        };
        self.listed.iter().find(is_foreign)
    }

    pub(crate) fn add(&mut self, problem: Problem) {
        self.total += 1;
        if self.listed.len() < PROBLEMS_LISTED_MAX {
            self.listed.push(problem);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        let unlisted = other.total - other.listed.len() as u64;
        other
            .listed
            .into_iter()
            .for_each(|problem| self.add(problem));
        self.total += unlisted;
    }

    /// Turns an empty list into `Ok(value)` and any other into an error.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self {
            listed: vec![problem],
            total: 1,
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(foreign) = self.not_etcd() {
            return write!(f, "{foreign}");
        }
        write!(f, "the snapshot is damaged, {} found", counted(self.total))?;
        if let Some(first) = self.listed.first() {
            write!(f, ": {first}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

fn counted(total: u64) -> String {
    if total == 1 {
        "1 problem".to_owned()
    } else {
        format!("{total} problems, the first of them")
    }
}
