//! `drydock recovery-point fetch --extract`: unpacks an archive of files into a folder of
//! its own.
//!
//! The plain archive goes into a file without a name, beside the folder; its digests are
//! proven, then the archive itself is checked, then it is unpacked into
//! `DIR.<random>.partial` and renamed to `DIR`. A crash leaves that folder, which nobody
//! holds any more, and the next unpacking into `DIR` removes it.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use drydock_api_types::recovery_point::ExtractedArtifact;
use drydock_archive::{ArchiveCheck, Unpacked, open_folder, unpack};
use drydock_repository::{
    manifest::{Artifact, MediaType},
    recovery_point::Form,
};
use drydock_terminal::print::{self, Output};
use rustix::fs::FlockOperation;

use super::fetch::{named, names, no_file_in, take};
use crate::catalog::Catalog;
use crate::catalog::Found;
use crate::{Context as _, Exit, Failure, Outcome};

/// What the name of an unfinished folder ends in.
const PARTIAL: &str = ".partial";

/// Random characters in that name.
const RANDOM_CHARACTERS: usize = 8;

/// Private keys are in it, whatever the mode of each.
const FOLDER_MODE: u32 = 0o700;

/// Bytes that are checked at once.
const READ_BYTES: usize = 256 * 1024;

/// Problems of an archive that a sentence spells out.
const PROBLEMS_SPELLED_MAX: usize = 3;

/// What is to be unpacked, and where.
pub(super) struct Extraction<'a> {
    pub artifact: &'a Artifact,
    pub form: Form,
    pub into: &'a Path,
    pub owners: bool,
}

/// The folder to be, and the one that it is made in.
struct Site {
    into: PathBuf,
    above: PathBuf,
}

/// A folder under way; removed again unless it is put in place.
struct Partial {
    path: Option<PathBuf>,
    /// Holds the lock that tells that somebody is at it.
    folder: OwnedFd,
}

/// The artifact to unpack: the named one, or the only archive.
pub(super) fn select<'a>(
    artifacts: &'a [Artifact],
    wanted: Option<&str>,
) -> Result<&'a Artifact, Failure> {
    let is_archive = |artifact: &&Artifact| {
        artifact.media_type == MediaType::Tar || artifact.name.ends_with(".tar")
    };
    if let Some(name) = wanted {
        let artifact = named(artifacts, name)?;
        return if is_archive(&artifact) {
            Ok(artifact)
        } else {
            Err(Failure::usage(format!(
                "{} is no archive of files: fetch it with --to",
                artifact.name
            )))
        };
    }
    let archives: Vec<&Artifact> = artifacts.iter().filter(is_archive).collect();
    match archives.as_slice() {
        [artifact] => Ok(artifact),
        [] => Err(Failure::usage(format!(
            "the recovery point holds no archive of files, only {}: fetch it with --to",
            names(artifacts.iter())
        ))),
        several => Err(Failure::usage(format!(
            "the recovery point holds several archives: name one with --artifact, out of {}",
            names(several.iter().copied())
        ))),
    }
}

pub(super) async fn extract(
    output: Output,
    catalog: &Catalog,
    found: &Found,
    extraction: Extraction<'_>,
) -> Outcome {
    let site = Site::of(extraction.into)?;
    site.check()?;
    site.clean()?;
    let artifact = extraction.artifact;
    let file = tempfile::tempfile_in(&site.above)
        .map_err(|error| no_file_in(&site.above, error.kind(), "--extract"))?;
    let fetched = take(catalog, found, artifact, file, extraction.form).await?;
    let (name, owners) = (artifact.name.clone(), extraction.owners);
    let unpacked = tokio::task::spawn_blocking(move || {
        let unpacked = site.fill(&name, fetched.sink, owners)?;
        Ok::<_, Failure>((site, unpacked))
    });
    let (site, unpacked) = unpacked.await.context("the unpacking thread ended")??;
    report(output, artifact, &site.into, &unpacked, owners)
}

