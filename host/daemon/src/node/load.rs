//! Reading the documents that the configuration names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use drydock_core::files::{
    self, Document, DocumentSet, FILE_BYTES_MAX, FileError, Located, NodeConfig,
};
use drydock_schedule::Timetable;

use crate::exit::Failure;

/// Folders inside folders that are followed: a repository of schedules is not deeper.
const DEPTH_MAX: usize = 16;

pub fn node_config(path: &Path) -> Result<Located<NodeConfig>, Failure> {
    let text = read(path)
        .with_context(|| {
            format!(
                "the node's configuration {} cannot be read; name another with --config",
                path.display()
            )
        })
        .map_err(Failure::usage)?;
    files::parse_node_config(&path.display().to_string(), &text).map_err(Failure::usage)
}

/// The documents in force: everything in the configured folders, checked together.
pub fn documents(config: &NodeConfig) -> Result<DocumentSet, Failure> {
    let spec = &config.spec;
    let (schedules, mut errors) = read_documents(&spec.schedules)?;
    let (grants, more) = read_documents(&spec.grants)?;
    errors.extend(more);
    if !errors.is_empty() {
        return Err(refused(&errors));
    }
    let set = DocumentSet::from_folders(schedules, grants).map_err(|errors| refused(&errors))?;
    check_timetables(&set)?;
    Ok(set)
}

/// Refuses schedules whose crontab line or zone cannot be understood.
pub fn check_timetables(set: &DocumentSet) -> Result<(), Failure> {
    let errors: Vec<FileError> = set
        .schedules()
        .filter_map(|schedule| Timetable::of(schedule).err())
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(refused(&errors))
}

/// Parses every YAML file under `paths`. Mistakes come back all together.
pub fn read_documents(
    paths: &[PathBuf],
) -> Result<(Vec<Located<Document>>, Vec<FileError>), Failure> {
    let mut found = Vec::new();
    for path in paths {
        find(path, DEPTH_MAX, &mut found).map_err(Failure::usage)?;
    }
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    for path in found {
        let text = read(&path)
            .with_context(|| format!("{} cannot be read", path.display()))
            .map_err(Failure::usage)?;
        match files::parse(&path.display().to_string(), &text) {
            Ok(parsed) => documents.extend(parsed),
            Err(error) => errors.push(error),
        }
    }
    Ok((documents, errors))
}

/// All mistakes, a line each.
pub fn refused(errors: &[FileError]) -> Failure {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::usage(anyhow::anyhow!(lines.join("\nerror: ")))
}

/// The file itself, or every `.yaml` and `.yml` under the folder in the order of names.
/// What begins with a dot is passed over: editors and git keep their own files there.
fn find(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let kind = fs::metadata(path).with_context(|| {
        format!(
            "{} is named in the configuration and cannot be read",
            path.display()
        )
    })?;
    if kind.is_file() {
        found.push(path.to_owned());
        return Ok(());
    }
    if depth == 0 {
        anyhow::bail!(
            "{} lies too deep: {DEPTH_MAX} folders are followed",
            path.display()
        );
    }
    let mut entries = fs::read_dir(path)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(|| format!("{} cannot be listed", path.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && (path.is_dir() || is_yaml(&path)) {
            find(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn read(path: &Path) -> anyhow::Result<String> {
    let size = fs::metadata(path)?.len();
    anyhow::ensure!(
        size <= FILE_BYTES_MAX as u64,
        "it has {size} bytes, more than the {FILE_BYTES_MAX} allowed"
    );
    Ok(fs::read_to_string(path)?)
}
