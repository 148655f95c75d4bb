//! `kind: Schedule`: when a workflow is due, and its steps. The words are those of
//! Kubernetes' CronJob where it has them. The crate that plans reads the crontab
//! expression and the time zone; here they are text.
//!
//! A step ([`step`]) names its kind by its key, so that order and references are judged here.

mod circle;
mod judge;
mod order;
pub mod step;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::value::{Bounded, Seconds, SecondsOrZero, id};
use super::{FileError, Located, Lookup};
use drydock_core::{ClusterName, Name, ScheduleName, StepName};

pub use order::{StepNeed, StepNeeds};
pub use step::{Role, Step, StepWork};

/// Most steps of a schedule.
pub const STEPS_MAX: usize = 32;

/// Retries when the document says nothing.
pub const BACKOFF_LIMIT: u32 = 3;

/// Names that mean something else on the command line: `drydock run list`.
const NAMES_RESERVED: [&str; 7] = [
    "list", "show", "decide", "cancel", "resume", "retry", "replay",
];

/// How often something is tried again.
pub type Retries = Bounded<0, 1000>;

/// When a workflow is due, with its policies and its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    pub name: ScheduleName,
    pub spec: ScheduleSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleSpec {
    #[serde(deserialize_with = "id")]
    pub cluster: ClusterName,
    /// Five fields of crontab, or a macro such as `@daily`.
    pub schedule: String,
    /// A name of the IANA database.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// No occurrence starts while this is set.
    #[serde(default)]
    pub suspend: bool,
    /// Later than this after it was due, an occurrence is not started any more.
    #[serde(default)]
    pub starting_deadline_seconds: Option<SecondsOrZero>,
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// Longest time of a whole run.
    #[serde(default)]
    active_deadline_seconds: Option<Seconds>,
    #[serde(default)]
    backoff_limit: Option<Retries>,
    /// How many records of succeeded runs are kept. Recovery points are not records.
    #[serde(default)]
    pub successful_runs_history_limit: Option<u32>,
    #[serde(default)]
    pub failed_runs_history_limit: Option<u32>,
    #[serde(default)]
    pub ttl_seconds_after_finished: Option<SecondsOrZero>,
    /// An occurrence starts up to this much later than it is due.
    #[serde(default)]
    jitter_seconds: Option<SecondsOrZero>,
    #[serde(default)]
    pub catch_up: CatchUp,
    /// The nodes that may run this schedule; empty: every node.
    #[serde(default)]
    pub nodes: Vec<Name>,
    #[serde(default)]
    pub dst: DstMode,
    /// At how many targets a recovery point has to be, for its run not to have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minimum_targets: Option<Bounded<1, { STEPS_MAX as u64 }>>,
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// What happens to an occurrence that is due while a run of the same cluster is active.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConcurrencyPolicy {
    #[default]
    Allow,
    Forbid,
    Replace,
}

/// What happens to occurrences that fell due while nobody planned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// The latest one is started late.
    #[default]
    Latest,
    /// They are missed.
    None,
}

/// What happens where a zone's clocks jump.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DstMode {
    /// A fixed hour is due once; the wildcard hour at every real instant.
    #[default]
    Default,
    /// As Kubernetes' CronJob: a skipped hour never, a repeated hour twice.
    CronJob,
}

impl ScheduleSpec {
    /// Retries of one effect before it counts as failed.
    #[must_use]
    pub fn backoff_limit(&self) -> u32 {
        self.backoff_limit.map_or(BACKOFF_LIMIT, retries)
    }

    #[must_use]
    pub fn active_deadline(&self) -> Option<Duration> {
        self.active_deadline_seconds.map(Bounded::duration)
    }

    #[must_use]
    pub fn jitter_seconds(&self) -> u64 {
        self.jitter_seconds.map_or(0, Bounded::get)
    }

    /// At how many targets a recovery point has to be, for its run not to have failed.
    #[must_use]
    pub fn minimum_targets(&self) -> u32 {
        self.minimum_targets.map_or(1, |minimum| {
            u32::try_from(minimum.get()).expect("the document's bound is far below u32::MAX")
        })
    }

    /// What each node of the run's graph waits for, in the order of the file. Verify steps and
    /// store steps are none: they are parts of the recovery point.
    #[must_use]
    pub fn order(&self) -> Vec<StepNeeds> {
        order::order(&self.steps)
    }

    /// The backup steps whose artifacts a verify step judges: those that it names, or all.
    #[must_use]
    pub fn verified_by(&self, verify: &Step) -> Vec<StepName> {
        let backups = self.steps.iter().filter(|step| step.is_backup());
        let all = || backups.map(|step| step.name.clone()).collect();
        verify.verifies.clone().unwrap_or_else(all)
    }

    /// Whether it proves recovery points and makes none.
    #[must_use]
    pub fn only_drills(&self) -> bool {
        let drills = |step: &Step| matches!(step.work, StepWork::Drill(_));
        self.steps.iter().any(drills) && !self.steps.iter().any(Step::is_backup)
    }

    /// What is wrong with the steps, all of it.
    pub(super) fn step_problems(&self) -> Vec<Problem> {
        let mut problems = judge::problems(&self.steps);
        let minimum = self
            .minimum_targets
            .is_some()
            .then(|| self.minimum_targets());
        problems.extend(minimum.and_then(|minimum| judge::too_many_targets(minimum, &self.steps)));
        problems
    }
}

impl Located<Schedule> {
    /// Reads the values of its steps' configurations that stand elsewhere.
    ///
    /// # Errors
    /// The first one that cannot be had.
    pub(super) fn read_values(&mut self, lookup: &dyn Lookup) -> Result<(), FileError> {
        for index in 0..self.value.spec.steps.len() {
            let read = self.value.spec.steps[index].config.read(lookup);
            read.map_err(|(path, error)| {
                self.error(&format!("spec.steps[{index}].config.{path}"), error)
            })?;
        }
        Ok(())
    }
}

impl Schedule {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for step in &mut self.spec.steps {
            step.resolve_paths(folder);
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let name = self.name.as_str();
        if NAMES_RESERVED.contains(&name) {
            let rule = format!("cannot be {name}, which drydock run {name} takes for itself");
            return vec![Problem::new("metadata.name", rule)];
        }
        let steps = self.spec.steps.iter().enumerate();
        let places = steps
            .flat_map(|(index, step)| step.config.problems(&format!("spec.steps[{index}].config")));
        places.collect()
    }
}

fn retries(limit: Retries) -> u32 {
    u32::try_from(limit.get()).expect("the document's bound is far below u32::MAX")
}

fn utc() -> String {
    "Etc/UTC".to_owned()
}
