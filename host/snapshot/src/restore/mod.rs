//! Making data folders out of a snapshot that real etcd boots from: of one
//! member, or of all members of a cluster at once.
//!
//! What `etcdutl snapshot restore` does for one member, with three differences:
//! all members come to their places together or not at all; alarms of the old
//! cluster do not make the new one read-only; and the revision is bumped unless
//! told otherwise, so that no client goes on with what it remembers of the lost
//! revisions.
//!
//! # The way data flows
//!
//! [`Request`] -> `staging` (a hidden folder on the same file system) ->
//! `build`: the snapshot is copied, the copy is hashed as it grows and walked
//! once it is whole (`inspect`), the other members' databases are cloned from
//! it -> `edit` works out the few pages that change -> they are written to
//! every database, with a log (`wal`) and a `.snap` (`snap`) for each member
//! -> everything is synced -> who looks on keeps what was bumped to
//! ([`Watch::placing`]) -> `switch` renames it into place.
//!
//! # Invariants
//!
//! **Invariant:** nothing appears at its place before all of it was checked and
//! synced; nothing that was there before is overwritten.
//!
//! **Invariant:** nothing outside of the hidden folders is ever removed.
//!
//! A crash leaves hidden folders, which the next restore to the same place
//! clears away; see `staging`.

mod build;
mod cluster;
mod copy;
mod edit;
mod error;
mod inspect;
mod members;
mod pages;
mod place;
mod preview;
mod proto;
mod request;
mod snap;
mod space;
mod staging;
mod switch;
mod wal;

use std::path::PathBuf;
use std::time::Instant;

use crate::error::SnapshotError;
use crate::source::{SnapshotFile, Source, read};
use crate::tree;
use crate::verify::{TRAILER_BYTES, has_trailer};

use build::{Building, Copied, Original, copy_and_check};
use edit::{Patch, Wanted};
use inspect::Findings;
use staging::{Staging, make_folder};

pub use cluster::{ClusterError, InitialCluster, MEMBERS_MAX, Member};
pub use copy::CopiedBy;
pub use error::RestoreError;
pub use place::PlaceError;
pub use preview::{Preview, preview};
pub use request::{BUMP_REVISIONS, Bump, Phase, Request, Restored, RestoredMember, Times};

/// Writes the data folders that `request` asks for out of `source`.
///
/// # Errors
/// [`RestoreError`]; nothing is left behind then.
pub fn restore(source: &SnapshotFile, request: &Request) -> Result<Restored, RestoreError> {
    let watch = Watch {
        ended: &|_| {},
        placing: &|_| {},
        stop: || false,
    };
    restore_watched(source, request, &watch)
}

/// Who looks on while a restore works.
pub struct Watch<'a> {
    /// Hears of every phase that has ended.
    pub ended: &'a dyn Fn(Phase),
    /// Hears what is about to come to its place, all of it written and safe: what has to be
    /// kept whatever becomes of this process. The first folder appears once it returns.
    pub placing: &'a dyn Fn(&Restored),
    /// Asked at every piece, from several threads: whether to take everything back. Once
    /// the first folder is in its place nobody asks any more.
    pub stop: fn() -> bool,
}

/// The same with somebody who looks on.
///
/// # Errors
/// As [`restore`], and [`RestoreError::Interrupted`].
pub fn restore_watched(
    source: &SnapshotFile,
    request: &Request,
    watch: &Watch<'_>,
) -> Result<Restored, RestoreError> {
    carry_out(source, request, watch).map_err(|error| match error {
        RestoreError::Io { .. } if (watch.stop)() => RestoreError::Interrupted,
        error => error,
    })
}

impl Watch<'_> {
    fn go_on(&self) -> Result<(), RestoreError> {
        if (self.stop)() {
            return Err(RestoreError::Interrupted);
        }
        Ok(())
    }
}

fn carry_out(
    source: &SnapshotFile,
    request: &Request,
    watching: &Watch<'_>,
) -> Result<Restored, RestoreError> {
    let watch = watching.ended;
    let request = &request.checked()?;
    request.check_places()?;
    let chosen = request.chosen()?;
    let original = original(source, request.skip_hash_check)?;
    let staging = Staging::begin(&request.data_dir, request.wal_dir.as_deref())?;
    watch(Phase::Begun);
    space::check(&staging, original.file, original.body, chosen.len() as u64)?;
    let started = Instant::now();
    let members = request.begin(&staging, &chosen)?;
    let copied = copy_and_check(&original, &request.cluster, &members, watching.stop)?;
    copied.findings.check_version()?;
    let bumped_to = request.bump.target(&copied.findings)?;
    watch(Phase::Copied);
    let copied_at = Instant::now();
    let patch = request.patch(&copied.findings, &members[0], bumped_to)?;
    build::finish(&members, &patch)?;
    watch(Phase::Written);
    let written_at = Instant::now();
    let mut restored = request.report(&staging, &chosen, &copied);
    drop(members);
    restored.bumped_to = bumped_to;
    restored.database_bytes = patch.bytes();
    watching.go_on()?;
    (watching.placing)(&restored);
    watching.go_on()?;
    let heard_at = Instant::now();
    staging.place(watch)?;
    restored.times = Times {
        copied: copied_at - started,
        written: written_at - copied_at,
        placed: heard_at.elapsed(),
    };
    watch(Phase::Placed);
    Ok(restored)
}

