//! Rules that concern more than one key of a document.

use std::path::Component;

use drydock_core::plugin::{Grants, SecretGrant, SecretPower};

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

/// What single entries of grants cannot show.
pub(super) fn grant_problems(grants: &Grants, path: &str) -> Vec<Problem> {
    let mut problems = folders_absolute(grants, path);
    problems.extend(keys_clear(grants, path));
    problems
}

/// Two ways to sign with one secret: which one a plugin means could only be guessed.
fn keys_clear(grants: &Grants, path: &str) -> Vec<Problem> {
    let signs = |power: &SecretPower| matches!(power, SecretPower::Sign(_));
    let mut problems = Vec::new();
    for (index, grant) in grants.secret.iter().enumerate() {
        let earlier = &grants.secret[..index];
        let again = |other: &SecretGrant| other.name == grant.name && signs(&other.power);
        if signs(&grant.power) && earlier.iter().any(again) {
            problems.push(Problem::new(
                format!("{path}.secret[{index}]"),
                format!(
                    "grants signing with {} a second time; give the step the key under a second name",
                    grant.name
                ),
            ));
        }
    }
    problems
}

/// A granted folder is named in full, so that what is granted can be read off the
/// document, and without `..`, so that it can be compared.
fn folders_absolute(grants: &Grants, path: &str) -> Vec<Problem> {
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
