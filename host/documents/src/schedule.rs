//! `kind: Schedule`: when a workflow is due, and its steps. The words are those of
//! Kubernetes' CronJob where it has them. The crate that plans reads the crontab
//! expression and the time zone; here they are text.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::drill::Drill;
use super::problem::Problem;
use super::value::{Bounded, Seconds, SecondsOrZero, SecretFrom, id, optional_id, optional_ids};
use drydock_core::{ClusterName, Name, ScheduleName, StepName, TargetName, suggestion};

/// Most steps of a schedule.
pub const STEPS_MAX: usize = 32;

/// One step that backs up and one that judges.
const FRONT_STEPS_MIN: usize = 2;

/// Retries when the document says nothing.
pub const BACKOFF_LIMIT: u64 = 3;

/// Names that mean something else on the command line: `drydock run list`.
const NAMES_RESERVED: [&str; 2] = ["list", "show"];

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
    backoff_limit: Option<Bounded<0, 1000>>,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// In place of steps: the host restores the newest recovery point into scratch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
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

/// One plugin call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    #[serde(deserialize_with = "id")]
    pub name: StepName,
    /// The plugin's name; a store step may leave it to its target.
    #[serde(default)]
    pub plugin: Option<Name>,
    /// What makes it a store step.
    #[serde(default, deserialize_with = "optional_id")]
    pub target: Option<TargetName>,
    /// For a verify step, the backup steps whose artifacts it judges; all where nothing is
    /// said.
    #[serde(
        default,
        deserialize_with = "optional_ids",
        skip_serializing_if = "Option::is_none"
    )]
    pub judges: Option<Vec<StepName>>,
    /// The plugin's own configuration, which the plugin checks.
    #[serde(default)]
    pub config: Map<String, Json>,
    /// Secrets for the plugin, by the names that its grants use. Those of a store step
    /// stand at its target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<Name, SecretFrom>,
}

/// The steps by what can be seen of them. Which of the front ones back up and which judge
/// is known only once their plugins are admitted: the daemon tells them apart then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape<'a> {
    /// Backup steps and verify steps, two at least.
    pub front: Vec<&'a Step>,
    /// Each with a target.
    pub stores: Vec<&'a Step>,
}

impl ScheduleSpec {
    /// Retries of one effect before it counts as failed.
    #[must_use]
    pub fn backoff_limit(&self) -> u32 {
        let limit = self.backoff_limit.map_or(BACKOFF_LIMIT, Bounded::get);
        u32::try_from(limit).expect("the document's bound is far below u32::MAX")
    }

    #[must_use]
    pub fn active_deadline(&self) -> Option<Duration> {
        self.active_deadline_seconds.map(Bounded::duration)
    }

    #[must_use]
    pub fn jitter_seconds(&self) -> u64 {
        self.jitter_seconds.map_or(0, Bounded::get)
    }

    /// The steps by what they do; none when their order is wrong, which a
    /// [`super::DocumentSet`] never holds.
    #[must_use]
    pub fn shape(&self) -> Option<Shape<'_>> {
        let first_store = self.steps.iter().position(|step| step.target.is_some())?;
        let (front, stores) = self.steps.split_at(first_store);
        let whole =
            front.len() >= FRONT_STEPS_MIN && stores.iter().all(|step| step.target.is_some());
        whole.then(|| Shape {
            front: front.iter().collect(),
            stores: stores.iter().collect(),
        })
    }

    /// What is wrong with the steps, all of it.
    pub(super) fn step_problems(&self) -> Vec<Problem> {
        if self.drill.is_some() {
            return self.drill_problems();
        }
        let mut problems = order_problems(&self.steps);
        for (index, step) in self.steps.iter().enumerate() {
            let before = &self.steps[..index];
            problems.extend(one_step_problems(index, step, before));
            problems.extend(judges_problems(index, step, &self.steps));
        }
        problems
    }
}

impl ScheduleSpec {
    fn drill_problems(&self) -> Vec<Problem> {
        let beside = !self.steps.is_empty();
        let problem = beside.then(|| {
            Problem::new(
                "spec.drill",
                "stands beside steps, and a schedule does one or the other; give the drill a schedule of its own",
            )
        });
        problem.into_iter().collect()
    }
}

impl Step {
    /// The step's configuration as JSON text, keys in their order by name.
    #[must_use]
    pub fn config_json(&self) -> String {
        Json::Object(self.config.clone()).to_string()
    }
}

impl Schedule {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for step in &mut self.spec.steps {
            for secret in step.secrets.values_mut() {
                secret.value_from.resolve(folder);
            }
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let name = self.name.as_str();
        if NAMES_RESERVED.contains(&name) {
            let rule = format!("cannot be {name}, which drydock run {name} takes for itself");
            return vec![Problem::new("metadata.name", rule)];
        }
        Vec::new()
    }
}

