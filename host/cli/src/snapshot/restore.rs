//! `drydock snapshot restore`: data folders of all members, or of one, that etcd can be
//! started on.
//!
//! In order: the flags; the snapshot; what is known of the cluster's revisions
//! ([`memory`]); the folders, hidden; what is bumped to is remembered; the folders come to
//! their places; and what to do now ([`told`]). A crash at any moment leaves no folder whose
//! bump was forgotten; one that was remembered for nothing costs revisions, of which there
//! are enough. A restore of one member alone gets token and bump by its flags, since every
//! machine has to take the same.

mod memory;
mod told;

use std::cell::{Cell, OnceCell};
use std::path::PathBuf;

use super::source::{self, Opened};
use crate::args::BumpRevision;
use crate::args::Global;
use crate::args::RestoreArgs;
use crate::{Exit, Failure, Outcome};
use drydock_node::{Deps, random_hex};
use drydock_snapshot::{
    SnapshotFile,
    restore::{
        BUMP_REVISIONS, Bump, InitialCluster, Request, RestoreError, Restored, Watch,
        current_revision, restore_watched,
    },
};
use drydock_terminal::{interrupt::Interrupts, print};
use memory::{Memory, Remembered};

/// What etcd listens on for its peers where nothing else is said.
const PEER_URL_DEFAULT: &str = "http://localhost:2380";

pub fn restore(global: &Global, args: &RestoreArgs) -> Outcome {
    let (token, is_drawn) = token(args)?;
    let mut request = request(args, &token)?;
    let Opened { file, point } = source::open(global, &args.source, &args.opening)?;
    let memory = Memory::of(global, args, point)?;
    if lacks_agreement(args) {
        return Err(agreement(args, &token, &file, &memory));
    }
    if let Bump::Auto {
        last_known_revision,
    } = &mut request.bump
    {
        *last_known_revision = memory.newest;
    }
    let (restored, remembered) = carry_out(&file, &request, &memory, &global.deps)?;
    told::print(global.output, &request, &restored, &remembered)?;
    if is_drawn {
        print::note(&format!(
            "The token {token} was drawn for this cluster; no other has it."
        ));
    }
    Ok(end(args, &memory, &restored, &remembered))
}

/// Whether every machine would draw a token and count a bump of its own.
fn lacks_agreement(args: &RestoreArgs) -> bool {
    let is_open = args.initial_cluster_token.is_none() || args.bump_revision == BumpRevision::Auto;
    args.name.is_some() && is_open
}

/// The refusal, with what all machines can be given.
fn agreement(args: &RestoreArgs, token: &str, file: &SnapshotFile, memory: &Memory) -> Failure {
    let own = match current_revision(file) {
        Ok(own) => own,
        Err(error) => return refused(file, error),
    };
    let bump = match args.bump_revision {
        BumpRevision::By(0) => "--bump-revision 0".to_owned(),
        BumpRevision::By(by) => format!("--bump-revision {by} --mark-compacted"),
        BumpRevision::Auto => {
            let ahead = memory.newest.unwrap_or(own).saturating_sub(own).max(0);
            let by = BUMP_REVISIONS.saturating_add(ahead.unsigned_abs());
            format!("--bump-revision {by} --mark-compacted")
        }
    };
    memory.doubts.iter().for_each(|doubt| print::note(doubt));
    Failure::usage(format!(
        "with --name each machine restores its own member, and all of them must be given the same token and the same bump: add `--initial-cluster-token {token} {bump}` to the command on every machine, or leave --name out to restore all members here"
    ))
}

/// How it ends: degraded where the bump may be too short, or may be forgotten.
fn end(args: &RestoreArgs, memory: &Memory, restored: &Restored, kept: &Remembered) -> Exit {
    let mut exit = Exit::Done;
    let from = restored.bumped_to.unwrap_or(restored.revision);
    // Where nothing is bumped, the operator has counted.
    let counts = restored.bumped_to.is_some() && args.known_revision.is_none();
    if counts && !memory.doubts.is_empty() {
        memory.doubts.iter().for_each(|doubt| print::note(doubt));
        print::note(&format!(
            "If the cluster ever was beyond revision {from}, restore again with that revision as --known-revision."
        ));
        exit = Exit::Degraded;
    }
    if let Some(known) = memory.newest.filter(|known| *known > from) {
        print::note(&format!(
            "The cluster is known to have been at revision {known}, beyond {from} from which it goes on now: controllers that remember those revisions read on in a history that never was. Restore again with a longer --bump-revision, or leave it out."
        ));
        exit = Exit::Degraded;
    }
    if !kept.failures.is_empty() {
        exit = Exit::Degraded;
    }
    exit
}

