//! Uploads: one effect is one call of a store plugin, in a Store of its own.

use std::sync::Arc;

use drydock_core::{
    Clock, ErrorCode, Fault, OutputId, ReadAt, StepName, TargetName, UnixTime,
    store::{ChecksumAlgorithm, Layout, ObjectStat, PartReceipt, Session, Sessions},
};
use drydock_point::model::PointAnswer;
use drydock_repository::{
    Manifest, Measure, Repository, Target, TrustedSigners,
    object::{Comparison, check_retained, compare_with},
    pages::SessionPages,
    target::{Part, Whole},
};

use super::digest::digest;
use super::guard::TargetGuard;
use super::spool::SealedFile;
use super::stopwatch::Stopwatch;

/// Part size where the store leaves it open: small enough that the first part leaves
/// early and a lost one costs little, large enough that a call's cost vanishes.
const PART_BYTES_PREFERRED: u64 = 8 * 1024 * 1024;

/// Largest object that must fit into a store's parts: far above etcd's 8 GiB.
const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Uploads that one sweep aborts: a run begins a handful of each object.
const SWEPT_MAX: u32 = 1_000;

/// One store step of a run.
#[derive(Clone)]
pub struct Store {
    pub step: StepName,
    pub name: TargetName,
    pub target: Arc<dyn Target>,
    /// The same for taking back, when the run was asked to stop.
    pub cleanup: Arc<dyn Target>,
    /// Asked before anything else of the target is.
    pub guard: Arc<TargetGuard>,
    pub clock: Arc<dyn Clock>,
    /// For how many days a recovery point is locked there.
    pub retain_days: Option<u32>,
}

/// The part of a sealed output that a `PutPart` names.
pub struct PartRange {
    pub number: u32,
    pub offset: u64,
    pub length: u64,
    /// Under which the server is to take it.
    pub checksum: Option<ChecksumAlgorithm>,
}

/// What a `CompleteUpload` is to make.
pub struct Upload<'a> {
    pub object: &'a str,
    pub session: &'a Session,
    pub receipts: &'a [PartReceipt],
    pub size: u64,
    pub sha256: &'a str,
    /// All of it, where the spool still has it.
    pub sealed: Option<SealedFile>,
}

impl Store {
    pub async fn begin(&self, object: &str) -> Result<PointAnswer, Fault> {
        // Whatever fails before the upload is begun, nothing is begun.
        let layout = self.target.layout().await.map_err(Fault::not_done)?;
        self.check_retention(&layout)?;
        let part_size = part_size(&layout).map_err(Fault::not_done)?;
        let session = self.target.begin(object, None, part_size).await?;
        Ok(PointAnswer::Began {
            session,
            layout,
            part_size,
        })
    }

    pub async fn put_part(
        &self,
        sealed: SealedFile,
        output: OutputId,
        session: &Session,
        range: PartRange,
    ) -> Result<PointAnswer, Fault> {
        let part = Part {
            bytes: Arc::new(sealed),
            offset: range.offset,
            length: range.length,
        };
        tracing::debug!(store = %self.step, %output, part = range.number, "part is sent");
        let taken = self
            .target
            .put_part(session, range.number, range.offset, part, range.checksum);
        let part = taken.await?;
        tracing::debug!(store = %self.step, %output, part = range.number, bytes = range.length, verified = part.verified, "part stored");
        Ok(PointAnswer::PartStored { part })
    }

    pub async fn complete(
        &self,
        output: OutputId,
        upload: Upload<'_>,
    ) -> Result<PointAnswer, Fault> {
        let Upload { object, size, .. } = upload;
        let whole = Whole {
            size,
            sha256: digest(upload.sha256)?.0,
            bytes: upload
                .sealed
                .map(|sealed| Arc::new(sealed) as Arc<dyn ReadAt>),
        };
        let lap = Stopwatch::begin();
        let completed = self.target.complete(upload.session, upload.receipts, whole);
        let completion = completed.await?;
        tracing::info!(store = %self.step, %output, bytes = size, complete_ms = lap.ms(), "upload completed");
        if completion.stat.object != object {
            return Err(another_object(object, &completion.stat.object));
        }
        of_size(&completion.stat, size)?;
        self.is_there(object, size).await?;
        Ok(PointAnswer::Completed { completion })
    }

