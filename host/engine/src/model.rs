//! What a run is made of: its pinned specification, the events that it takes in and the
//! effects that it asks for. Everything here is data and is kept in the journal. None of it
//! knows what a step does: a step's kind is a word, its body is the kind's own JSON.

mod effect;
mod event;
mod outcome;
mod spec;

pub use effect::{Choice, Effect, EffectId};
pub use event::{Answer, Done, Emission, Event};
pub use outcome::Outcome;
pub use spec::{Gate, HoldSpec, Need, NodeSpec, Origin, OutputRef, Policy, RunSpec, When};
