//! Attempts and their logs, kept with the run for `drydock run show`.

use std::sync::Arc;

use drydock_core::{Clock, Fault, GrantRecord, Grants, RunId, StepName, UnixTime};
use drydock_journal::{Attempt, Journal};
use drydock_sandbox::AttemptLog;
use serde::Serialize;

/// Enters attempts of one run into the journal.
#[derive(Clone)]
pub struct Attempts {
    pub journal: Arc<Journal>,
    pub clock: Arc<dyn Clock>,
    pub run: RunId,
}

/// An attempt that is under way.
pub struct Running {
    attempts: Attempts,
    step: StepName,
    attempt: u32,
    started: UnixTime,
    grants: Option<GrantRecord>,
}

impl Attempts {
    /// Notes that a step's attempt starts, and what its plugin can reach, where one is called.
    /// That is told of each attempt: the node's ceiling may sink between two of them.
    pub fn start(&self, step: &StepName, attempt: u32, grants: Option<&Grants>) -> Running {
        Running {
            grants: grants.map(GrantRecord::from),
            attempts: self.clone(),
            step: step.clone(),
            attempt,
            started: self.clock.now(),
        }
    }
}

impl Running {
    /// Enters how it ended. Losing the entry is no reason to lose the run.
    pub fn end<T: Serialize>(self, result: Result<&T, &Fault>, log: &AttemptLog) {
        let result = match result {
            Ok(value) => serde_json::to_string(value),
            Err(fault) => serde_json::to_string(fault),
        };
        let entry = Attempt {
            step: self.step,
            attempt: self.attempt,
            started: self.started,
            ended: Some(self.attempts.clock.now()),
            result: result.ok(),
            grants: self
                .grants
                .and_then(|grants| serde_json::to_string(&grants).ok()),
            log: log.record(),
        };
        if let Err(error) = self
            .attempts
            .journal
            .put_attempt(&self.attempts.run, &entry)
        {
            tracing::warn!(%error, "an attempt could not be entered into the journal");
        }
    }
}
