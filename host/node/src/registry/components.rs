//! Where the bytes of plugins come from: from the program and the files that the node's
//! configuration names, or from what a run pinned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use drydock_core::{nearest, reason};

use crate::{Configuration, RegistryError, limits};

/// A plugin as a run pinned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedComponent {
    pub bytes: Vec<u8>,
    /// Whether the program carried it, so that grants for the built-in plugin of its name are
    /// meant for it.
    pub is_built_in: bool,
}

/// The plugins that there are.
pub(super) enum Components {
    /// Those that the program carries and the node's configuration names.
    InForce,
    /// These alone.
    Pinned(BTreeMap<String, PinnedComponent>),
}

impl Components {
    /// The names of all plugins, in order.
    pub fn names(&self, node: &Configuration) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::Pinned(pinned) => pinned.keys().cloned().collect(),
            Self::InForce => {
                let configured = node.config.value.spec.plugins.keys().cloned();
                let built_in = node.deps.built_in.names().map(str::to_owned);
                built_in.chain(configured).collect()
            }
        };
        names.sort();
        names.dedup();
        names
    }

    /// The component of that name, and whether it is the built-in one.
    pub fn get(&self, node: &Configuration, name: &str) -> Result<(Vec<u8>, bool), RegistryError> {
        match self {
            Self::InForce => match in_force(node, name)? {
                Some(component) => Ok(component),
                None => Err(self.unknown(node, name)),
            },
            Self::Pinned(pinned) => match pinned.get(name) {
                Some(component) => Ok((component.bytes.clone(), component.is_built_in)),
                None => Err(RegistryError::NotPinned {
                    name: name.to_owned(),
                }),
            },
        }
    }

    fn unknown(&self, node: &Configuration, name: &str) -> RegistryError {
        let names = self.names(node);
        let hint = nearest(name, names.iter().map(String::as_str))
            .map_or_else(String::new, |near| format!("; did you mean {near}?"));
        RegistryError::NoSuchPlugin {
            name: name.to_owned(),
            hint,
        }
    }
}

fn in_force(node: &Configuration, name: &str) -> Result<Option<(Vec<u8>, bool)>, RegistryError> {
    let spec = &node.config.value.spec;
    if let Some(source) = spec.plugins.get(name) {
        let most = limits::component_bytes_max(spec, &node.documents);
        let component = read_component(&source.file, most).map_err(|error| {
            let path = format!("spec.plugins.{name}");
            node.config.error(&path, format!("cannot be used: {error}"))
        })?;
        return Ok(Some((component, false)));
    }
    let built_in = node.deps.built_in.component(name);
    Ok(built_in.map(|component| (component.to_vec(), true)))
}

impl Configuration {
    /// The component of that name that is in force; none where it cannot be read.
    pub(crate) fn component(&self, name: &str) -> Option<Vec<u8>> {
        Some(in_force(self, name).ok()??.0)
    }
}

/// The bytes of a component's file, `bytes_max` at most.
///
/// # Errors
/// It cannot be read, or is larger.
pub fn read_component(path: &Path, bytes_max: u64) -> Result<Vec<u8>, UnreadComponent> {
    let unread = |why: String| UnreadComponent {
        path: path.to_owned(),
        why,
    };
    let size = std::fs::metadata(path).map_err(|error| unread(reason(&error)))?;
    let size = size.len();
    if size > bytes_max {
        return Err(unread(format!(
            "component-limit: it has {size} bytes, the limit is {bytes_max} bytes: raise `limits: {{componentMebibytes: ...}}` of its PluginGrant, or of the node's configuration, if it is to have more"
        )));
    }
    std::fs::read(path).map_err(|error| unread(reason(&error)))
}

/// A component's file that gave nothing.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read: {why}", path.display())]
pub struct UnreadComponent {
    path: PathBuf,
    why: String,
}
