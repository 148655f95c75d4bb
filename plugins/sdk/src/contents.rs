//! What an archive holds, by name: whether a name in it stands for a file with bytes, with
//! links followed as far as they stay inside.
//!
//! A name alone says little. It may be a link to a file that was never archived, a pipe, or a
//! file that somebody emptied; whoever needs a private key back needs its bytes.
//!
//! Names have no `/` at either end, as in an archive; an absolute link leads to the name
//! without its first `/`.

use std::collections::BTreeMap;

/// Names that are remembered, and bytes of them: as many as a walk through folders keeps.
/// What comes after them counts as not there, and [`Contents::surplus`] tells how many.
const NAMES_MAX: usize = 500_000;
const NAMES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Links in one name that are followed: as many as Linux follows.
const LINKS_MAX: usize = 40;

/// Links to folders through which patterns are looked for.
const ALIASES_MAX: usize = 64;

/// Names without bytes that one pattern tells of.
const BAD_MAX: usize = 16;

/// What stands under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file of so many bytes; another name of one has those of the first.
    File(u64),
    Folder,
    /// A symbolic link, and where it points.
    Link(Vec<u8>),
    /// A pipe or the like.
    Other,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    File(u64),
    Folder(Vec<u8>),
    Other,
    /// To this name, which is not in the archive.
    Nowhere(Vec<u8>),
    /// Round and round.
    Loop,
}

/// All names of an archive.
#[derive(Debug, Default)]
pub struct Contents {
    names: BTreeMap<Vec<u8>, Content>,
    bytes: usize,
    surplus: u64,
}

/// What a pattern came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// Names that lead to a file with bytes.
    pub good: u64,
    /// Names that do not, and where they lead; at most 16.
    pub bad: Vec<(Vec<u8>, End)>,
}

impl Contents {
    /// Adds a name. A later one takes the place of an earlier one, as in unpacking.
    pub fn add(&mut self, name: Vec<u8>, content: Content) {
        self.bytes += name.len();
        if self.names.len() < NAMES_MAX && self.bytes < NAMES_BYTES_MAX {
            self.names.insert(name, content);
        } else {
            self.surplus += 1;
        }
    }

    /// Adds another name of a file that is there.
    pub fn add_hard_link(&mut self, name: Vec<u8>, first: &[u8]) {
        let content = self.names.get(first).cloned();
        self.add(name, content.unwrap_or(Content::Other));
    }

    /// Names that were too many to remember.
    #[must_use]
    pub fn surplus(&self) -> u64 {
        self.surplus
    }

    /// Every symbolic link: its name, and where it points as it stands there.
    pub fn links(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.names
            .iter()
            .filter_map(|(name, content)| match content {
                Content::Link(target) => Some((name.as_slice(), target.as_slice())),
                _ => None,
            })
    }

