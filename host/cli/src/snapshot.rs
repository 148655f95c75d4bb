//! `drydock snapshot`: looks into snapshots, files or recovery points, and restores them,
//! without any server.

mod diff;
mod get;
mod history;
mod live;
mod ls;
mod objects;
mod restore;
pub mod source;

use std::path::Path;

use drydock_api_types::snapshot::{SnapshotCheck, SnapshotHashKv, SnapshotStatus, SnapshotVerdict};
use drydock_core::nature::EtcdSection;
use drydock_snapshot::{Limits, Problems, SnapshotError, SnapshotFile, Status};
use drydock_terminal::print::{self, Output};

use super::args::{Global, Inside, SnapshotVerb};
use crate::{Context as _, Exit, Outcome};

use source::Opened;

/// Column heads of `etcdutl snapshot status`, in capitals as kubectl writes them.
pub const STATUS_HEADER: [&str; 5] = ["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION"];

pub fn dispatch(global: &Global, verb: &SnapshotVerb) -> Outcome {
    let output = global.output;
    let open = |source: &Path, opening| source::open(global, source, opening);
    match verb {
        SnapshotVerb::Status { source, opening } => status(output, &open(source, opening)?.file),
        SnapshotVerb::Verify { source, opening } => verify(output, &open(source, opening)?),
        SnapshotVerb::Hashkv {
            source,
            opening,
            revision,
        } => hashkv(output, &open(source, opening)?.file, *revision),
        SnapshotVerb::Restore(args) => restore::restore(global, args),
        SnapshotVerb::Ls(asked) => ls::ls(global, asked),
        SnapshotVerb::Get(asked) => get::get(global, asked),
        SnapshotVerb::History(asked) => history::history(global, asked),
        SnapshotVerb::Diff(asked) => diff::diff(global, asked),
    }
}

/// How much looking inside may take: past it, keys (never values) go to an unnamed file.
fn limits(inside: &Inside) -> Limits {
    Limits {
        spill_folder: Some(tempfile::env::temp_dir()),
        etcd_prefix: inside.etcd_prefix.clone(),
        ..Limits::default()
    }
}

fn status(output: Output, file: &SnapshotFile) -> Outcome {
    let status = drydock_snapshot::status(file)
        .with_context(|| format!("{} has no status", file.path().display()))?;
    let status = SnapshotStatus {
        hash: status.hash,
        revision: status.revision,
        total_key: status.total_key,
        total_size: status.total_size,
        version: status.version,
    };
    print::rows(output, &status, &STATUS_HEADER, [status_row(&status)])?;
    Ok(Exit::Done)
}

/// The cells of a status as etcdutl shows them.
pub fn status_row(status: &SnapshotStatus) -> Vec<String> {
    vec![
        format!("{:x}", status.hash),
        status.revision.to_string(),
        status.total_key.to_string(),
        drydock_core::human_bytes(status.total_size.unsigned_abs()),
        status.version.clone(),
    ]
}

fn hashkv(output: Output, file: &SnapshotFile, revision: Option<i64>) -> Outcome {
    let hash = drydock_snapshot::hash_kv(file, revision)
        .with_context(|| format!("{} has no such hash", file.path().display()))?;
    let hash = SnapshotHashKv {
        hash: hash.hash,
        hash_revision: hash.hash_revision,
        compact_revision: hash.compact_revision,
    };
    let row = vec![
        format!("{:x}", hash.hash),
        hash.hash_revision.to_string(),
        hash.compact_revision.to_string(),
    ];
    print::rows(
        output,
        &hash,
        &["HASH", "HASH REVISION", "COMPACT REVISION"],
        [row],
    )?;
    Ok(Exit::Done)
}

fn verify(output: Output, opened: &Opened) -> Outcome {
    let path = opened.file.path();
    let check = match drydock_snapshot::verify(&opened.file) {
        Ok(verified) => against_manifest(opened, &verified.status),
        Err(SnapshotError::Damaged(problems)) => damaged(path, &problems),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be verified", path.display()));
        }
    };
    let row = vec![
        check.file.clone(),
        check.verdict.word().to_owned(),
        check.problems.to_string(),
    ];
    print::rows(output, &check, &["FILE", "VERDICT", "PROBLEMS"], [row])?;
    for problem in &check.listed {
        print::note(&format!("{}: {problem}", check.file));
    }
    Ok(if check.problems == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn sound(path: &Path) -> SnapshotCheck {
    SnapshotCheck {
        file: path.display().to_string(),
        verdict: SnapshotVerdict::Sound,
        problems: 0,
        listed: Vec::new(),
    }
}

fn damaged(path: &Path, problems: &Problems) -> SnapshotCheck {
    SnapshotCheck {
        verdict: match problems.not_etcd() {
            Some(_) => SnapshotVerdict::NotEtcd,
            None => SnapshotVerdict::Damaged,
        },
        problems: problems.total(),
        listed: problems.listed().iter().map(ToString::to_string).collect(),
        ..sound(path)
    }
}

/// A sound snapshot of a recovery point must have the figures of the manifest as well.
fn against_manifest(opened: &Opened, status: &Status) -> SnapshotCheck {
    let sound = sound(opened.file.path());
    let manifest = opened.point.as_ref().map(|point| &point.manifest);
    let etcd = match manifest.and_then(|manifest| manifest.etcd.as_ref()) {
        None => return sound,
        Some(EtcdSection::Sound(etcd)) => etcd,
        Some(EtcdSection::Damaged(etcd)) => {
            let damage = &etcd.damage;
            return otherwise(sound, format!("the manifest says that {damage}"));
        }
    };
    let said = (etcd.revision, etcd.hash, etcd.total_keys);
    let found = (status.revision, status.hash, status.total_key);
    if said == found {
        return sound;
    }
    let told = |(revision, hash, keys): (i64, u32, u64)| {
        format!("revision {revision}, hash {hash:x} and {keys} keys")
    };
    let (said, found) = (told(said), told(found));
    otherwise(
        sound,
        format!("the manifest says {said} and the snapshot has {found}"),
    )
}

/// The one thing that is wrong with a snapshot whose bytes are sound.
fn otherwise(sound: SnapshotCheck, problem: String) -> SnapshotCheck {
    SnapshotCheck {
        verdict: SnapshotVerdict::Damaged,
        problems: 1,
        listed: vec![problem],
        ..sound
    }
}