impl Site {
    fn of(into: &Path) -> Result<Self, Failure> {
        let named = into.file_name().is_some();
        let into = std::path::absolute(into).map_err(Failure::usage)?;
        let above = into.parent().filter(|_| named).map(Path::to_owned);
        let above = above.ok_or_else(|| {
            Failure::usage(format!(
                "{} cannot be made: give --extract a folder with a name of its own",
                into.display()
            ))
        })?;
        Ok(Self { into, above })
    }

    /// Nothing that exists is written to.
    fn check(&self) -> Result<(), Failure> {
        let place = self.into.display();
        let refused = |why: &str| {
            Err(Failure::failed(format!(
                "{place} {why}: nothing is overwritten; give another --extract"
            )))
        };
        match fs::symlink_metadata(&self.into) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).with_context(|| format!("{place} cannot be looked at")),
            Ok(metadata) if !metadata.is_dir() => refused("exists and is no folder"),
            Ok(_) => match fs::read_dir(&self.into).map(|mut entries| entries.next().is_none()) {
                Ok(true) => Ok(()),
                Ok(false) => refused("is not empty"),
                Err(error) => Err(error).with_context(|| format!("{place} cannot be listed")),
            },
        }
    }

    /// Removes what interrupted unpackings into this folder left.
    fn clean(&self) -> Result<(), Failure> {
        let Ok(entries) = fs::read_dir(&self.above) else {
            // Making a file there says what is wrong with it.
            return Ok(());
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if !self.is_partial(&path) || !is_abandoned(&path) {
                continue;
            }
            fs::remove_dir_all(&path)
                .with_context(|| format!("{} cannot be removed", path.display()))?;
            print::note(&format!(
                "removed {}, which an interrupted fetch had left",
                path.display()
            ));
        }
        Ok(())
    }

    fn is_partial(&self, path: &Path) -> bool {
        let name = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
        };
        let (Some(name), Some(own)) = (name(path), name(&self.into)) else {
            return false;
        };
        let random = name
            .strip_prefix(&own)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_suffix(PARTIAL));
        random.is_some_and(|random| {
            random.len() == RANDOM_CHARACTERS && random.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    }

    /// Checks the archive, unpacks it, and puts the folder in place.
    fn fill(&self, name: &str, mut archive: File, owners: bool) -> Result<Unpacked, Failure> {
        archive.rewind()?;
        check(name, &archive)?;
        archive.rewind()?;
        let mut partial = self.partial()?;
        let place = self.into.display();
        let archive = drydock_node::interrupt::Heeding(archive);
        let unpacked = unpack(archive, partial.folder.as_fd(), owners);
        let unpacked = unpacked
            .map_err(Failure::failed)
            .and_then(|unpacked| self.put(&mut partial).map(|()| unpacked));
        unpacked.map_err(|error| {
            let left = partial.remove();
            Failure::undone(
                format!("{name} cannot be unpacked into {place}{left}"),
                error,
            )
        })
    }

    fn partial(&self) -> Result<Partial, Failure> {
        let name = self.into.file_name().unwrap_or_default().to_string_lossy();
        let made = tempfile::Builder::new()
            .prefix(&format!("{name}."))
            .suffix(PARTIAL)
            .rand_bytes(RANDOM_CHARACTERS)
            .permissions(fs::Permissions::from_mode(FOLDER_MODE))
            .tempdir_in(&self.above)
            .map_err(|error| no_file_in(&self.above, error.kind(), "--extract"))?;
        let folder = open_folder(made.path())?;
        rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)
            .map_err(io::Error::from)?;
        Ok(Partial {
            path: Some(made.keep()),
            folder,
        })
    }

    /// The one step by which the folder is there.
    fn put(&self, partial: &mut Partial) -> Result<(), Failure> {
        if drydock_node::interrupt::asked() {
            return Err(Failure::failed("it was interrupted"));
        }
        let path = partial.path.as_deref().unwrap_or(&self.into);
        fs::rename(path, &self.into).context("the finished folder cannot be renamed")?;
        partial.path = None;
        File::open(&self.above).and_then(|above| above.sync_all())?;
        Ok(())
    }
}

