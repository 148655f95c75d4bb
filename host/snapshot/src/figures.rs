//! The figures by which a snapshot is known: those of `etcdutl snapshot
//! status` and of `HashKV`.

use serde::{Deserialize, Serialize};

use crate::crc::Crc;
use crate::error::SnapshotError;
use crate::history::{Choice, Kept};
use crate::mvcc::main_revision;
use crate::problem::Problem;
use crate::resource::ResourceCounts;
use crate::source::Source;
use crate::survey::{Limits, Survey};

/// The revision a new etcd begins with.
const FIRST_REVISION: i64 = 1;
/// What etcd calls the compaction of a store that never was compacted.
const NEVER_COMPACTED: i64 = -1;

/// What `etcdutl snapshot status` 3.6 says about a file, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// CRC-32C over every bucket's name, keys and values in order. It differs
    /// between members at the same revision; compare [`HashKv`] instead.
    pub hash: u32,
    /// The main revision of the last row, 0 in an empty store.
    pub revision: i64,
    /// User keys that are alive at that revision.
    pub total_key: u64,
    /// Bytes of all pages, used or free, without the trailer.
    pub total_size: i64,
    /// The storage version, such as `3.6.0`; empty in files of etcd 3.5.
    pub version: String,
}

/// The hash of the key space that members of one cluster agree on, as in the
/// call `HashKV`. Comparable only when both revisions are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashKv {
    /// CRC-32C over `key` and then the rows up to `hash_revision` that a
    /// compaction at `compact_revision` leaves.
    pub hash: u32,
    /// The revision up to which rows are hashed.
    pub hash_revision: i64,
    /// The revision of the compaction, -1 for none.
    pub compact_revision: i64,
}

/// At which revisions [`figures`] computes its `HashKV`. The default is the
/// newest revision and the file's own compaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// Hash up to this revision.
    pub revision: Option<i64>,
    /// Hash as if the store had been compacted at this revision.
    pub compact_revision: Option<i64>,
}

/// All figures of a file, from one walk over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// As `etcdutl snapshot status`.
    pub status: Status,
    /// As the call `HashKV` of a member.
    pub hash_kv: HashKv,
}

/// Checks the file and gives the figures of `etcdutl snapshot status`. The
/// trailer is not looked at; [`verify`](crate::verify) does that.
///
/// # Errors
/// [`SnapshotError::Damaged`], or a failure to read.
pub fn status<S: Source>(source: &S) -> Result<Status, SnapshotError> {
    Ok(Survey::of(source, &Limits::default())?.status())
}

/// Checks the file and gives its `HashKV` up to `revision`, or up to the newest.
///
/// # Errors
/// [`SnapshotError::Compacted`] and [`SnapshotError::Future`] where a member
/// answers the same; [`SnapshotError::Damaged`], or a failure to read.
pub fn hash_kv<S: Source>(source: &S, revision: Option<i64>) -> Result<HashKv, SnapshotError> {
    Survey::of(source, &Limits::default())?.hash_kv(revision)
}

/// The `HashKV` up to `revision` that this store would have if it had been
/// compacted at `compact_revision`: for comparing with a member that has been
/// compacted since the snapshot was taken.
///
/// # Errors
/// [`SnapshotError::NotComparable`] unless the compaction lies between the
/// file's own and `revision`; otherwise as [`hash_kv`].
pub fn hash_kv_compacted_at<S: Source>(
    source: &S,
    revision: i64,
    compact_revision: i64,
) -> Result<HashKv, SnapshotError> {
    Survey::of(source, &Limits::default())?.hash_kv_compacted_at(revision, compact_revision)
}

/// Checks the file and gives all figures from one walk over it.
///
/// # Errors
/// As [`status`] and [`hash_kv_compacted_at`].
pub fn figures<S: Source>(
    source: &S,
    hints: Hints,
    limits: &Limits,
) -> Result<Figures, SnapshotError> {
    let survey = Survey::of(source, limits)?;
    let compacted = hints
        .compact_revision
        .map_or_else(|| survey.compact_revision(), Ok)?;
    let revision = survey.revision_or_newest(hints.revision)?;
    Ok(Figures {
        status: survey.status(),
        hash_kv: survey.hash_kv_compacted_at(revision, compacted)?,
    })
}

