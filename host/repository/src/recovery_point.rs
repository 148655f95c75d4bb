//! Recovery points under a target: committing, loading, listing, verifying, fetching,
//! and where a new one stands among those before it.

mod commit;
mod fetch;
mod known;
mod lineage;
mod list;
mod marks;
mod point;
mod state;
mod verify;

pub use crate::names::due_stamp;
pub use commit::{CommitOutcome, Signed};
pub use fetch::{Fetched, Form};
pub use known::KnownRevision;
pub use lineage::{Ancestry, LINEAGE_UNKNOWN, Observed, Succession};
pub use list::{Foreign, Listed, Listing, Standing};
pub use marks::{FoundMark, MarkStanding};
pub use point::{RecoveryPoint, Repository};
pub use state::State;
pub use verify::{ArtifactCheck, Verified};

use point::label;
