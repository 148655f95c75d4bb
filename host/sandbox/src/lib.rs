//! Runs plugins: WebAssembly components against the contract in `wit/`. This is the only
//! crate that knows wasmtime.
//!
//! It refuses to know what a plugin is for: it does not plan runs, parse snapshots, seal
//! or sign. It has no power of its own either: what a plugin can do is in the capability
//! crates, which check every call; here a call is only handed on.
//!
//! A component's bytes come in through [`Sandbox::admit`], which reads its manifest,
//! compares what it imports, requests and was granted, compiles it (or takes the
//! compiled code from the cache) and links it. The [`Plugin`] that comes out is called in
//! typed ways; each call makes a fresh store, runs on threads of its own, within limits
//! that have names, and ends as an [`Attempt`]: a value or a fault, and the log of what
//! the plugin said. [`StoreTarget`] is a store plugin as a `repository::Target`.
//!
//! **Invariant:** nothing of a component runs before it was admitted, and only imports
//! that were requested and granted are linked.
//!
//! **Invariant:** a store that ended, in whatever way, is never entered again.
//!
//! **Invariant:** a plugin that never returns costs nobody else their turn: guests have
//! their own threads and give them up every few milliseconds.
//!
//! **Invariant:** compiled code is only loaded from a folder that nobody else can write
//! to, and only when its digest is right.
//!
//! **Invariant:** every value that a plugin returns is checked before it leaves here, and
//! its text holds no control characters.
//!
//! **Invariant:** whatever a plugin can call of the contract can be recorded and replayed.
//!
//! A crash leaves: at most a temporary file in the compile cache, which the next start
//! of the cache removes.

mod admit;
mod answer;
mod attempt;
mod border;
mod cache;
mod compile;
mod contract_name;
mod engine;
mod guest;
mod limits;
mod link;
mod log;
mod manifest;
#[cfg(test)]
mod memory_search;
mod narrowed;
mod parts;
mod plugin;
mod redact;
mod request;
mod runtime;
mod sandbox;
mod step;
mod throttle;
mod world;

pub use admit::{Admission, AdmitError, Judgement, Reason};
pub use attempt::Attempt;
pub use border::{RecordError, RecordHead, Recorder, Replay};
pub use cache::CompiledFrom;
pub use compile::{Compiler, worker as compile_worker};
pub use contract_name::CONTRACT;
pub use limits::Limits;
pub use link::capabilities;
pub use log::{AttemptLog, LogLine, LogSource, Severity, Speaker};
pub use manifest::{
    Inspection, MANIFEST_BYTES_MAX, MANIFEST_SECTION, ManifestError, PluginManifest, embed,
    inspect, read as read_manifest,
};
pub use plugin::Plugin;
pub use request::Request;
pub use runtime::{SandboxConfig, SandboxError};
pub use sandbox::Sandbox;
pub use step::{
    NoEvents, Occasion, Progress, ProgressSink, StepCall, StepEvents, StopSignal, asked_to_stop,
};
pub use throttle::{Pace, Rate, Throttle, Turn, Turns};
pub use world::*;

/// The version of wasmtime that is linked in.
pub const WASMTIME: &str = env!("DRYDOCK_WASMTIME_VERSION");
