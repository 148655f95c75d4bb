//! The secrets of a step or target: that each which was granted has a place, and what is
//! read there when a plugin uses it.

use std::collections::BTreeMap;
use std::sync::Arc;

use drydock_capability_local::SecretSource;
use drydock_core::Fault;
use drydock_core::files::{FileError, Located, Name, Secret, SecretFrom, nearest};
use drydock_sandbox::Plugin;

use crate::environment::Surroundings;
use crate::exit::Failure;

/// The places under one `secrets:`.
struct Places(BTreeMap<Name, SecretFrom>);

/// The plugin with the secrets under `path`, e.g. `spec.secrets` of a target.
///
/// # Errors
/// By file and line: a secret that the plugin was granted has no place, or nothing is
/// there.
pub fn with_secrets<T>(
    plugin: Arc<Plugin>,
    document: &Located<T>,
    path: &str,
    secrets: &BTreeMap<Name, SecretFrom>,
) -> Result<Arc<Plugin>, Failure> {
    let granted = plugin.grants().secret_names();
    for name in &granted {
        match secrets.get(name) {
            None => {
                return Err(Failure::usage(missing(
                    &plugin, document, path, secrets, name,
                )));
            }
            // Read once to see that it can be; the plugin's attempt reads it anew.
            Some(place) => drop(place.value_from.read(&Surroundings).map_err(|error| {
                Failure::usage(document.error(&format!("{path}.{name}"), error))
            })?),
        }
    }
    if granted.is_empty() {
        return Ok(plugin);
    }
    Ok(plugin.with_secrets(Arc::new(Places(secrets.clone()))))
}

fn missing<T>(
    plugin: &Plugin,
    document: &Located<T>,
    path: &str,
    secrets: &BTreeMap<Name, SecretFrom>,
    name: &Name,
) -> FileError {
    let near = nearest(name.as_str(), secrets.keys().map(Name::as_str))
        .map_or_else(String::new, |near| format!("; is {near} meant for it?"));
    document.error(
        path,
        format!(
            "has no {name}, which plugin {} was granted: add `secrets: {{{name}: {{valueFrom: {{file: PATH}}}}}}`{near}",
            plugin.manifest().name
        ),
    )
}

impl SecretSource for Places {
    fn read(&self, name: &str) -> Result<Secret, Fault> {
        let place = self.0.iter().find(|(own, _)| own.as_str() == name);
        let Some((_, place)) = place else {
            return Err(Fault::denied(
                "no-such-secret",
                format!("the document has no {name} under `secrets:`: add it there"),
            ));
        };
        let read = place.value_from.read(&Surroundings);
        read.map_err(|error| Fault::denied("no-secret", format!("the secret {name} {error}")))
    }
}
