//! The first half of a drill: the bytes. Every artifact is fetched and unsealed, which
//! compares its digests; an archive of files is held against the rules of archives; then
//! the snapshot's pages, trailer and figures against the manifest.

use std::fs::File;
use std::io::{self, Write};

use drydock_api_types::drill::{Phase, Verdict};
use drydock_archive::ArchiveCheck;
use drydock_capability_artifact::spool::unnamed_file;
use drydock_core::chain;
use drydock_core::nature::{EtcdFigures, EtcdSection};
use drydock_repository::{
    RepositoryError, Sha256,
    manifest::{Artifact, MediaType},
    recovery_point::{Fetched, Form},
    seal::UnsealError,
};
use drydock_scratch::{Scratch, ScratchError};
use drydock_snapshot::{
    Limits, ResourceCounts, SnapshotError, SnapshotFile, Survey, verify_hashed,
};

use super::report::Report;
use super::{Asked, DrillError, Stop};
use crate::resources;

/// The plain artifacts of a recovery point, in files without a name.
pub struct Brought {
    pub snapshot: File,
    /// Digest of all but its trailer.
    body: Sha256,
    /// Archives of files, by name.
    pub archives: Vec<(String, File)>,
}

/// What the snapshot's own bytes say.
pub struct Figures {
    pub revision: i64,
    /// All keys, as etcdutl counts them.
    pub keys: u64,
    /// Those that a client of etcd can read: a restore that bumped leaves one without a name.
    pub named_keys: u64,
    pub resources: ResourceCounts,
    pub hash_kv: drydock_snapshot::HashKv,
}

/// Fetches all artifacts.
pub(super) async fn bring(
    asked: &Asked<'_>,
    snapshot: &Artifact,
    scratch: &Scratch,
    report: &mut Report,
) -> Result<Brought, Stop> {
    let mut archives = Vec::new();
    let mut found = None;
    for artifact in &asked.point.manifest.artifacts {
        let file = unnamed(scratch)?;
        let sink = Sink::of(artifact, file);
        let form = Form::Plain(asked.identities.clone());
        let fetched = report.timed(Phase::Fetch, async || {
            asked
                .repository
                .fetch(asked.point, &artifact.name, sink, form)
                .await
        });
        let fetched = judged(fetched.await, artifact, report)?;
        let body = fetched.plain_body;
        let file = fetched.sink.finish(artifact, report);
        if artifact.name == snapshot.name {
            found = body.map(|body| (file, body));
        } else if artifact.media_type == MediaType::Tar {
            archives.push((artifact.name.clone(), file));
        }
    }
    let (snapshot, body) = found.ok_or(DrillError::Stopped)?;
    Ok(Brought {
        snapshot,
        body,
        archives,
    })
}

/// What checks call an artifact: snapshots are named by their date, which says nothing.
fn title(artifact: &Artifact) -> &str {
    match artifact.media_type {
        MediaType::EtcdSnapshot => "snapshot",
        _ => &artifact.name,
    }
}

fn unnamed(scratch: &Scratch) -> Result<File, DrillError> {
    unnamed_file(scratch.path()).map_err(|error| {
        DrillError::Scratch(ScratchError::Scratch {
            folder: scratch.path().to_owned(),
            why: chain(&error),
        })
    })
}

/// Notes how fetching ended. Data that is not what it should be fails the recovery point;
/// everything else is no statement about it.
fn judged(
    fetched: Result<Fetched<Sink>, RepositoryError>,
    artifact: &Artifact,
    report: &mut Report,
) -> Result<Fetched<Sink>, Stop> {
    let what = title(artifact);
    let (stored, opened) = (format!("{what} as stored"), format!("{what} as opened"));
    let error = match fetched {
        Ok(fetched) => {
            report.compare(stored, artifact.sealed.sha256, fetched.sealed.sha256);
            let plain = fetched
                .plain
                .map_or_else(String::new, |m| m.sha256.to_string());
            report.compare(opened, artifact.plain.sha256, plain);
            return Ok(fetched);
        }
        Err(error) => error,
    };
    let sha256 = |of: &Sha256| of.to_string();
    match &error {
        RepositoryError::Damaged { found, .. } => {
            report.note(
                stored,
                sha256(&artifact.sealed.sha256),
                found,
                Verdict::Fail,
            );
        }
        RepositoryError::Missing { .. } => {
            report.note(
                stored,
                sha256(&artifact.sealed.sha256),
                "nothing",
                Verdict::Fail,
            );
        }
        RepositoryError::PlainMismatch { found, .. } => {
            report.note(opened, sha256(&artifact.plain.sha256), found, Verdict::Fail);
        }
        RepositoryError::Unreadable { .. }
        | RepositoryError::Unseal {
            source: UnsealError::Damaged(_),
            ..
        } => {
            report.note(
                opened,
                sha256(&artifact.plain.sha256),
                chain(&error),
                Verdict::Fail,
            );
        }
        _ => return Err(error.into()),
    }
    Err(Stop::Failed)
}