    /// What a store says of its own work is one thing, and what it has afterwards another.
    async fn is_there(&self, object: &str, size: u64) -> Result<(), Fault> {
        match self.target.stat(object).await {
            Ok(stat) => of_size(&stat, size),
            Err(fault) if fault.code == ErrorCode::NotFound => Err(Fault::permanent(
                ErrorCode::ObjectMissing,
                format!(
                    "the target said that {object} is complete, and does not have it: what is kept there gets lost, so use another target until its author has mended the plugin"
                ),
            )),
            Err(fault) => Err(fault),
        }
    }

    /// Reads the object back whole and compares it with the sealed spool; where that is gone,
    /// cannot be read or differs, the object's SHA-256 decides.
    pub async fn read_back(
        &self,
        object: &str,
        size: u64,
        sha256: &str,
        spool: Option<SealedFile>,
    ) -> Result<PointAnswer, Fault> {
        let sealed = Measure {
            size,
            sha256: digest(sha256)?,
        };
        let compared = match spool {
            Some(spool) => compare_with(&*self.target, object, Arc::new(spool)).await,
            None => Ok(Comparison::NotPossible),
        };
        let offset = match compared {
            Ok(Comparison::Equal) => return Ok(PointAnswer::ReadBack),
            Ok(Comparison::DiffersFrom(offset)) => Some(offset),
            // What is wrong with the target shows again, and is told then.
            Ok(Comparison::NotPossible) | Err(_) => None,
        };
        let signers = TrustedSigners::default();
        Repository::new(&*self.target, &signers)
            .read_back(object, sealed)
            .await
            .map_err(|error| not_given_back(object, offset, error.into()))?;
        if let Some(offset) = offset {
            tracing::warn!(store = %self.step, object, offset, "the object is what it was to be, and the sealed spool has changed: look at the disk of the state folder, and at the node's memory");
        }
        Ok(PointAnswer::ReadBack)
    }

    /// Locks an object, and looks whether it is locked.
    pub async fn retain(&self, object: &str, until: UnixTime) -> Result<PointAnswer, Fault> {
        self.target.retain(object, until).await?;
        check_retained(&*self.target, object, until).await?;
        Ok(PointAnswer::Retained { until })
    }

    /// Until when everything of a recovery point is locked: so many days from when its manifest
    /// was made, the same for each object and each try.
    pub fn retain_until(&self, manifest: &str) -> Result<Option<UnixTime>, Fault> {
        let Some(days) = self.retain_days else {
            return Ok(None);
        };
        let manifest = Manifest::parse(manifest.as_bytes());
        let manifest = manifest
            .map_err(|error| Fault::permanent(ErrorCode::BadManifest, error.to_string()))?;
        let seconds = u64::from(days) * DAY_SECONDS;
        Ok(Some(manifest.finished.plus_seconds(seconds)))
    }

    fn check_retention(&self, layout: &Layout) -> Result<(), Fault> {
        if self.retain_days.is_none() || layout.retain {
            return Ok(());
        }
        let message = format!(
            "target {} asks for `retainDays`, and its store cannot lock what it keeps: remove the key, or use a store that locks objects",
            self.name
        );
        Err(Fault::permanent(ErrorCode::NoRetention, message).not_done())
    }

    /// Where uploads only expire nothing is asked: nothing more is sent, and the store frees by
    /// itself what it took.
    pub async fn abort(&self, session: &Session, layout: &Layout) -> Result<PointAnswer, Fault> {
        let room_until = self.room_until(layout);
        if room_until.is_none() {
            self.cleanup.abort(session).await?;
        }
        Ok(PointAnswer::Aborted { room_until })
    }

    /// When what is left now is freed at the latest, where the store does that by itself.
    fn room_until(&self, layout: &Layout) -> Option<UnixTime> {
        match layout.sessions {
            Sessions::Listed => None,
            Sessions::Expire { seconds } => Some(self.clock.now().plus_seconds(seconds)),
        }
    }

    /// Removes an object, unless the manifest beside it names it: the journal may have been
    /// put back to an instant before the commit.
    pub async fn delete(&self, object: &str) -> Result<PointAnswer, Fault> {
        let signers = TrustedSigners::default();
        let repository = Repository::new(&*self.cleanup, &signers);
        let named = repository.names(object).await;
        if named.map_err(|error| Fault::from(error).not_done())? {
            return Err(still_named(object));
        }
        self.cleanup.delete(object).await?;
        Ok(PointAnswer::Deleted)
    }

    /// Aborts uploads of `objects` that a dead process began and could not record, where they
    /// can be looked for.
    pub async fn sweep(
        &self,
        prefix: &str,
        objects: &[String],
        keep: &[Session],
    ) -> Result<PointAnswer, Fault> {
        let room_until = self.room_until(&self.cleanup.layout().await?);
        let aborted = match room_until {
            None => self.abort_those(prefix, objects, keep).await?,
            Some(_) => 0,
        };
        Ok(PointAnswer::Swept {
            aborted,
            room_until,
        })
    }

