//! What a seed alone says of a simulated run, so that its number is enough to run it again.

use crate::chaos::{CALM, Chaos, EVERYTHING, GRAPH};
use crate::graph::Shape;
use crate::simulator::Case;

/// Shapes by how often they come up.
const SHAPES: [Shape; 10] = [
    Shape::Graph,
    Shape::Graph,
    Shape::Graph,
    Shape::Graph,
    Shape::Graph,
    Shape::Graph,
    Shape::Point,
    Shape::Quickstart,
    Shape::Drill,
    Shape::Nightly,
];

/// Only processes end, again and again.
const CRASHES: Chaos = Chaos {
    crash: 120,
    spool_lost: 100,
    ..CALM
};

/// Steps that fail a lot, and an operator who has to help.
const FAILING: Chaos = Chaos {
    step_fails: 400,
    undo_fails: 500,
    undo_never: 300,
    crash: 40,
    ..GRAPH
};

/// Holds that are lost and waited for, and deadlines.
const HOLDS: Chaos = Chaos {
    hold_lost: 150,
    hold_blocked: 250,
    deadline: 40,
    crash: 60,
    ..CALM
};

/// How the world of each is, by how often it comes up.
const WORLDS: [Chaos; 7] = [GRAPH, GRAPH, GRAPH, EVERYTHING, CRASHES, FAILING, HOLDS];

/// The run of that seed.
pub fn case_of(seed: u64) -> Case {
    let shape = SHAPES[usize::try_from(seed % SHAPES.len() as u64).unwrap()];
    let place = seed / SHAPES.len() as u64 % WORLDS.len() as u64;
    Case::new(seed, shape, WORLDS[usize::try_from(place).unwrap()])
}
