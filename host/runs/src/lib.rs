//! From documents to a running run: what a schedule's documents name is pinned, prepared
//! and handed to the engine, whose effects [`steps`] carries out.
//!
//! What a step does is for its kind to say ([`kind`], a file each): whether what carries it
//! out is there, which node of the graph or part of the recovery point it is, and how that is
//! carried out ([`node`]).
//!
//! The crate knows no command line and no terminal. [`RunService`] holds the state folder;
//! [`check()`] looks at every schedule without one. What open runs use lies in [`pins`].
//!
//! **Invariant:** one process holds a state folder.
//!
//! **Invariant:** a run goes by the plugins, grants and documents that it pinned, and by no
//! others. Where they are gone it waits.
//!
//! A crash leaves what the journal has, the sealed spool and staged uploads; whoever resumes
//! the run goes on with them or clears them away.

pub mod cause;
mod check;
mod error;
mod handles;
pub mod kind;
mod kinds;
pub mod limits;
pub mod node;
pub mod pins;
mod prepare;
mod service;
pub mod shape;
pub mod steps;
mod tools;

pub use check::check;
pub use error::{PrepareError, ServiceError, StartError};
pub use kinds::drill::{DrillResult, DrillVerdict};
pub use kinds::{admit, run_kind, subjects};
pub use prepare::{BACKOFF_MS, BACKOFF_MS_MAX, STEPS_MAX_AT_ONCE};
pub use service::{Reconciled, RunService, StartRequest};
pub use tools::{Tell, asked};
