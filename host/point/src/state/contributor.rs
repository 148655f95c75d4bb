//! One step whose outputs belong to the recovery point. How often it was tried, and when it
//! runs, is the business of the graph that it stands in.

use drydock_core::StepName;

use crate::model::Report;

/// A contributor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contributor {
    pub step: StepName,
    pub phase: ContributorPhase,
}

/// How far a contributor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContributorPhase {
    /// No attempt of it runs, and none that counts has ended.
    Waiting,
    Running,
    /// Its attempt is done, and what that sealed counts.
    Whole(Report),
}

impl Contributor {
    #[must_use]
    pub(super) fn new(step: &StepName) -> Self {
        Self {
            step: step.clone(),
            phase: ContributorPhase::Waiting,
        }
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.phase == ContributorPhase::Running
    }

    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.report().is_some()
    }

    /// What it said when it was done.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match &self.phase {
            ContributorPhase::Whole(report) => Some(report),
            ContributorPhase::Waiting | ContributorPhase::Running => None,
        }
    }
}
