//! The protocol of one recovery point: from the outputs of the steps that contribute to it to a
//! manifest at every store, or back to where nothing of it is anywhere.
//!
//! The crate refuses to know how anything is done, and when: it has no task, no clock, no
//! journal, and it does not know the graph that its steps stand in. Whoever runs it tells it
//! what happened, records what it asks for, and carries that out.
//!
//! Data passes through like this. [`model`] has the words. Inputs of [`Point`] tell what
//! happened: an attempt of a contributor began, told of its outputs and ended, everything was
//! gathered, an effect was started or answered, the run is ending or refused what was asked of
//! it. After each, [`Point::effects`] says what is wanted and not under way, and
//! [`Point::take_requests`] what is asked of the run: that a contributor run anew, or that all
//! come to an end. [`Point::fate`] and [`Point::need`] tell the graph how it stands, [`view`]
//! tells an operator. [`task`] is one effect's life, which machines above this one share.
//!
//! The way of a recovery point: contributors open outputs, several side by side, whose sealed
//! bytes go part by part to every store while they still come in; each output that is whole is
//! judged by the verify steps that judge its step. When everything is gathered, all outputs are
//! sealed and all verdicts are yes, each store completes its uploads, reads back what it could
//! not check itself, locks them where it is to, and takes the manifest, which commits the
//! recovery point there. A store
//! that has another manifest of this occurrence keeps that one. The manifest names what
//! contributors keep elsewhere too; taking that back is the graph's work. Whatever goes wrong,
//! it then takes back what it began: uploads are aborted, completed objects that no manifest
//! names are deleted, the spool is dropped.
//!
//! **Invariant:** nothing is completed at any target, and nothing is signed, before everything
//! is gathered and every verify step has passed every output that counts.
//!
//! **Invariant:** nothing is locked before the manifest that names it is signed, and before all
//! that it names is at that store, completed and checked.
//!
//! **Invariant:** an output shares the fate of the attempt that opened it: when that fails or
//! is lost, its outputs are discarded, and no others.
//!
//! **Invariant:** an object that a manifest may name is never deleted, from the first attempt
//! to commit on.
//!
//! **Invariant:** [`Fate::Not`], at which kept things may be taken back, is said only when no
//! manifest at any store names anything of the run, and none will.
//!
//! **Invariant:** the same inputs give the same state, but for what [`Point::resumed`] resets.
//!
//! A crash leaves the effects that were in flight (each may or may not have taken place) and
//! the sealed spool. After [`Point::resumed`], parts that have no answer are sent again,
//! uploads whose session got lost are looked for, and a commit without an answer may have taken
//! place. What became of the attempts that ran is told like any other end of theirs.

mod apply;
mod decide;
pub mod model;
pub mod state;
mod status;
pub mod task;
pub mod view;

pub use model::{
    AttemptEnd, EffectFault, Fate, Gathered, KeptThing, LEFT_BEHIND, MeasuredHold, NeedState,
    OutputEvent, PointAnswer, PointEffect, PointSpec, Report, Request, RetryPolicy, SealedOutput,
    SignedManifest, StepPin, StorePin, VerifyPin,
};
pub use state::{OUTPUTS_PER_RUN_MAX, Point, check_output_count, name_taken};
