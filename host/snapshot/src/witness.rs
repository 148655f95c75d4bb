//! Witnesses of a snapshot: some of its live revisions, each with one byte of what it
//! holds, by which a later snapshot is told to be of the same history or of another.
//!
//! Half of them are the newest, since histories part near their ends; the others are spread
//! over all that is older. Rows are picked by their rank and read one by one, so that the
//! work has a bound whatever the size of the file.

use std::collections::BTreeMap;

use drydock_core::{SharedHistory, Witness};
use ring::digest::{Context, SHA256};

use crate::error::SnapshotError;
use crate::mvcc::Pair;
use crate::survey::Survey;

/// Witnesses of one snapshot.
pub const WITNESSES_MAX: usize = 64;

/// How many of them are the newest.
const NEWEST: u64 = 32;

/// Parts of the older keys, each of which gives one.
const PARTS: u64 = WITNESSES_MAX as u64 - NEWEST;

/// Live keys that are looked at for the newest ones: some are passed over.
const NEWEST_LOOKED_AT_MAX: u64 = 1024;

/// Keys of one part that are looked at for the same reason.
const PART_LOOKED_AT_MAX: u64 = 32;

/// What the digest begins with, so that it is no digest of anything else.
const DOMAIN: &[u8] = b"drydock witness\n";

/// A key that holds one of these words, in letters of any size, is never a witness: the
/// resource `secrets` of every API server, whatever its prefix, and the tokens of
/// OpenShift's log-in.
const PASSED_OVER: [&[u8]; 2] = [b"secret", b"token"];

impl Survey<'_> {
    /// The witnesses, in the order of their revisions. The same file always gives the same.
    ///
    /// # Errors
    /// A failure to read.
    pub fn witnesses(&self) -> Result<Vec<Witness>, SnapshotError> {
        let live = self.history.newest();
        let mut witnesses = BTreeMap::new();
        for ranks in groups(live.keys) {
            let wanted = witnesses.len() + ranks.wanted;
            let mut rows = live.rows_at(ranks.first..ranks.end);
            if ranks.newest_first {
                rows.reverse();
            }
            for row in rows {
                if witnesses.len() >= wanted {
                    break;
                }
                let found = self.history.at_row(&mut self.reader(), row, witness)?;
                witnesses.extend(found.flatten());
            }
        }
        let witness = |(revision, byte)| Witness { revision, byte };
        Ok(witnesses.into_iter().map(witness).collect())
    }

    /// The revision to which the last restore bumped this store; none where none did. No
    /// client can write a key without a name, and a bump does: etcdutl's and ours.
    #[must_use]
    pub fn bumped_to(&self) -> Option<i64> {
        Some(self.history.nameless()).filter(|revision| *revision > 0)
    }

    /// Looks for each of another snapshot's witnesses in this one. A revision that is not
    /// here any more, or not yet, tells nothing.
    ///
    /// # Errors
    /// A failure to read.
    pub fn shared_history(&self, witnesses: &[Witness]) -> Result<SharedHistory, SnapshotError> {
        let mut shared = SharedHistory::default();
        for witness in witnesses.iter().take(WITNESSES_MAX) {
            let mut reader = self.reader();
            let revision = witness.revision;
            let is_same = |pair: &Pair<'_>| !pair.row.deleted && byte_of(pair) == witness.byte;
            match self.history.at_revision(&mut reader, revision, is_same)? {
                None => {}
                Some(true) => shared.same += 1,
                Some(false) => {
                    let lowest = shared.differs.map_or(revision, |other| other.min(revision));
                    shared.differs = Some(lowest);
                }
            }
        }
        Ok(shared)
    }
}

/// Ranks among the live keys of which some are wanted.
struct Ranks {
    first: u64,
    end: u64,
    wanted: usize,
    newest_first: bool,
}

/// The newest keys, then a part of the older ones at a time.
fn groups(keys: u64) -> Vec<Ranks> {
    let older = keys.saturating_sub(NEWEST);
    let newest = Ranks {
        first: keys.saturating_sub(NEWEST_LOOKED_AT_MAX),
        end: keys,
        wanted: NEWEST as usize,
        newest_first: true,
    };
    let part = |number: u64| {
        let bound = |number| older / PARTS * number + (older % PARTS).min(number);
        let (first, end) = (bound(number), bound(number + 1));
        Ranks {
            first,
            end: end.min(first + PART_LOOKED_AT_MAX),
            wanted: 1,
            newest_first: false,
        }
    };
    std::iter::once(newest)
        .chain((0..PARTS).map(part))
        .collect()
}

/// The witness that a row gives: the first change of its revision, and no secret.
fn witness(pair: &Pair<'_>, sub: u64) -> Option<(i64, u8)> {
    let is_told = sub == 0
        && !PASSED_OVER
            .iter()
            .any(|word| holds(pair.row.user_key, word));
    is_told.then(|| (pair.row.main, byte_of(pair)))
}

fn holds(key: &[u8], word: &[u8]) -> bool {
    key.windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word))
}

fn byte_of(pair: &Pair<'_>) -> u8 {
    let key = pair.row.user_key;
    let mut digest = Context::new(&SHA256);
    digest.update(DOMAIN);
    digest.update(&(key.len() as u64).to_be_bytes());
    digest.update(key);
    digest.update(pair.value);
    digest.finish().as_ref()[0]
}
