//! What actions say that they do with a cluster, before anything of them runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use drydock_core::SubjectAccess;
use drydock_sandbox::read_manifest;

use crate::{Configuration, PluginRegistry};

/// Finds the component of that name.
type Find<'a> = Box<dyn Fn(&str) -> Option<Vec<u8>> + 'a>;

/// What a node's actions say, each looked up once.
pub struct ActionAccess<'a> {
    node: &'a Configuration,
    component: Find<'a>,
    known: Mutex<BTreeMap<String, Option<SubjectAccess>>>,
}

impl<'a> ActionAccess<'a> {
    /// Of the actions in force.
    #[must_use]
    pub fn in_force(node: &'a Configuration) -> Self {
        Self::by(node, |name| node.component(name))
    }

    /// Of those that a registry has, which may be pinned ones.
    #[must_use]
    pub fn of(registry: &'a PluginRegistry) -> Self {
        Self::by(&registry.node, |name| {
            Some(registry.component(name).ok()?.0)
        })
    }

    fn by(node: &'a Configuration, component: impl Fn(&str) -> Option<Vec<u8>> + 'a) -> Self {
        Self {
            node,
            component: Box::new(component),
            known: Mutex::default(),
        }
    }

    /// None where there is no such action, or it cannot be read.
    pub fn get(&self, name: &str) -> Option<SubjectAccess> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(access) = known.get(name) {
            return *access;
        }
        let access = self.look(name);
        known.insert(name.to_owned(), access);
        access
    }

    fn look(&self, name: &str) -> Option<SubjectAccess> {
        if let Some(native) = self.node.deps.actions.get(name) {
            return Some(native.manifest().access);
        }
        let manifest = read_manifest(&(self.component)(name)?).ok()?;
        Some(manifest.action?.access)
    }
}
