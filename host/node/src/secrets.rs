//! The secrets of a step or target: that each which was granted has a place, and what is
//! read there when a plugin uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drydock_capability_secret::{SecretAccess, SecretGrant, SecretSource};
use drydock_core::{ErrorCode, Fault, Grant, Name, Secret, nearest};
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
/// or it is not what it is granted for. A plugin that can do without secrets is given those
/// that have a place, and each that has one must be granted.
pub fn with_secrets<T>(
    plugin: Arc<Plugin>,
    document: &Located<T>,
    path: &str,
    secrets: &BTreeMap<Name, SecretFrom>,
    env: &Arc<dyn Lookup>,
) -> Result<Arc<Plugin>, FileError> {
    let grants: &[SecretGrant] = plugin.grants().of();
    let granted: BTreeSet<&Name> = grants.iter().map(|grant| &grant.name).collect();
    let can_do_without = can_do_without(&plugin);
    let mut ungranted = secrets.keys().filter(|name| !granted.contains(name));
    if let Some(name) = ungranted.next().filter(|_| can_do_without) {
        return Err(not_granted(&plugin, document, path, name));
    }
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
            if can_do_without {
                continue;
            }
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

/// Whether the plugin asks for secrets as for what it can do without: then it serves several
/// steps, each with secrets of its own.
fn can_do_without(plugin: &Plugin) -> bool {
    let mut optional = plugin.manifest().optional.iter();
    optional.any(|request| SecretGrant::POWERS.contains(request.power()))
}

fn not_granted<T>(plugin: &Plugin, document: &Located<T>, path: &str, name: &Name) -> FileError {
    document.error(
        &format!("{path}.{name}"),
        format!(
            "is a secret that plugin {} was not granted: add e.g. `secret: [{{name: {name}, reveal: true}}]` under `grants:` of a PluginGrant that names the plugin, or remove the secret here",
            plugin.manifest().name
        ),
    )
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
