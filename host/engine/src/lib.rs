//! The run engine: it decides, step by step, what a run does next, and keeps every step in the
//! journal, so that a run can be resumed after any crash.
//!
//! The crate refuses to know what a step is for: a step's kind is a word, its body is the
//! kind's own JSON, and a backup, a drill and a restore are graphs of nodes like any other. It
//! has no Wasm, no network, no files. A [`StepRunner`] carries out effects, a `Clock` tells the
//! time, the journal keeps text. The protocol of a recovery point is a machine of its own in
//! the crate below, and stands in the graph as one node.
//!
//! Data passes through like this. [`model`] has the words. A [`model::RunSpec`] is looked at
//! once by [`check`]. From then on a [`model::Event`] tells what happened, [`state::RunState`]
//! takes it in, and [`decide::decide`] looks at the state and asks for every [`model::Effect`]
//! that is wanted and not under way. [`Engine`] is the thin driver around these pure parts: it
//! numbers the effects, writes the event and the effects that it caused in one synced
//! transaction together with the run's row, hands the effects to the runner, and waits for the
//! next event. An answer names its effect by the number. [`replay`] makes a state of records,
//! [`view`] shows it to an operator, [`outcome`] says how a run ended.
//!
//! The way of a run: a step begins once what it needs is done, side by side with others as far
//! as the run's limits go, and takes values that those gave. An attempt that fails is tried
//! again as its fault's class says; of one whose end nobody knows, the step's `repeat` says
//! whether it is run again, probed by its key, or asked about. Holds are asked for once each
//! step during them has all else it needs, are let go when each of those steps has made its
//! cut, and make a unit with them: what one loses, all lose, and the unit runs anew as a whole.
//! What the steps of the recovery point give is stored when all of it is there. A run that
//! fails takes back what its steps did, the last that began first; past a step from which there
//! is no way back an operator is asked before. A question waits for as long as it takes.
//!
//! **Invariant:** an effect is in the journal before it is carried out, and a hold's row before
//! the hold is asked for.
//!
//! **Invariant:** of one step never two effects are under way, and one that may run once begins
//! again only when it surely was not done, was taken back, or an operator says so.
//!
//! **Invariant:** nothing of a pass counts unless every hold of the unit stood until each step
//! during it had made its cut.
//!
//! **Invariant:** a run ends only when no hold of it may stand, nothing is being taken back,
//! and no question is open.
//!
//! **Invariant:** what a manifest may name is not taken back.
//!
//! **Invariant:** replaying a run's records gives the state of the process that wrote them, but
//! for what its `Resumed` record resets.
//!
//! A crash leaves the records up to the last transaction, the effects that were in flight (each
//! may or may not have taken place), state holds that stand and are known by their rows, and
//! the sealed spool of a recovery point. Session holds end with the process. Resuming treats
//! what was in flight as an answer that got lost, lets the holds go whose steps had not all
//! made their cuts and runs those units anew, goes on with undos and open questions, and gives
//! each deadline what is left of it.

pub mod check;
pub mod decide;
mod driver;
mod engine;
mod error;
pub mod model;
pub mod outcome;
pub mod replay;
mod row;
pub mod runner;
mod so_far;
pub mod state;
pub mod view;

pub use engine::{Ended, Engine, RunHandle};
pub use error::{DecideError, EngineError};
pub use runner::{Closed, Emissions, Job, STOP_GRACE, StepRunner};
pub use view::RunView;
