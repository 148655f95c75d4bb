//! The JSON that the product prints: one type for each shape, for `--output json`, for the
//! files of drill reports, and for whoever reads them.
//!
//! The crate knows no journal, no engine, no repository and no screen: who has a value makes
//! the shape of it, prints that as JSON, or makes its table of the same shape. What is kept
//! (records, manifests, marks) has formats of its own, so that what is shown can change
//! without them; only what the host found of an artifact (core's `nature`) is shown as it is
//! kept. `recovery-point show` prints the manifest, whose format is `docs/format.md`;
//! `target check` prints a list of core's findings; `snapshot get` prints the object itself,
//! in Kubernetes' words.
//!
//! **Invariant:** instants are RFC 3339 text ([`Timestamp`]); sizes are whole bytes;
//! durations have their unit in the name; states are enums. A shape has all of its keys, and
//! one that has nothing to say is null. There are two exceptions: a fault has `details` only
//! where there are some, since it is core's and shown as it is kept, and a recovery point
//! lacks what its manifest alone could tell where that is not believed. An occurrence that was
//! skipped is a shape of its own among runs ([`run::SkippedOccurrence`]), with fewer keys.
//!
//! **Invariant:** every shape is read back as it was written; `tests/golden/shapes.txt` pins
//! an example of each.
//!
//! A crash leaves nothing: there is no state.

pub mod drill;
pub mod init;
pub mod plugin;
pub mod recovery_point;
pub mod run;
pub mod schedule;
pub mod snapshot;
pub mod target;
mod timestamp;

pub use timestamp::Timestamp;