impl Survey<'_> {
    /// The figures of `etcdutl snapshot status`.
    #[must_use]
    pub fn status(&self) -> Status {
        let version = self.meta.storage_version.as_deref().and_then(version);
        Status {
            hash: self.hash.value,
            revision: self.history.last_main(),
            total_key: self.history.newest().keys,
            total_size: i64::try_from(self.geometry().body_bytes())
                .expect("2^30 pages of 64 KiB are far below 2^63 bytes"),
            version: version.unwrap_or_default(),
        }
    }

    /// How many keys are alive at the newest revision, by resource.
    #[must_use]
    pub fn resource_counts(&self) -> &ResourceCounts {
        &self.history.newest().resources
    }

    /// The `HashKV` up to `revision`, or up to the newest.
    ///
    /// # Errors
    /// As the function [`hash_kv`].
    pub fn hash_kv(&self, revision: Option<i64>) -> Result<HashKv, SnapshotError> {
        let revision = self.revision_or_newest(revision)?;
        self.hash_kv_compacted_at(revision, self.compact_revision()?)
    }

    /// The `HashKV` up to `revision` as if compacted at `compact_revision`.
    ///
    /// # Errors
    /// As the function [`hash_kv_compacted_at`].
    pub fn hash_kv_compacted_at(
        &self,
        revision: i64,
        compact_revision: i64,
    ) -> Result<HashKv, SnapshotError> {
        let revision = self.revision_or_newest(Some(revision))?;
        let oldest = self.compact_revision()?;
        if compact_revision < oldest || compact_revision > revision {
            return Err(SnapshotError::NotComparable {
                compact_revision,
                oldest,
                revision,
            });
        }
        let hash = self.hash_rows(revision, compact_revision)?.value;
        Ok(HashKv {
            hash,
            hash_revision: revision,
            compact_revision,
        })
    }

    /// Where the store was last compacted, -1 if never. A compaction that was
    /// scheduled and not finished counts: a member completes it at its start.
    ///
    /// # Errors
    /// [`Problem::MetaValue`] in a [`SnapshotError::Damaged`].
    pub fn compact_revision(&self) -> Result<i64, SnapshotError> {
        let finished = meta_revision("finishedCompactRev", self.meta.finished_compaction.as_ref())?;
        let scheduled = meta_revision(
            "scheduledCompactRev",
            self.meta.scheduled_compaction.as_ref(),
        )?;
        Ok(finished.max(scheduled))
    }

    /// The revision a member would have that starts from this file.
    fn newest_revision(&self) -> Result<i64, SnapshotError> {
        Ok(self
            .history
            .last_main()
            .max(self.compact_revision()?)
            .max(FIRST_REVISION))
    }

    pub(crate) fn revision_or_newest(&self, revision: Option<i64>) -> Result<i64, SnapshotError> {
        let (oldest, newest) = (self.compact_revision()?, self.newest_revision()?);
        match revision {
            None | Some(0) => Ok(newest),
            Some(revision) if revision < oldest.max(FIRST_REVISION) => {
                Err(SnapshotError::Compacted {
                    revision,
                    oldest: oldest.max(FIRST_REVISION),
                })
            }
            Some(revision) if revision > newest => Err(SnapshotError::Future { revision, newest }),
            Some(revision) => Ok(revision),
        }
    }

    /// Members keep, of the rows up to the compaction, the newest of each key
    /// up to the *hashed* revision. When no key is alive there they skip none,
    /// so what the compaction itself has left is hashed.
    fn hash_rows(&self, revision: i64, compacted: i64) -> Result<Crc, SnapshotError> {
        let mut crc = Crc::default();
        crc.update(b"key");
        let at_revision = self.kept_at(revision)?;
        let kept = at_revision.as_ref().unwrap_or(self.history.newest());
        if kept.keys > 0 || compacted == NEVER_COMPACTED {
            return self.hash_chosen(crc, revision, compacted, kept);
        }
        let at_compaction = self.kept_at(compacted)?;
        let kept = at_compaction.as_ref().unwrap_or(self.history.newest());
        self.hash_chosen(crc, revision, compacted, kept)
    }

    /// The newest rows up to `revision`; `None` says that they are those of the
    /// whole file.
    pub(crate) fn kept_at(&self, revision: i64) -> Result<Option<Kept>, SnapshotError> {
        if revision >= self.history.last_main() {
            return Ok(None);
        }
        let index = self.limits.index(&self.prefixes)?;
        self.history
            .newest_at(revision, index, &mut self.reader())
            .map(Some)
    }

    fn hash_chosen(
        &self,
        crc: Crc,
        revision: i64,
        compacted: i64,
        kept: &Kept,
    ) -> Result<Crc, SnapshotError> {
        let choice = Choice {
            revision,
            compacted,
            kept,
        };
        self.history.hash(crc, &choice, &mut self.reader())
    }
}

fn meta_revision(name: &'static str, value: Option<&Vec<u8>>) -> Result<i64, SnapshotError> {
    match value {
        None => Ok(NEVER_COMPACTED),
        Some(value) => Ok(main_revision(value).ok_or(Problem::MetaValue { name })?),
    }
}

/// A semantic version as etcd prints it again; `None` if it is none.
fn version(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let core_end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, rest) = text.split_at(core_end);
    let numbers: Vec<i64> = core
        .split('.')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    match numbers[..] {
        [major, minor, patch] => Some(format!("{major}.{minor}.{patch}{rest}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn only_three_numbers_are_a_version() {
        assert_eq!(version(b"3.6.0"), Some("3.6.0".to_owned()));
        assert_eq!(version(b"3.06.0-rc.1"), Some("3.6.0-rc.1".to_owned()));
        for other in [&b"3.6"[..], b"", b"3.6.0.1", b"a.b.c", b"\xff"] {
            assert_eq!(version(other), None);
        }
    }
}
