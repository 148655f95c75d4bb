//! A unit: holds, and the steps that make their cuts during them. It runs as a whole, in
//! passes: what one of its parts loses, all of them lose.

use std::collections::BTreeMap;

use drydock_core::{Fault, StepName};

use crate::model::NodeSpec;

/// A unit. Its parts are places in the run's list of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    pub holds: Vec<usize>,
    pub members: Vec<usize>,
    /// Passes that failed, and those that ended with their process.
    pub failures: u32,
    pub interrupted: u32,
    /// Why the pass that is under way does not count.
    pub lost: Option<Fault>,
    /// Whether the next pass waits for a while.
    pub waiting: bool,
    pub end: Option<UnitEnd>,
}

/// How a unit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitEnd {
    /// Every hold stood to the end, and every step made its cut meanwhile.
    Whole,
    /// No pass was whole.
    GivenUp(Fault),
}

impl Unit {
    /// Holds, then the steps during them.
    pub fn parts(&self) -> impl Iterator<Item = usize> + use<> {
        let parts: Vec<_> = self.holds.iter().chain(&self.members).copied().collect();
        parts.into_iter()
    }
}

/// The units of a graph: steps that share a hold are in one, and so are holds that share a
/// step.
pub fn units(nodes: &[NodeSpec], index: &BTreeMap<StepName, usize>) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let holds = |node: &NodeSpec| -> Vec<usize> {
        let holds = node.during.iter().filter_map(|hold| index.get(hold));
        holds.copied().collect()
    };
    for (place, node) in nodes.iter().enumerate() {
        let mut unit = if node.hold.is_some() {
            Unit {
                holds: vec![place],
                ..Unit::default()
            }
        } else if node.during.is_empty() {
            continue;
        } else {
            Unit {
                holds: holds(node),
                members: vec![place],
                ..Unit::default()
            }
        };
        let shares = |other: &Unit| other.holds.iter().any(|hold| unit.holds.contains(hold));
        let (joined, rest): (Vec<_>, Vec<_>) = units.into_iter().partition(shares);
        for other in joined {
            unit.holds.extend(other.holds);
            unit.members.extend(other.members);
        }
        unit.holds.sort_unstable();
        unit.holds.dedup();
        unit.members.sort_unstable();
        units = rest;
        units.push(unit);
    }
    units
}

/// The unit that a node belongs to.
pub fn unit_of(units: &[Unit], node: usize) -> Option<usize> {
    units
        .iter()
        .position(|unit| unit.parts().any(|part| part == node))
}
