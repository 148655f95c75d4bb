//! What a walk looks at in the leaves of each kind of bucket.

use crate::bucket::hash;
use crate::crc::Crc;
use crate::error::SnapshotError;
use crate::history::{LeafFacts, Unit};
use crate::index::{Gather, KeyIndex, RowPlace};
use crate::mvcc::{Pair, Row};
use crate::origin::CONSISTENT_INDEX;
use crate::page::{Entry, Leaf};
use crate::prefix::{Candidates, Prefixes};
use crate::problem::Problem;
use crate::tree::Visit;

/// What is looked at in one unit.
pub(crate) enum Look<'i> {
    Pairs(Box<Pairs>),
    Rows(Box<Rows<'i>>),
}

/// What was found in one unit.
pub(crate) enum Found {
    Pairs(Box<Pairs>),
    Rows(Box<Unit>, Candidates),
}

/// Hashes pairs, and keeps the values that figures need of bucket `meta`, should this be
/// it.
#[derive(Default)]
pub(crate) struct Pairs {
    pub crc: Crc,
    pub meta: MetaValues,
}

/// Values of bucket `meta` that figures, and the judgement of whose file it is, need; as
/// they are stored.
#[derive(Default, Clone)]
pub(crate) struct MetaValues {
    pub storage_version: Option<Vec<u8>>,
    pub finished_compaction: Option<Vec<u8>>,
    pub scheduled_compaction: Option<Vec<u8>>,
    pub consistent_index: Option<Vec<u8>>,
}

/// Hashes and indexes the rows of bucket `key`.
pub(crate) struct Rows<'i> {
    number: u32,
    unit: Unit,
    prefixes: &'i Prefixes,
    candidates: Candidates,
    gather: Gather<'i>,
}

impl<'i> Look<'i> {
    pub fn pairs() -> Self {
        Self::Pairs(Box::default())
    }

    pub fn rows(number: u32, index: &'i KeyIndex) -> Self {
        let (unit, gather) = (Unit::default(), index.gather());
        Self::Rows(Box::new(Rows {
            number,
            unit,
            prefixes: index.prefixes(),
            candidates: Candidates::default(),
            gather,
        }))
    }

    /// Ends the unit; what was gathered of its rows goes to the index at once,
    /// so that memory follows keys and not rows.
    pub fn finish(self) -> Result<Found, SnapshotError> {
        match self {
            Self::Pairs(pairs) => Ok(Found::Pairs(pairs)),
            Self::Rows(rows) => {
                rows.gather.finish()?;
                Ok(Found::Rows(Box::new(rows.unit), rows.candidates))
            }
        }
    }
}

impl Found {
    /// The checksum over the whole unit.
    pub fn crc(&self) -> Crc {
        match self {
            Self::Pairs(pairs) => pairs.crc,
            Self::Rows(unit, _) => unit.crc,
        }
    }
}

impl Visit for Look<'_> {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Problem> {
        match self {
            Self::Pairs(pairs) => pairs.leaf(leaf),
            Self::Rows(rows) => rows.leaf(leaf),
        }
    }
}

impl Visit for Pairs {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Problem> {
        hash(&mut self.crc, leaf, |_| true);
        leaf.entries().for_each(|entry| self.meta.see(&entry));
        Ok(())
    }
}

impl MetaValues {
    /// Takes over what `other` has seen.
    pub fn take(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.storage_version, &other.storage_version),
            (&mut self.finished_compaction, &other.finished_compaction),
            (&mut self.scheduled_compaction, &other.scheduled_compaction),
            (&mut self.consistent_index, &other.consistent_index),
        ] {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
    }

    fn see(&mut self, entry: &Entry<'_>) {
        let value = match entry.key {
            CONSISTENT_INDEX => &mut self.consistent_index,
            b"storageVersion" => &mut self.storage_version,
            b"finishedCompactRev" => &mut self.finished_compaction,
            b"scheduledCompactRev" => &mut self.scheduled_compaction,
            _ => return,
        };
        *value = Some(entry.value.to_vec());
    }
}

impl Visit for Rows<'_> {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<(), Problem> {
        if leaf.count() == 0 {
            return Ok(());
        }
        let number = u32::try_from(self.unit.leaves.len()).expect("page numbers fit into 30 bits");
        for entry in leaf.entries() {
            let row = Row::of(&entry, leaf.page())?;
            let place = RowPlace::new(self.number, number, entry.index, row.deleted);
            self.gather.add(row.user_key, place);
            self.unit.last_main = row.main;
            if row.user_key.is_empty() {
                self.unit.nameless = row.main;
            }
            if !self.prefixes.cover(row.user_key) {
                self.candidates.see(row.user_key, value_of(&entry));
            }
        }
        let before = self.unit.crc;
        hash(&mut self.unit.crc, leaf, |_| true);
        self.unit
            .leaves
            .push(LeafFacts::new(leaf, before, self.unit.crc, self.unit.rows));
        self.unit.rows += u32::from(leaf.count());
        Ok(())
    }
}

/// The user's value in a row that was read before.
fn value_of<'a>(entry: &Entry<'a>) -> &'a [u8] {
    // A row that is sound as a row may lack the fields of a whole pair.
    Pair::of(entry, 0).map_or(&[], |pair| pair.value)
}