    /// Follows a name through every link in it.
    #[must_use]
    pub fn resolve(&self, name: &[u8]) -> End {
        let mut left: Vec<Vec<u8>> = parts(name).rev().collect();
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == b".." {
                at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                continue;
            }
            let next = below(&at, &part);
            match self.names.get(&next) {
                Some(Content::Link(target)) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return End::Loop;
                    }
                    if target.starts_with(b"/") {
                        at.clear();
                    }
                    left.extend(parts(target).rev());
                }
                // Nothing lies below a file.
                Some(Content::File(_) | Content::Other) if !left.is_empty() => {
                    let rest = left.iter().rev();
                    return End::Nowhere(rest.fold(next, |path, part| below(&path, part)));
                }
                _ => at = next,
            }
        }
        match self.names.get(&at) {
            Some(Content::File(bytes)) => End::File(*bytes),
            Some(Content::Folder) => End::Folder(at),
            Some(Content::Other) => End::Other,
            Some(Content::Link(_)) | None => End::Nowhere(at),
        }
    }

    /// What a pattern comes to: the names that it `matches`, also below links to folders,
    /// and the `literal` ones that it stands for whatever leads there. Folders are passed
    /// over, unless a literal name is one.
    pub fn require(&self, matches: impl Fn(&[u8]) -> bool, literal: &[Vec<u8>]) -> Requirement {
        let mut requirement = Requirement::default();
        let no_folder = |content: &Content| *content != Content::Folder;
        for (name, content) in &self.names {
            if no_folder(content) && matches(name) && !literal.contains(name) {
                requirement.take(name.clone(), self.resolve(name));
            }
        }
        for (link, folder) in self.aliases() {
            for (name, content) in self.below(&folder) {
                let alias = [link, &name[folder.len()..]].concat();
                if no_folder(content) && matches(&alias) && !literal.contains(&alias) {
                    requirement.take(alias, self.resolve(name));
                }
            }
        }
        for name in literal {
            match self.resolve(name) {
                // Nothing that is called so, and no link on the way.
                End::Nowhere(path) if path == *name => {}
                end @ End::Folder(_) => requirement.bad.push((name.clone(), end)),
                end => requirement.take(name.clone(), end),
            }
        }
        requirement
    }

    /// Links to folders, and those folders.
    fn aliases(&self) -> impl Iterator<Item = (&[u8], Vec<u8>)> {
        let folders = self
            .links()
            .filter_map(|(name, _)| match self.resolve(name) {
                End::Folder(folder) => Some((name, folder)),
                _ => None,
            });
        folders.take(ALIASES_MAX)
    }

    fn below<'a>(&'a self, folder: &[u8]) -> impl Iterator<Item = (&'a Vec<u8>, &'a Content)> {
        let prefix = below(folder, b"");
        let after = self.names.range(prefix.clone()..);
        after.take_while(move |(name, _)| name.starts_with(&prefix))
    }
}

impl Requirement {
    fn take(&mut self, name: Vec<u8>, end: End) {
        match end {
            End::File(1..) => self.good += 1,
            // A link to a folder stands for what is in it, which has names of its own.
            End::Folder(_) => {}
            end if self.bad.len() < BAD_MAX => self.bad.push((name, end)),
            _ => {}
        }
    }
}

/// The names of a path that count, `..` among them.
fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> + '_ {
    let parts = path.split(|byte| *byte == b'/');
    let counts = |part: &&[u8]| !part.is_empty() && *part != b".";
    parts.filter(counts).map(<[u8]>::to_vec)
}

