//! `drydock recovery-point fetch`: brings artifacts back as files.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drydock_api_types::recovery_point::FetchedArtifact;
use drydock_core::{ErrorCode, chain, nature::EtcdSection, nearest};
use drydock_repository::{
    Identities, Repository, RepositoryError, Sealing, Sha256,
    manifest::{Artifact, MediaType},
    recovery_point::{Fetched, Form},
};
use drydock_snapshot::{SnapshotError, SnapshotFile};
use drydock_terminal::print;
use tempfile::NamedTempFile;

use super::extract::{self, Extraction};
use crate::args::FetchArgs;
use crate::args::Global;
use crate::catalog::Catalog;
use crate::catalog::Found;
use crate::catalog::Purpose;
use crate::catalog::identities;
use crate::{Context as _, Exit, Failure, Outcome};

pub(super) async fn fetch(global: &Global, asked: FetchArgs) -> Outcome {
    let output = global.output;
    let given = asked.identity.as_deref().map(identities).transpose()?;
    let catalog = Catalog::open(global, &asked.at)?;
    let identities = match given {
        None if !asked.sealed => catalog.identities(None)?,
        given => given,
    };
    let found = catalog.find(&asked.name, Purpose::Use).await?;
    let artifacts = &found.point.manifest.artifacts;
    let wanted = asked.artifact.as_deref();
    if let Some(into) = &asked.extract {
        let artifact = extract::select(artifacts, wanted)?;
        let extraction = Extraction {
            artifact,
            form: plain_form(artifact, identities.as_ref())?,
            into,
            owners: !asked.no_owners,
        };
        return extract::extract(output, &catalog, &found, extraction).await;
    }
    let artifacts = match wanted {
        Some(name) => vec![named(artifacts, name)?],
        None => artifacts.iter().collect(),
    };
    let to = asked.to.as_deref().unwrap_or(Path::new("."));
    one_file_for_one(to, &artifacts)?;
    let _made = MadeFolder::to_be(to);
    let mut fetched = Vec::new();
    for artifact in &artifacts {
        let path = destination(to, artifact, asked.sealed)?;
        let form = form(artifact, identities.as_ref(), asked.sealed)?;
        bring(&catalog, &found, artifact, &path, form).await?;
        fetched.push(FetchedArtifact {
            artifact: artifact.name.clone(),
            file: path.display().to_string(),
        });
    }
    let rows = fetched
        .iter()
        .map(|fetched| vec![fetched.artifact.clone(), fetched.file.clone()]);
    print::rows(output, &fetched, &["ARTIFACT", "FILE"], rows)?;
    Ok(Exit::Done)
}

/// Brings the etcd snapshot of a recovery point into `sink`, plain, with every digest
/// compared; gives the sink back.
pub(crate) async fn snapshot_of<W: Write + Send + 'static>(
    catalog: &Catalog,
    found: &Found,
    identities: Option<&Arc<Identities>>,
    sink: impl FnOnce(&Artifact) -> Result<W, Failure>,
) -> Result<W, Failure> {
    let artifacts = &found.point.manifest.artifacts;
    let is_snapshot = |artifact: &&Artifact| artifact.media_type == MediaType::EtcdSnapshot;
    let Some(artifact) = artifacts.iter().find(is_snapshot) else {
        return Err(Failure::usage(format!(
            "the recovery point holds no etcd snapshot, only {}",
            names(artifacts.iter())
        )));
    };
    let form = plain_form(artifact, identities)?;
    let sink = sink(artifact)?;
    let fetched = take(catalog, found, artifact, sink, form).await?;
    Ok(fetched.sink)
}

/// The one way in which bytes of a recovery point come here.
pub(super) async fn take<W: Write + Send + 'static>(
    catalog: &Catalog,
    found: &Found,
    artifact: &Artifact,
    sink: W,
    form: Form,
) -> Result<Fetched<W>, Failure> {
    Repository::new(&found.target, &catalog.signers)
        .fetch(&found.point, &artifact.name, sink, form)
        .await
        .map_err(|error| Failure::failed(told_of(&error)))
}

/// The artifact of that name, or of that name with an extension.
pub(super) fn named<'a>(artifacts: &'a [Artifact], name: &str) -> Result<&'a Artifact, Failure> {
    if let Some(artifact) = artifacts.iter().find(|artifact| artifact.name == name) {
        return Ok(artifact);
    }
    let stem = |artifact: &Artifact| {
        artifact
            .name
            .rsplit_once('.')
            .map(|(stem, _)| stem.to_owned())
    };
    let fits = |artifact: &&Artifact| stem(artifact).as_deref() == Some(name);
    let fitting: Vec<&Artifact> = artifacts.iter().filter(fits).collect();
    match fitting.as_slice() {
        [artifact] => Ok(artifact),
        [] => {
            let known = names(artifacts.iter());
            let near = nearest(
                name,
                artifacts.iter().map(|artifact| artifact.name.as_str()),
            );
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
            Err(Failure::usage(format!(
                "the recovery point has no artifact {name}: it has {known}{hint}"
            )))
        }
        several => Err(Failure::usage(format!(
            "--artifact {name} could be each of {}: give the whole name",
            names(several.iter().copied())
        ))),
    }
}

pub(super) fn names<'a>(artifacts: impl Iterator<Item = &'a Artifact>) -> String {
    let names: Vec<&str> = artifacts.map(|artifact| artifact.name.as_str()).collect();
    names.join(", ")
}

