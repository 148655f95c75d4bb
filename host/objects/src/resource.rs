//! Resources: how people name them, and where their keys lie.
//!
//! The built-in ones are those that kube-apiserver v1.36 stores, with the words of
//! `kubectl api-resources`. Most keys hold the resource's own plural; a few keep an older
//! word (`minions`), and some leave the group out (`deployments`), as
//! `pkg/kubeapiserver/default_storage_factory_builder.go` of Kubernetes and the history of
//! its groups have it. The keys of all other resources begin with group and plural.

use std::borrow::Cow;

mod built_in;
pub mod lookup;

pub use built_in::BUILT_IN;

/// A resource that every API server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// Where its keys lie below `/registry/`.
    pub key: &'static str,
    /// Empty for the oldest ones.
    pub group: &'static str,
    pub plural: &'static str,
    pub kind: &'static str,
    /// Other words for it.
    pub short: &'static [&'static str],
    /// Whether a namespace stands before the name.
    pub namespaced: bool,
}

/// The word for a resource by its place in keys, as kubectl says it: `pods`,
/// `deployments.apps`, `widgets.example.com`. A place that is not known is its own word.
#[must_use]
pub fn word(key: &str) -> Cow<'_, str> {
    if let Some(resource) = at_key(key) {
        return resource.word();
    }
    match key.split_once('/') {
        Some((group, plural)) if group.contains('.') => Cow::Owned(format!("{plural}.{group}")),
        _ => Cow::Borrowed(key),
    }
}

/// The built-in resource whose keys lie at this place.
#[must_use]
pub fn at_key(key: &str) -> Option<&'static Resource> {
    BUILT_IN.iter().find(|resource| resource.key == key)
}

impl Resource {
    /// Plural and group.
    #[must_use]
    pub fn word(&self) -> Cow<'static, str> {
        match self.group {
            "" => Cow::Borrowed(self.plural),
            group => Cow::Owned(format!("{}.{group}", self.plural)),
        }
    }

    /// The word for one of them, which is the kind in small letters.
    #[must_use]
    pub fn singular(&self) -> String {
        self.kind.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, word};

    #[test]
    fn a_place_has_the_word_that_kubectl_uses() {
        for (key, expected) in [
            ("pods", "pods"),
            ("minions", "nodes"),
            ("services/specs", "services"),
            ("services/endpoints", "endpoints"),
            ("deployments", "deployments.apps"),
            ("ingress", "ingresses.networking.k8s.io"),
            (
                "apiregistration.k8s.io/apiservices",
                "apiservices.apiregistration.k8s.io",
            ),
            ("example.com/widgets", "widgets.example.com"),
            ("something", "something"),
        ] {
            assert_eq!(word(key), expected);
        }
    }

    #[test]
    fn no_place_and_no_word_comes_twice() {
        let mut keys: Vec<_> = BUILT_IN.iter().map(|resource| resource.key).collect();
        let mut words: Vec<_> = BUILT_IN.iter().map(super::Resource::word).collect();
        for list in [keys.len(), words.len()] {
            assert_eq!(list, BUILT_IN.len());
        }
        keys.sort_unstable();
        keys.dedup();
        words.sort_unstable();
        words.dedup();
        assert_eq!((keys.len(), words.len()), (BUILT_IN.len(), BUILT_IN.len()));
    }
}
