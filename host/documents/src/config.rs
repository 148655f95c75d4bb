//! `config:` of a step or target: what its plugin is told. It is the plugin's own, but for
//! values that come from elsewhere: wherever text may stand, `{valueFrom: {env: NAME}}` or
//! `{valueFrom: {file: PATH}}` may.
//!
//! What is read there is text, and no secret: the plugin sees it, and a run records what its
//! steps were told. Secrets have a key of their own.

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::problem::Problem;
use super::value::{Lookup, SecretFrom, ValueError};

/// The key that makes a mapping the place of a value.
const VALUE_FROM: &str = "valueFrom";

/// A plugin's configuration, as it is written and with its values read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginConfig {
    written: Map<String, Json>,
    /// With every place's value in it; none before they were read.
    read: Option<Map<String, Json>>,
}

impl PluginConfig {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// What stands under a key, or what was read at its place.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.known().get(key)
    }

    /// The configuration as the plugin gets it: JSON text, keys in their order by name.
    #[must_use]
    pub fn json(&self) -> String {
        Json::Object(self.known().clone()).to_string()
    }

    /// Reads every value that stands elsewhere.
    ///
    /// # Errors
    /// The first value that cannot be had, with its path below this configuration.
    pub(super) fn read(&mut self, lookup: &dyn Lookup) -> Result<(), (String, ValueError)> {
        let mut read = self.written.clone();
        for (key, value) in &mut read {
            visit(value, key, &mut |value, path| {
                let Some(Ok(place)) = place(value) else {
                    return Ok(());
                };
                let text = place.value_from.read_text(lookup);
                *value = Json::String(text.map_err(|error| (path.to_owned(), error))?);
                Ok(())
            })?;
        }
        self.read = Some(read);
        Ok(())
    }

    /// Makes relative paths of places start at `folder`.
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for value in self.written.values_mut() {
            let resolved = visit::<()>(value, "", &mut |value, _| {
                if let Some(Ok(mut place)) = place(value) {
                    place.value_from.resolve(folder);
                    *value = serde_json::to_value(place).expect("a place is a plain map");
                }
                Ok(())
            });
            resolved.expect("paths resolve without errors");
        }
    }

    /// Places that are none, by their path from the document's root.
    pub(super) fn problems(&self, path: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, value) in &mut self.written.clone() {
            let judged = visit::<()>(value, &format!("{path}.{key}"), &mut |value, path| {
                if let Some(Err(rule)) = place(value) {
                    problems.push(Problem::new(path, rule));
                }
                Ok(())
            });
            judged.expect("problems are gathered, not thrown");
        }
        problems
    }

    fn known(&self) -> &Map<String, Json> {
        self.read.as_ref().unwrap_or(&self.written)
    }
}

/// As it is written: pins of runs and digests hold places, not what is there.
impl Serialize for PluginConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PluginConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self {
            written: Map::deserialize(deserializer)?,
            read: None,
        })
    }
}

/// The place that a mapping with this key names, or the rule that it breaks; none for what
/// is the plugin's own.
fn place(value: &Json) -> Option<Result<SecretFrom, String>> {
    value.as_object()?.get(VALUE_FROM)?;
    let place = serde_json::from_value(value.clone());
    Some(place.map_err(|_| {
        "must name one place and nothing else: {valueFrom: {file: PATH}} or {valueFrom: {env: NAME}}"
            .to_owned()
    }))
}

/// Shows a value and, where it is no place, everything in it. Documents are a few levels deep.
fn visit<E>(
    value: &mut Json,
    path: &str,
    each: &mut dyn FnMut(&mut Json, &str) -> Result<(), E>,
) -> Result<(), E> {
    if place(value).is_some() {
        return each(value, path);
    }
    match value {
        Json::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                visit(item, &format!("{path}[{index}]"), each)?;
            }
        }
        Json::Object(fields) => {
            for (key, field) in fields {
                visit(field, &format!("{path}.{key}"), each)?;
            }
        }
        _ => {}
    }
    Ok(())
}
