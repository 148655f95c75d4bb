//! How many keys of each resource are alive in a snapshot: counted from its bytes, written
//! into the manifest, and compared with it whenever the snapshot is restored.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use drydock_core::nature::{KeysPerResource, ResourceKeys};
use drydock_objects::resource;
use drydock_snapshot::ResourceCounts;

/// Resources that have a line of their own: more than a cluster with many operators has. A
/// line takes at most 400 bytes, so that the manifest stays far below its limit.
const RESOURCES_NAMED_MAX: usize = 256;

/// The counts in kubectl's words. The largest resources are named, in the order of their
/// names; the same snapshot always gives the same.
pub fn named(counts: &ResourceCounts) -> KeysPerResource {
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    for (key, count) in counts.resources() {
        *words.entry(resource::word(key).into_owned()).or_default() += count;
    }
    let mut lines: Vec<(String, u64)> = words.into_iter().collect();
    // The sort is stable, so that the names decide between equal counts.
    lines.sort_by_key(|(_, keys)| Reverse(*keys));
    let rest = lines.split_off(lines.len().min(RESOURCES_NAMED_MAX));
    lines.sort_unstable();
    KeysPerResource {
        named: lines.into_iter().map(line).collect(),
        other: counts.other + rest.iter().map(|(_, keys)| keys).sum::<u64>(),
    }
}

fn line((resource, keys): (String, u64)) -> ResourceKeys {
    ResourceKeys { resource, keys }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(resources: impl IntoIterator<Item = (String, u64)>) -> ResourceCounts {
        let prefix = "/registry".parse().unwrap();
        ResourceCounts {
            prefixes: [(prefix, resources.into_iter().collect())].into(),
            other: 2,
        }
    }

    #[test]
    fn counts_are_told_in_the_words_of_kubectl() {
        let named = named(&counts([
            ("minions".to_owned(), 3),
            ("deployments".to_owned(), 4),
            ("example.com/widgets".to_owned(), 5),
        ]));
        let lines: Vec<(&str, u64)> = named
            .named
            .iter()
            .map(|line| (line.resource.as_str(), line.keys))
            .collect();
        let expected = [
            ("deployments.apps", 4),
            ("nodes", 3),
            ("widgets.example.com", 5),
        ];
        assert_eq!((lines.as_slice(), named.other), (&expected[..], 2));
    }

    #[test]
    fn the_largest_resources_are_named() {
        let many = (0..300).map(|n| (format!("r{n:03}"), if n < 290 { 7 } else { 1000 + n }));
        let named = named(&counts(many));
        assert_eq!(named.named.len(), RESOURCES_NAMED_MAX);
        assert!(named.named.iter().any(|line| line.resource == "r299"));
        assert!(named.named.is_sorted_by(|a, b| a.resource < b.resource));
        assert_eq!(named.other, 2 + 44 * 7);
    }
}