/// The revision from which a cluster would go on that is restored from `source` without a
/// bump, and from which a bump by a number counts.
///
/// # Errors
/// What a restore says of the snapshot's pages and its version.
pub fn current_revision<S: Source>(source: &S) -> Result<i64, RestoreError> {
    let findings = Findings::of(source)?;
    findings.check_version()?;
    Ok(findings.current_revision())
}

impl Request {
    /// Refuses places that nothing can be restored to, before anything is read.
    ///
    /// # Errors
    /// [`RestoreError::Place`], or a failure to look.
    pub fn check_places(&self) -> Result<(), RestoreError> {
        place::check(&self.data_dir)?;
        self.wal_dir.as_deref().map_or(Ok(()), place::check)
    }

    /// The same with its members checked and in order, whoever put them together.
    fn checked(&self) -> Result<Self, RestoreError> {
        self.bump.check()?;
        let InitialCluster { members, token } = &self.cluster;
        Ok(Self {
            cluster: InitialCluster::of(members.clone(), token)?,
            ..self.clone()
        })
    }

    /// The members to write, with their ids, in the order of their names.
    fn chosen(&self) -> Result<Vec<(u64, &Member)>, RestoreError> {
        let members = match &self.only {
            Some(name) => vec![self.cluster.member(name)?],
            None => self.cluster.members.iter().collect(),
        };
        let with_id = |member| (self.cluster.member_id(member), member);
        Ok(members.into_iter().map(with_id).collect())
    }

    /// What a member's folder is below one that all share.
    fn folder(&self, shared: PathBuf, member: &Member) -> PathBuf {
        match self.only {
            Some(_) => shared,
            None => shared.join(&member.name),
        }
    }

    /// Makes the members' folders.
    fn begin(
        &self,
        staging: &Staging,
        chosen: &[(u64, &Member)],
    ) -> Result<Vec<Building>, RestoreError> {
        let mut members = Vec::new();
        for (id, member) in chosen {
            let folder = self.folder(staging.data(), member);
            if self.only.is_none() {
                make_folder(&folder)?;
            }
            let wal = staging.logs().map(|(built, _)| self.folder(built, member));
            members.push(Building::begin(*id, &self.cluster, &folder, wal)?);
        }
        Ok(members)
    }

    fn patch(
        &self,
        findings: &Findings,
        first: &Building,
        bump_to: Option<i64>,
    ) -> Result<Patch, RestoreError> {
        let wanted = Wanted {
            cluster: &self.cluster,
            keep_alarms: self.keep_alarms,
            bump_to,
        };
        Ok(Patch::of(findings, first.file(), &wanted)?)
    }

    fn report(&self, staging: &Staging, chosen: &[(u64, &Member)], copied: &Copied) -> Restored {
        let member = |(id, member): &(u64, &Member)| {
            let data_dir = self.folder(staging.data_dir.clone(), member);
            let wal_dir = staging.logs().map(|(_, place)| self.folder(place, member));
            RestoredMember {
                name: member.name.clone(),
                id: *id,
                wal_dir: wal_dir.unwrap_or_else(|| data_dir.join("member/wal")),
                data_dir,
            }
        };
        let alarms = copied.findings.alarms;
        let storage_version = copied.findings.storage_version();
        Restored {
            cluster_id: self.cluster.id(),
            members: chosen.iter().map(member).collect(),
            revision: copied.findings.revision,
            bumped_to: None,
            storage_version: storage_version.map(|(major, minor)| format!("{major}.{minor}")),
            alarms_cleared: if self.keep_alarms { 0 } else { alarms },
            copied_by: copied.first,
            cloned_by: copied.others,
            database_bytes: 0,
            times: Times::default(),
        }
    }
}

/// Looks at the snapshot as far as it can be refused before anything is written.
fn original(source: &SnapshotFile, skip_hash_check: bool) -> Result<Original<'_>, RestoreError> {
    let size = source.size().map_err(SnapshotError::Size)?;
    tree::geometry(source, size)?;
    let mut original = Original {
        file: source.file(),
        body: size,
        trailer: None,
    };
    if has_trailer(size) {
        original.body = size - TRAILER_BYTES;
        if !skip_hash_check {
            let mut trailer = [0; TRAILER_BYTES as usize];
            read(source, &mut trailer, original.body)?;
            original.trailer = Some(trailer);
        }
    } else if !skip_hash_check {
        return Err(RestoreError::TrailerMissing);
    }
    Ok(original)
}
