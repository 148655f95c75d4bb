//! From keys and values in a snapshot to the objects that operators name.

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use drydock_objects::{
    encryption::{CONFIG_BYTES_MAX, Keys},
    key::ObjectKey,
    resource::lookup::{Asked, Custom, lookup},
    stored,
};
use drydock_snapshot::{Prefixes, Survey, inspect::KeyValue};
use serde_json::{Map, Value};

use crate::{Context as _, Failure};

/// Where the definitions of custom resources lie.
const DEFINITIONS: &[u8] = b"apiextensions.k8s.io/customresourcedefinitions";

/// The namespace that kubectl takes where none is given.
const DEFAULT_NAMESPACE: &str = "default";

/// The object that a key is about.
pub fn object_of(prefixes: &Prefixes, key: &[u8]) -> ObjectKey {
    match prefixes.split(key) {
        Some(split) => ObjectKey::of(split.resource, split.name),
        None => ObjectKey::other(key),
    }
}

/// One object, as it was asked for.
pub struct Wanted {
    resource: Asked,
    /// What stands behind the resource in its key: each that the name could mean.
    rests: Vec<String>,
    name: String,
}

/// A stored value by itself.
pub struct Stored {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub mod_revision: i64,
}

/// The resource of a word of kubectl's, custom ones by their definitions in the snapshot.
pub fn resource(survey: &Survey<'_>, word: &str) -> Result<Asked, Failure> {
    let built_in = lookup(word, &[]);
    if built_in
        .as_ref()
        .is_ok_and(|asked| asked.namespaced.is_some())
    {
        return built_in.map_err(Failure::usage);
    }
    let custom = definitions(survey)?;
    lookup(word, &custom).map_err(Failure::usage)
}

fn definitions(survey: &Survey<'_>) -> Result<Vec<Custom>, Failure> {
    let mut custom = Vec::new();
    survey.live(None, |pair| {
        let split = survey.prefixes().split(pair.key);
        if split.is_some_and(|key| key.resource == DEFINITIONS) {
            let definition = stored::decode(pair.value).ok();
            custom.extend(definition.as_ref().and_then(Custom::of));
        }
        ControlFlow::Continue(())
    })?;
    Ok(custom)
}

impl Wanted {
    /// The object that RESOURCE and [NAMESPACE/]NAME mean.
    pub fn of(survey: &Survey<'_>, word: &str, name: &str) -> Result<Self, Failure> {
        let resource = resource(survey, word)?;
        let in_default = format!("{DEFAULT_NAMESPACE}/{name}");
        let rests = match (resource.namespaced, name.contains('/')) {
            (_, true) | (Some(false), _) => vec![name.to_owned()],
            (Some(true), false) => vec![in_default],
            (None, false) => vec![in_default, name.to_owned()],
        };
        Ok(Self {
            resource,
            rests,
            name: name.to_owned(),
        })
    }

    pub fn is(&self, prefixes: &Prefixes, key: &[u8]) -> bool {
        prefixes.split(key).is_some_and(|key| {
            key.resource == self.resource.place.as_bytes()
                && self
                    .rests
                    .iter()
                    .any(|wanted| wanted.as_bytes() == key.name)
        })
    }

    /// The value at a revision, or the newest.
    pub fn find(
        &self,
        survey: &Survey<'_>,
        revision: Option<i64>,
    ) -> Result<Option<Stored>, Failure> {
        let mut found = None;
        survey.live(revision, |pair| {
            if !self.is(survey.prefixes(), pair.key) {
                return ControlFlow::Continue(());
            }
            found = Some(Stored::of(pair));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Nothing was found: what was looked for, and where else to look.
    pub fn missing(&self, source: &Path, when: &str) -> Failure {
        let namespace = match (self.resource.namespaced, self.name.contains('/')) {
            (Some(true), false) => " in the namespace default; give NAMESPACE/NAME for another",
            _ => "",
        };
        Failure::failed(format!(
            "{} has no {} {}{when}{namespace}",
            source.display(),
            self.resource.word,
            self.name
        ))
    }

    /// Resource and name as they are shown.
    pub fn shown(&self) -> String {
        format!("{} {}", self.resource.word, self.rests[0])
    }
}

impl Stored {
    fn of(pair: &KeyValue<'_>) -> Self {
        Self {
            key: pair.key.to_vec(),
            value: pair.value.to_vec(),
            mod_revision: pair.mod_revision,
        }
    }

    /// The stored bytes, opened where they were encrypted.
    pub fn open(&self, keys: Option<&Keys>) -> Result<Vec<u8>, Failure> {
        match keys {
            Some(keys) => {
                let opened = keys.open(&self.key, &self.value);
                Ok(opened.map_err(Failure::failed)?.to_vec())
            }
            None => Ok(self.value.clone()),
        }
    }

    /// The object's JSON.
    pub fn decode(&self, keys: Option<&Keys>) -> Result<Map<String, Value>, Failure> {
        stored::decode(&self.open(keys)?).map_err(Failure::failed)
    }
}

/// The keys of an EncryptionConfiguration file.
pub fn keys(path: Option<&Path>) -> Result<Option<Keys>, Failure> {
    let Some(path) = path else {
        return Ok(None);
    };
    let read = || -> Result<Keys, Box<dyn Error + Send + Sync>> {
        if fs::metadata(path)?.len() > CONFIG_BYTES_MAX as u64 {
            return Err("it is too large to be an EncryptionConfiguration".into());
        }
        Ok(Keys::parse(&fs::read_to_string(path)?)?)
    };
    read()
        .map_err(Failure::usage)
        .with_context(|| format!("{} cannot be used", path.display()))
        .map(Some)
}
