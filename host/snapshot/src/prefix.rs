//! Under which prefixes API servers keep their keys in a store.
//!
//! An API server writes `PREFIX/RESOURCE/[NAMESPACE/]NAME` (`--etcd-prefix` of
//! kube-apiserver; `/registry` where nothing else is said, and OpenShift has two of its
//! own). Any other prefix is found by what lies under it: a key of that layout whose
//! resource every cluster has, or whose API group its value names, and a value in one of
//! the forms in which API servers store. Or the operator names it.
//!
//! This module is the one place that knows prefixes: whoever cuts a key apart asks
//! [`Prefixes`], and a [`Survey`](crate::Survey) has those of its file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The prefixes of API servers that nobody changed: of Kubernetes, and OpenShift's two.
const USUAL: [&str; 3] = ["/registry/", "/kubernetes.io/", "/openshift.io/"];

/// Other prefixes of one store. One API server has one, and few of them share an etcd.
const FOUND_MAX: usize = 16;

/// Candidates that one thread keeps apart while it walks: whatever lies in a store, this
/// takes a bounded amount of memory.
const CANDIDATES_MAX: usize = 256;

/// The longest prefix that is looked for.
const PREFIX_BYTES_MAX: usize = 256;

/// The longest resource that is told apart: a group of 253 characters, a word of 63.
const RESOURCE_BYTES_MAX: usize = 320;

/// A word under which there are several resources.
const SERVICES: &[u8] = b"services";

/// So much of a value tells its form.
const HEAD_BYTES: usize = 1024;

/// Resources of which every cluster has some, as they stand in keys.
const TELLING: [&[u8]; 18] = [
    b"clusterrolebindings",
    b"clusterroles",
    b"configmaps",
    b"daemonsets",
    b"deployments",
    b"endpointslices",
    b"events",
    b"leases",
    b"minions",
    b"namespaces",
    b"persistentvolumeclaims",
    b"pods",
    b"priorityclasses",
    b"replicasets",
    b"rolebindings",
    b"roles",
    b"secrets",
    b"serviceaccounts",
];

/// What an API server's keys begin with, with a slash at both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix(String);

/// Text that is no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give what the API server has as --etcd-prefix, e.g. /registry")]
pub struct NoPrefix;

/// The prefixes that count in a store, the longest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixes(Vec<Prefix>);

/// An API server's key, cut apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceKey<'k> {
    /// With the slash behind it.
    pub prefix: &'k [u8],
    /// Such as `pods`, `services/specs` or `example.com/widgets`.
    pub resource: &'k [u8],
    /// The name, mostly with its namespace before it.
    pub name: &'k [u8],
}

/// Prefixes that keys and values of one walk speak for, and how many do.
#[derive(Debug, Default)]
pub(crate) struct Candidates(BTreeMap<Box<[u8]>, u64>);

impl Prefix {
    /// As kube-apiserver takes it.
    #[must_use]
    pub fn flag(&self) -> &str {
        match self.0.trim_end_matches('/') {
            "" => "/",
            flag => flag,
        }
    }

    /// As keys begin.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Slashes may lack at both ends, as the API server takes it.
impl FromStr for Prefix {
    type Err = NoPrefix;

    fn from_str(text: &str) -> Result<Self, NoPrefix> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || !printable || text.len() > PREFIX_BYTES_MAX {
            return Err(NoPrefix);
        }
        let words = text.split('/').filter(|word| !word.is_empty());
        let joined: String = words.map(|word| format!("{word}/")).collect();
        Ok(Self(format!("/{joined}")))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.flag())
    }
}

impl Default for Prefixes {
    fn default() -> Self {
        let usual = USUAL.map(|prefix| Prefix(prefix.to_owned()));
        Self(Vec::new()).with(usual)
    }
}

impl Prefixes {
    /// These and others.
    #[must_use]
    pub fn with(mut self, others: impl IntoIterator<Item = Prefix>) -> Self {
        self.0.extend(others);
        self.0
            .sort_by(|a, b| (b.0.len(), &a.0).cmp(&(a.0.len(), &b.0)));
        self.0.dedup();
        self
    }

    /// Those of two stores.
    #[must_use]
    pub fn join(self, other: &Self) -> Self {
        self.with(other.0.iter().cloned())
    }

