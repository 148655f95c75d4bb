//! Rules that concern more than one key of a document.

use std::path::Component;

use crate::plugin::Grants;

/// A rule that a document breaks: the path of the key and a predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub path: String,
    pub rule: String,
}

impl Problem {
    pub fn new(path: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            rule: rule.into(),
        }
    }
}

/// A granted folder is named in full, so that what is granted can be read off the
/// document, and without `..`, so that it can be compared.
pub(super) fn folders_absolute(grants: &Grants, path: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, folder) in grants.files.iter().enumerate() {
        let plain = folder
            .directory
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !plain || !folder.directory.is_absolute() {
            problems.push(Problem::new(
                format!("{path}.files[{index}].directory"),
                "must be an absolute path without .., e.g. /var/backups/drydock",
            ));
        }
    }
    problems
}
