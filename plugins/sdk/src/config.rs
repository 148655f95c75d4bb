//! The configuration of a step or target, from JSON into the plugin's own type.
//!
//! An operator's slip must read as what it is, so the keys of the type are compared
//! with those given before anything else, and an error in a value names its key. This
//! covers the outermost keys; a nested type says for itself what it refuses, e.g. by
//! serde's `deny_unknown_fields`.

use serde::de::value::{Error as Mistake, StringDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use crate::{Error, configuration, target};

/// The step's own configuration. Errors have the code `bad-configuration`.
pub fn of_step<T: DeserializeOwned>() -> Result<T, Error> {
    parse("the step's config", &configuration::step())
}

/// The configuration of the target that a store serves.
pub fn of_target<T: DeserializeOwned>() -> Result<T, Error> {
    let owner = format!("the config of target {}", target::name());
    parse(&owner, &target::config())
}

/// Parses JSON; `owner` begins every message, e.g. `the step's config`.
pub fn parse<T: DeserializeOwned>(owner: &str, json: &str) -> Result<T, Error> {
    let refuse = |why: String| Error::bad_configuration(format!("{owner} {why}"));
    let value =
        serde_json::from_str(json).map_err(|error| refuse(format!("is no JSON: {error}")))?;
    let Value::Object(keys) = value else {
        return Err(refuse("is no mapping of keys to values".to_owned()));
    };
    T::deserialize(Keys(keys)).map_err(|mistake| refuse(mistake.to_string()))
}

/// The outermost keys, which know what they may be called.
struct Keys(Map<String, Value>);

/// The keys one after the other; `current` is the one whose value comes next.
struct Entries {
    rest: serde_json::map::IntoIter,
    current: Option<(String, Value)>,
}

impl<'de> Deserializer<'de> for Keys {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_map(Entries {
            rest: self.0.into_iter(),
            current: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self.0.keys().find(|key| !fields.contains(&key.as_str())) {
            Some(unknown) => Err(Mistake::custom(no_such_key(unknown, fields))),
            None => self.deserialize_any(visitor).map_err(missing_in_our_words),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
        ignored_any
    }
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mistake> {
        self.current = self.rest.next();
        let Some((key, _)) = &self.current else {
            return Ok(None);
        };
        seed.deserialize(StringDeserializer::new(key.clone()))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let (key, value) = self
            .current
            .take()
            .expect("serde asks for a value only after its key");
        seed.deserialize(value)
            .map_err(|error| Mistake::custom(format!("has a wrong value for `{key}`: {error}")))
    }
}

fn no_such_key(unknown: &str, fields: &[&str]) -> String {
    if fields.is_empty() {
        return format!("has the key `{unknown}`, but takes none: remove it");
    }
    let known: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
    let known = known.join(", ");
    match nearest(unknown, fields) {
        Some(near) => format!("has no key `{unknown}`; did you mean `{near}`? It takes {known}"),
        None => format!("has no key `{unknown}`; it takes {known}"),
    }
}

/// serde says ``missing field `folder` ``; an operator knows keys.
fn missing_in_our_words(mistake: Mistake) -> Mistake {
    let text = mistake.to_string();
    match text.strip_prefix("missing field ") {
        Some(key) => Mistake::custom(format!("lacks the key {key}: add it")),
        None => mistake,
    }
}

/// The known word that differs least, if it is near enough to be meant: a third of
/// its letters may differ. Upper and lower case count as equal.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = word.to_lowercase();
    let measured = known
        .iter()
        .map(|candidate| (distance(&folded, &candidate.to_lowercase()), *candidate));
    let (away, candidate) = measured.min()?;
    (away <= candidate.len().div_ceil(3)).then_some(candidate)
}

/// Levenshtein's distance: how many letters are inserted, removed or exchanged.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for column in 0..right.len() {
            let exchanged = diagonal + usize::from(letter != right[column]);
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        folder: String,
        #[serde(default)]
        allow_learner: bool,
        count: Option<u32>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Nothing {}

    fn refusal<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        let error = parse::<T>("the step's config", json).unwrap_err();
        assert_eq!(error.code, "bad-configuration");
        error.message
    }

    #[test]
    fn good_configuration_is_taken() {
        let config: Config = parse("it", r#"{"folder":"/a","allowLearner":true}"#).unwrap();
        assert!(config.allow_learner);
        assert_eq!((config.folder.as_str(), config.count), ("/a", None));
        parse::<Nothing>("it", "{}").unwrap();
    }

    #[test]
    fn each_slip_reads_as_what_it_is() {
        for (json, expected) in [
            (
                r#"{"folder":"/a","allowlearner":true}"#,
                "the step's config has no key `allowlearner`; did you mean `allowLearner`? It takes `folder`, `allowLearner`, `count`",
            ),
            (
                r#"{"folder":"/a","zone":1}"#,
                "the step's config has no key `zone`; it takes `folder`, `allowLearner`, `count`",
            ),
            ("{}", "the step's config lacks the key `folder`: add it"),
            (
                r#"{"folder":"/a","count":"x"}"#,
                "the step's config has a wrong value for `count`: invalid type: string \"x\", expected u32",
            ),
            ("[]", "the step's config is no mapping of keys to values"),
        ] {
            assert_eq!(refusal::<Config>(json), expected);
        }
        assert!(refusal::<Config>("{").starts_with("the step's config is no JSON: "));
        assert_eq!(
            refusal::<Nothing>(r#"{"a":1}"#),
            "the step's config has the key `a`, but takes none: remove it"
        );
    }

    #[test]
    fn nearest_is_near() {
        let known = ["folder", "parallel"];
        assert_eq!(nearest("FOLDER", &known), Some("folder"));
        assert_eq!(nearest("floder", &known), Some("folder"));
        assert_eq!(nearest("paralel", &known), Some("parallel"));
        assert_eq!(nearest("x", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn distance_counts_letters() {
        for (left, right, expected) in [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(left, right), expected);
        }
    }
}
