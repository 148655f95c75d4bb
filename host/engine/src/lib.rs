//! The run engine: it decides, step by step, what a run does next, and keeps every
//! step in the journal so that a run can be taken up again after any crash.
//!
//! The crate refuses to know how anything is done: it has no Wasm, no network, no
//! files. A [`StepRunner`] carries out effects, a `Clock` tells the time, the journal
//! keeps text.
//!
//! Data passes through like this. [`model`] has the words. An [`model::Event`] tells
//! what happened, [`state::RunState`] takes it in, [`decide::decide`] looks at the
//! state and asks for [`model::Effect`]s. [`Engine`] is the thin driver around these
//! pure parts: it writes the event and the effects that it caused in one synced
//! transaction, hands the effects to the runner, and waits for the next event.
//!
//! The way of a run: backup steps run one after the other, each in attempts of its own.
//! One opens outputs, whose sealed bytes go part by part to every store while they still
//! come in; each output that is whole is judged by the verify steps that judge its step.
//! What a step finished stays when a later one fails and is tried again. When all backup
//! steps have finished, all outputs are sealed and all verdicts are yes, each store completes
//! its uploads, reads back what it could not check itself, and takes the manifest, which
//! commits the recovery point there.
//! A run that drills has one effect in place of all that: the host restores a recovery
//! point into scratch and answers with what it found.
//! Whatever goes wrong, the run then takes back what it began: uploads are aborted,
//! completed objects that no manifest names are deleted, the spool is dropped.
//!
//! **Invariant:** an effect is in the journal before it is carried out.
//!
//! **Invariant:** nothing is completed at any target before every verify step has
//! passed every output that counts.
//!
//! **Invariant:** an output shares the fate of the attempt that opened it: when that fails
//! or is lost, its outputs are discarded, and no others.
//!
//! **Invariant:** an object that a manifest may name is never deleted.
//!
//! **Invariant:** replaying a run's records gives the state of the process that wrote
//! them, but for what its `RunResumed` record resets.
//!
//! A crash leaves the records up to the last transaction, the effects that were in
//! flight (each may or may not have taken place), and the sealed spool. Resuming sends
//! parts again that have no record, looks for uploads whose session got lost, and
//! makes a backup step anew when its stream was cut off.

pub mod decide;
mod driver;
mod engine;
mod error;
pub mod model;
pub mod replay;
mod row;
pub mod runner;
pub mod state;
pub mod task;
pub mod view;

pub use engine::{Ended, Engine, RunHandle};
pub use error::EngineError;
pub use runner::{Events, STOP_GRACE, StepRunner};
pub use view::RunView;
