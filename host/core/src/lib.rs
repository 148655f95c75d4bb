//! The words that every part of Drydock shares: ids, errors as data, what an artifact is,
//! facts, the types that cross between engine, repository and plugins, and the documents
//! that operators write.
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

pub mod action;
pub mod bytes;
pub mod capability;
pub mod clock;
mod code;
mod crash;
mod decode;
mod entries;
pub mod fact;
pub mod fault;
mod grants;
mod host;
pub mod ids;
mod name;
pub mod nature;
mod nearest;
mod occurrence;
pub mod pin;
mod plain;
mod run;
mod secret;
pub mod so_far;
pub mod store;
mod subject;
mod text;
pub mod tree;
mod value;
mod version;
pub mod witness;
mod words;

pub use action::{ActionManifest, HoldEnd, HoldOrder, Probed, Repeat};
pub use bytes::{CALL_BYTES_MAX, ReadAt};
pub use capability::{Grant, Power, Reach};
pub use clock::{Clock, NoInstant, UnixTime};
pub use code::{ErrorCode, OtherCode};
pub use crash::{CrashPoint, NoCrash};
pub use decode::DecodeError;
pub use fact::{FactValue, Facts};
pub use fault::{Certainty, ErrorClass, Fault, Finding, Level, Verdict, without_os_number};
pub use grants::{Capability, GrantEntry, GrantRecord, Grants};
pub use host::{Endpoint, Host, HostPattern, Scheme};
pub use ids::{
    ClusterName, OutputId, PluginDigest, QuestionId, RecoveryPointName, RunId, ScheduleName,
    StepName, TargetId, TargetName,
};
pub use name::{NAME_BYTES_MAX, Name};
pub use nature::Nature;
pub use nearest::{nearest, suggestion};
pub use occurrence::{FailReason, MissReason, OccurrenceEnd, SkipReason};
pub use pin::{Pin, PinKind};
pub use plain::plain;
pub use run::{HoldKind, HoldPhase, OutcomeCode, RunKind, RunPhase, StepState, StorePhase};
pub use secret::Secret;
pub use so_far::{RunSoFar, StepSoFar};
pub use subject::{Claim, RunSubject, Subject, SubjectAccess, conflict};
pub use text::{chain, error_lines, human_bytes, reason, span};
pub use value::{VALUE_BYTES_MAX, Value, ValueType};
pub use version::VERSION;
pub use witness::{SharedHistory, Witness};
