//! Grants of folders of this node.

use std::path::{Component, Path, PathBuf};

use drydock_core::capability::GrantProblem;
use drydock_core::{Grant, Power, Reach};
use serde::{Deserialize, Serialize};

/// What may be done in a folder. `Write` includes reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    Read,
    Write,
}

/// A folder that a plugin may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderGrant {
    /// Absolute.
    pub directory: PathBuf,
    pub access: Access,
}

/// The calls that change nothing.
const READING: &[&str] = &[
    "open",
    "is-mounted",
    "read-range",
    "read-bytes",
    "sha256",
    "compare",
    "size",
    "list",
    "free",
    "walk",
    "next",
    "skip",
    "look",
    "append",
];

/// To look, and to hand bytes on.
pub const READ: Power = Power {
    word: "files.read",
    line: "files: [{directory: /the/folder, access: read}]",
    reach: Reach::Reads,
    discloses: true,
    functions: READING,
    also: &[],
    reading: None,
};

/// To write as well.
pub const WRITE: Power = Power {
    word: "files.write",
    line: "files: [{directory: /the/folder, access: write}]",
    reach: Reach::Writes,
    discloses: true,
    functions: &["write-at", "write-bytes-at", "sync", "publish", "remove"],
    also: READING,
    reading: Some(&READ),
};

impl FolderGrant {
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, access: Access) -> Self {
        Self {
            directory: directory.into(),
            access,
        }
    }
}

impl Grant for FolderGrant {
    const NAME: &'static str = "files";
    const POWERS: &'static [Power] = &[READ, WRITE];

    /// The inner folder, with the lesser access.
    fn common(&self, ceiling: &Self) -> Option<Self> {
        let inner: &Path = if self.directory.starts_with(&ceiling.directory) {
            &self.directory
        } else if ceiling.directory.starts_with(&self.directory) {
            &ceiling.directory
        } else {
            return None;
        };
        Some(Self::new(inner, self.access.min(ceiling.access)))
    }

    fn allows(&self, power: &Power) -> bool {
        *power == READ || (*power == WRITE && self.access == Access::Write)
    }

    fn part(&self, asked: &[&'static Power]) -> Option<Self> {
        let asks = |power| asked.iter().any(|asked| **asked == power);
        let access = if asks(WRITE) {
            Access::Write
        } else if asks(READ) {
            Access::Read
        } else {
            return None;
        };
        Some(Self::new(&self.directory, self.access.min(access)))
    }

    fn reading(&self) -> Option<Self> {
        Some(Self::new(&self.directory, Access::Read))
    }

    fn words(&self) -> String {
        let access = match self.access {
            Access::Read => "read",
            Access::Write => "write",
        };
        format!("{access} {}", self.directory.display())
    }

    /// A granted folder is named in full, so that what is granted can be read off the
    /// document, and without `..`, so that it can be compared.
    fn problems(entries: &[Self]) -> Vec<GrantProblem> {
        let mut problems = Vec::new();
        for (index, folder) in entries.iter().enumerate() {
            let mut parts = folder.directory.components();
            let plain = parts.all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
            if !plain || !folder.directory.is_absolute() {
                problems.push(GrantProblem::new(
                    format!("[{index}].directory"),
                    "must be an absolute path without .., e.g. /var/backups/drydock",
                ));
            }
        }
        problems
    }

    fn hint(asked: &[&'static Power]) -> String {
        let writes = asked.iter().any(|power| **power == WRITE);
        let access = if writes { "write" } else { "read" };
        format!("e.g. {{directory: /the/folder, access: {access}}}")
    }
}