/// The same for an artifact that has to be opened in any case.
fn plain_form(artifact: &Artifact, identities: Option<&Arc<Identities>>) -> Result<Form, Failure> {
    match (identities, artifact.sealing) {
        (None, Sealing::Age) => Err(Failure::usage(format!(
            "{} is sealed: open it with --identity FILE",
            artifact.name
        ))),
        _ => form(artifact, identities, false),
    }
}

/// In which form an artifact can be handed over with what the operator gave.
fn form(
    artifact: &Artifact,
    identities: Option<&Arc<Identities>>,
    sealed: bool,
) -> Result<Form, Failure> {
    match (identities, sealed, artifact.sealing) {
        (_, true, _) => Ok(Form::Sealed),
        (Some(identities), ..) => Ok(Form::Plain(Arc::clone(identities))),
        (None, false, Sealing::None) => Ok(Form::Plain(Arc::new(Identities::none()))),
        (None, false, Sealing::Age) => Err(Failure::usage(format!(
            "{} is sealed: open it with --identity FILE, or take it as it is with --sealed",
            artifact.name
        ))),
    }
}

/// `--to snapshot.db` means a file, and several artifacts do not go into one.
fn one_file_for_one(to: &Path, artifacts: &[&Artifact]) -> Result<(), Failure> {
    if artifacts.len() < 2 || is_folder(to) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--to {} reads as one file, and the recovery point has {}: choose one of them with \
         --artifact, or name a folder",
        to.display(),
        names(artifacts.iter().copied())
    )))
}

/// A folder that is there, or a name without an extension.
fn is_folder(to: &Path) -> bool {
    to.is_dir() || to.extension().is_none()
}

/// A folder that is about to be made; one that stays empty goes again.
struct MadeFolder(Option<PathBuf>);

impl MadeFolder {
    fn to_be(to: &Path) -> Self {
        Self((is_folder(to) && !to.exists()).then(|| to.to_owned()))
    }
}

impl Drop for MadeFolder {
    fn drop(&mut self) {
        // What holds something is not removed by this.
        let _ = self.0.as_ref().map(fs::remove_dir);
    }
}

/// Where an artifact goes: into a folder under its own name, or to the file itself.
fn destination(to: &Path, artifact: &Artifact, sealed: bool) -> Result<PathBuf, Failure> {
    let name = if sealed {
        &artifact.object
    } else {
        &artifact.name
    };
    let path = if is_folder(to) {
        fs::create_dir_all(to)
            .with_context(|| format!("the folder {} cannot be made", to.display()))?;
        to.join(name)
    } else {
        to.to_owned()
    };
    if path.exists() {
        return Err(Failure::failed(format!(
            "{} exists already: nothing is overwritten; give another --to",
            path.display()
        )));
    }
    Ok(path)
}

/// Fetches into a file without a final name, and gives it the name once every digest
/// was right.
async fn bring(
    catalog: &Catalog,
    found: &Found,
    artifact: &Artifact,
    path: &Path,
    form: Form,
) -> Result<(), Failure> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let temporary =
        NamedTempFile::new_in(folder).map_err(|error| no_file_in(folder, error.kind(), "--to"))?;
    let fetched = take(catalog, found, artifact, temporary, form).await?;
    let mut file: NamedTempFile = fetched.sink;
    file.flush()?;
    file.as_file().sync_all()?;
    if let Some(body) = fetched.plain_body
        && artifact.media_type == MediaType::EtcdSnapshot
    {
        let etcd = found.point.manifest.etcd.as_ref();
        match etcd.and_then(EtcdSection::damage) {
            // It comes back as it was stored, which nobody calls whole.
            Some(damage) => print::note(&format!(
                "warning: {} is fetched as it was stored, and the manifest says that {damage}",
                artifact.name
            )),
            None => look_into(file.path(), &artifact.name, body)?,
        }
    }
    file.persist_noclobber(path)
        .map_err(|error| error.error)
        .with_context(|| format!("{} cannot be created", path.display()))?;
    File::open(folder).and_then(|folder| folder.sync_all())?;
    Ok(())
}

/// An etcd snapshot must be whole inside as well. `body` is the digest of all but its trailer,
/// known from fetching it.
fn look_into(file: &Path, name: &str, body: Sha256) -> Result<(), Failure> {
    let snapshot = SnapshotFile::open(file)?;
    let told = |error: SnapshotError| {
        let found = match error {
            SnapshotError::Damaged(_) => "is not a sound snapshot",
            _ => "cannot be looked into",
        };
        Failure::undone(format!("{name} was fetched unchanged and {found}"), error)
    };
    drydock_snapshot::verify_hashed(&snapshot, body.0)
        .map(|_| ())
        .map_err(told)
}

/// What is wrong with an artifact, and where a good one may be found.
pub(super) fn told_of(error: &RepositoryError) -> String {
    let told = chain(error);
    match error.code() {
        ErrorCode::Corrupt => {
            format!("{told}; use another recovery point, or another target that has this one")
        }
        _ => told,
    }
}

/// A temporary file cannot be made; the error's own text ends with a name that nobody chose.
pub(super) fn no_file_in(folder: &Path, kind: ErrorKind, flag: &str) -> Failure {
    Failure::failed(format!(
        "no file can be made in {}: {}; give another {flag}",
        folder.display(),
        match kind {
            ErrorKind::NotFound => "there is no such folder".to_owned(),
            other => other.to_string(),
        }
    ))
}
