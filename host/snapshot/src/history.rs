//! The rows of bucket `key` as a walk leaves them: enough to compute any
//! `HashKV` of the file while reading again only the few pages that a
//! compaction would thin out.

use std::ops::{ControlFlow, Range};

use crate::bucket::{self, Inline};
use crate::crc::Crc;
use crate::error::SnapshotError;
use crate::index::{KeyIndex, RowPlace};
use crate::mvcc::{Pair, Row, main_revision, sub_revision};
use crate::page::{Entry, Leaf};
use crate::reader::Reader;
use crate::resource::ResourceCounts;

/// All units of the bucket, in order.
#[derive(Default)]
pub(crate) struct History {
    units: Vec<Unit>,
    /// The leaf of a bucket so small that it has no page of its own.
    inline: Option<Inline>,
    /// The newest row of each key, unless it deletes the key.
    newest: Kept,
}

/// What one unit of the walk found.
#[derive(Default)]
pub(crate) struct Unit {
    pub leaves: Vec<LeafFacts>,
    /// Covers all rows of the unit.
    pub crc: Crc,
    pub rows: u32,
    pub last_main: i64,
    /// The last row of a key without a name, 0 without one.
    pub nameless: i64,
    /// Rows and leaves of all units before this one.
    rows_before: usize,
    leaves_before: usize,
}

/// One leaf page, in 16 bytes.
pub(crate) struct LeafFacts {
    page: u32,
    /// The checksum of the unit with this leaf.
    crc_after: u32,
    /// Bytes of rows in this leaf.
    bytes: u32,
    /// Rows of the unit before this leaf.
    rows_before: u32,
}

/// A choice of rows, and how many keys they are.
#[derive(Default)]
pub(crate) struct Kept {
    bits: Vec<u64>,
    pub keys: u64,
    /// The same keys by resource.
    pub resources: ResourceCounts,
}

/// Which rows a `HashKV` covers: those up to `revision`, and of those up to
/// `compacted` only the kept ones. A deletion at `compacted` itself, which some
/// versions of etcd keep in the file and none hashes, is never among the kept.
pub(crate) struct Choice<'a> {
    pub revision: i64,
    pub compacted: i64,
    pub kept: &'a Kept,
}

impl LeafFacts {
    pub fn new(leaf: &Leaf<'_>, before: Crc, after: Crc, rows_before: u32) -> Self {
        let narrow = |number| u32::try_from(number).expect("pages and runs are limited to 32 bits");
        Self {
            page: narrow(leaf.page()),
            crc_after: after.value,
            bytes: narrow(after.bytes - before.bytes),
            rows_before,
        }
    }
}

impl LeafFacts {
    /// The checksum of the unit with this leaf, given the one before it.
    fn crc(&self, before: Crc) -> Crc {
        Crc {
            value: self.crc_after,
            bytes: before.bytes + u64::from(self.bytes),
        }
    }
}

impl Kept {
    fn new(rows: usize) -> Self {
        Self {
            bits: vec![0; rows.div_ceil(64)],
            ..Self::default()
        }
    }

    fn keep(&mut self, row: usize) {
        self.bits[row / 64] |= 1 << (row % 64);
        self.keys += 1;
    }

    pub fn has(&self, row: usize) -> bool {
        self.bits[row / 64] >> (row % 64) & 1 != 0
    }

    fn has_all(&self, mut rows: Range<usize>) -> bool {
        rows.all(|row| self.has(row))
    }

    /// The rows that stand at these ranks among the chosen ones, the oldest row having the
    /// rank 0. Ranks ascend.
    pub fn rows_at(&self, ranks: impl IntoIterator<Item = u64>) -> Vec<usize> {
        let mut rows = Vec::new();
        let mut words = self.bits.iter().enumerate();
        let (mut first, mut before, mut word) = (0, 0, 0_u64);
        for rank in ranks {
            while rank >= before + u64::from(word.count_ones()) {
                before += u64::from(word.count_ones());
                let Some((number, next)) = words.next() else {
                    return rows;
                };
                (first, word) = (number * 64, *next);
            }
            let mut left = word;
            (before..rank).for_each(|_| left &= left - 1);
            rows.push(first + left.trailing_zeros() as usize);
        }
        rows
    }
}

impl Choice<'_> {
    /// Whether the row `entry`, the file's row `number`, is covered.
    fn covers(&self, entry: &Entry<'_>, number: usize) -> bool {
        let main = main_revision(entry.key).unwrap_or(i64::MAX);
        let thinned = main <= self.compacted && !self.kept.has(number);
        main <= self.revision && !thinned
    }
}

impl History {
    /// Adds the next unit, or the only one of an inline bucket.
    pub fn push(&mut self, mut unit: Unit, inline: Option<&Inline>) {
        self.inline = inline.cloned();
        if let Some(last) = self.units.last() {
            unit.rows_before = last.rows_before + last.rows as usize;
            unit.leaves_before = last.leaves_before + last.leaves.len();
        }
        unit.leaves.shrink_to_fit();
        self.units.push(unit);
    }

