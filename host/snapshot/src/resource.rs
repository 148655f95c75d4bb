//! How many keys there are of each kind of thing.
//!
//! The part of an API server's key that names the resource ([`crate::Prefixes`] cuts it out)
//! is numbered together with the prefix, so that the index of keys can carry it in two bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::prefix::{Prefix, Prefixes};

/// The resource that every cluster has under its own API server's prefix.
const NAMESPACES: &str = "namespaces";
/// Resources of one store that are told apart; a large cluster has a few thousand.
const RESOURCES_MAX: usize = 8192;

/// The number of a resource within one walk. 0 stands for every other key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ResourceNumber(pub u16);

/// How many live keys there are of each resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceCounts {
    /// By the prefix, and then by the resource as it stands in the key, such as `pods`,
    /// `services/specs` or `example.com/widgets`.
    pub prefixes: BTreeMap<Prefix, BTreeMap<String, u64>>,
    /// Keys that belong to no resource; all of them in a store with more than 8192
    /// resources, so that the counts do not depend on the order of the walk.
    pub other: u64,
}

/// The resources that a walk with several threads has met.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    prefixes: Prefixes,
    met: Mutex<Met>,
}

#[derive(Debug, Default)]
struct Met {
    /// By prefix and resource, as keys begin.
    numbers: HashMap<Box<[u8]>, ResourceNumber>,
    too_many: bool,
}

/// What one thread knows of them, so that it seldom has to ask.
#[derive(Debug, Default)]
pub(crate) struct ResourceMemo {
    numbers: HashMap<Box<[u8]>, ResourceNumber>,
}

impl ResourceCounts {
    /// The counts of all prefixes together.
    #[must_use]
    pub fn resources(&self) -> BTreeMap<&str, u64> {
        let mut sums = BTreeMap::new();
        for (resource, count) in self.prefixes.values().flatten() {
            *sums.entry(resource.as_str()).or_default() += count;
        }
        sums
    }

    /// The prefix under which the cluster's own API server keeps its keys: it has the
    /// namespaces, and else the most keys.
    #[must_use]
    pub fn main_prefix(&self) -> Option<&Prefix> {
        let weight = |resources: &BTreeMap<String, u64>| {
            let namespaces = resources.get(NAMESPACES).copied().unwrap_or_default();
            (namespaces, resources.values().sum::<u64>())
        };
        let heaviest = self
            .prefixes
            .iter()
            .max_by_key(|(_, resources)| weight(resources));
        heaviest.map(|(prefix, _)| prefix)
    }

    /// The count of a resource under one prefix.
    #[must_use]
    pub fn under(&self, prefix: &Prefix, resource: &str) -> u64 {
        let resources = self.prefixes.get(prefix);
        let count = resources.and_then(|resources| resources.get(resource));
        count.copied().unwrap_or_default()
    }
}

impl Resources {
    pub fn under(prefixes: Prefixes) -> Self {
        Self {
            prefixes,
            met: Mutex::default(),
        }
    }

    /// The prefixes that are told apart.
    pub fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }

    /// The number of the resource of a key.
    pub fn number(&self, user_key: &[u8], memo: &mut ResourceMemo) -> ResourceNumber {
        let Some(key) = self.prefixes.split(user_key) else {
            return ResourceNumber::default();
        };
        let resource = &user_key[..key.prefix.len() + key.resource.len()];
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
                prefixes: BTreeMap::new(),
                other: counts.iter().sum(),
            };
        }
        let count = |number: ResourceNumber| counts.get(usize::from(number.0)).copied();
        let mut named = ResourceCounts {
            prefixes: BTreeMap::new(),
            other: count(ResourceNumber::default()).unwrap_or_default(),
        };
        for (start, number) in &met.numbers {
            let count = count(*number).filter(|count| *count > 0);
            let prefix = self.prefixes.of(start);
            if let (Some(count), Some(prefix)) = (count, prefix) {
                let resource = &start[prefix.as_str().len()..];
                let resource = String::from_utf8_lossy(resource).into_owned();
                let resources = named.prefixes.entry(prefix.clone()).or_default();
                resources.insert(resource, count);
            }
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use super::{RESOURCES_MAX, ResourceMemo, Resources};

    #[test]
    fn the_main_prefix_has_the_namespaces() {
        let resources = Resources::default();
        let mut memo = ResourceMemo::default();
        let mut counts = vec![0; 8];
        for key in [
            "/openshift.io/routes/a/1",
            "/openshift.io/routes/a/2",
            "/openshift.io/routes/a/3",
            "/kubernetes.io/namespaces/a",
            "/kubernetes.io/pods/a/b",
            "/registry/pods/a/b",
            "/else",
        ] {
            counts[usize::from(resources.number(key.as_bytes(), &mut memo).0)] += 1;
        }
        let counts = resources.name(&counts);
        let main = counts.main_prefix().unwrap();
        assert_eq!(main.as_str(), "/kubernetes.io/");
        assert_eq!(counts.under(main, "pods"), 1);
        let sums = [("namespaces", 1), ("pods", 2), ("routes", 3)];
        assert_eq!(counts.resources(), sums.into());
        assert_eq!(counts.other, 1);
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
        assert!(named.prefixes.is_empty());
        assert_eq!(named.other, RESOURCES_MAX as u64 + 1);
    }
}
