//! How the live keys of two files differ, by a merge of both in the order of keys.

use std::cmp::Ordering;

use super::sorted::{SortedKey, SortedKeys};
use crate::error::SnapshotError;

/// A key that is not the same in both files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference<'a> {
    /// Only in the second.
    Added(&'a SortedKey),
    /// Only in the first.
    Removed(&'a SortedKey),
    /// In both, with different values. That a key was written again with the same value
    /// makes no difference.
    Changed(&'a SortedKey, &'a SortedKey),
}

/// Hands over each key that differs, in the order of keys; gives how many are the same. Both
/// must be in [`Order::Key`](super::Order::Key).
///
/// # Errors
/// A failure to read the sorted runs.
pub fn compare(
    first: SortedKeys,
    second: SortedKeys,
    mut each: impl FnMut(Difference<'_>),
) -> Result<u64, SnapshotError> {
    let (mut first, mut second) = (first.merge()?, second.merge()?);
    let (mut a, mut b) = (first.next_key()?, second.next_key()?);
    let mut same = 0;
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(same),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.key.cmp(&b.key),
        };
        match (order, &a, &b) {
            (Ordering::Less, Some(a), _) => each(Difference::Removed(a)),
            (Ordering::Greater, _, Some(b)) => each(Difference::Added(b)),
            (_, Some(a), Some(b)) if a.has_value_of(b) => same += 1,
            (_, Some(a), Some(b)) => each(Difference::Changed(a, b)),
            _ => {}
        }
        if order.is_le() {
            a = first.next_key()?;
        }
        if order.is_ge() {
            b = second.next_key()?;
        }
    }
}

impl SortedKey {
    fn has_value_of(&self, other: &Self) -> bool {
        (self.value_bytes, self.digest) == (other.value_bytes, other.digest)
    }
}
