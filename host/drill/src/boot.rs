//! The second half of a drill: data folders for all members, and real etcd on them.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use drydock_api_types::drill::{Phase, Verdict};
use drydock_node::interrupt;
use drydock_scratch::{
    ScratchError,
    etcd::{Layout, Means, Members, TOKEN},
};
use drydock_snapshot::{
    SnapshotFile,
    restore::{Bump, InitialCluster, Member, Request, RestoreError, Watch, restore_watched},
};

use super::data::{Brought, again};
use super::report::Report;
use super::{Asked, DrillError, Lab, Stop};

/// What a log says of an end that is this machine's fault.
const MACHINE: [&str; 9] = [
    "address already in use",
    "no space left on device",
    "permission denied",
    "cannot allocate memory",
    "too many open files",
    "read-only file system",
    // Its file is for another machine, or it is a program of another name or version.
    "cannot be run",
    "exec format error",
    "flag provided but not defined",
];

/// Restores every member and boots it.
pub(super) async fn members(
    asked: &Asked<'_>,
    lab: &Lab,
    brought: &Brought,
    report: &mut Report,
) -> Result<Members, Stop> {
    let layout = Layout::new(lab.members)?;
    let restored = report.timed(Phase::Restore, async || {
        folders(lab, &layout, &brought.snapshot).await
    });
    let folders = match restored.await {
        Ok(folders) => folders,
        Err(DrillError::Restore(error)) if is_data(&error) => {
            report.note(
                "members written",
                lab.members.to_string(),
                error.to_string(),
                Verdict::Fail,
            );
            return Err(Stop::Failed);
        }
        Err(error) => return Err(error.into()),
    };
    report.compare("members written", lab.members, folders.len());
    asked.enters(Phase::Boot);
    let booted = report.timed(Phase::Boot, async || {
        Members::boot(layout, &folders, &means(asked, lab)).await
    });
    match booted.await {
        Ok(members) => {
            report.compare(
                "members with a leader",
                lab.members,
                members.endpoints().len(),
            );
            report.recovered();
            Ok(members)
        }
        Err(error) if died_of_its_data(&error) => {
            report.note(
                "members with a leader",
                lab.members.to_string(),
                error.to_string(),
                Verdict::Fail,
            );
            Err(Stop::Failed)
        }
        Err(error) => Err(error.into()),
    }
}

fn means<'a>(asked: &Asked<'_>, lab: &'a Lab) -> Means<'a> {
    Means {
        scratch: &lab.scratch,
        nursery: &lab.nursery,
        program: &lab.etcd,
        authority: &lab.authority,
        pair: &lab.pair,
        data_bytes: asked
            .point
            .manifest
            .artifacts
            .iter()
            .map(|a| a.plain.size)
            .sum(),
    }
}

/// Writes the data folders of a layout's members, in its order.
///
/// # Errors
/// [`DrillError::Restore`].
pub async fn folders(
    lab: &Lab,
    layout: &Layout,
    snapshot: &File,
) -> Result<Vec<PathBuf>, DrillError> {
    let members = layout.peers().map(|(name, url)| Member {
        name: name.to_owned(),
        peer_urls: vec![url],
    });
    let request = Request {
        cluster: InitialCluster {
            members: members.collect(),
            token: TOKEN.to_owned(),
        },
        only: None,
        data_dir: lab.scratch.join("members"),
        wal_dir: None,
        // The members have to be what the manifest says, revision for revision.
        bump: Bump::None,
        keep_alarms: false,
        skip_hash_check: false,
    };
    let source = SnapshotFile::of(again(snapshot)?, "etcd.db");
    // The folder stays until nobody writes to it any more, whoever still waits.
    let scratch = lab.scratch.clone();
    let restored = tokio::task::spawn_blocking(move || {
        let _scratch = scratch;
        let watch = Watch {
            ended: &|_| {},
            placing: &|_| {},
            stop: interrupt::asked,
        };
        restore_watched(&source, &request, &watch)
    });
    let restored = restored.await?;
    let restored = restored.map_err(DrillError::Restore)?;
    let folder = |name: &str| {
        let found = restored.members.iter().find(|member| member.name == name);
        found.map(|member| member.data_dir.clone())
    };
    layout
        .peers()
        .map(|(name, _)| folder(name).ok_or(DrillError::Stopped))
        .collect()
}

/// Whether a refusal is about the snapshot and not about this machine.
fn is_data(error: &RestoreError) -> bool {
    match error {
        RestoreError::Snapshot(error) => {
            matches!(error, drydock_snapshot::SnapshotError::Damaged(_))
        }
        RestoreError::TrailerMissing => true,
        _ => false,
    }
}

/// Whether etcd ended by itself and not for want of anything that this machine has.
fn died_of_its_data(error: &ScratchError) -> bool {
    let ScratchError::Ended { exit, why, .. } = error else {
        return false;
    };
    // A signal ends it e.g. since memory ran out.
    let by_signal = exit.signal().is_some();
    let said = why.to_lowercase();
    !by_signal && !MACHINE.iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use std::process::ExitStatus;

    use super::*;

    /// `status` as wait(2) gives it.
    fn ended(status: i32, why: &str) -> ScratchError {
        ScratchError::Ended {
            name: "etcd member-1".to_owned(),
            exit: ExitStatus::from_raw(status),
            why: why.to_owned(),
        }
    }

    #[test]
    fn an_etcd_that_this_machine_ended_says_nothing_of_the_data() {
        let data = ended(
            2 << 8,
            "panic: freepages: failed to get all reachable pages",
        );
        assert!(died_of_its_data(&data));
        for machine in [
            ended(
                1 << 8,
                "listen tcp 127.0.0.1:1: bind: address already in use",
            ),
            ended(1 << 8, "write: No space left on device"),
            ended(
                1 << 8,
                "flag provided but not defined: -quota-backend-bytes",
            ),
            ended(1 << 8, "error: /opt/etcd cannot be run: Exec format error"),
            ended(9, "it said nothing"),
            ScratchError::NoPort,
        ] {
            assert!(!died_of_its_data(&machine), "{machine}");
        }
    }
}
