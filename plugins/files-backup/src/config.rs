//! What the step can be told.

use drydock_plugin_sdk::glob::Glob;
use drydock_plugin_sdk::{Error, name};
use serde::Deserialize;

/// The archive's name when the schedule gives none.
const ARTIFACT_DEFAULT: &str = "files";

/// What every archive's name ends in.
const EXTENSION: &str = ".tar";

/// Folders and patterns of one step; each pattern is held against every file.
const FOLDERS_MAX: usize = 64;
const PATTERNS_MAX: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// The artifact's name, with or without `.tar`.
    pub artifact: String,
    /// Absolute paths of folders, each of them granted for reading.
    pub folders: Vec<String>,
    /// Patterns of what to leave out.
    pub exclude: Vec<String>,
    /// Patterns of files without whose bytes the backup is none.
    pub required: Vec<String>,
    /// Leave out what lies on other file systems that are mounted inside.
    pub one_file_system: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            artifact: ARTIFACT_DEFAULT.to_owned(),
            folders: Vec::new(),
            exclude: Vec::new(),
            required: Vec::new(),
            one_file_system: false,
        }
    }
}

/// A configuration that was checked.
#[derive(Debug)]
pub struct Order {
    /// With its extension.
    pub artifact: String,
    /// Without a `/` at the end.
    pub folders: Vec<String>,
    pub exclude: Vec<Glob>,
    pub required: Vec<Glob>,
    pub one_file_system: bool,
}

impl Config {
    /// # Errors
    /// `bad-configuration`, with what is wrong and how to mend it.
    pub fn check(&self) -> Result<Order, Error> {
        let order = Order {
            artifact: self.artifact_name()?,
            folders: self.folder_list()?,
            exclude: patterns("exclude", &self.exclude)?,
            required: patterns("required", &self.required)?,
            one_file_system: self.one_file_system,
        };
        order.check_reach("exclude", &order.exclude)?;
        order.check_reach("required", &order.required)?;
        Ok(order)
    }

    fn artifact_name(&self) -> Result<String, Error> {
        let stem = self
            .artifact
            .strip_suffix(EXTENSION)
            .unwrap_or(&self.artifact);
        let whole = format!("{stem}{EXTENSION}");
        if !stem.is_empty() && name::is_artifact_name(&whole) {
            return Ok(whole);
        }
        Err(refused(format!(
            "has `artifact: {}`, which cannot name an archive: use letters, digits, `.`, `_` and `-`, and start with a letter, a digit or `_`",
            self.artifact
        )))
    }

    fn folder_list(&self) -> Result<Vec<String>, Error> {
        if self.folders.is_empty() {
            return Err(refused(
                "lacks the key `folders`: list the folders to archive, e.g. `folders: [/etc/kubernetes]`",
            ));
        }
        if self.folders.len() > FOLDERS_MAX {
            return Err(refused(format!("has more than {FOLDERS_MAX} `folders`")));
        }
        let mut folders: Vec<String> = Vec::new();
        for folder in &self.folders {
            let trimmed = folder.strip_suffix('/').unwrap_or(folder);
            check_folder(folder, trimmed)?;
            let overlapping = folders.iter().find(|other| overlap(other, trimmed));
            if let Some(other) = overlapping {
                return Err(refused(format!(
                    "has `{other}` and `{folder}` under `folders`, of which one lies in the other: name the outer one alone"
                )));
            }
            folders.push(trimmed.to_owned());
        }
        Ok(folders)
    }
}

impl Order {
    /// Whether a path, without its first `/`, lies in one of the folders.
    pub fn covers(&self, path: &[u8]) -> bool {
        self.folders.iter().any(|folder| {
            let below = path.strip_prefix(&folder.as_bytes()[1..]);
            below.is_some_and(|below| below.is_empty() || below.starts_with(b"/"))
        })
    }