impl Partial {
    /// Removes it, and tells of it where that does not go.
    fn remove(&mut self) -> String {
        let Some(path) = self.path.take() else {
            return String::new();
        };
        match fs::remove_dir_all(&path) {
            Ok(()) => "; nothing is left of it".to_owned(),
            Err(_) => format!("; {} is left of it: remove it", path.display()),
        }
    }
}

/// Whether nobody holds the folder's lock.
fn is_abandoned(path: &Path) -> bool {
    open_folder(path).is_ok_and(|folder| {
        rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
    })
}

/// Nothing is unpacked of an archive that has a problem anywhere.
fn check(name: &str, mut archive: &File) -> Result<(), Failure> {
    let mut check = ArchiveCheck::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match archive.read(&mut buffer)? {
            0 => break,
            count => check.push(&buffer[..count]),
        }
    }
    let summary = check.finish();
    if summary.problems_total == 0 {
        return Ok(());
    }
    let spelled: Vec<&str> = summary
        .problems
        .iter()
        .take(PROBLEMS_SPELLED_MAX)
        .map(String::as_str)
        .collect();
    Err(Failure::failed(format!(
        "{name} was fetched unchanged and is not unpacked, since it is no sound archive ({} problems: {}): look into it with --to and `tar --list`",
        summary.problems_total,
        spelled.join("; ")
    )))
}

fn report(
    output: Output,
    artifact: &Artifact,
    into: &Path,
    unpacked: &Unpacked,
    owners: bool,
) -> Outcome {
    let extracted = ExtractedArtifact {
        artifact: artifact.name.clone(),
        folder: into.display().to_string(),
        files: unpacked.files,
        folders: unpacked.folders,
        links: unpacked.links,
        pipes: unpacked.pipes,
        bytes: unpacked.bytes,
        owners_lost: unpacked.owners_lost,
        attributes_lost: unpacked.attributes_lost,
        devices_left_out: unpacked.devices,
    };
    let row = vec![
        extracted.artifact.clone(),
        extracted.folder.clone(),
        extracted.files.to_string(),
        extracted.folders.to_string(),
        extracted.links.to_string(),
        drydock_core::human_bytes(extracted.bytes),
    ];
    let header = ["ARTIFACT", "FOLDER", "FILES", "FOLDERS", "LINKS", "SIZE"];
    print::rows(output, &extracted, &header, [row])?;
    let warnings = warnings(unpacked, owners);
    warnings.iter().for_each(|warning| print::note(warning));
    print::note(&what_next(into, &unpacked.roots));
    Ok(if warnings.is_empty() {
        Exit::Done
    } else {
        Exit::Degraded
    })
}

fn warnings(unpacked: &Unpacked, owners: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if owners && unpacked.owners_lost > 0 {
        warnings.push(format!(
            "{} entries belong to whoever ran this, since only root can give files away, and have no setuid and setgid bits: run it as root, or say --no-owners if that is meant",
            unpacked.owners_lost
        ));
    }
    if unpacked.attributes_lost > 0 {
        warnings.push(format!(
            "{} extended attributes could not be put back: they need root, or a file system that has them",
            unpacked.attributes_lost
        ));
    }
    if unpacked.devices > 0 {
        warnings.push(format!(
            "{} devices were left out: make them with mknod if they are needed",
            unpacked.devices
        ));
    }
    warnings
}

/// How an operator goes on; nothing goes to its old place by itself.
fn what_next(into: &Path, roots: &[String]) -> String {
    let into = into.display();
    match roots.first() {
        None => format!("everything is in {into}, and nothing was written anywhere else"),
        Some(root) => format!(
            "everything is in {into}, and nothing was written anywhere else: compare with `diff -r {into}/{root} /{root}`, then put in place what is needed, e.g. with `cp -a {into}/{root}/. /{root}/`"
        ),
    }
}
