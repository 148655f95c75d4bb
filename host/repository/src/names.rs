//! Object names under a target, and what a name may be made of. `docs/format.md`
//! promises the layout:
//!
//! ```text
//! <cluster>/<recovery point>/<artifact>.<16 hex>.zst.age   (or .zst)
//! <cluster>/<recovery point>/manifest.<16 hex>.minisig
//! <cluster>/<recovery point>/manifest.json
//! drydock-target.json
//! ```

use drydock_core::{ClusterName, RecoveryPointName};

use crate::digest::Sha256;
use crate::seal::Sealing;

/// The object whose creation commits a recovery point.
pub const MANIFEST: &str = "manifest.json";

/// The object that tells one target from another.
pub const TARGET: &str = "drydock-target.json";

/// Where a probe works, beside the folders of clusters. Each probe has a folder of its own
/// in it, so that two at once do not meet.
pub const PROBE_FOLDER: &str = "drydock-probe";

/// Longest artifact name: with suffix and extension it stays below the 255 bytes that
/// common file systems allow for a name.
pub const ARTIFACT_NAME_BYTES_MAX: usize = 128;

/// Longest name of a cluster or a recovery point: it is one folder name.
pub const FOLDER_NAME_BYTES_MAX: usize = 255;

/// Hex digits that tell one attempt's object from another's.
pub const SUFFIX_DIGITS: usize = 16;

/// A name that cannot stand in an object key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {name:?} cannot be part of an object's name: use 1 to {bytes_max} letters, digits, `.`, `_` or `-`, not starting with `.` or `-`"
)]
pub struct NameError {
    what: &'static str,
    name: String,
    bytes_max: usize,
}

/// A recovery point's place under a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Folder {
    cluster: ClusterName,
    name: RecoveryPointName,
}

impl Folder {
    /// # Errors
    /// When one of the names cannot stand in an object key.
    pub fn new(cluster: &ClusterName, name: &RecoveryPointName) -> Result<Self, NameError> {
        check("cluster", cluster.as_str(), FOLDER_NAME_BYTES_MAX)?;
        check("recovery point", name.as_str(), FOLDER_NAME_BYTES_MAX)?;
        Ok(Self {
            cluster: cluster.clone(),
            name: name.clone(),
        })
    }

    #[must_use]
    pub fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    #[must_use]
    pub fn name(&self) -> &RecoveryPointName {
        &self.name
    }

    /// The full key of a file inside this recovery point.
    #[must_use]
    pub fn object(&self, file: &str) -> String {
        format!("{}/{}/{file}", self.cluster, self.name)
    }

    /// The full key of the manifest.
    #[must_use]
    pub fn manifest(&self) -> String {
        self.object(MANIFEST)
    }

    /// The full key of the signature over a manifest with this digest.
    #[must_use]
    pub fn signature(&self, manifest: &Sha256) -> String {
        self.object(&signature_file(manifest))
    }

    /// The folder and the file of a full key; none when the key is not one of ours.
    #[must_use]
    pub fn split(key: &str) -> Option<(Self, &str)> {
        let mut parts = key.split('/');
        let (cluster, name, file) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || file.is_empty() {
            return None;
        }
        let folder = Self::new(&ClusterName::new(cluster), &RecoveryPointName::new(name));
        Some((folder.ok()?, file))
    }
}

/// What may lie at a place that could not be looked into, going by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Every recovery point of a cluster.
    Cluster(String),
    /// A recovery point, or part of one.
    Point(Folder),
    /// Nothing of ours: no name of ours is such a one.
    Foreign,
}

impl Behind {
    /// `path` is a key, or leads to one; a folder's has `/` at its end.
    pub fn of(path: &str) -> Self {
        let is_folder = path.ends_with('/');
        let names: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        match names.as_slice() {
            [cluster] if is_name(cluster) => Self::Cluster((*cluster).to_owned()),
            [cluster, point] => Self::of_point(cluster, point),
            // A folder in a recovery point's folder holds nothing that a manifest names.
            [cluster, point, file] if !is_folder && is_name(file) => Self::of_point(cluster, point),
            _ => Self::Foreign,
        }
    }

    fn of_point(cluster: &str, point: &str) -> Self {
        let folder = Folder::new(&ClusterName::new(cluster), &RecoveryPointName::new(point));
        match folder {
            Ok(folder) if due_stamp(point).is_some() => Self::Point(folder),
            _ => Self::Foreign,
        }
    }
}

/// What of a key that is none of ours is to be named: the first part of it that has no name
/// of ours, or else the whole.
pub(crate) fn foreign_part(key: &str) -> Option<&str> {
    let probed = key.strip_prefix(PROBE_FOLDER);
    let is_ours = Folder::split(key).is_some()
        || key == TARGET
        || probed.is_some_and(|rest| rest.starts_with('/'));
    if is_ours {
        return None;
    }
    let mut end = 0;
    for name in key.split('/') {
        end += name.len();
        if !is_name(name) {
            return Some(&key[..end]);
        }
        end += 1;
    }
    Some(key)
}

fn is_name(name: &str) -> bool {
    check("name", name, FOLDER_NAME_BYTES_MAX).is_ok()
}

/// The instant in a recovery point's name, e.g. `20260102T030405Z`.
#[must_use]
pub fn due_stamp(name: &str) -> Option<&str> {
    name.rsplit('.').find(|part| {
        let bytes = part.as_bytes();
        bytes.len() == 16
            && bytes[8] == b'T'
            && bytes[15] == b'Z'
            && bytes[..8]
                .iter()
                .chain(&bytes[9..15])
                .all(u8::is_ascii_digit)
    })
}