/// Checks the snapshot's structure and compares its figures. Of one that the manifest calls
/// damaged there are none, and nothing proves that it is what was backed up.
pub(super) async fn check(
    asked: &Asked<'_>,
    brought: &Brought,
    report: &mut Report,
) -> Result<Figures, Stop> {
    let etcd = asked.point.manifest.etcd.as_ref();
    if let Some(damage) = etcd.and_then(EtcdSection::damage) {
        let found = damage.to_string();
        report.note("snapshot by its manifest", "sound", found, Verdict::Fail);
        return Err(Stop::Failed);
    }
    let body = brought.body;
    let file = again(&brought.snapshot)?;
    let revision = asked.point.manifest.figures().map(|etcd| etcd.revision);
    let limits = limits(asked);
    let looked = report.timed(Phase::Check, async || {
        tokio::task::spawn_blocking(move || {
            look(&SnapshotFile::of(file, "etcd.db"), body, revision, &limits)
        })
        .await
    });
    let figures = match looked.await.map_err(DrillError::from)? {
        Ok(figures) => figures,
        Err(SnapshotError::Damaged(problems)) => {
            report.note(
                "pages of the snapshot",
                "no problem",
                problems.to_string(),
                Verdict::Fail,
            );
            return Err(Stop::Failed);
        }
        Err(error) => return Err(DrillError::Snapshot(error).into()),
    };
    report.compare("pages of the snapshot", "no problem", "no problem");
    if figures.named_keys == 0 {
        report.nothing_to_compare("the snapshot holds no key, so bringing it back proves nothing");
    }
    if let Some(etcd) = asked.point.manifest.figures() {
        compare(etcd, &figures, report);
    }
    Ok(figures)
}

/// The manifest's figures with those that the bytes have.
fn compare(etcd: &EtcdFigures, figures: &Figures, report: &mut Report) {
    report.compare("revision of the snapshot", etcd.revision, figures.revision);
    report.compare("keys of the snapshot", etcd.total_keys, figures.keys);
    match &etcd.hash_kv {
        // A hash of another revision or compaction cannot be compared with this one.
        Some(hash)
            if hash.hash_revision == figures.hash_kv.hash_revision
                && hash.compact_revision == figures.hash_kv.compact_revision =>
        {
            report.compare("HashKV of the snapshot", hash.hash, figures.hash_kv.hash);
        }
        Some(hash) => report.note(
            "HashKV of the snapshot",
            format!("{} (compacted at {})", hash.hash, hash.compact_revision),
            format!(
                "{} (compacted at {})",
                figures.hash_kv.hash, figures.hash_kv.compact_revision
            ),
            Verdict::Skipped,
        ),
        None => report.note(
            "HashKV of the snapshot",
            "not known to the manifest",
            figures.hash_kv.hash.to_string(),
            Verdict::Skipped,
        ),
    }
    let Some(expected) = &etcd.keys_per_resource else {
        report.note(
            "keys by resource in the snapshot",
            "not counted in the manifest",
            format!("{} resources", figures.resources.resources().len()),
            Verdict::Skipped,
        );
        return;
    };
    let found = resources::named(&figures.resources);
    for line in &expected.named {
        let keys = found.named.iter().find(|of| of.resource == line.resource);
        report.compare(
            format!("{} in the snapshot", line.resource),
            line.keys,
            keys.map_or(0, |of| of.keys),
        );
    }
    let unexpected: u64 = found
        .named
        .iter()
        .filter(|of| {
            !expected
                .named
                .iter()
                .any(|line| line.resource == of.resource)
        })
        .map(|of| of.keys)
        .sum();
    report.compare(
        "other keys in the snapshot",
        expected.other,
        found.other + unexpected,
    );
}

fn limits(asked: &Asked<'_>) -> Limits {
    Limits {
        etcd_prefix: asked.etcd_prefix.clone(),
        ..Limits::default()
    }
}

/// What lies in the snapshot, for `open`, which compares nothing.
pub(super) async fn resources(
    asked: &Asked<'_>,
    snapshot: &File,
) -> Result<ResourceCounts, DrillError> {
    let (file, limits) = (again(snapshot)?, limits(asked));
    let found = tokio::task::spawn_blocking(move || {
        let file = SnapshotFile::of(file, "etcd.db");
        let survey = Survey::of(&file, &limits)?;
        Ok(survey.resource_counts().clone())
    });
    found.await?.map_err(DrillError::Snapshot)
}

/// The walk over the file.
fn look(
    file: &SnapshotFile,
    body: Sha256,
    revision: Option<i64>,
    limits: &Limits,
) -> Result<Figures, SnapshotError> {
    verify_hashed(file, body.0)?;
    let survey = Survey::of(file, limits)?;
    let status = survey.status();
    // One that the manifest invented has no hash; the newest has.
    let hash_kv = match survey.hash_kv(revision) {
        Err(SnapshotError::Compacted { .. } | SnapshotError::Future { .. }) => survey.hash_kv(None),
        other => other,
    };
    Ok(Figures {
        revision: status.revision,
        keys: status.total_key,
        named_keys: status.total_key - u64::from(survey.bumped_to().is_some()),
        resources: survey.resource_counts().clone(),
        hash_kv: hash_kv?,
    })
}

/// Another handle of the same file.
pub fn again(file: &File) -> Result<File, DrillError> {
    file.try_clone()
        .map_err(|source| DrillError::Snapshot(SnapshotError::Size(source)))
}

/// Takes an artifact's plain bytes, and looks at them if they are an archive.
pub(super) struct Sink {
    file: io::BufWriter<File>,
    archive: Option<Box<ArchiveCheck>>,
}

impl Sink {
    fn of(artifact: &Artifact, file: File) -> Self {
        let is_archive = artifact.media_type == MediaType::Tar;
        Self {
            file: io::BufWriter::new(file),
            archive: is_archive.then(|| Box::new(ArchiveCheck::new())),
        }
    }

    fn finish(self, artifact: &Artifact, report: &mut Report) -> File {
        if let Some(archive) = self.archive {
            let summary = archive.finish();
            let name = format!("structure of {}", artifact.name);
            let found = match summary.problems.first() {
                None => "no problem".to_owned(),
                Some(problem) => problem.clone(),
            };
            report.compare(name, "no problem", found);
        }
        // The repository flushed it.
        let (file, _) = self.file.into_parts();
        file
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        if let Some(archive) = &mut self.archive {
            archive.push(&bytes[..count]);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