    async fn abort_those(
        &self,
        prefix: &str,
        objects: &[String],
        keep: &[Session],
    ) -> Result<u32, Fault> {
        let mut aborted = 0;
        let mut pages = SessionPages::new(&*self.cleanup, prefix);
        while let Some(sessions) = pages.next().await? {
            for open in &sessions {
                if objects.contains(&open.object) && !keep.contains(&open.session) {
                    if aborted == SWEPT_MAX {
                        return Err(endless(prefix));
                    }
                    self.cleanup.abort(&open.session).await?;
                    aborted += 1;
                }
            }
        }
        Ok(aborted)
    }
}

fn endless(prefix: &str) -> Fault {
    Fault::permanent(
        ErrorCode::EndlessListing,
        format!("the target's list of open uploads under {prefix} does not end"),
    )
}

/// Other bytes than were sent: nothing was kept yet, so that there is nothing to restore.
pub(super) fn not_given_back(object: &str, offset: Option<u64>, fault: Fault) -> Fault {
    if fault.code != ErrorCode::Corrupt {
        return fault;
    }
    let place = offset.map_or_else(String::new, |offset| format!(" from byte {offset} on"));
    let message = format!(
        "the target does not give back what it was sent of {object}{place}, so nothing of it is kept: look at its disks, then back up again"
    );
    Fault::new(fault.class, fault.code, message).with_detail("found", fault.message)
}

fn still_named(object: &str) -> Fault {
    Fault::permanent(
        ErrorCode::Named,
        format!("the manifest beside {object} names it, so it belongs to a recovery point"),
    )
    .not_done()
}

/// The part size for objects of unknown size.
fn part_size(layout: &Layout) -> Result<u64, Fault> {
    let parts = u64::from(layout.parts_max.max(1));
    let needed = OBJECT_BYTES_MAX.div_ceil(parts);
    let size = PART_BYTES_PREFERRED.max(needed).max(layout.part_bytes_min);
    let size = size.min(layout.part_bytes_max);
    if size == 0 || size < layout.part_bytes_min {
        return Err(Fault::permanent(
            ErrorCode::BadLayout,
            format!(
                "the store asks for parts of at least {} and at most {} bytes, which no part can be",
                layout.part_bytes_min, layout.part_bytes_max
            ),
        ));
    }
    Ok(size)
}

/// A name of its own would be looked for in the place of the one that the manifest gives.
fn another_object(object: &str, completed: &str) -> Fault {
    Fault::permanent(
        ErrorCode::AnotherObject,
        format!(
            "the target was to complete {object} and says that it completed {}: use another target until its author has mended the plugin",
            drydock_core::plain(completed, 200)
        ),
    )
}

fn of_size(stat: &ObjectStat, size: u64) -> Result<(), Fault> {
    if stat.size == size {
        return Ok(());
    }
    Err(Fault::permanent(
        ErrorCode::SizeDiffers,
        format!(
            "the target completed {} with {} bytes instead of {size}",
            stat.object, stat.size
        ),
    ))
}

#[cfg(test)]
mod at_a_target;

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(min: u64, max: u64, parts: u32) -> Layout {
        Layout {
            part_bytes_min: min,
            part_bytes_max: max,
            parts_max: parts,
            parallel_max: 1,
            equal_parts: false,
            object_bytes_max: 1 << 20,
            part_checksum: None,
            sessions: Sessions::Listed,
            retain: false,
        }
    }

    #[test]
    fn a_part_is_as_large_as_preferred_where_the_store_allows() {
        assert_eq!(
            part_size(&layout(1, 1 << 40, 1 << 20)).unwrap(),
            PART_BYTES_PREFERRED
        );
    }

    #[test]
    fn few_parts_make_large_ones() {
        let size = part_size(&layout(1, 1 << 40, 1000)).unwrap();
        assert!(size * 1000 >= OBJECT_BYTES_MAX);
    }

    #[test]
    fn the_stores_own_limits_win() {
        assert_eq!(part_size(&layout(1 << 16, 1 << 16, 10)).unwrap(), 1 << 16);
        assert_eq!(
            part_size(&layout(1 << 25, 1 << 30, 1 << 20)).unwrap(),
            1 << 25
        );
        assert_eq!(
            part_size(&layout(10, 5, 10)).unwrap_err().code.as_str(),
            "bad-layout"
        );
    }
}
