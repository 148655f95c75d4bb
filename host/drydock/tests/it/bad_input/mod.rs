//! Bad input: whatever is wrong is told in one sentence, and nothing is half-written.
//!
//! A [`Case`] runs the real binary on a spoilt world, with the log at `debug`, or only loads
//! the world's documents where they alone give the mistake away. It holds
//! what is said against its section in a file of `tests/golden/bad-input` ([`golden`]): the
//! lines on stderr that are no log lines, with what differs from run to run replaced by
//! placeholders ([`placeholders`]). Afterwards the files must be as they were, the spool empty,
//! every run ended ([`aftermath`]), and no secret of the world may stand anywhere
//! ([`secrets`]).
//!
//! `UPDATE_GOLDEN=1 cargo test -p drydock --test it` writes the sections anew. Read
//! each as an operator would at three in the morning.

mod aftermath;
mod case;
mod documents;
mod golden;
mod keys;
mod limits;
mod network;
mod placeholders;
mod plugin_files;
mod recovery_points;
mod secrets;
mod state_folder;

pub use case::Case;
pub use placeholders::{with_placeholders, without_log};
