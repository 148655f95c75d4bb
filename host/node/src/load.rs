//! Reading the documents that the configuration names: all that can be read, and what is
//! wrong with the rest. What somebody needs decides whether that stops him.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use drydock_core::reason;
use drydock_documents::{
    self as documents, Among, Document, DocumentSet, FILE_BYTES_MAX, FileError, FileErrors, Kind,
    Loaded, Located, Lookup, NodeConfig, Position, Usable, above_limits_max,
};
use drydock_schedule::Timetable;

use super::capabilities::CAPABILITIES;
use super::development;
use super::need::Need;
use crate::LoadError;

/// Folders inside folders that are followed: a repository of schedules is not deeper.
const DEPTH_MAX: usize = 16;

/// The node's configuration, and what is wrong with keys that this need does not use.
pub fn node_config(
    path: &Path,
    need: &Need<'_>,
) -> Result<(Located<NodeConfig>, Vec<FileError>), LoadError> {
    let text = match read(path) {
        Ok(text) => text?,
        Err(error) => {
            return Err(LoadError::Unread {
                path: path.to_owned(),
                why: reason(&error),
            });
        }
    };
    Ok(documents::parse_node_config_without(
        &path.display().to_string(),
        &text,
        need.unused(),
        &CAPABILITIES,
    )?)
}

/// The documents in the configured folders that this need asks for, and what of them is granted
/// by folder.
///
/// # Errors
/// Everything that is wrong with what is needed.
pub fn documents(
    config: &Located<NodeConfig>,
    need: &Need<'_>,
    env: &dyn Lookup,
) -> Result<(Usable, Vec<FileError>), FileErrors> {
    let spec = &config.value.spec;
    let Some(need) = need.documents() else {
        let nothing = Usable {
            set: DocumentSet::default(),
            warnings: Vec::new(),
        };
        return Ok((nothing, Vec::new()));
    };
    let (schedules, unread) = named_documents(config, "spec.schedules", &spec.schedules);
    let (grants, unread_grants) = named_documents(config, "spec.grants", &spec.grants);
    let by_folder = development::expand(config, grants);
    let mut loaded = Loaded::from_folders(schedules, by_folder.grants);
    for (name, error) in by_folder.refused {
        loaded.refuse(Kind::PluginGrant, name.as_str(), error);
    }
    loaded.note_unread(Among::Schedules, unread);
    loaded.note_unread(Among::Grants, unread_grants);
    loaded.read_values(env);
    let mut above = Vec::new();
    for grant in loaded.sound().grants() {
        let errors = above_limits_max(std::iter::once(grant), config);
        above.extend(
            errors
                .into_iter()
                .map(|error| (grant.value.name.to_string(), error)),
        );
    }
    for (name, error) in above {
        loaded.refuse(Kind::PluginGrant, &name, error);
    }
    refuse_timetables(&mut loaded);
    let usable = loaded.take(need).map_err(FileErrors)?;
    Ok((usable, by_folder.in_force))
}

/// Everything under the paths of a key; a path that is not there is told by the line that
/// names it.
fn named_documents(
    config: &Located<NodeConfig>,
    key: &str,
    paths: &[PathBuf],
) -> (Vec<Located<Document>>, Vec<FileError>) {
    let mut there = Vec::new();
    let mut errors = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        match fs::metadata(path) {
            Ok(_) => there.push(path.clone()),
            Err(error) => {
                let rule = format!(
                    "names {}, which cannot be read: {}; make it, or correct the path",
                    path.display(),
                    reason(&error)
                );
                errors.push(config.error(&format!("{key}[{index}]"), rule));
            }
        }
    }
    let (documents, more) = read_documents(&there);
    errors.extend(more);
    (documents, errors)
}

/// Refuses schedules whose crontab line or zone cannot be understood.
pub fn refuse_timetables(loaded: &mut Loaded) {
    let wrong: Vec<_> = loaded
        .sound()
        .schedules()
        .filter_map(|schedule| Some((schedule.value.name.clone(), Timetable::of(schedule).err()?)))
        .collect();
    for (name, error) in wrong {
        loaded.refuse(Kind::Schedule, name.as_str(), error);
    }
}

/// Parses every YAML file under `paths`. What cannot be read comes back all together.
pub fn read_documents(paths: &[PathBuf]) -> (Vec<Located<Document>>, Vec<FileError>) {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for path in paths {
        find(path, DEPTH_MAX, &mut found, &mut errors);
    }
    let mut documents = Vec::new();
    for path in found {
        let parsed = match read(&path) {
            Ok(text) => text.and_then(|text| {
                documents::parse(&path.display().to_string(), &text, &CAPABILITIES)
            }),
            Err(error) => Err(unread(&path, &error)),
        };
        match parsed {
            Ok(parsed) => documents.extend(parsed),
            Err(error) => errors.push(error),
        }
    }
    (documents, errors)
}

/// The files that are read when these paths are named in the configuration.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    find(path, DEPTH_MAX, &mut found, &mut Vec::new());
    found
}

/// The file itself, or every `.yaml` and `.yml` under the folder in the order of names.
/// What begins with a dot is passed over: editors and git keep their own files there.
fn find(path: &Path, depth: usize, found: &mut Vec<PathBuf>, errors: &mut Vec<FileError>) {
    match fs::metadata(path) {
        Ok(kind) if kind.is_file() => return found.push(path.to_owned()),
        Ok(_) => {}
        Err(error) => return errors.push(unread(path, &error)),
    }
    if depth == 0 {
        let message = format!("it lies too deep: {DEPTH_MAX} folders are followed");
        return errors.push(at_start(path, message));
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return errors.push(unread(path, &error)),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && (is_yaml(&path) || may_be_folder(&path)) {
            find(&path, depth - 1, found, errors);
        }
    }
}

/// Whether documents may lie in there: of what cannot be looked at, such as a link to a folder
/// that is not mounted, nobody knows. What went since it was listed is not there.
fn may_be_folder(path: &Path) -> bool {
    let is_gone = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::metadata(path) {
        Ok(kind) => kind.is_dir(),
        Err(_) => !fs::symlink_metadata(path).is_err_and(is_gone),
    }
}

fn unread(path: &Path, error: &io::Error) -> FileError {
    let message = format!(
        "it cannot be read: {}; make it readable, or move it away",
        reason(error)
    );
    at_start(path, message)
}

fn at_start(path: &Path, message: String) -> FileError {
    FileError {
        file: Arc::from(path.display().to_string()),
        at: Position::START,
        message,
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_that_cannot_be_looked_into_is_told_and_not_taken_for_absent() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("notes.txt"), "none of ours").unwrap();
        fs::create_dir(at("team-a")).unwrap();
        symlink("gone", at(".lock")).unwrap();
        let errors = || {
            let (documents, errors) = read_documents(&[folder.path().to_owned()]);
            assert!(documents.is_empty());
            let told = errors.iter().map(ToString::to_string);
            told.collect::<Vec<_>>()
        };
        assert_eq!(errors(), Vec::<String>::new());
        symlink("team-b", at("team-b")).unwrap();
        symlink("not-mounted", at("team-c")).unwrap();
        let told = errors();
        for (told, name) in told.iter().zip(["team-b", "team-c"]) {
            let begin = format!("{}:", at(name).display());
            assert!(told.starts_with(&begin), "{told}");
            assert!(told.contains("it cannot be read: "), "{told}");
        }
        assert_eq!(told.len(), 2);
        // What went since it was listed is nobody's mistake.
        assert!(!may_be_folder(&at("went")));
    }
}