/// File name of the signature over a manifest with this digest.
#[must_use]
pub fn signature_file(manifest: &Sha256) -> String {
    format!("manifest.{}.minisig", manifest.short())
}

/// File name of a sealed artifact. `suffix` is 16 hex digits chosen at random for each
/// output, so that a dead attempt never blocks a live one.
///
/// # Errors
/// When the artifact's name or the suffix is not as the layout wants it.
pub fn artifact_file(artifact: &str, suffix: &str, sealing: Sealing) -> Result<String, NameError> {
    check_artifact(artifact)?;
    if !is_suffix(suffix) {
        return Err(NameError {
            what: "suffix",
            name: suffix.to_owned(),
            bytes_max: SUFFIX_DIGITS,
        });
    }
    Ok(format!("{artifact}.{suffix}.{}", sealing.extension()))
}

/// Judges an artifact's name.
///
/// # Errors
/// When it cannot be part of an object's name.
pub fn check_artifact(name: &str) -> Result<(), NameError> {
    check("artifact", name, ARTIFACT_NAME_BYTES_MAX)
}

/// Whether `file` is a name that [`artifact_file`] gives for this artifact.
#[must_use]
pub fn is_artifact_file(file: &str, artifact: &str, sealing: Sealing) -> bool {
    file.strip_prefix(artifact)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(sealing.extension()))
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(is_suffix)
}

fn is_suffix(text: &str) -> bool {
    text.len() == SUFFIX_DIGITS
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn check(what: &'static str, name: &str, bytes_max: usize) -> Result<(), NameError> {
    let fits = (1..=bytes_max).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if fits {
        return Ok(());
    }
    Err(NameError {
        what,
        name: name.chars().take(bytes_max).collect(),
        bytes_max,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_their_folder_are_refused() {
        for name in ["", "..", ".hidden", "-x", "a/b", "a\\b", "a\0", "ü", "a b"] {
            assert!(check_artifact(name).is_err(), "{name:?}");
            let cluster = ClusterName::new(name);
            assert!(Folder::new(&cluster, &RecoveryPointName::new("x")).is_err());
        }
        assert!(check_artifact(&"a".repeat(128)).is_ok());
        assert!(check_artifact(&"a".repeat(129)).is_err());
    }

    #[test]
    fn an_artifact_file_is_recognised_for_its_own_artifact_only() {
        let file = artifact_file("etcd.db", "0123456789abcdef", Sealing::Age).unwrap();
        assert_eq!(file, "etcd.db.0123456789abcdef.zst.age");
        assert!(is_artifact_file(&file, "etcd.db", Sealing::Age));
        assert!(!is_artifact_file(&file, "etcd.db", Sealing::None));
        assert!(!is_artifact_file(&file, "etcd", Sealing::Age));
        assert!(artifact_file("etcd.db", "0123456789ABCDEF", Sealing::Age).is_err());
    }

    #[test]
    fn a_name_tells_what_may_be_behind_it() {
        let point = "s1.20260102T030405Z";
        let folder = Folder::new(&ClusterName::new("c1"), &RecoveryPointName::new(point)).unwrap();
        for (path, behind) in [
            ("c1/", Behind::Cluster("c1".to_owned())),
            ("c1", Behind::Cluster("c1".to_owned())),
            ("lost+found/", Behind::Foreign),
            ("#recycle/", Behind::Foreign),
            (".snapshot/", Behind::Foreign),
            ("@eaDir/", Behind::Foreign),
            ("System Volume Information/", Behind::Foreign),
            ("c1/lost+found/", Behind::Foreign),
            ("c1/tmp/", Behind::Foreign),
            ("c1/s1.20260102T030405Z/", Behind::Point(folder.clone())),
            ("c1/s1.20260102T030405Z", Behind::Point(folder.clone())),
            (
                "c1/s1.20260102T030405Z/manifest.json",
                Behind::Point(folder),
            ),
            ("c1/s1.20260102T030405Z/sub/", Behind::Foreign),
            ("c1/s1.20260102T030405Z/a/b", Behind::Foreign),
            (".snapshot/c1/s1.20260102T030405Z", Behind::Foreign),
            ("", Behind::Foreign),
        ] {
            assert_eq!(Behind::of(path), behind, "{path}");
        }
    }

    #[test]
    fn what_is_foreign_is_named_by_its_first_foreign_part() {
        for (key, part) in [
            ("lost+found/a/b", Some("lost+found")),
            ("c1/#recycle/c1/p/x", Some("c1/#recycle")),
            ("notes.txt", Some("notes.txt")),
            ("c1/notes.txt", Some("c1/notes.txt")),
            ("c1/p/sub/file", Some("c1/p/sub/file")),
            ("drydock-target.json", None),
            ("drydock-probe/0123/object", None),
            ("c1/p/manifest.json", None),
            ("c1/p/left over", None),
        ] {
            assert_eq!(foreign_part(key), part, "{key}");
        }
    }

    #[test]
    fn keys_of_others_are_not_ours() {
        assert!(Folder::split("c/p/manifest.json").is_some());
        for key in [
            "manifest.json",
            "c/manifest.json",
            "c/p/q/manifest.json",
            "c/../x",
            "c/p/",
        ] {
            assert!(Folder::split(key).is_none(), "{key}");
        }
    }
}
