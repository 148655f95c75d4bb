//! How a run ended.

use drydock_core::{Fault, OutcomeCode};
use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything was done, and the recovery point, if there is one, is committed at every
    /// target; nothing to report.
    Succeeded,
    /// The recovery point is committed at one target at least, or everything that counts was
    /// done; `reasons` say what is missing.
    Degraded { reasons: Vec<String> },
    /// A step failed, or the recovery point is not known to be committed anywhere, or it was
    /// found not to be sound. The fault is `not-done` where the recovery point surely is
    /// nowhere; where it is `unknown`, its message says which targets may have it. Details
    /// named [`drydock_point::model::LEFT_BEHIND`] say what stays.
    Failed { fault: Fault },
    /// Another run had committed this recovery point first, at every target. `reasons`
    /// say what of this run could not be removed; empty as a rule.
    Superseded { reasons: Vec<String> },
}

impl Outcome {
    #[must_use]
    pub fn code(&self) -> OutcomeCode {
        match self {
            Self::Succeeded => OutcomeCode::Succeeded,
            Self::Degraded { .. } => OutcomeCode::Degraded,
            Self::Failed { .. } => OutcomeCode::Failed,
            Self::Superseded { .. } => OutcomeCode::Superseded,
        }
    }

    /// Whether an operator may rely on what the run was for.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.code().is_good()
    }

    #[must_use]
    pub fn word(&self) -> &'static str {
        self.code().word()
    }
}
