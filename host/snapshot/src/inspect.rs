//! Looking at keys and values: the live ones at a revision, every revision that is still
//! there, all keys in order, and how two files differ.
//!
//! Rows stand in the order of revisions. What has to be in the order of keys is gathered
//! without its values and sorted, by runs on disk once it outgrows its memory.

mod compare;
mod sorted;

use std::ops::ControlFlow;

pub use compare::{Difference, compare};
pub use sorted::{Order, SortedKey, SortedKeys};

use crate::error::SnapshotError;
use crate::mvcc::Pair;
use crate::survey::Survey;

/// A change of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyValue<'a> {
    pub key: &'a [u8],
    /// Empty for a deletion.
    pub value: &'a [u8],
    /// The revision that made the key; 0 for a deletion, which does not tell.
    pub create_revision: i64,
    /// The revision of this change.
    pub mod_revision: i64,
    /// Changes since the key was made, with this one; 0 for a deletion.
    pub version: i64,
    /// The lease that the key ends with; 0 for none.
    pub lease: i64,
    pub deleted: bool,
}

impl<'a> KeyValue<'a> {
    pub(crate) fn of(pair: &Pair<'a>) -> Self {
        Self {
            key: pair.row.user_key,
            value: pair.value,
            create_revision: pair.create_revision,
            mod_revision: pair.row.main,
            version: pair.version,
            lease: pair.lease,
            deleted: pair.row.deleted,
        }
    }
}

impl Survey<'_> {
    /// Hands over every key that is alive at `revision`, or at the newest, in the order of
    /// their last changes, until told to stop.
    ///
    /// # Errors
    /// [`SnapshotError::Compacted`] and [`SnapshotError::Future`] as a member answers, or a
    /// failure to read.
    pub fn live(
        &self,
        revision: Option<i64>,
        mut each: impl FnMut(&KeyValue<'_>) -> ControlFlow<()>,
    ) -> Result<(), SnapshotError> {
        let revision = self.revision_or_newest(revision)?;
        let at_revision = self.kept_at(revision)?;
        let kept = at_revision.as_ref().unwrap_or(self.history.newest());
        let wanted = |row| kept.has(row);
        self.history
            .each_row(&mut self.reader(), wanted, |pair, _| {
                Ok(each(&KeyValue::of(pair)))
            })
    }

    /// Hands over every change that the file still holds, in order, until told to stop, and
    /// whether it is the live one of its key.
    ///
    /// # Errors
    /// A failure to read.
    pub fn changes(
        &self,
        mut each: impl FnMut(&KeyValue<'_>, bool) -> ControlFlow<()>,
    ) -> Result<(), SnapshotError> {
        let newest = self.history.newest();
        self.history.each_row(
            &mut self.reader(),
            |_| true,
            |pair, row| Ok(each(&KeyValue::of(pair), newest.has(row))),
        )
    }
}