fn below(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        name.to_vec()
    } else {
        [folder, b"/", name].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glob::Glob;

    fn contents(names: &[(&str, Content)]) -> Contents {
        let mut contents = Contents::default();
        for (name, content) in names {
            contents.add(name.as_bytes().to_vec(), content.clone());
        }
        contents
    }

    fn link(target: &str) -> Content {
        Content::Link(target.as_bytes().to_vec())
    }

    fn nowhere(path: &str) -> End {
        End::Nowhere(path.as_bytes().to_vec())
    }

    #[test]
    fn links_are_followed_as_far_as_they_stay_inside() {
        let all = contents(&[
            ("etc/k", Content::Folder),
            ("etc/k/key", Content::File(5)),
            ("etc/k/empty", Content::File(0)),
            ("etc/k/pipe", Content::Other),
            ("etc/k/same", link("key")),
            ("etc/k/dotted", link("./../k/./key")),
            ("etc/k/whole", link("/etc/k/key")),
            ("etc/k/chain", link("same")),
            ("etc/k/out", link("/srv/key")),
            ("etc/k/up", link("../../srv/key")),
            ("etc/k/above", link("../../../../../etc/k/key")),
            ("etc/k/dangling", link("gone")),
            ("etc/k/a", link("b")),
            ("etc/k/b", link("a")),
            ("etc/k/self", link("self")),
            ("etc/k/through", link("key/x")),
            ("etc/k/pki", link("/etc/pki2")),
            ("etc/pki2", Content::Folder),
            ("etc/pki2/ca.key", Content::File(7)),
            ("etc/pki2/back", link("../k/key")),
        ]);
        let table = [
            ("etc/k/key", End::File(5)),
            ("etc/k/empty", End::File(0)),
            ("etc/k/pipe", End::Other),
            ("etc/k/same", End::File(5)),
            ("etc/k/dotted", End::File(5)),
            ("etc/k/whole", End::File(5)),
            ("etc/k/chain", End::File(5)),
            ("etc/k/above", End::File(5)),
            ("etc/k/out", nowhere("srv/key")),
            ("etc/k/up", nowhere("srv/key")),
            ("etc/k/dangling", nowhere("etc/k/gone")),
            ("etc/k/a", End::Loop),
            ("etc/k/self", End::Loop),
            ("etc/k/through", nowhere("etc/k/key/x")),
            ("etc/k/pki", End::Folder(b"etc/pki2".to_vec())),
            ("etc/k/pki/ca.key", End::File(7)),
            ("etc/k/pki/back", End::File(5)),
            ("etc/k/pki/gone", nowhere("etc/pki2/gone")),
            ("etc/none", nowhere("etc/none")),
        ];
        for (name, expected) in table {
            assert_eq!(all.resolve(name.as_bytes()), expected, "{name}");
        }
    }

    /// What a pattern comes to, its names below `etc/k`.
    fn required(all: &Contents, pattern: &str) -> (u64, Vec<(String, End)>) {
        let glob = Glob::parse("it has", pattern).unwrap();
        let literal = glob
            .literal()
            .map(|name| format!("etc/k/{name}").into_bytes());
        let literal: Vec<_> = literal.into_iter().collect();
        let below = |name: &[u8]| {
            let inside = name.strip_prefix(b"etc/k/");
            inside.is_some_and(|inside| glob.matches(inside))
        };
        let Requirement { good, bad } = all.require(below, &literal);
        let text = |name: Vec<u8>| String::from_utf8(name).unwrap();
        (
            good,
            bad.into_iter()
                .map(|(name, end)| (text(name), end))
                .collect(),
        )
    }

    #[test]
    fn a_pattern_is_met_by_bytes_alone() {
        let all = contents(&[
            ("etc/k", Content::Folder),
            ("etc/k/ca.key", Content::File(5)),
            ("etc/k/sa.key", Content::File(0)),
            ("etc/k/out.key", link("/srv/key")),
            ("etc/k/folder.key", Content::Folder),
            ("etc/k/pki", link("/etc/pki2")),
            ("etc/pki2", Content::Folder),
            ("etc/pki2/etcd", Content::Folder),
            ("etc/pki2/etcd/ca.key", Content::File(7)),
            ("etc/pki2/etcd/link.key", link("ca.key")),
        ]);
        let bad = |name: &str, end: End| vec![(format!("etc/k/{name}"), end)];
        let table = [
            ("ca.key", 1 + 1, vec![]),
            ("*.crt", 0, vec![]),
            ("pki/etcd/ca.key", 1, vec![]),
            ("pki/*/ca.key", 1, vec![]),
            ("pki/**/*.key", 2, vec![]),
            (
                "pki/none.key",
                0,
                bad("pki/none.key", nowhere("etc/pki2/none.key")),
            ),
            ("x/none.key", 0, vec![]),
            ("sa.key", 0, bad("sa.key", End::File(0))),
            ("out.key", 0, bad("out.key", nowhere("srv/key"))),
            ("folder.key", 0, vec![]),
        ];
        for (pattern, good, bad) in table {
            assert_eq!(required(&all, pattern), (good, bad), "{pattern}");
        }
        let (good, bad) = required(&all, "*.key");
        assert_eq!((good, bad.len()), (3, 2), "{bad:?}");
    }

    #[test]
    fn hard_links_count_to_the_bytes_of_the_first() {
        let mut all = contents(&[("a", Content::File(3))]);
        all.add_hard_link(b"b".to_vec(), b"a");
        all.add_hard_link(b"c".to_vec(), b"none");
        assert_eq!(all.resolve(b"b"), End::File(3));
        assert_eq!(all.resolve(b"c"), End::Other);
    }

    #[test]
    fn more_names_than_can_be_kept_are_counted() {
        let mut all = Contents::default();
        let long = "x".repeat(NAMES_BYTES_MAX / 4);
        for number in 0..6 {
            all.add(format!("{number}{long}").into_bytes(), Content::File(1));
        }
        assert_eq!(all.surplus(), 3);
    }
}
