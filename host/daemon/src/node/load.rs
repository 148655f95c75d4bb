//! Reading the documents that the configuration names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use anyhow::Context as _;
use drydock_core::files::{
    self, Document, DocumentSet, FILE_BYTES_MAX, FileError, Located, NodeConfig, above_limits_max,
};
use drydock_schedule::Timetable;

use crate::exit::{Failure, reason};

/// Folders inside folders that are followed: a repository of schedules is not deeper.
const DEPTH_MAX: usize = 16;

pub fn node_config(path: &Path) -> Result<Located<NodeConfig>, Failure> {
    let text = match read(path) {
        Ok(text) => text.map_err(Failure::usage)?,
        Err(error) => {
            return Err(Failure::usage(anyhow::anyhow!(
                "the node's configuration {} cannot be read: {}; name another with --config, or make one with `drydock init`",
                path.display(),
                reason(&error)
            )));
        }
    };
    files::parse_node_config(&path.display().to_string(), &text).map_err(Failure::usage)
}

/// The documents in force: everything in the configured folders, checked together.
pub fn documents(config: &Located<NodeConfig>) -> Result<DocumentSet, Failure> {
    let spec = &config.value.spec;
    check_paths(config, "spec.schedules", &spec.schedules)?;
    check_paths(config, "spec.grants", &spec.grants)?;
    let (schedules, mut errors) = read_documents(&spec.schedules)?;
    let (grants, more) = read_documents(&spec.grants)?;
    errors.extend(more);
    if !errors.is_empty() {
        return Err(refused(&errors));
    }
    let set = DocumentSet::from_folders(schedules, grants).map_err(|errors| refused(&errors))?;
    let errors = above_limits_max(set.grants(), config);
    if !errors.is_empty() {
        return Err(refused(&errors));
    }
    check_timetables(&set)?;
    Ok(set)
}

/// Refuses folders and files that are not there, by the line that names them.
fn check_paths(config: &Located<NodeConfig>, key: &str, paths: &[PathBuf]) -> Result<(), Failure> {
    for (index, path) in paths.iter().enumerate() {
        if let Err(error) = fs::metadata(path) {
            let rule = format!(
                "names {}, which cannot be read: {}; make it, or correct the path",
                path.display(),
                reason(&error)
            );
            return Err(Failure::usage(
                config.error(&format!("{key}[{index}]"), rule),
            ));
        }
    }
    Ok(())
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
        match text.and_then(|text| files::parse(&path.display().to_string(), &text)) {
            Ok(parsed) => documents.extend(parsed),
            Err(error) => errors.push(error),
        }
    }
    Ok((documents, errors))
}

/// The files that are read when these paths are named in the configuration.
pub fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    find(path, DEPTH_MAX, &mut found)?;
    Ok(found)
}

/// All mistakes, a line each.
pub fn refused(errors: &[FileError]) -> Failure {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::usage(anyhow::anyhow!(lines.join("\nerror: ")))
}

/// The file itself, or every `.yaml` and `.yml` under the folder in the order of names.
/// What begins with a dot is passed over: editors and git keep their own files there.
fn find(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let kind = fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
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

/// The text of a file; the inner error is one about what it holds.
fn read(path: &Path) -> io::Result<Result<String, FileError>> {
    let name: Arc<str> = Arc::from(path.display().to_string());
    let size = fs::metadata(path)?.len();
    if size > FILE_BYTES_MAX as u64 {
        return Ok(Err(FileError::too_large(&name, size)));
    }
    Ok(String::from_utf8(fs::read(path)?).map_err(|error| {
        let valid_up_to = error.utf8_error().valid_up_to();
        FileError::not_utf8(&name, error.as_bytes(), valid_up_to)
    }))
}
