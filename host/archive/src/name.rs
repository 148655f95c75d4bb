//! Names inside an archive: which of them lead out, and which are the same.

use std::collections::HashMap;

use ring::digest::{Context, SHA256};

/// Stands for a name: half of its SHA-256, so that a million names take a bounded room and
/// nobody can find two that look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameKey([u8; 16]);

/// The names that an archive has had so far, and whether each is a folder.
#[derive(Debug, Default)]
pub struct Names(HashMap<NameKey, bool>);

/// How a name stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    New,
    /// There was an entry of this name.
    Twice,
    /// Something above it is an entry and no folder.
    BelowNoFolder,
}

/// Why an entry of this name cannot be unpacked below a folder, if so.
pub fn objection(name: &[u8]) -> Option<&'static str> {
    if name.starts_with(b"/") {
        return Some("its name is absolute");
    }
    if name.contains(&0) {
        return Some("its name holds a NUL");
    }
    if name.is_empty() {
        return Some("it has no name");
    }
    parts(name)
        .any(|part| part == b"..")
        .then_some("its name holds `..` and leads out of the archive")
}

/// The names between the slashes that mean something.
pub fn parts(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
}

impl NameKey {
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        keys(name)
            .last()
            .unwrap_or_else(|| key(Context::new(&SHA256)))
    }
}

impl Names {
    /// Takes a name in. The first of two counts.
    pub fn add(&mut self, name: &[u8], folder: bool) -> Standing {
        let keys: Vec<NameKey> = keys(name).collect();
        let own = keys.last().copied().unwrap_or_else(|| NameKey::of(b""));
        let above = keys.iter().rev().skip(1);
        let standing = if self.0.contains_key(&own) {
            Standing::Twice
        } else if above.into_iter().any(|key| self.0.get(key) == Some(&false)) {
            Standing::BelowNoFolder
        } else {
            Standing::New
        };
        self.0.entry(own).or_insert(folder);
        standing
    }

    /// Whether there is an entry of this name that is no folder.
    #[must_use]
    pub fn has_file(&self, name: &[u8]) -> bool {
        self.0.get(&NameKey::of(name)) == Some(&false)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of every folder above a name, outermost first, and of the name itself.
fn keys(name: &[u8]) -> impl Iterator<Item = NameKey> {
    let mut context = Context::new(&SHA256);
    parts(name).map(move |part| {
        context.update(part);
        context.update(b"/");
        key(context.clone())
    })
}

fn key(context: Context) -> NameKey {
    let digest = context.finish();
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_ref()[..16]);
    NameKey(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_however_they_are_written() {
        for other in ["a/b/", "./a/b", "a//b", "a/./b"] {
            assert_eq!(
                NameKey::of(b"a/b"),
                NameKey::of(other.as_bytes()),
                "{other}"
            );
        }
        for other in ["ab", "a", "b", "a/b/c", ""] {
            assert_ne!(
                NameKey::of(b"a/b"),
                NameKey::of(other.as_bytes()),
                "{other}"
            );
        }
        assert_eq!(NameKey::of(b"."), NameKey::of(b"./"));
    }

    #[test]
    fn what_stands_above_a_name_has_to_be_a_folder() {
        let mut names = Names::default();
        assert_eq!(names.add(b"a/", true), Standing::New);
        assert_eq!(names.add(b"a/link", false), Standing::New);
        assert_eq!(names.add(b"a/link/b/c", false), Standing::BelowNoFolder);
        assert_eq!(names.add(b"unsaid/b", false), Standing::New);
        assert_eq!(names.add(b"./a", true), Standing::Twice);
        assert!(names.has_file(b"a/link") && !names.has_file(b"a") && !names.has_file(b"b"));
    }

    #[test]
    fn ways_out_are_named() {
        for bad in ["/a", "..", "a/../b", "a/..", "", "a\0"] {
            assert!(objection(bad.as_bytes()).is_some(), "{bad:?}");
        }
        for good in ["a", "./a/", "..a/b..", "a...", "./"] {
            assert_eq!(objection(good.as_bytes()), None, "{good:?}");
        }
    }
}
