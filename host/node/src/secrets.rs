//! The secrets of a step or target: that each which was granted has a place, and what is
//! read there when a plugin uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drydock_capability_secret::{SecretAccess, SecretGrant, SecretSource};
use drydock_core::{ErrorCode, Fault, Name, Secret, nearest};
use drydock_documents::{FileError, Located, Lookup, SecretFrom};
use drydock_sandbox::Plugin;

/// The places under one `secrets:`, and what they are looked up in.
struct Places {
    secrets: BTreeMap<Name, SecretFrom>,
    env: Arc<dyn Lookup>,
}

/// The plugin with the secrets under `path`, e.g. `spec.secrets` of a target.
///
/// # Errors
/// By file and line: a secret that the plugin was granted has no place, nothing is there,
/// or it is not what it is granted for.
pub fn with_secrets<T>(
    plugin: Arc<Plugin>,
    document: &Located<T>,
    path: &str,
    secrets: &BTreeMap<Name, SecretFrom>,
    env: &Arc<dyn Lookup>,
) -> Result<Arc<Plugin>, FileError> {
    let grants: &[SecretGrant] = plugin.grants().of();
    let granted: BTreeSet<&Name> = grants.iter().map(|grant| &grant.name).collect();
    if granted.is_empty() {
        return Ok(plugin);
    }
    let places = Arc::new(Places {
        secrets: secrets.clone(),
        env: Arc::clone(env),
    });
    let judge = SecretAccess::new(grants.to_vec(), Some(places.clone()));
    for name in &granted {
        let Some(place) = secrets.get(name) else {
            return Err(missing(&plugin, document, path, secrets, name));
        };
        // Read once to see that it can be, and is what it is granted for; the plugin's
        // attempt reads it anew.
        let path = format!("{path}.{name}");
        let read = place.value_from.read(&**env);
        read.map_err(|error| document.error(&path, error))?;
        judge
            .judge(name.as_str())
            .map_err(|fault| document.sentence(&path, fault.message))?;
    }
    Ok(plugin.with_secrets(places))
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
        let mut secrets = self.secrets.iter();
        let place = secrets.find(|(own, _)| own.as_str() == name);
        let Some((_, place)) = place else {
            return Err(Fault::denied(
                ErrorCode::NoSuchSecret,
                format!("the document has no {name} under `secrets:`: add it there"),
            ));
        };
        let read = place.value_from.read(&*self.env);
        read.map_err(|error| {
            Fault::denied(ErrorCode::NoSecret, format!("the secret {name} {error}"))
        })
    }
}
