//! Paths inside a granted folder, checked before the kernel sees them.

use std::fmt;

use drydock_core::{ErrorCode, Fault};

/// Longest path inside a folder; with the folder's own path it stays below PATH_MAX.
const PATH_BYTES_MAX: usize = 2048;

/// A path of plain names below a folder, `/` between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inside<'a>(&'a str);

impl<'a> Inside<'a> {
    /// Takes `path` if it is made of plain names.
    pub(super) fn parse(path: &'a str) -> Result<Self, Fault> {
        match objection(path) {
            None => Ok(Self(path)),
            Some(why) => Err(bad(path, why)),
        }
    }

    pub(super) fn as_str(self) -> &'a str {
        self.0
    }

    /// The last name.
    pub(super) fn name(self) -> &'a str {
        self.0.rsplit_once('/').map_or(self.0, |(_, name)| name)
    }

    /// The path of the folder that holds the last name; none when that is the granted
    /// folder itself.
    pub(super) fn parent(self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent))
    }

    /// All folders above the last name, nearest first.
    pub(super) fn parents(self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), |path| path.parent())
    }
}

/// Takes a listing's prefix or cursor: a path that may be empty or end anywhere.
pub(super) fn check_prefix(prefix: &str) -> Result<(), Fault> {
    let trimmed = prefix.strip_suffix('/').unwrap_or(prefix);
    if trimmed.is_empty() && !prefix.starts_with('/') {
        return Ok(());
    }
    Inside::parse(trimmed).map(drop)
}

fn objection(path: &str) -> Option<&'static str> {
    if path.len() > PATH_BYTES_MAX {
        return Some("it is too long");
    }
    if path.starts_with('/') {
        return Some("it is absolute; give it relative to the folder");
    }
    if path.contains(char::is_control) {
        return Some("it holds a control character");
    }
    path.split('/').find_map(|name| match name {
        "" => Some("it holds an empty name"),
        "." | ".." => Some("it holds `.` or `..`"),
        _ => None,
    })
}

fn bad(path: &str, why: &str) -> Fault {
    let shown: String = path.chars().take(200).collect();
    Fault::denied(
        ErrorCode::BadPath,
        format!("the path {shown:?} is refused: {why}"),
    )
}

impl fmt::Display for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_pass() {
        for good in ["a", "a/b/c", ".hidden/x", "a..b", "...", "ä b"] {
            assert!(Inside::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn ways_out_are_refused() {
        let long = "a".repeat(PATH_BYTES_MAX + 1);
        for bad in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/.", "a\0b", "a\nb", &long,
        ] {
            assert_eq!(
                Inside::parse(bad).unwrap_err().code.as_str(),
                "bad-path",
                "{bad:?}"
            );
        }
    }

    #[test]
    fn parents_come_nearest_first() {
        let path = Inside::parse("a/b/c").unwrap();
        let parents: Vec<_> = path.parents().map(Inside::as_str).collect();
        assert_eq!((path.name(), parents), ("c", vec!["a/b", "a"]));
    }

    #[test]
    fn a_prefix_may_be_empty_or_end_in_a_slash() {
        for good in ["", "a", "a/", "a/b", "a/b/"] {
            assert!(check_prefix(good).is_ok(), "{good}");
        }
        for bad in ["/", "../", "a/../", "//", "a//"] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
    }
}