    /// A pattern that begins at the root has to begin like a folder, or it never matches.
    fn check_reach(&self, key: &str, globs: &[Glob]) -> Result<(), Error> {
        let reaches = |glob: &Glob| {
            let head = glob.text().find(['*', '?', '[']).map_or(glob.text(), |at| {
                let fixed = &glob.text()[..at];
                fixed.rsplit_once('/').map_or("", |(folder, _)| folder)
            });
            self.folders.iter().any(|folder| overlap(folder, head))
        };
        match globs
            .iter()
            .find(|glob| glob.is_absolute() && !reaches(glob))
        {
            None => Ok(()),
            Some(glob) => Err(refused(format!(
                "has `{}` under `{key}`, which lies in none of the `folders`: mend the path, or write it relative to a folder",
                glob.text()
            ))),
        }
    }
}

fn check_folder(folder: &str, trimmed: &str) -> Result<(), Error> {
    let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(char::is_control);
    match trimmed.strip_prefix('/') {
        Some(names) if names.split('/').all(plain) => Ok(()),
        _ => Err(refused(format!(
            "has `{folder}` under `folders`: name a folder by its absolute path, without empty names, `.` or `..`"
        ))),
    }
}

/// Whether one of two absolute paths is the other or lies in it.
fn overlap(one: &str, other: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(one, other) || within(other, one)
}

fn patterns(key: &str, texts: &[String]) -> Result<Vec<Glob>, Error> {
    if texts.len() > PATTERNS_MAX {
        return Err(refused(format!(
            "has more than {PATTERNS_MAX} patterns under `{key}`"
        )));
    }
    let owner = format!("the step's config has under `{key}`");
    texts.iter().map(|text| Glob::parse(&owner, text)).collect()
}

fn refused(what: impl AsRef<str>) -> Error {
    Error::bad_configuration(format!("the step's config {}", what.as_ref()))
}

#[cfg(test)]
mod tests {
    use drydock_plugin_sdk::config::parse;

    use super::*;

    fn check(json: &str) -> Result<Order, Error> {
        parse::<Config>("the step's config", json)?.check()
    }

    #[test]
    fn a_plain_configuration_is_taken() {
        let order = check(r#"{"artifact":"pki","folders":["/etc/kubernetes/","/etc/etcd"],"exclude":["*.tmp","/etc/kubernetes/tmp"],"required":["pki/ca.key","/etc/*/x"]}"#).unwrap();
        assert_eq!(order.artifact, "pki.tar");
        assert_eq!(order.folders, ["/etc/kubernetes", "/etc/etcd"]);
        assert!(!order.one_file_system);
        assert_eq!(
            check(r#"{"folders":["/a"]}"#).unwrap().artifact,
            "files.tar"
        );
        assert_eq!(
            check(r#"{"artifact":"a.tar","folders":["/a"]}"#)
                .unwrap()
                .artifact,
            "a.tar"
        );
    }

    #[test]
    fn slips_are_told_in_one_sentence() {
        let table = [
            (r#"{}"#, "lacks the key `folders`"),
            (
                r#"{"folders":["etc"]}"#,
                "has `etc` under `folders`: name a folder by its absolute path",
            ),
            (r#"{"folders":["/"]}"#, "has `/` under `folders`"),
            (r#"{"folders":["/etc/../x"]}"#, "without empty names"),
            (
                r#"{"folders":["/etc","/etc/kubernetes"]}"#,
                "name the outer one alone",
            ),
            (
                r#"{"folders":["/etc/","/etc"]}"#,
                "name the outer one alone",
            ),
            (
                r#"{"artifact":"a/b","folders":["/etc"]}"#,
                "cannot name an archive",
            ),
            (
                r#"{"artifact":".tar","folders":["/etc"]}"#,
                "cannot name an archive",
            ),
            (
                r#"{"folders":["/etc"],"exclude":["[a"]}"#,
                "has under `exclude` `[a`, which is no pattern",
            ),
            (
                r#"{"folders":["/etc"],"required":["/var/x"]}"#,
                "which lies in none of the `folders`",
            ),
            (
                r#"{"folders":["/etc"],"require":["x"]}"#,
                "did you mean `required`?",
            ),
        ];
        for (json, wanted) in table {
            let error = check(json).unwrap_err();
            assert_eq!(error.code, "bad-configuration");
            assert!(error.message.contains(wanted), "{json}: {}", error.message);
        }
        check(r#"{"folders":["/etc","/etcetera"]}"#).unwrap();
    }
}
