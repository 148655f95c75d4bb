//! Which kind of thing a key is about.
//!
//! An API server writes `/registry/RESOURCE/[NAMESPACE/]NAME`, where `RESOURCE` is one word
//! (`pods`), or a group and a word (`example.com/widgets`), or one of the two under
//! `services/` (`--etcd-prefix` and `staging/src/k8s.io/apiserver/pkg/registry/generic` of
//! Kubernetes). OpenShift has two prefixes of its own. This module cuts that part out of a
//! key and numbers it, so that the index of keys can carry it in two bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// What the keys of an API server begin with: the default, and OpenShift's two.
pub const API_SERVER_PREFIXES: [&str; 3] = ["/registry/", "/kubernetes.io/", "/openshift.io/"];
/// A word under which there are several resources.
const SERVICES: &[u8] = b"services";
/// The longest resource that is told apart: a group of 253 characters, a word of 63.
const RESOURCE_BYTES_MAX: usize = 320;
/// Resources of one store that are told apart; a large cluster has a few thousand.
const RESOURCES_MAX: usize = 8192;

/// The number of a resource within one walk. 0 stands for every other key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ResourceNumber(pub u16);

/// How many live keys there are of each resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceCounts {
    /// By the resource as it stands in the key, such as `pods`, `services/specs` or
    /// `example.com/widgets`.
    pub resources: BTreeMap<String, u64>,
    /// Keys that belong to no resource; all of them in a store with more than 8192
    /// resources, so that the counts do not depend on the order of the walk.
    pub other: u64,
}

/// The resources that a walk with several threads has met.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    met: Mutex<Met>,
}

#[derive(Debug, Default)]
struct Met {
    numbers: HashMap<Box<[u8]>, ResourceNumber>,
    too_many: bool,
}

/// What one thread knows of them, so that it seldom has to ask.
#[derive(Debug, Default)]
pub(crate) struct ResourceMemo {
    numbers: HashMap<Box<[u8]>, ResourceNumber>,
}

/// The part of an API server's key that names the resource; `None` for every other key.
#[must_use]
pub fn resource_of(user_key: &[u8]) -> Option<&[u8]> {
    split_key(user_key).map(|(resource, _)| resource)
}

/// Whether an API server wrote a key.
pub(crate) fn is_of_api_server(user_key: &[u8]) -> bool {
    below_prefix(user_key).is_some()
}

fn below_prefix(user_key: &[u8]) -> Option<&[u8]> {
    let mut prefixes = API_SERVER_PREFIXES.iter();
    prefixes.find_map(|prefix| user_key.strip_prefix(prefix.as_bytes()))
}

/// The resource in an API server's key, and what stands behind it: the name, mostly with its
/// namespace before it. `None` for every other key.
#[must_use]
pub fn split_key(user_key: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = below_prefix(user_key)?;
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
    fits.then_some((resource, name))
}

impl Resources {
    /// The number of the resource of a key.
    pub fn number(&self, user_key: &[u8], memo: &mut ResourceMemo) -> ResourceNumber {
        let Some(resource) = resource_of(user_key) else {
            return ResourceNumber::default();
        };
        if let Some(number) = memo.numbers.get(resource) {
            return *number;
        }
        let number = self.assign(resource);
        if memo.numbers.len() < RESOURCES_MAX {
            memo.numbers.insert(resource.into(), number);
        }
        number
    }

    fn assign(&self, resource: &[u8]) -> ResourceNumber {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = met.numbers.get(resource) {
            return *number;
        }
        if met.numbers.len() == RESOURCES_MAX {
            met.too_many = true;
            return ResourceNumber::default();
        }
        let next = u16::try_from(met.numbers.len() + 1).expect("RESOURCES_MAX fits into 16 bits");
        met.numbers.insert(resource.into(), ResourceNumber(next));
        ResourceNumber(next)
    }

    /// Gives the counts, which stand in the order of numbers, their names.
    pub fn name(self, counts: &[u64]) -> ResourceCounts {
        let met = self
            .met
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if met.too_many {
            return ResourceCounts {
                resources: BTreeMap::new(),
                other: counts.iter().sum(),
            };
        }
        let count = |number: ResourceNumber| counts.get(usize::from(number.0)).copied();
        let named = met.numbers.iter().filter_map(|(resource, number)| {
            let count = count(*number).filter(|count| *count > 0)?;
            Some((String::from_utf8_lossy(resource).into_owned(), count))
        });
        ResourceCounts {
            resources: named.collect(),
            other: count(ResourceNumber::default()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RESOURCES_MAX, ResourceMemo, Resources, resource_of};

    #[test]
    fn a_resource_stands_between_the_prefix_and_the_name() {
        for (key, resource) in [
            ("/registry/pods/default/web", Some("pods")),
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
            ("/registry/pods", None),
            ("/registry/pods/", None),
            ("/registry//x", None),
            ("/registry/services/specs", None),
            ("/registry/example.com//b", None),
            ("/registry/p\u{e4}ds/default/web", None),
            ("compact_rev_key", None),
            ("", None),
        ] {
            let found = resource_of(key.as_bytes());
            assert_eq!(found, resource.map(str::as_bytes), "{key}");
        }
        let long = format!("/registry/{}/x", "a".repeat(400));
        assert_eq!(resource_of(long.as_bytes()), None);
    }

    #[test]
    fn too_many_resources_are_none() {
        let resources = Resources::default();
        let mut memo = ResourceMemo::default();
        let mut counts = vec![0; RESOURCES_MAX + 1];
        for number in 0..=RESOURCES_MAX {
            let key = format!("/registry/r{number}/x");
            let number = resources.number(key.as_bytes(), &mut memo);
            counts[usize::from(number.0)] += 1;
        }
        let named = resources.name(&counts);
        assert!(named.resources.is_empty());
        assert_eq!(named.other, RESOURCES_MAX as u64 + 1);
    }
}