    /// Ends the walk: takes the newest rows out of the index.
    pub fn settle(&mut self, index: KeyIndex) -> Result<(), SnapshotError> {
        self.newest = self.kept(index)?;
        Ok(())
    }

    /// The main revision of the last row, 0 if there is none.
    pub fn last_main(&self) -> i64 {
        self.units
            .iter()
            .map(|unit| unit.last_main)
            .max()
            .unwrap_or(0)
    }

    /// The main revision of the last row of a key without a name, 0 if there is none.
    pub fn nameless(&self) -> i64 {
        let all = self.units.iter().map(|unit| unit.nameless);
        all.max().unwrap_or(0)
    }

    /// The newest row of each key over the whole file.
    pub fn newest(&self) -> &Kept {
        &self.newest
    }

    /// The newest row up to `revision` of each key.
    pub fn newest_at(
        &self,
        revision: i64,
        index: KeyIndex,
        reader: &mut Reader<'_>,
    ) -> Result<Kept, SnapshotError> {
        let mut gather = index.gather();
        for (number, unit) in (0..).zip(&self.units) {
            for (leaf_number, facts) in (0..).zip(&unit.leaves) {
                let leaf = self.read(reader, facts)?;
                for entry in leaf.entries() {
                    let row = Row::of(&entry, leaf.page())?;
                    if row.main > revision {
                        gather.finish()?;
                        return self.kept(index);
                    }
                    let place = RowPlace::new(number, leaf_number, entry.index, row.deleted);
                    gather.add(row.user_key, place);
                }
            }
        }
        gather.finish()?;
        self.kept(index)
    }

    /// The checksum over `crc` so far and then the rows that `choice` covers.
    /// Leaves that are covered whole join by the checksums of the walk; the
    /// others are read again.
    pub fn hash(
        &self,
        mut crc: Crc,
        choice: &Choice<'_>,
        reader: &mut Reader<'_>,
    ) -> Result<Crc, SnapshotError> {
        let edges = Edges {
            thinned: self.leaves_up_to(choice.compacted, reader)?,
            covered: self.leaves_up_to(choice.revision, reader)?,
        };
        for unit in &self.units {
            let mut joined = Crc::default();
            let mut passed = Crc::default();
            for (leaf, facts) in (unit.leaves_before..edges.covered).zip(&unit.leaves) {
                let next = facts.crc(passed);
                if !edges.is_whole(leaf, choice, unit.row_numbers(leaf)) {
                    crc.append(passed.since(joined));
                    hash_chosen(
                        &mut crc,
                        choice,
                        &self.read(reader, facts)?,
                        unit.first_row(leaf),
                    );
                    joined = next;
                }
                passed = next;
            }
            crc.append(passed.since(joined));
        }
        Ok(crc)
    }

