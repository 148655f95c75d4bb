//! `drydock snapshot`: looks into a snapshot file, without any server.

use std::path::Path;

use anyhow::Context as _;
use drydock_snapshot::{Problems, SnapshotError, SnapshotFile, Status};
use serde_json::json;

use super::args::{Output, SnapshotVerb};
use super::print;
use crate::exit::{Exit, Failure, Outcome};

/// Column heads of `etcdutl snapshot status`, in capitals as kubectl writes them.
pub const STATUS_HEADER: [&str; 5] = ["HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE", "VERSION"];

pub fn dispatch(output: Output, verb: &SnapshotVerb) -> Outcome {
    match verb {
        SnapshotVerb::Status { file } => status(output, file),
        SnapshotVerb::Verify { file } => verify(output, file),
        SnapshotVerb::Hashkv { file, revision } => hashkv(output, file, *revision),
    }
}

fn status(output: Output, path: &Path) -> Outcome {
    let file = SnapshotFile::open(path)?;
    let status = drydock_snapshot::status(&file)
        .with_context(|| format!("{} has no status", path.display()))?;
    print::rows(output, &status, &STATUS_HEADER, [status_row(&status)])?;
    Ok(Exit::Done)
}

/// The cells of a status as etcdutl shows them.
pub fn status_row(status: &Status) -> Vec<String> {
    vec![
        format!("{:x}", status.hash),
        status.revision.to_string(),
        status.total_key.to_string(),
        print::human_bytes(status.total_size.unsigned_abs()),
        status.version.clone(),
    ]
}

fn hashkv(output: Output, path: &Path, revision: Option<i64>) -> Outcome {
    let file = SnapshotFile::open(path)?;
    let hash = drydock_snapshot::hash_kv(&file, revision)
        .with_context(|| format!("{} has no such hash", path.display()))?;
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

fn verify(output: Output, path: &Path) -> Outcome {
    let file = SnapshotFile::open(path)?;
    match drydock_snapshot::verify(&file) {
        Ok(_) => {
            tell(output, path, &Problems::default())?;
            Ok(Exit::Done)
        }
        Err(SnapshotError::Damaged(problems)) => {
            tell(output, path, &problems)?;
            Ok(Exit::Failed)
        }
        Err(error) => Err(Failure::failed(
            anyhow::Error::new(error).context(format!("{} cannot be verified", path.display())),
        )),
    }
}

fn tell(output: Output, path: &Path, problems: &Problems) -> Result<(), serde_json::Error> {
    let listed: Vec<String> = problems.listed().iter().map(ToString::to_string).collect();
    let verdict = if problems.is_empty() {
        "sound"
    } else {
        "damaged"
    };
    let value = json!({
        "file": path,
        "verdict": verdict,
        "problems": problems.total(),
        "listed": listed,
    });
    let row = vec![
        path.display().to_string(),
        verdict.to_owned(),
        problems.total().to_string(),
    ];
    print::rows(output, &value, &["FILE", "VERDICT", "PROBLEMS"], [row])?;
    for problem in &listed {
        print::note(&format!("{}: {problem}", path.display()));
    }
    Ok(())
}
