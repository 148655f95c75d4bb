//! What can be granted is not for a document to know: whoever reads documents brings a
//! [`Vocabulary`].

use drydock_core::tree::{Node, Value};
use drydock_core::{DecodeError, Grants};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// Knows what can be granted.
pub trait Vocabulary: Sync {
    /// Reads what stands under `grants:` of a PluginGrant, a Target or a step, or under
    /// `ceiling:` of a NodeConfig.
    ///
    /// # Errors
    /// The first key or entry that does not fit.
    fn grants(&self, written: &Node) -> Result<Grants, DecodeError>;
}

/// Reads what stands under `key` of a document's `spec`, if anything does.
pub(super) fn granted(
    document: &Node,
    key: &str,
    vocabulary: &dyn Vocabulary,
) -> Result<Option<Grants>, DecodeError> {
    let spec = document.get("spec");
    let Some((spec, written)) = spec.and_then(|spec| Some((spec, spec.get(key)?))) else {
        return Ok(None);
    };
    let grants = vocabulary.grants(written);
    let placed = |error: DecodeError| error.below(key, written.at).below("spec", spec.at);
    grants.map(Some).map_err(placed)
}

/// The same for a key that may be left empty.
pub(super) fn granted_if_any(
    document: &Node,
    key: &str,
    vocabulary: &dyn Vocabulary,
) -> Result<Option<Grants>, DecodeError> {
    let written = document.get("spec").and_then(|spec| spec.get(key));
    if written.is_some_and(|written| matches!(written.value, Value::Null)) {
        return Ok(None);
    }
    granted(document, key, vocabulary)
}

/// Reads what stands under `grants:` of each step of a Schedule, by its place among them.
pub(super) fn granted_to_steps(
    document: &Node,
    vocabulary: &dyn Vocabulary,
) -> Result<Vec<Option<Grants>>, DecodeError> {
    let spec = document.get("spec");
    let Some((spec, written)) = spec.and_then(|spec| Some((spec, spec.get("steps")?))) else {
        return Ok(Vec::new());
    };
    let Value::List(steps) = &written.value else {
        return Ok(Vec::new());
    };
    let read = steps.iter().enumerate().map(|(index, step)| {
        let Some(grants) = step.get("grants") else {
            return Ok(None);
        };
        let read = vocabulary.grants(grants);
        read.map(Some).map_err(|error| {
            let error = error.below("grants", grants.at);
            let error = error.below(&format!("[{index}]"), step.at);
            error.below("steps", written.at).below("spec", spec.at)
        })
    });
    read.collect()
}

/// For `deserialize_with`: what no vocabulary has read yet allows nothing.
pub(super) fn unread_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Grants>, D::Error> {
    unread(deserializer).map(Some)
}

/// For `deserialize_with`: what is read with a vocabulary afterwards.
pub(super) fn unread<'de, D: Deserializer<'de>, T: Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| T::default())
}
