//! The list of one capability's grants, of whichever type they are.

use std::any::Any;
use std::fmt;

use serde_json::Value as Json;

use crate::capability::{Grant, GrantProblem, Power};
use crate::{Endpoint, TargetName};

/// A `Vec` of some [`Grant`].
pub(crate) trait Entries: Any + fmt::Debug + Send + Sync {
    fn copy(&self) -> Box<dyn Entries>;
    fn is(&self, other: &dyn Entries) -> bool;
    fn is_none(&self) -> bool;
    fn json(&self) -> Json;
    fn allow(&self, power: &Power) -> bool;
    fn disclose(&self) -> bool;
    fn within(&self, ceiling: &dyn Entries) -> Box<dyn Entries>;
    fn part(&self, asked: &[&'static Power]) -> Box<dyn Entries>;
    fn reading(&self) -> Box<dyn Entries>;
    fn and(&self, more: &dyn Entries) -> Box<dyn Entries>;
    fn targets(&self) -> Vec<(usize, TargetName)>;
    fn at_endpoints(&self, endpoints: &dyn Fn(&TargetName) -> Vec<Endpoint>) -> Box<dyn Entries>;
    fn problems(&self) -> Vec<GrantProblem>;
    fn words(&self) -> Vec<String>;
    /// The places of entries that have nothing in common with `given`.
    fn apart_from(
        &self,
        given: Option<&dyn Entries>,
        endpoints: &dyn Fn(&TargetName) -> Vec<Endpoint>,
    ) -> Vec<usize>;
}

/// Those of the same capability.
fn same<G: Grant>(entries: &dyn Entries) -> &[G] {
    let any: &dyn Any = entries;
    let entries = any.downcast_ref::<Vec<G>>();
    entries.expect("lists of one name are of one type")
}

impl<G: Grant> Entries for Vec<G> {
    fn copy(&self) -> Box<dyn Entries> {
        Box::new(self.clone())
    }

    fn is(&self, other: &dyn Entries) -> bool {
        self == same::<G>(other)
    }

    fn is_none(&self) -> bool {
        self.is_empty()
    }

    fn json(&self) -> Json {
        serde_json::to_value(self).expect("grants are plain maps, lists and scalars")
    }

    fn allow(&self, power: &Power) -> bool {
        G::POWERS.contains(power) && self.iter().any(|entry| entry.allows(power))
    }

    fn disclose(&self) -> bool {
        let mut disclosing = G::POWERS.iter().filter(|power| power.discloses);
        disclosing.any(|power| self.allow(power))
    }

    /// Each with each: a pair that has nothing in common gives nothing. An entry that lies in
    /// one of the ceiling's whole stays as it is: no other pair adds to it.
    fn within(&self, ceiling: &dyn Entries) -> Box<dyn Entries> {
        let ceiling = same::<G>(ceiling);
        let within = |entry: &G| {
            let common = ceiling.iter().filter_map(|most| entry.common(most));
            let common: Vec<G> = common.collect();
            if common.contains(entry) {
                return vec![entry.clone()];
            }
            common
        };
        let mut all: Vec<G> = Vec::new();
        for entry in self.iter().flat_map(within) {
            if !all.contains(&entry) {
                all.push(entry);
            }
        }
        Box::new(all)
    }

    fn part(&self, asked: &[&'static Power]) -> Box<dyn Entries> {
        let parts: Vec<G> = self.iter().filter_map(|entry| entry.part(asked)).collect();
        Box::new(parts)
    }

    fn reading(&self) -> Box<dyn Entries> {
        Box::new(self.iter().filter_map(G::reading).collect::<Vec<G>>())
    }

    fn and(&self, more: &dyn Entries) -> Box<dyn Entries> {
        Box::new([self.as_slice(), same::<G>(more)].concat())
    }

    fn targets(&self) -> Vec<(usize, TargetName)> {
        let named = |(index, entry): (usize, &G)| Some((index, entry.target()?.clone()));
        self.iter().enumerate().filter_map(named).collect()
    }

    fn at_endpoints(&self, endpoints: &dyn Fn(&TargetName) -> Vec<Endpoint>) -> Box<dyn Entries> {
        let at = |entry: &G| at_endpoints(entry, endpoints);
        Box::new(self.iter().flat_map(at).collect::<Vec<G>>())
    }

    fn problems(&self) -> Vec<GrantProblem> {
        G::problems(self)
    }

    fn words(&self) -> Vec<String> {
        self.iter().map(G::words).collect()
    }

    fn apart_from(
        &self,
        given: Option<&dyn Entries>,
        endpoints: &dyn Fn(&TargetName) -> Vec<Endpoint>,
    ) -> Vec<usize> {
        let given = given.map_or(&[][..], same::<G>);
        let is_given = |own: &G| given.iter().any(|given| given.common(own).is_some());
        let is_apart = |entry: &G| !at_endpoints(entry, endpoints).iter().any(is_given);
        let entries = self.iter().enumerate();
        let apart = entries.filter(|(_, entry)| is_apart(entry));
        apart.map(|(index, _)| index).collect()
    }
}

fn at_endpoints<G: Grant>(entry: &G, endpoints: &dyn Fn(&TargetName) -> Vec<Endpoint>) -> Vec<G> {
    match entry.target() {
        Some(target) => entry.at(&endpoints(target)),
        None => vec![entry.clone()],
    }
}
