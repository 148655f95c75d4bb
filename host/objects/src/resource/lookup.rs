//! Finding a resource by any of the words that kubectl takes for it.

use drydock_core::nearest;
use serde_json::{Map, Value};

use super::{BUILT_IN, Resource};

/// A resource that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Where its keys lie below the prefix.
    pub place: String,
    /// Plural and group.
    pub word: String,
    /// Whether a namespace stands before the name; none where nothing tells.
    pub namespaced: Option<bool>,
}

/// A resource that a `CustomResourceDefinition` defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custom {
    group: String,
    plural: String,
    /// Singular, kind and short names, in small letters.
    others: Vec<String>,
    namespaced: bool,
}

/// Why a word means no resource.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    #[error("there is no resource {word}{}", hint(.near.as_deref()))]
    Unknown { word: String, near: Option<String> },
    #[error("{word} could be each of {}: give the group as well", .fitting.join(", "))]
    Ambiguous { word: String, fitting: Vec<String> },
}

/// Finds a resource by plural, singular, kind or short name, each with or without its group,
/// and with or without a version between them.
///
/// # Errors
/// When the word means none, or several.
pub fn lookup(word: &str, custom: &[Custom]) -> Result<Asked, LookupError> {
    let wanted = word.to_ascii_lowercase();
    let (name, group) = match wanted.split_once('.') {
        Some((name, group)) => (name, Some(without_version(group))),
        None => (wanted.as_str(), None),
    };
    let in_group = |own: &str| group.is_none_or(|group| group == own);
    let built_in = BUILT_IN
        .iter()
        .filter(|known| in_group(known.group) && known.is_called(name) || known.key == wanted);
    let custom_ones = custom
        .iter()
        .filter(|known| in_group(&known.group) && known.is_called(name));
    let mut fitting: Vec<Asked> = built_in
        .map(Asked::from)
        .chain(custom_ones.map(Asked::from))
        .collect();
    match (fitting.len(), group) {
        (1, _) => Ok(fitting.remove(0)),
        // A definition that is gone leaves its objects behind.
        (0, Some(group)) if group.contains('.') => Ok(Asked {
            place: format!("{group}/{name}"),
            word: format!("{name}.{group}"),
            namespaced: None,
        }),
        (0, _) => Err(unknown(word, &wanted, custom)),
        _ => Err(LookupError::Ambiguous {
            word: word.to_owned(),
            fitting: fitting.into_iter().map(|asked| asked.word).collect(),
        }),
    }
}

fn unknown(word: &str, wanted: &str, custom: &[Custom]) -> LookupError {
    let built_in = BUILT_IN.iter().map(|known| known.plural);
    let known = built_in.chain(custom.iter().map(|known| known.plural.as_str()));
    LookupError::Unknown {
        word: word.to_owned(),
        near: nearest(wanted, known).map(str::to_owned),
    }
}

fn hint(near: Option<&str>) -> String {
    near.map_or_else(
        || ": give a word of `kubectl api-resources`, or a name as `snapshot ls --by resource` shows it".to_owned(),
        |near| format!("; did you mean {near}?"),
    )
}

/// `v1.apps` is `apps`, and `v1` is the group without a name.
fn without_version(group: &str) -> &str {
    let (first, rest) = group.split_once('.').unwrap_or((group, ""));
    let is_version = first
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if is_version { rest } else { group }
}

impl Resource {
    fn is_called(&self, name: &str) -> bool {
        self.plural == name || self.singular() == name || self.short.contains(&name)
    }
}

impl Custom {
    /// Reads a definition's JSON; none where it does not say enough.
    #[must_use]
    pub fn of(definition: &Map<String, Value>) -> Option<Self> {
        let spec = definition.get("spec")?;
        let names = spec.get("names")?;
        let text = |value: &Value| value.as_str().map(str::to_ascii_lowercase);
        let short = names.get("shortNames").and_then(Value::as_array);
        let others = [names.get("singular"), names.get("kind")]
            .into_iter()
            .flatten()
            .chain(short.into_iter().flatten());
        Some(Self {
            group: text(spec.get("group")?)?,
            plural: text(names.get("plural")?)?,
            others: others.filter_map(text).collect(),
            namespaced: spec.get("scope")?.as_str()? == "Namespaced",
        })
    }

    fn is_called(&self, name: &str) -> bool {
        self.plural == name || self.others.iter().any(|other| other == name)
    }
}

impl From<&Resource> for Asked {
    fn from(known: &Resource) -> Self {
        Self {
            place: known.key.to_owned(),
            word: known.word().into_owned(),
            namespaced: Some(known.namespaced),
        }
    }
}

impl From<&Custom> for Asked {
    fn from(known: &Custom) -> Self {
        Self {
            place: format!("{}/{}", known.group, known.plural),
            word: format!("{}.{}", known.plural, known.group),
            namespaced: Some(known.namespaced),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn widgets(group: &str) -> Custom {
        let definition = json!({"spec": {"group": group, "scope": "Namespaced", "names": {
            "plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]}}});
        Custom::of(definition.as_object().unwrap()).unwrap()
    }

    #[test]
    fn every_word_of_kubectl_finds_its_resource() {
        let custom = [widgets("example.com")];
        for (word, place) in [
            ("pods", "pods"),
            ("po", "pods"),
            ("Pod", "pods"),
            ("no", "minions"),
            ("deploy", "deployments"),
            ("deployments.apps", "deployments"),
            ("deployments.v1.apps", "deployments"),
            ("pods.v1", "pods"),
            ("services/specs", "services/specs"),
            ("wd", "example.com/widgets"),
            ("widget.example.com", "example.com/widgets"),
            ("gone.example.org", "example.org/gone"),
        ] {
            assert_eq!(lookup(word, &custom).unwrap().place, place, "{word}");
        }
    }

    #[test]
    fn a_word_that_means_nothing_or_two_things_is_refused() {
        let told = |word: &str, custom: &[Custom]| lookup(word, custom).unwrap_err().to_string();
        assert_eq!(
            told("deploments", &[]),
            "there is no resource deploments; did you mean deployments?"
        );
        assert_eq!(
            told("xyzzy", &[]),
            "there is no resource xyzzy: give a word of `kubectl api-resources`, or a name as `snapshot ls --by resource` shows it"
        );
        let both = [widgets("a.example.com"), widgets("b.example.com")];
        assert_eq!(
            told("widgets", &both),
            "widgets could be each of widgets.a.example.com, widgets.b.example.com: give the group as well"
        );
    }
}