fn order_problems(steps: &[Step]) -> Vec<Problem> {
    if steps.len() > STEPS_MAX {
        return vec![Problem::new(
            "spec.steps",
            format!("has more than {STEPS_MAX} steps"),
        )];
    }
    let mut problems = Vec::new();
    let first_store = steps.iter().position(|step| step.target.is_some());
    if first_store.is_none() {
        problems.push(Problem::new(
            "spec.steps",
            "has no store step; end it with one that names a target, e.g. {name: store, target: local}",
        ));
    }
    let front = first_store.unwrap_or(steps.len());
    // Where all are there and only their order is wrong, that alone is said below.
    if steps.iter().filter(|step| step.target.is_none()).count() < FRONT_STEPS_MIN {
        problems.push(Problem::new(
            "spec.steps",
            "must begin with one backup step and one verify step at least, before any step with a target",
        ));
    }
    for (index, step) in steps.iter().enumerate().skip(front) {
        if step.target.is_none() {
            problems.push(Problem::new(
                format!("spec.steps[{index}]"),
                "has no target, but follows a store step; give it a target, or move it before the first store step",
            ));
        }
    }
    problems
}

fn one_step_problems(index: usize, step: &Step, before: &[Step]) -> Vec<Problem> {
    let path = format!("spec.steps[{index}]");
    let mut problems = Vec::new();
    let after_store = before.iter().any(|other| other.target.is_some());
    if step.plugin.is_none() && step.target.is_none() && !after_store {
        problems.push(Problem::new(
            path.as_str(),
            "names neither a plugin nor a target; add plugin: NAME",
        ));
    }
    if step.target.is_some() && !step.config.is_empty() {
        problems.push(Problem::new(
            format!("{path}.config"),
            "belongs into the target's own document, since every store step of the target must use the same",
        ));
    }
    if step.target.is_some() && !step.secrets.is_empty() {
        problems.push(Problem::new(
            format!("{path}.secrets"),
            "belong into the target's own document, since every store step of the target must use the same",
        ));
    }
    if before.iter().any(|other| other.name == step.name) {
        problems.push(Problem::new(
            format!("{path}.name"),
            format!("repeats the name {}; give each step its own", step.name),
        ));
    }
    let repeated = |target| {
        before
            .iter()
            .any(|other| other.target.as_ref() == Some(target))
    };
    if let Some(target) = step.target.as_ref().filter(|target| repeated(target)) {
        problems.push(Problem::new(
            format!("{path}.target"),
            format!("stores at {target} a second time; a recovery point is committed once at each target"),
        ));
    }
    problems
}

/// What is wrong with the steps that a verify step says it judges, as far as that can be
/// seen without the plugins.
fn judges_problems(index: usize, step: &Step, steps: &[Step]) -> Vec<Problem> {
    let path = format!("spec.steps[{index}].judges");
    let Some(judges) = &step.judges else {
        return Vec::new();
    };
    if step.target.is_some() {
        let rule = "belongs to verify steps, and a step with a target stores what all of them passed; remove it";
        return vec![Problem::new(path, rule)];
    }
    if judges.is_empty() {
        let rule =
            "names no step; name backup steps, or remove the line to judge what all of them make";
        return vec![Problem::new(path, rule)];
    }
    let mut problems = Vec::new();
    for (number, name) in judges.iter().enumerate() {
        let path = format!("{path}[{number}]");
        if judges[..number].contains(name) {
            problems.push(Problem::new(path, format!("names the step {name} twice")));
        } else if let Some(why) = no_backup_step(name, step, steps) {
            let could_be = steps.iter().filter(|other| could_back_up(other));
            let near = suggestion(name.as_str(), could_be.map(|other| other.name.as_str()));
            problems.push(Problem::new(path, format!("names {name}, {why}{near}")));
        }
    }
    problems
}

/// Why a judged step is none that backs up, in words that follow its name.
fn no_backup_step(name: &StepName, judge: &Step, steps: &[Step]) -> Option<&'static str> {
    if *name == judge.name {
        return Some("the step itself");
    }
    match steps.iter().find(|step| step.name == *name) {
        None => Some("a step that the schedule does not have"),
        Some(step) if step.target.is_some() => Some("a store step"),
        Some(step) if step.judges.is_some() => Some("a verify step"),
        Some(_) => None,
    }
}

fn could_back_up(step: &Step) -> bool {
    step.target.is_none() && step.judges.is_none()
}

fn utc() -> String {
    "Etc/UTC".to_owned()
}