    /// Cuts an API server's key apart; `None` for every other key.
    #[must_use]
    pub fn split<'k>(&self, user_key: &'k [u8]) -> Option<ResourceKey<'k>> {
        let prefix = self.of(user_key)?.0.len();
        let (prefix, rest) = user_key.split_at(prefix);
        let slash = |from: usize| {
            let found = rest.get(from..)?.iter().position(|byte| *byte == b'/')?;
            (found > 0).then_some(from + found)
        };
        let first = slash(0)?;
        let word = &rest[..first];
        let is_shared = word == SERVICES || word.contains(&b'.');
        let end = if is_shared { slash(first + 1)? } else { first };
        let resource = &rest[..end];
        let printable = resource.iter().all(u8::is_ascii_graphic);
        let name = &rest[end + 1..];
        let fits = printable && resource.len() <= RESOURCE_BYTES_MAX && !name.is_empty();
        fits.then_some(ResourceKey {
            prefix,
            resource,
            name,
        })
    }

    /// The prefix that a key has.
    pub(crate) fn of(&self, user_key: &[u8]) -> Option<&Prefix> {
        let mut all = self.0.iter();
        all.find(|prefix| user_key.starts_with(prefix.0.as_bytes()))
    }

    /// Whether a key has one of them.
    pub(crate) fn cover(&self, user_key: &[u8]) -> bool {
        self.of(user_key).is_some()
    }
}

impl Candidates {
    /// Looks at a pair that has none of the known prefixes.
    pub fn see(&mut self, user_key: &[u8], value: &[u8]) {
        let Some(prefix) = prefix_by_content(user_key, value) else {
            return;
        };
        if let Some(count) = self.0.get_mut(prefix) {
            *count += 1;
        } else if self.0.len() < CANDIDATES_MAX {
            self.0.insert(prefix.into(), 1);
        }
    }

    pub fn merge(&mut self, other: Self) {
        for (prefix, count) in other.0 {
            *self.0.entry(prefix).or_default() += count;
        }
    }

    /// The prefixes that most pairs speak for.
    pub fn prefixes(self) -> Vec<Prefix> {
        let mut found: Vec<(Box<[u8]>, u64)> = self.0.into_iter().collect();
        // The sort is stable, so that the names decide between equal counts.
        found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        found.truncate(FOUND_MAX);
        let prefix = |(bytes, _): (Box<[u8]>, u64)| String::from_utf8(bytes.into()).map(Prefix);
        found.into_iter().flat_map(prefix).collect()
    }
}

/// How an API server stores a value.
enum Form<'v> {
    /// Protocol buffers behind a magic number, or encrypted at rest.
    Opaque,
    /// JSON of which this is the head.
    Json(&'v [u8]),
}

impl<'v> Form<'v> {
    fn of(value: &'v [u8]) -> Option<Self> {
        if value.starts_with(b"k8s\0") || value.starts_with(b"k8s:enc:") {
            return Some(Self::Opaque);
        }
        let head = &value[..value.len().min(HEAD_BYTES)];
        let is_object =
            head.starts_with(b"{") && holds(head, b"\"apiVersion\"") && holds(head, b"\"kind\"");
        is_object.then_some(Self::Json(head))
    }

    /// Whether the value says that it is of this API group.
    fn names_group(&self, group: &[u8]) -> bool {
        let Self::Json(head) = self else {
            return false;
        };
        holds(head, &[b"\"", group, b"/"].concat())
    }
}

/// The prefix under which an API server wrote this pair, with the slash behind it.
fn prefix_by_content<'k>(user_key: &'k [u8], value: &[u8]) -> Option<&'k [u8]> {
    if !user_key.starts_with(b"/") || !user_key.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let form = Form::of(value)?;
    let words: Vec<&[u8]> = user_key[1..].split(|byte| *byte == b'/').collect();
    if words.iter().any(|word| word.is_empty()) {
        return None;
    }
    let is_resource = |at: usize| match words[at] {
        SERVICES => {
            let next = words.get(at + 1);
            next.is_some_and(|word| [&b"specs"[..], b"endpoints"].contains(word))
                && words.len() - at == 4
        }
        // The group, then the resource.
        word if word.contains(&b'.') => {
            (3..=4).contains(&(words.len() - at)) && form.names_group(word)
        }
        word => (2..=3).contains(&(words.len() - at)) && TELLING.contains(&word),
    };
    let at = (0..words.len()).find(|at| is_resource(*at))?;
    let end = 1 + words[..at].iter().map(|word| word.len() + 1).sum::<usize>();
    (end <= PREFIX_BYTES_MAX).then(|| &user_key[..end])
}

