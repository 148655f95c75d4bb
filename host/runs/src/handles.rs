//! File handles: a run has files, connections and compiled code open, and fails at odd
//! places when it may not. So the limit is raised as far as it goes, and looked at, before
//! anything begins.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::ServiceError;

/// A run with a few stores has about 60 open; a daemon runs some of them at once.
const HANDLES_MIN: u64 = 256;

/// Raises this process's limit to what it is allowed to, and refuses to go on below the
/// minimum.
pub fn require() -> Result<(), ServiceError> {
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum;
    let raised = Rlimit {
        current: allowed,
        maximum: allowed,
    };
    // Where it cannot be raised, the present one counts.
    let now = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| allowed);
    match now {
        Some(handles) if handles < HANDLES_MIN => Err(ServiceError::Handles {
            handles,
            needed: HANDLES_MIN,
        }),
        _ => Ok(()),
    }
}