    /// Hands over the rows whose numbers are wanted, in order, until told to stop. Leaves
    /// without one are not read. A value that is not held is read for as long as it is
    /// looked at.
    pub fn each_row(
        &self,
        reader: &mut Reader<'_>,
        wanted: impl Fn(usize) -> bool,
        mut each: impl FnMut(&Pair<'_>, usize) -> Result<ControlFlow<()>, SnapshotError>,
    ) -> Result<(), SnapshotError> {
        let source = reader.source();
        for unit in &self.units {
            for (leaf, facts) in (unit.leaves_before..).zip(&unit.leaves) {
                if !unit.row_numbers(leaf).any(&wanted) {
                    continue;
                }
                let first = unit.first_row(leaf);
                let page = self.read(reader, facts)?;
                for entry in page.entries() {
                    let row = first + usize::from(entry.index);
                    if !wanted(row) {
                        continue;
                    }
                    let whole = entry.cut.map(|cut| cut.read(source)).transpose()?;
                    let entry = whole.as_deref().map_or(entry, |value| entry.with(value));
                    if each(&Pair::of(&entry, page.page())?, row)?.is_break() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands over the row of that number, and which change of its revision it is.
    pub fn at_row<T>(
        &self,
        reader: &mut Reader<'_>,
        row: usize,
        look: impl FnOnce(&Pair<'_>, u64) -> T,
    ) -> Result<Option<T>, SnapshotError> {
        let behind = self.units.partition_point(|unit| unit.rows_before <= row);
        let Some(unit) = behind.checked_sub(1).map(|before| &self.units[before]) else {
            return Ok(None);
        };
        let in_unit = row - unit.rows_before;
        let behind = unit
            .leaves
            .partition_point(|leaf| leaf.rows_before as usize <= in_unit);
        let Some(facts) = behind.checked_sub(1).map(|before| &unit.leaves[before]) else {
            return Ok(None);
        };
        let page = self.read(reader, facts)?;
        let entry = page.entries().nth(in_unit - facts.rows_before as usize);
        // A value too large to be held is not read again for this.
        let Some(entry) = entry.filter(|entry| entry.cut.is_none()) else {
            return Ok(None);
        };
        let sub = sub_revision(entry.key).unwrap_or(u64::MAX);
        Ok(Some(look(&Pair::of(&entry, page.page())?, sub)))
    }

    /// Hands over the first change of a revision, if the file still holds it.
    pub fn at_revision<T>(
        &self,
        reader: &mut Reader<'_>,
        main: i64,
        look: impl FnOnce(&Pair<'_>) -> T,
    ) -> Result<Option<T>, SnapshotError> {
        // It stands in the last leaf that begins before it, or begins the next one.
        let next = self.leaves_up_to(main.saturating_sub(1), reader)?;
        for leaf in next.saturating_sub(1)..=next {
            let Some(facts) = self.leaf(leaf) else {
                continue;
            };
            let page = self.read(reader, facts)?;
            let is_it = |entry: &Entry<'_>| {
                main_revision(entry.key) == Some(main) && sub_revision(entry.key) == Some(0)
            };
            let found = page.entries().find(is_it);
            if let Some(entry) = found.filter(|entry| entry.cut.is_none()) {
                return Ok(Some(look(&Pair::of(&entry, page.page())?)));
            }
        }
        Ok(None)
    }

    /// The bucket's leaf of that number.
    fn leaf(&self, leaf: usize) -> Option<&LeafFacts> {
        let behind = self
            .units
            .partition_point(|unit| unit.leaves_before <= leaf);
        let unit = &self.units[behind.checked_sub(1)?];
        unit.leaves.get(leaf - unit.leaves_before)
    }

    /// How many leaves begin with a row up to `revision`.
    fn leaves_up_to(&self, revision: i64, reader: &mut Reader<'_>) -> Result<usize, SnapshotError> {
        let leaves = self
            .units
            .last()
            .map_or(0, |unit| unit.leaves_before + unit.leaves.len());
        let (mut low, mut high) = (0, leaves);
        if revision >= self.last_main() {
            low = leaves;
        } else if revision < 0 {
            high = 0;
        }
        while low < high {
            let middle = low.midpoint(high);
            if self.first_main(middle, reader)? <= revision {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn first_main(&self, leaf: usize, reader: &mut Reader<'_>) -> Result<i64, SnapshotError> {
        let facts = self
            .leaf(leaf)
            .expect("the search stays below their number");
        let page = self.read(reader, facts)?;
        let first = page
            .entries()
            .next()
            .and_then(|entry| main_revision(entry.key));
        Ok(first.expect("the walk noted only leaves with rows, and read each of them"))
    }

    /// Reads a leaf again that the walk has passed.
    fn read<'r>(
        &'r self,
        reader: &'r mut Reader<'_>,
        facts: &LeafFacts,
    ) -> Result<Leaf<'r>, SnapshotError> {
        match &self.inline {
            Some(inline) => Ok(inline.leaf()?),
            None => reader.leaf(u64::from(facts.page)),
        }
    }

    /// Takes the rows that do not delete their key out of an index.
    fn kept(&self, index: KeyIndex) -> Result<Kept, SnapshotError> {
        let rows = self
            .units
            .last()
            .map_or(0, |unit| unit.rows_before + unit.rows as usize);
        let mut kept = Kept::new(rows);
        let mut counts = Vec::new();
        let resources = index.newest(|place, resource| {
            if place.deleted() {
                return;
            }
            kept.keep(self.row_number(place));
            let number = usize::from(resource.0);
            if counts.len() <= number {
                counts.resize(number + 1, 0);
            }
            counts[number] += 1;
        })?;
        kept.resources = resources.name(&counts);
        Ok(kept)
    }

    fn row_number(&self, place: RowPlace) -> usize {
        let unit = &self.units[place.unit()];
        let leaf = unit.leaves_before + place.leaf();
        unit.first_row(leaf) + usize::from(place.index())
    }
}

impl Unit {
    /// The number of the first row of the bucket's leaf `leaf`.
    fn first_row(&self, leaf: usize) -> usize {
        self.rows_before + self.leaves[leaf - self.leaves_before].rows_before as usize
    }

    fn row_numbers(&self, leaf: usize) -> Range<usize> {
        let in_unit = leaf + 1 - self.leaves_before;
        let next = self
            .leaves
            .get(in_unit)
            .map_or(self.rows, |facts| facts.rows_before);
        self.first_row(leaf)..self.rows_before + next as usize
    }
}

/// Where the rules for rows change, in numbers of leaves.
struct Edges {
    /// Leaves that hold rows which a compaction may have dropped.
    thinned: usize,
    /// Leaves that hold rows up to the revision.
    covered: usize,
}

impl Edges {
    /// Whether all rows of a leaf are covered. The last leaf may straddle the
    /// revision, so it is never taken whole. One that straddles the compaction
    /// is, if all its rows are kept.
    fn is_whole(&self, leaf: usize, choice: &Choice<'_>, rows: Range<usize>) -> bool {
        leaf + 1 < self.covered && (leaf >= self.thinned || choice.kept.has_all(rows))
    }
}

fn hash_chosen(crc: &mut Crc, choice: &Choice<'_>, leaf: &Leaf<'_>, first_row: usize) {
    bucket::hash(crc, leaf, |entry| {
        choice.covers(entry, first_row + usize::from(entry.index))
    });
}
