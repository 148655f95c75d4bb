//! What an operator grants: lists of entries by the names that they have in a document. Of
//! what type they are is known to a table of [`Capability`] rows, which whoever reads
//! documents brings.
//!
//! **Invariant:** an effective grant is what was asked for, and granted, and left by the step
//! or target that uses it, and within the node's ceiling: [`Grants::within`] and
//! [`Grants::part`] only ever take away.

use std::any::Any;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value as Json, json};

use crate::capability::{Grant, GrantProblem, Power, json_words};
use crate::decode::DecodeError;
use crate::entries::Entries;
use crate::tree::{Node, Value};
use crate::{Endpoint, TargetName};

/// A capability as a row of a table.
#[derive(Debug)]
pub struct Capability {
    pub name: &'static str,
    pub powers: &'static [Power],
    /// As [`Grant::hint`].
    pub hint: fn(&[&'static Power]) -> String,
    parse: fn(&Node) -> Result<Box<dyn Entries>, DecodeError>,
}

/// What an operator grants, a list of entries for each capability. Nothing by default.
///
/// **Invariant:** no list is empty.
#[derive(Debug, Default)]
pub struct Grants(BTreeMap<&'static str, Box<dyn Entries>>);

/// An entry of a list where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantEntry {
    /// Below the lists, e.g. `http[0]`.
    pub path: String,
    /// What it allows, for people.
    pub words: String,
}

/// What a plugin could do in a run, as the journal keeps it: JSON by the names of
/// capabilities, so that a record needs none of them to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantRecord(BTreeMap<String, Json>);

impl Capability {
    /// The capability whose grants are of this type.
    #[must_use]
    pub const fn of<G: Grant>() -> Self {
        Self {
            name: G::NAME,
            powers: G::POWERS,
            hint: G::hint,
            parse: parse::<G>,
        }
    }
}

fn parse<G: Grant>(written: &Node) -> Result<Box<dyn Entries>, DecodeError> {
    Ok(Box::new(written.decode::<Vec<G>>()?))
}

impl Grants {
    /// Reads what stands under `grants:` or `ceiling:`, with these capabilities.
    ///
    /// # Errors
    /// The first key or entry that does not fit.
    pub fn parse<'c>(
        written: &Node,
        known: impl Iterator<Item = &'c Capability> + Clone,
    ) -> Result<Self, DecodeError> {
        let Value::Map(lists) = &written.value else {
            return Err(written.wrong_type("a mapping"));
        };
        let mut grants = Self::default();
        for (key, list) in lists {
            let mut all = known.clone();
            let Some(capability) = all.find(|capability| capability.name == key.text) else {
                let names = known.map(|capability| capability.name).collect();
                return Err(DecodeError::unknown_key(key, names));
            };
            let entries = (capability.parse)(list);
            let entries = entries.map_err(|error| error.below(&key.text, list.at))?;
            grants.put(capability.name, entries);
        }
        Ok(grants)
    }

    /// The same grants with these as well.
    #[must_use]
    pub fn with<G: Grant>(mut self, entries: impl IntoIterator<Item = G>) -> Self {
        let mut all = self.of::<G>().to_vec();
        all.extend(entries);
        self.put(G::NAME, Box::new(all));
        self
    }

    /// The same grants without any of this kind.
    #[must_use]
    pub fn without<G: Grant>(mut self) -> Self {
        self.0.remove(G::NAME);
        self
    }

    /// The entries of one capability.
    #[must_use]
    pub fn of<G: Grant>(&self) -> &[G] {
        let entries: Option<&dyn Any> = self.0.get(G::NAME).map(|entries| &**entries as &dyn Any);
        let entries = entries.and_then(|entries| entries.downcast_ref::<Vec<G>>());
        entries.map_or(&[], Vec::as_slice)
    }

    /// Whether anything of this capability is granted.
    #[must_use]
    pub fn has(&self, capability: &Capability) -> bool {
        self.0.contains_key(capability.name)
    }

    /// Whether a power is granted at least in part: a folder to write to, the call of that
    /// name.
    #[must_use]
    pub fn allow(&self, power: &Power) -> bool {
        self.0.values().any(|entries| entries.allow(power))
    }

    /// Whether a plugin gets to see what may be secret. What it had in its hands nobody can
    /// follow through its memory: so it is what it *can* see that counts.
    #[must_use]
    pub fn disclose(&self) -> bool {
        self.0.values().any(|entries| entries.disclose())
    }

    /// What lies within `ceiling` as well.
    #[must_use]
    pub fn within(&self, ceiling: &Self) -> Self {
        self.map(|name, entries| Some(entries.within(&**ceiling.0.get(name)?)))
    }

    /// What these powers need of it.
    #[must_use]
    pub fn part(&self, asked: &[&'static Power]) -> Self {
        self.map(|_, entries| Some(entries.part(asked)))
    }

    /// What is left of it where nothing may be changed.
    #[must_use]
    pub fn reading(&self) -> Self {
        self.map(|_, entries| Some(entries.reading()))
    }

    /// These and those.
    #[must_use]
    pub fn and(&self, more: &Self) -> Self {
        let mut both = more.clone();
        for (name, entries) in &self.0 {
            let joined = match more.0.get(name) {
                Some(more) => entries.and(&**more),
                None => entries.copy(),
            };
            both.put(name, joined);
        }
        both
    }

    /// The Target documents that entries name, each with the path of the entry, e.g.
    /// `http[0]`.
    #[must_use]
    pub fn targets(&self) -> Vec<(String, TargetName)> {
        let mut targets = Vec::new();
        for (name, entries) in &self.0 {
            let named = entries.targets().into_iter();
            targets.extend(named.map(|(index, target)| (format!("{name}[{index}]"), target)));
        }
        targets
    }

    /// The same grants with the endpoints of targets in the place of the targets.
    #[must_use]
    pub fn at_endpoints(&self, endpoints: &dyn Fn(&TargetName) -> Vec<Endpoint>) -> Self {
        self.map(|_, entries| Some(entries.at_endpoints(endpoints)))
    }

    /// The entries that have nothing in common with `given`: what a step or target says that it
    /// uses, and was not granted. Of one that names a target its endpoints count.
    #[must_use]
    pub fn apart_from(
        &self,
        given: &Self,
        endpoints: &dyn Fn(&TargetName) -> Vec<Endpoint>,
    ) -> Vec<GrantEntry> {
        let mut apart = Vec::new();
        for (name, entries) in &self.0 {
            let given = given.0.get(name).map(|given| &**given);
            let words = entries.words();
            let places = entries.apart_from(given, endpoints).into_iter();
            apart.extend(places.map(|index| GrantEntry {
                path: format!("{name}[{index}]"),
                words: words[index].clone(),
            }));
        }
        apart
    }

    /// What is allowed, for people: a line for each capability, e.g. `files: read /etc, write
    /// /var/backups`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let lists = self.0.iter();
        lists
            .map(|(name, entries)| line(name, &entries.words()))
            .collect()
    }

    /// What single entries cannot show, by paths such as `files[0].directory`.
    #[must_use]
    pub fn problems(&self) -> Vec<GrantProblem> {
        let mut all = Vec::new();
        for (name, entries) in &self.0 {
            let problems = entries.problems().into_iter();
            all.extend(problems.map(|problem| GrantProblem {
                path: format!("{name}{}", problem.path),
                rule: problem.rule,
            }));
        }
        all
    }

    fn map(&self, change: impl Fn(&'static str, &dyn Entries) -> Option<Box<dyn Entries>>) -> Self {
        let mut changed = Self::default();
        for (name, entries) in &self.0 {
            if let Some(entries) = change(name, &**entries) {
                changed.put(name, entries);
            }
        }
        changed
    }

    fn put(&mut self, name: &'static str, entries: Box<dyn Entries>) {
        if entries.is_none() {
            self.0.remove(name);
        } else {
            self.0.insert(name, entries);
        }
    }
}

impl GrantRecord {
    /// What was allowed, for people: as [`Grants::lines`], of a list that this program does
    /// not know too.
    #[must_use]
    pub fn lines(&self, known: impl Iterator<Item = &'static Capability> + Clone) -> Vec<String> {
        let line = |(name, entries): (&String, &Json)| {
            let written = json!({ name.as_str(): entries });
            match Grants::parse(&(&written).into(), known.clone()) {
                Ok(grants) => grants.lines(),
                Err(_) => vec![line(name, &[json_words(entries)])],
            }
        };
        self.0.iter().flat_map(line).collect()
    }
}

/// Entries that are lists themselves are told apart by semicolons.
fn line(name: &str, words: &[String]) -> String {
    let has_commas = words.iter().any(|words| words.contains(','));
    let by = if has_commas { "; " } else { ", " };
    format!("{name}: {}", words.join(by))
}

impl Clone for Grants {
    fn clone(&self) -> Self {
        self.map(|_, entries| Some(entries.copy()))
    }
}

impl PartialEq for Grants {
    fn eq(&self, other: &Self) -> bool {
        let lists = self.0.iter();
        let mut same = lists.map(|(name, entries)| {
            let theirs = other.0.get(name);
            theirs.is_some_and(|theirs| entries.is(&**theirs))
        });
        self.0.len() == other.0.len() && same.all(|same| same)
    }
}

impl Eq for Grants {}

impl Serialize for Grants {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lists = self.0.iter();
        serializer.collect_map(lists.map(|(name, entries)| (name, entries.json())))
    }
}

impl From<&Grants> for GrantRecord {
    fn from(grants: &Grants) -> Self {
        let lists = grants.0.iter();
        Self(
            lists
                .map(|(name, entries)| ((*name).to_owned(), entries.json()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{HostPattern, Scheme};

    use super::*;

    /// Ports, from the first to the last, of nobody or of a target.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Ports(u16, u16, Option<TargetName>);

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Word(String);

    impl Grant for Ports {
        const NAME: &'static str = "ports";
        const POWERS: &'static [Power] = &[];

        fn common(&self, ceiling: &Self) -> Option<Self> {
            let both = Self(self.0.max(ceiling.0), self.1.min(ceiling.1), None);
            (both.0 <= both.1).then_some(both)
        }

        fn allows(&self, _: &Power) -> bool {
            false
        }

        fn hint(_: &[&'static Power]) -> String {
            String::new()
        }

        fn target(&self) -> Option<&TargetName> {
            self.2.as_ref()
        }

        fn at(&self, endpoints: &[Endpoint]) -> Vec<Self> {
            let ports = endpoints.iter().map(|endpoint| endpoint.port);
            ports.map(|port| Self(port, port, None)).collect()
        }
    }

    impl Grant for Word {
        const NAME: &'static str = "words";
        const POWERS: &'static [Power] = &[];

        fn common(&self, ceiling: &Self) -> Option<Self> {
            (self == ceiling).then(|| self.clone())
        }

        fn allows(&self, _: &Power) -> bool {
            false
        }

        fn hint(_: &[&'static Power]) -> String {
            String::new()
        }
    }

    fn ports(ranges: &[(u16, u16)]) -> Grants {
        let ranges = ranges
            .iter()
            .map(|(first, last)| Ports(*first, *last, None));
        Grants::default().with(ranges)
    }

    fn word(word: &str) -> Grants {
        Grants::default().with([Word(word.to_owned())])
    }

    #[test]
    fn within_a_ceiling_is_what_both_allow() {
        let granted = ports(&[(1, 4), (8, 9)]).and(&word("a"));
        let ceiling = ports(&[(3, 6)]).and(&word("b"));
        assert_eq!(granted.within(&ceiling), ports(&[(3, 4)]));
        // What the ceiling does not name at all is not allowed either.
        assert_eq!(granted.within(&word("a")), word("a"));
        assert_eq!(granted.within(&Grants::default()), Grants::default());
        assert_eq!(Grants::default().within(&granted), Grants::default());
    }

    #[test]
    fn what_several_pairs_have_in_common_is_granted_once() {
        let granted = ports(&[(1, 4), (2, 6), (5, 5)]);
        let ceiling = ports(&[(2, 4), (5, 9)]);
        assert_eq!(granted.within(&ceiling), ports(&[(2, 4), (5, 6), (5, 5)]));
        let twice = ports(&[(1, 4), (1, 4)]);
        assert_eq!(twice.within(&twice), ports(&[(1, 4)]));
    }

    #[test]
    fn what_lies_within_whole_stays_as_it_is_and_once() {
        let granted = ports(&[(1, 4), (2, 6), (3, 3)]);
        assert_eq!(granted.within(&granted), granted);
    }

    #[test]
    fn what_was_not_granted_is_told_by_its_place() {
        let granted = ports(&[(1, 4), (8, 9)]).and(&word("a"));
        let target = |name: &str| Ports(0, 0, Some(TargetName::new(name)));
        let used = ports(&[(4, 5), (5, 7)]).with([target("near"), target("far")]);
        let used = used.and(&word("b"));
        let endpoints = |target: &TargetName| {
            let port = if target.as_str() == "near" { 8 } else { 80 };
            vec![Endpoint {
                scheme: Scheme::Https,
                host: HostPattern::parse("a.example").unwrap(),
                port,
            }]
        };
        let told = |given: &Grants| {
            let apart = used.apart_from(given, &endpoints).into_iter();
            let told = apart.map(|entry| format!("{} {}", entry.path, entry.words));
            told.collect::<Vec<_>>()
        };
        assert_eq!(
            told(&granted),
            ["ports[1] 5, 7, null", "ports[3] 0, 0, far", "words[0] b"]
        );
        let all: Vec<_> = told(&Grants::default());
        assert_eq!(all.len(), 5, "{all:?}");
    }

    #[test]
    fn what_is_allowed_is_told_in_a_line_for_each_capability() {
        let granted = ports(&[(1, 4), (8, 9)])
            .and(&word("a"))
            .with([Word("b".into())]);
        let lines = ["ports: 1, 4, null; 8, 9, null", "words: a, b"];
        assert_eq!(granted.lines(), lines);
        static KNOWN: [Capability; 2] = [Capability::of::<Ports>(), Capability::of::<Word>()];
        assert_eq!(GrantRecord::from(&granted).lines(KNOWN.iter()), lines);
        // A record is older than a program that lost a capability.
        assert_eq!(GrantRecord::from(&granted).lines(KNOWN[..1].iter()), lines);
    }

    #[test]
    fn these_and_those_are_all_of_both() {
        let these = ports(&[(1, 2)]).and(&word("a"));
        assert_eq!(
            (these.of::<Ports>().len(), these.of::<Word>().len()),
            (1, 1)
        );
        let those = ports(&[(3, 4)]);
        assert_eq!(these.and(&those), ports(&[(1, 2), (3, 4)]).and(&word("a")));
        assert_eq!(these.and(&Grants::default()), these);
        assert_eq!(Grants::default().and(&these), these);
    }

    #[test]
    fn endpoints_stand_in_the_place_of_their_target() {
        let target = |name: &str| Ports(0, 0, Some(TargetName::new(name)));
        let granted = ports(&[(1, 1)]).with([target("near"), target("none")]);
        let named = granted.targets();
        let paths: Vec<_> = named
            .iter()
            .map(|(path, name)| (&**path, name.as_str()))
            .collect();
        assert_eq!(paths, [("ports[1]", "near"), ("ports[2]", "none")]);
        let endpoint = |port| Endpoint {
            scheme: Scheme::Https,
            host: HostPattern::parse("s3.example.com").unwrap(),
            port,
        };
        let endpoints = |target: &TargetName| match target.as_str() {
            "near" => vec![endpoint(443), endpoint(9000)],
            _ => Vec::new(),
        };
        let at = granted.at_endpoints(&endpoints);
        assert_eq!(at, ports(&[(1, 1), (443, 443), (9000, 9000)]));
        // A list of which nothing is left is no list.
        let nothing = Grants::default().with([target("none")]);
        assert_eq!(nothing.at_endpoints(&endpoints), Grants::default());
    }
}
