//! What an operator names when a snapshot is asked for: a file, or a recovery point.
//!
//! A path that exists is a file. Everything else is looked for at the node's targets; what
//! is found there is believed (signature), fetched and unsealed (digests) into a file
//! without a name in the node's state folder, so that it is gone when the process is.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _};
use std::path::{Path, PathBuf};

use drydock_capability_artifact::spool::{free_bytes, unnamed_file};
use drydock_core::RecoveryPointName;
use drydock_node::{Configuration, Need};
use drydock_repository::{names::Folder, recovery_point::RecoveryPoint};
use drydock_scratch::scratch::private;
use drydock_snapshot::SnapshotFile;
use drydock_terminal::print;
use rustix::fs::{Access, access};

use super::live;
use crate::args::Global;
use crate::args::Inside;
use crate::args::Opening;
use crate::catalog;
use crate::catalog::Catalog;
use crate::catalog::Purpose;
use crate::catalog::identities;
use crate::recovery_point::snapshot_of;
use crate::runtime::block_on;
use crate::{Context as _, Failure};

/// The folder of the state folder in which unnamed files are made.
const SCRATCH: &str = "scratch";

/// The word for the cluster itself. A file of that name is `./live`.
pub const LIVE: &str = "live";

/// Room that is left to others on the file system of the state folder.
const SPARE_BYTES: u64 = 64 * 1024 * 1024;

/// A snapshot that was opened.
pub struct Opened {
    pub file: SnapshotFile,
    /// Where it came from, for a recovery point.
    pub point: Option<RecoveryPoint>,
}

/// Opens what the operator named. Blocks; not to be called on a runtime.
///
/// # Errors
/// One sentence when it is neither a file nor a recovery point, or cannot be had.
pub fn open(global: &Global, named: &Path, opening: &Opening) -> Result<Opened, Failure> {
    if fs::symlink_metadata(named).is_ok() {
        return open_file(named);
    }
    let name = point_name(named)?;
    let need = Need::target(opening.at.target.as_deref());
    let node = catalog::node(global, &opening.at, &need)
        .map_err(|failure| neither(named, &failure.to_string()))?;
    block_on(fetch(node, named, name, opening))
}

/// The same for what a verb looks inside: `live` stands for the cluster itself.
///
/// # Errors
/// As [`open`], or when no member gives a snapshot.
pub fn open_inside(global: &Global, named: &Path, inside: &Inside) -> Result<Opened, Failure> {
    if named == Path::new(LIVE) {
        return live::open(global, inside);
    }
    open(global, named, &inside.opening)
}

fn open_file(path: &Path) -> Result<Opened, Failure> {
    if path.is_dir() {
        return Err(Failure::usage(format!(
            "{} is a folder: name a snapshot file, or a recovery point",
            path.display()
        )));
    }
    // Opening a FIFO waits for whoever writes into it, and none of these can be read twice.
    let kind = fs::metadata(path).map(|found| found.file_type());
    if kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket() || kind.is_char_device()) {
        return Err(Failure::usage(format!(
            "{} is no file: write what comes out of it into one, and name that",
            path.display()
        )));
    }
    Ok(Opened {
        file: SnapshotFile::open(path)?,
        point: None,
    })
}

/// The name, if a recovery point could have it.
fn point_name(named: &Path) -> Result<RecoveryPointName, Failure> {
    let name = named.to_str().map(RecoveryPointName::new);
    let cluster = drydock_core::ClusterName::new("any");
    name.filter(|name| Folder::new(&cluster, name).is_ok())
        .ok_or_else(|| {
            Failure::failed(format!(
                "there is no file {}, and no recovery point can have that name",
                named.display()
            ))
        })
}

fn neither(named: &Path, why: &str) -> Failure {
    let named = named.display();
    Failure::usage(format!(
        "there is no file {named}, and a recovery point {named} cannot be looked for: {why}"
    ))
}

/// Fetches a recovery point's snapshot into a file without a name.
async fn fetch(
    node: Configuration,
    named: &Path,
    name: RecoveryPointName,
    opening: &Opening,
) -> Result<Opened, Failure> {
    let scratch = scratch_folder(&node);
    let given = opening.identity.as_deref().map(identities).transpose()?;
    let catalog = Catalog::over(node, &opening.at, false)?;
    let identities = match given {
        None => catalog.identities(None)?,
        given => given,
    };
    let found = catalog.find(name.as_str(), Purpose::Use).await?;
    print::note(&format!(
        "fetching {} from {}",
        found.point.manifest.recovery_point, found.target_name
    ));
    let file = snapshot_of(&catalog, &found, identities.as_ref(), |artifact| {
        unnamed_with_room(&scratch, artifact.plain.size)
    });
    let file = file.await?;
    Ok(Opened {
        file: SnapshotFile::of(file, named),
        point: Some(found.point),
    })
}

/// A file without a name in `folder`, which is made if absent, with room for `bytes`.
pub fn unnamed_with_room(folder: &Path, bytes: u64) -> Result<File, Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let free = free_bytes(folder)?;
    if free < bytes.saturating_add(SPARE_BYTES) {
        return Err(Failure::failed(format!(
            "{} has {} free, and the snapshot takes {}: make room there, or move `state:` of the node's configuration, or TMPDIR where --target-folder is given",
            folder.display(),
            drydock_core::human_bytes(free),
            drydock_core::human_bytes(bytes)
        )));
    }
    Ok(unnamed_file(folder)?)
}

/// The folder for unnamed files: the node's, or the one for temporary files where this user
/// may not write there. What has no name is nobody else's to read in either.
pub fn scratch_folder(node: &Configuration) -> PathBuf {
    let own = node.state().join(SCRATCH);
    let is_ours = private(&own, true).is_ok() && access(&own, Access::WRITE_OK).is_ok();
    if is_ours {
        own
    } else {
        tempfile::env::temp_dir()
    }
}
