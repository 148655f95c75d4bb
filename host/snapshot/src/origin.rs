//! Whether a sound bbolt database is one of etcd's. Other programs keep their data in such
//! files too, and one of theirs would be restored to a cluster that boots empty.
//!
//! etcd 3.5 to 3.7 make the buckets `key` and `meta` when they first start, and write
//! `consistent_index` into `meta` with whatever they commit, so that a member without a
//! single key has all three. Nothing else is asked for: an older member lacks some of the
//! other buckets, and makes them when it starts.

use crate::bucket::TopBucket;
use crate::error::SnapshotError;
use crate::problem::Problem;

pub(crate) const BUCKET_KEY: &[u8] = b"key";
pub(crate) const BUCKET_META: &[u8] = b"meta";
/// The pair of bucket `meta` that says up to where the log was applied: 8 bytes.
pub(crate) const CONSISTENT_INDEX: &[u8] = b"consistent_index";
const INDEX_BYTES: usize = 8;

/// Buckets that a sentence spells out, and characters of each.
const SPELLED_MAX: usize = 8;
const NAME_CHARS_MAX: usize = 32;

/// Judges the buckets of a file, and the value of [`CONSISTENT_INDEX`] where there is one.
///
/// # Errors
/// [`Problem::NotEtcd`].
pub(crate) fn judge(buckets: &[TopBucket], index: Option<&[u8]>) -> Result<(), Problem> {
    let is_there = |name: &&[u8]| buckets.iter().any(|bucket| bucket.name == *name);
    let wanted = [BUCKET_KEY, BUCKET_META];
    let missing: Vec<&[u8]> = wanted.into_iter().filter(|name| !is_there(name)).collect();
    let lacks = if !missing.is_empty() {
        named(&missing)
    } else if index.is_some_and(|value| value.len() == INDEX_BYTES) {
        return Ok(());
    } else {
        "a consistent_index in the bucket meta".to_owned()
    };
    let names: Vec<&[u8]> = buckets.iter().map(|bucket| &bucket.name[..]).collect();
    Err(Problem::NotEtcd {
        has: named(&names),
        lacks,
    })
}

/// What a walk found wrong with a file, unless that is only that it is not etcd's: a sound
/// database of another program may have a bucket `key` too, and in it no rows of etcd's.
/// What is wrong with pages and trees stays what it is.
pub(crate) fn told(
    error: SnapshotError,
    buckets: &[TopBucket],
    index: Option<&[u8]>,
) -> SnapshotError {
    let SnapshotError::Damaged(problems) = &error else {
        return error;
    };
    let is_of_rows = |problem: &Problem| {
        matches!(
            problem,
            Problem::RevisionKey { .. }
                | Problem::KeyValue { .. }
                | Problem::BucketMisplaced { .. }
        )
    };
    // What lies below a bucket that is none of etcd's was not looked at.
    let is_below = |problem: &Problem| matches!(problem, Problem::Unreachable { .. });
    let listed = problems.listed();
    let only_rows = listed.iter().any(is_of_rows)
        && listed
            .iter()
            .all(|problem| is_of_rows(problem) || is_below(problem));
    match judge(buckets, index) {
        Err(problem) if only_rows => problem.into(),
        _ => error,
    }
}

/// Buckets by their names, e.g. `the buckets a and b`.
fn named(names: &[&[u8]]) -> String {
    let spelled = names.iter().take(SPELLED_MAX).map(|name| {
        let text = String::from_utf8_lossy(name);
        text.escape_debug().take(NAME_CHARS_MAX).collect::<String>()
    });
    let spelled: Vec<String> = spelled.collect();
    let more = names.len().saturating_sub(SPELLED_MAX);
    match (spelled.as_slice(), more) {
        ([], _) => "no bucket at all".to_owned(),
        ([one], _) => format!("the bucket {one}"),
        ([all @ .., last], 0) => format!("the buckets {} and {last}", all.join(", ")),
        (all, more) => format!("the buckets {} and {more} more", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::Where;

    fn told(names: &[&str], index: Option<&[u8]>) -> Option<String> {
        let bucket = |name: &&str| TopBucket {
            name: name.as_bytes().to_vec(),
            place: Where::Page(3),
        };
        let buckets: Vec<TopBucket> = names.iter().map(bucket).collect();
        judge(&buckets, index)
            .err()
            .map(|problem| problem.to_string())
    }

    /// Names of buckets, the index, and what is told.
    type Case<'a> = (&'a [&'a str], Option<&'a [u8]>, Option<&'a str>);

    #[test]
    fn it_is_told_what_is_there_and_what_is_missing() {
        let index = &[0; 8][..];
        let not = "this is a bbolt database but not etcd's: it has ";
        let many = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "\n"];
        let table: [Case<'_>; 8] = [
            (&["key", "meta"], Some(index), None),
            (&["alarm", "key", "lease", "meta"], Some(index), None),
            (
                &["v1"],
                None,
                Some("the bucket v1, and lacks the buckets key and meta"),
            ),
            (
                &[],
                None,
                Some("no bucket at all, and lacks the buckets key and meta"),
            ),
            (
                &["meta"],
                Some(index),
                Some("the bucket meta, and lacks the bucket key"),
            ),
            (
                &["key"],
                Some(index),
                Some("the bucket key, and lacks the bucket meta"),
            ),
            (
                &["key", "meta"],
                None,
                Some("the buckets key and meta, and lacks a consistent_index in the bucket meta"),
            ),
            (
                &many,
                Some(index),
                Some(
                    "the buckets a, b, c, d, e, f, g, h and 2 more, and lacks the buckets key and meta",
                ),
            ),
        ];
        for (names, index, expected) in table {
            let expected = expected.map(|expected| format!("{not}{expected}"));
            assert_eq!(told(names, index), expected, "{names:?}");
        }
        assert!(told(&["key", "meta"], Some(&[0; 7])).is_some());
        assert_eq!(
            told(&["\n"], None).as_deref(),
            Some(&*format!(
                "{not}the bucket \\n, and lacks the buckets key and meta"
            ))
        );
    }
}