/// Restores, and takes everything back at an interrupt. What is bumped to is remembered
/// before the first folder appears.
fn carry_out(
    file: &SnapshotFile,
    request: &Request,
    memory: &Memory,
    deps: &Deps,
) -> Result<(Restored, Remembered), Failure> {
    let _interrupts = Interrupts::heed(Exit::Failed.code())?;
    let phases = Cell::new(0);
    let ended = |_| {
        phases.set(phases.get() + 1);
        deps.crash.after_phase(phases.get());
    };
    let kept = OnceCell::new();
    let placing = |restored: &Restored| {
        kept.get_or_init(|| {
            let remembered = memory.remember(restored, deps.clock.now());
            (remembered, restored.bumped_to)
        });
    };
    let watch = Watch {
        ended: &ended,
        placing: &placing,
        stop: drydock_node::interrupt::asked,
    };
    let restored = restore_watched(file, request, &watch);
    let kept = kept.into_inner();
    match restored {
        Ok(restored) => Ok((restored, kept.map(|(kept, _)| kept).unwrap_or_default())),
        Err(error) => {
            if let Some((kept, Some(bumped_to))) = kept
                && (kept.by_mark || kept.in_journal)
            {
                print::note(&format!(
                    "That a restore bumped to {bumped_to} is remembered although this one did not end: the next one counts from there."
                ));
            }
            Err(refused(file, error))
        }
    }
}

fn refused(file: &SnapshotFile, error: RestoreError) -> Failure {
    match error {
        RestoreError::Snapshot(_) | RestoreError::TrailerMissing | RestoreError::Newer { .. } => {
            Failure::undone(format!("{} is not restored", file.path().display()), error)
        }
        error => error.into(),
    }
}

/// The token that was given; else one that no cluster ever had, and that it was drawn.
fn token(args: &RestoreArgs) -> Result<(String, bool), Failure> {
    if let Some(token) = &args.initial_cluster_token {
        return Ok((token.clone(), false));
    }
    let digits = random_hex::<8>()?;
    Ok((format!("drydock-{digits}"), true))
}

fn request(args: &RestoreArgs, token: &str) -> Result<Request, Failure> {
    let cluster = cluster(args, token)?;
    if let Some(name) = &args.name {
        cluster.member(name)?;
    }
    let request = Request {
        cluster,
        only: args.name.clone(),
        data_dir: data_dir(args)?,
        wal_dir: args.wal_dir.clone(),
        bump: match args.bump_revision {
            BumpRevision::Auto => Bump::Auto {
                last_known_revision: None,
            },
            BumpRevision::By(revisions) => Bump::By {
                revisions,
                mark_compacted: args.mark_compacted,
            },
        },
        keep_alarms: args.keep_alarms,
        skip_hash_check: args.skip_hash_check,
    };
    request.check_places()?;
    Ok(request)
}

/// The cluster as etcdutl understands the flags, except that nothing is made up where no
/// member is named.
fn cluster(args: &RestoreArgs, token: &str) -> Result<InitialCluster, Failure> {
    let cluster = match (&args.initial_cluster, &args.name) {
        (Some(text), _) => InitialCluster::parse(text, token)?,
        (None, Some(name)) => InitialCluster::parse(&format!("{name}={PEER_URL_DEFAULT}"), token)?,
        (None, None) => {
            return Err(Failure::usage(
                "say with --initial-cluster which members to restore, or with --name which one alone",
            ));
        }
    };
    match (&args.initial_advertise_peer_urls, &args.name) {
        (Some(urls), Some(name)) => {
            let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
            cluster.check_advertised(name, &urls)?;
        }
        (Some(_), None) => {
            return Err(Failure::usage(
                "--initial-advertise-peer-urls is about one member: name it with --name, or leave the \
                 flag out to restore all members",
            ));
        }
        (None, _) => {}
    }
    Ok(cluster)
}

fn data_dir(args: &RestoreArgs) -> Result<PathBuf, Failure> {
    match (&args.data_dir, &args.name) {
        (Some(folder), _) => Ok(folder.clone()),
        (None, Some(name)) => Ok(PathBuf::from(format!("{name}.etcd"))),
        (None, None) => Err(Failure::usage(
            "say with --data-dir where the members' folders are to go",
        )),
    }
}
