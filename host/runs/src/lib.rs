//! From documents to a running run: what a schedule's documents name is prepared, pinned
//! and handed to the engine, whose effects [`steps`] carries out.
//!
//! The crate knows no command line and no terminal. [`RunService`] holds the state folder;
//! [`check()`] looks at every schedule without one.
//!
//! **Invariant:** one process holds a state folder.
//!
//! **Invariant:** a run keeps the plugins, grants and documents that it was pinned to, or it
//! is taken back.
//!
//! A crash leaves what the journal has, the sealed spool and staged uploads; whoever resumes
//! the run goes on with them or clears them away.

pub mod cause;
mod check;
mod drill;
mod error;
mod handles;
mod prepare;
mod roles;
mod service;
pub mod shape;
pub mod steps;

pub use check::check;
pub use error::{PrepareError, ServiceError, StartError};
pub use prepare::{BACKOFF_MS, BACKOFF_MS_MAX, Tell, asked};
pub use roles::Roles;
pub use service::RunService;
