//! Powers of the host that an operator can grant to plugins, whichever there are: this
//! module knows none of them. Each capability's crate says with a [`Grant`] how an entry of
//! its list looks, what two of them have in common, and which [`Power`]s it gives.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::{Endpoint, TargetName};

/// One power that a plugin can ask for.
#[derive(Debug)]
pub struct Power {
    /// As it stands among the requests of a manifest, e.g. `files.read`.
    pub word: &'static str,
    /// The line that an operator adds under `grants:` to allow it.
    pub line: &'static str,
    pub reach: Reach,
    /// Whether the plugin itself gets to see what may be secret.
    pub discloses: bool,
    /// The functions of the capability's interfaces that belong to it: each function to one
    /// power. Methods go without the name of their resource.
    pub functions: &'static [&'static str],
    /// Functions of other powers that it opens as well.
    pub also: &'static [&'static str],
    /// The power that is left of it where nothing may be written; none for the same.
    pub reading: Option<&'static Power>,
}

/// What calls of a power do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// They look, and may be repeated at will.
    Reads,
    /// They may change something.
    Writes,
}

/// One entry of a capability's list under `grants:` or `ceiling:`.
pub trait Grant:
    Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The list's key.
    const NAME: &'static str;
    /// All that it can give.
    const POWERS: &'static [Power];

    /// What both allow.
    fn common(&self, ceiling: &Self) -> Option<Self>;

    /// Whether it gives this power, at least for a part of what there is.
    fn allows(&self, power: &Power) -> bool;

    /// As much of it as these powers need.
    fn part(&self, asked: &[&'static Power]) -> Option<Self> {
        let needed = asked.iter().any(|power| self.allows(power));
        needed.then(|| self.clone())
    }

    /// As much of it as is left where nothing may be changed.
    fn reading(&self) -> Option<Self> {
        let mut given = Self::POWERS.iter().filter(|power| self.allows(power));
        let reads = given.all(|power| power.reach == Reach::Reads);
        reads.then(|| self.clone())
    }

    /// What single entries of a list cannot show.
    fn problems(_: &[Self]) -> Vec<GrantProblem> {
        Vec::new()
    }

    /// What an operator may write into the list for a plugin that asks for these of its
    /// powers, one at least: a comment for people.
    fn hint(asked: &[&'static Power]) -> String;

    /// What it allows, for people: e.g. `read /etc/kubernetes`. The list's name stands before
    /// it.
    fn words(&self) -> String {
        json_words(&serde_json::to_value(self).unwrap_or_default())
    }

    /// The Target document whose endpoints it stands for, if it names one.
    fn target(&self) -> Option<&TargetName> {
        None
    }

    /// The entries for the endpoints of its target.
    fn at(&self, _: &[Endpoint]) -> Vec<Self> {
        vec![self.clone()]
    }
}

/// A rule that a grant breaks: the path of the key and a predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantProblem {
    /// Below the list that is told about, e.g. `[0].directory`.
    pub path: String,
    pub rule: String,
}

/// What stands in JSON, without its punctuation and keys.
#[must_use]
pub fn json_words(value: &Json) -> String {
    let joined = |values: &mut dyn Iterator<Item = &Json>, by: &str| {
        values.map(json_words).collect::<Vec<_>>().join(by)
    };
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => joined(&mut items.iter(), ", "),
        Json::Object(fields) => joined(&mut fields.values(), " "),
        other => other.to_string(),
    }
}

impl Power {
    /// Whether it opens this function, its own or another power's.
    #[must_use]
    pub fn opens(&self, function: &str) -> bool {
        self.functions.contains(&function) || self.also.contains(&function)
    }
}

impl PartialEq for Power {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl Eq for Power {}

impl GrantProblem {
    #[must_use]
    pub fn new(path: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            rule: rule.into(),
        }
    }
}
