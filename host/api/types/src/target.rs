//! Targets: `target accept`.

use drydock_core::{TargetId, TargetName};
use serde::{Deserialize, Serialize};

/// What `target accept` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedTarget {
    pub target: TargetName,
    pub id: TargetId,
    /// The id that the journal had until then.
    pub before: Option<TargetId>,
    /// Whether the id was made just now.
    pub created: bool,
}