fn holds(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Candidates, Prefix, Prefixes, prefix_by_content};

    fn resource_of<'k>(prefixes: &Prefixes, key: &'k str) -> Option<&'k [u8]> {
        prefixes.split(key.as_bytes()).map(|key| key.resource)
    }

    #[test]
    fn a_resource_stands_between_the_prefix_and_the_name() {
        let prefixes = Prefixes::default().with(["/custom".parse().unwrap()]);
        for (key, resource) in [
            ("/registry/pods/default/web", Some("pods")),
            ("/custom/pods/default/web", Some("pods")),
            ("/registry/namespaces/default", Some("namespaces")),
            (
                "/registry/services/specs/default/web",
                Some("services/specs"),
            ),
            (
                "/registry/example.com/widgets/a/b",
                Some("example.com/widgets"),
            ),
            ("/registry/ranges/serviceips", Some("ranges")),
            ("/kubernetes.io/pods/default/web", Some("pods")),
            ("/openshift.io/routes/default/web", Some("routes")),
            ("/other/pods/default/web", None),
            ("/registry/pods", None),
            ("/registry/pods/", None),
            ("/registry//x", None),
            ("/registry/services/specs", None),
            ("/registry/example.com//b", None),
            ("/registry/p\u{e4}ds/default/web", None),
            ("compact_rev_key", None),
            ("", None),
        ] {
            let found = resource_of(&prefixes, key);
            assert_eq!(found, resource.map(str::as_bytes), "{key}");
        }
        let long = format!("/registry/{}/x", "a".repeat(400));
        assert_eq!(resource_of(&prefixes, &long), None);
    }

    #[test]
    fn the_longest_prefix_counts() {
        let named = ["/", "/custom/", "custom/inner"].map(|text| text.parse().unwrap());
        let prefixes = Prefixes::default().with(named);
        for (key, prefix) in [
            ("/custom/inner/pods/a/b", "/custom/inner/"),
            ("/custom/pods/a/b", "/custom/"),
            ("/registry/pods/a/b", "/registry/"),
            ("/pods/a/b", "/"),
        ] {
            let found = prefixes.split(key.as_bytes()).unwrap();
            assert_eq!(found.prefix, prefix.as_bytes(), "{key}");
        }
    }

    #[test]
    fn a_prefix_is_taken_as_the_api_server_takes_it() {
        for (text, key, flag) in [
            ("/registry", "/registry/", "/registry"),
            ("registry/", "/registry/", "/registry"),
            ("//a//b/", "/a/b/", "/a/b"),
            ("/", "/", "/"),
        ] {
            let prefix: Prefix = text.parse().unwrap();
            assert_eq!((prefix.as_str(), prefix.flag()), (key, flag), "{text}");
        }
        for text in ["", "/a b", "/\u{e4}"] {
            text.parse::<Prefix>().unwrap_err();
        }
    }

    #[test]
    fn a_prefix_is_found_by_layout_and_value() {
        let pod = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod";
        let sealed = b"k8s:enc:aescbc:v1:key1:????";
        let object = br#"{"apiVersion": "v1", "kind": "ConfigMap"}"#;
        let widget = br#"{"apiVersion":"example.com/v1","kind":"Widget"}"#;
        for (key, value, prefix) in [
            ("/custom/pods/default/web", &pod[..], Some("/custom/")),
            ("/a/b/c/pods/default/web", pod, Some("/a/b/c/")),
            ("/pods/default/web", pod, Some("/")),
            ("/custom/namespaces/default", pod, Some("/custom/")),
            ("/custom/secrets/a/b", sealed, Some("/custom/")),
            ("/custom/configmaps/events/x", object, Some("/custom/")),
            ("/custom/services/specs/a/b", pod, Some("/custom/")),
            ("/custom/services/endpoints/a/b", pod, Some("/custom/")),
            ("/custom/example.com/widgets/a/b", widget, Some("/custom/")),
            ("/custom/example.com/widgets/b", widget, Some("/custom/")),
            ("/custom/other.com/widgets/a/b", widget, None),
            ("/custom/pods/default/web", b"value", None),
            ("/custom/pods/default/web", b"", None),
            ("/custom/pods/default/web", br#"{"kind": "Pod"}"#, None),
            ("/custom/pods/default/web/more", pod, None),
            ("/custom/pods", pod, None),
            ("/custom/pods/", pod, None),
            ("/custom/unheard/of/x", pod, None),
            ("custom/pods/default/web", pod, None),
            ("/cust\u{e4}m/pods/default/web", pod, None),
        ] {
            let found = prefix_by_content(key.as_bytes(), value);
            assert_eq!(found, prefix.map(str::as_bytes), "{key}");
        }
    }

    #[test]
    fn many_candidates_are_the_largest_few() {
        let mut candidates = Candidates::default();
        for number in 0..10_000 {
            let key = format!("/p{number:05}/pods/a/b");
            candidates.see(key.as_bytes(), b"k8s\0");
        }
        candidates.see(b"/p00200/pods/a/c", b"k8s\0");
        let found = candidates.prefixes();
        assert_eq!(found.len(), super::FOUND_MAX);
        assert_eq!(found[0].as_str(), "/p00200/");
    }
}
