//! The words that every part of Drydock shares: ids, errors as data, facts, the
//! types that cross between engine, repository and plugins, and the documents that
//! operators write.
//!
//! The crate does no I/O, knows no async runtime and reads no clock. Text comes in
//! as `&str` and goes out as values or as errors that name file, line and mend.
//!
//! **Invariant:** every type that the journal or a manifest keeps is defined here or
//! is built from types that are, so that reading an old record needs no other crate.
//!
//! **Invariant:** no type here holds a secret in a form that `Debug` or `Display`
//! would show.
//!
//! A crash leaves nothing: there is no state.

pub mod bytes;
pub mod clock;
mod crash;
pub mod fact;
pub mod fault;
pub mod ids;
mod name;
mod nearest;
mod occurrence;
mod plain;
pub mod plugin;
mod run;
mod secret;
pub mod store;
mod text;
mod version;
pub mod witness;

pub use bytes::{CALL_BYTES_MAX, ReadAt};
pub use clock::{Clock, UnixTime};
pub use crash::{CrashPoint, NoCrash};
pub use fact::{FactValue, Facts};
pub use fault::{Certainty, ErrorClass, Fault, Finding, Level, Verdict, without_os_number};
pub use ids::{
    ClusterName, OutputId, PluginDigest, RecoveryPointName, RunId, ScheduleName, StepName,
    TargetId, TargetName,
};
pub use name::{NAME_BYTES_MAX, Name};
pub use nearest::nearest;
pub use occurrence::{FailReason, MissReason, OccurrenceEnd, SkipReason};
pub use plain::plain;
pub use run::{OutcomeCode, RunKind, RunPhase, RunSubject, Subject, SubjectAccess};
pub use secret::Secret;
pub use text::{chain, error_lines, human_bytes, reason, span};
pub use version::VERSION;
pub use witness::{SharedHistory, Witness};
