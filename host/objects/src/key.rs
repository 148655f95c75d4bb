//! The name of an object, as it stands in its key.

use std::fmt;

use drydock_core::plain;

use crate::resource;

/// How much of a name is shown: Kubernetes allows 253 characters, and 63 for a namespace.
const NAME_BYTES_MAX: usize = 512;

/// Which object a key is about. Every part is fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// As kubectl names it; empty for a key that belongs to no resource.
    pub resource: String,
    /// None for an object of the whole cluster.
    pub namespace: Option<String>,
    /// The whole key where it belongs to no resource.
    pub name: String,
}

impl ObjectKey {
    /// Reads what stands behind the prefix: the resource's place, and the rest of the key.
    #[must_use]
    pub fn of(place: &[u8], rest: &[u8]) -> Self {
        let (place, rest) = (shown(place), shown(rest));
        let is_clusterwide = resource::at_key(&place).is_some_and(|known| !known.namespaced);
        let (namespace, name) = match rest.split_once('/') {
            Some((namespace, name)) if !is_clusterwide => {
                (Some(namespace.to_owned()), name.to_owned())
            }
            _ => (None, rest),
        };
        Self {
            resource: resource::word(&place).into_owned(),
            namespace,
            name,
        }
    }

    /// A key that no API server writes for an object.
    #[must_use]
    pub fn other(key: &[u8]) -> Self {
        Self {
            resource: String::new(),
            namespace: None,
            name: shown(key),
        }
    }
}

/// `NAMESPACE/NAME`, or the name alone.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    plain(&String::from_utf8_lossy(bytes), NAME_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::ObjectKey;

    #[test]
    fn a_key_names_its_object() {
        for (place, rest, shown) in [
            ("pods", "default/web", "pods default/web"),
            ("minions", "node-1", "nodes node-1"),
            ("example.com/widgets", "a/b", "widgets.example.com a/b"),
            ("example.com/gadgets", "b", "gadgets.example.com b"),
            (
                "clusterroles",
                "system:a",
                "clusterroles.rbac.authorization.k8s.io system:a",
            ),
            ("pods", "a/\u{1b}[31mb", "pods a/b"),
        ] {
            let key = ObjectKey::of(place.as_bytes(), rest.as_bytes());
            assert_eq!(format!("{} {key}", key.resource), shown);
        }
    }
}
