//! A step of a Schedule. The key that says what it does names its kind: `backup: PLUGIN`,
//! `target: NAME`, `gate: {...}`. All kinds stand in one table, [`STEP_KEYS`].
//!
//! **Invariant:** a [`Step`] has exactly one kind.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use drydock_core::{Grants, Name, StepName, TargetName};
use serde::{Deserialize, Serialize};

use super::Retries;
use crate::config::PluginConfig;
use crate::drill::Drill;
use crate::value::{Bounded, Seconds, SecretFrom, id, ids, optional_id, optional_ids};
use crate::vocabulary::unread_if_any;

/// Longest time that a hold may take from the world: longer than any snapshot takes, short
/// enough that a database which stands still is missed by somebody.
pub const HOLD_SECONDS_MAX: u64 = 3600;

/// How long a hold may take to come about, when the document says nothing.
pub const ACQUIRE_SECONDS: u64 = 30;

/// A key that names a step's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepKey {
    pub key: &'static str,
    /// What stands after it, as an example.
    pub takes: &'static str,
}

/// What part of a run a kind of steps has. Whatever is judged of steps goes by this and not by
/// the kind, so that a new kind is a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A node that contributes to the recovery point.
    Backup,
    /// Parts of the recovery point.
    Verify,
    Store,
    /// A node that the host carries out itself, and that leaves nothing to take back.
    Work,
    /// A node that waits for an operator.
    Question,
    /// A node that changes the world.
    Action,
}

/// Declares the kinds of steps: for each a variant, its key, what stands after the key, its
/// part of a run, and how it is read where its type alone does not say.
macro_rules! step_kinds {
    ($($(#[$doc:meta])* $variant:ident $key:ident $takes:literal as $role:ident
        $(#[$read:meta])*: $type:ty,)*) => {
        /// What a step does. A new kind is a row of this table.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum StepWork {
            $($(#[$doc])* $variant($type),)*
        }

        /// All keys that name a kind, in the order of the table.
        pub const STEP_KEYS: &[StepKey] = &[
            $(StepKey { key: stringify!($key), takes: $takes }),*
        ];

        impl StepWork {
            /// The key as it stands in the document.
            #[must_use]
            pub fn key(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($key),)*
                }
            }

            /// What part of a run it has.
            #[must_use]
            pub fn role(&self) -> Role {
                match self {
                    $(Self::$variant(_) => Role::$role,)*
                }
            }
        }

        /// A step as it is written.
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Written {
            #[serde(deserialize_with = "id")]
            name: StepName,
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $(#[$read])*
                $key: Option<$type>,
            )*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            hold: Option<Hold>,
            #[serde(default, skip_serializing_if = "PluginConfig::is_empty")]
            config: PluginConfig,
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            secrets: BTreeMap<Name, SecretFrom>,
            #[serde(
                default,
                deserialize_with = "unread_if_any",
                skip_serializing_if = "Option::is_none"
            )]
            grants: Option<Grants>,
            #[serde(
                default,
                deserialize_with = "optional_ids",
                skip_serializing_if = "Option::is_none"
            )]
            verifies: Option<Vec<StepName>>,
            #[serde(
                default,
                deserialize_with = "optional_ids",
                skip_serializing_if = "Option::is_none"
            )]
            needs: Option<Vec<StepName>>,
            #[serde(default, deserialize_with = "ids", skip_serializing_if = "Vec::is_empty")]
            during: Vec<StepName>,
            #[serde(default, skip_serializing_if = "is_false")]
            required: bool,
            #[serde(default, skip_serializing_if = "is_false")]
            or_without: bool,
            #[serde(default, skip_serializing_if = "When::is_success")]
            when: When,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            active_deadline_seconds: Option<Seconds>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            backoff_limit: Option<Retries>,
            #[serde(default, skip_serializing_if = "is_false")]
            no_return: bool,
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            inputs: BTreeMap<Name, Input>,
        }

        impl Written {
            /// What stands under the keys of the table.
            fn works(&mut self) -> Vec<StepWork> {
                [$(self.$key.take().map(StepWork::$variant)),*]
                    .into_iter()
                    .flatten()
                    .collect()
            }

        }

        impl From<Step> for Written {
            fn from(step: Step) -> Self {
                let mut written = Self {
                    name: step.name.clone(),
                    $($key: None,)*
                    hold: step.hold().copied(),
                    config: step.config,
                    secrets: step.secrets,
                    grants: step.grants,
                    verifies: step.verifies,
                    needs: step.needs,
                    during: step.during,
                    required: step.required,
                    or_without: step.or_without,
                    when: step.when,
                    active_deadline_seconds: step.active_deadline_seconds,
                    backoff_limit: step.backoff_limit,
                    no_return: step.no_return,
                    inputs: step.inputs,
                };
                match step.work {
                    $(StepWork::$variant(work) => written.$key = Some(work),)*
                }
                written
            }
        }
    };
}

step_kinds! {
    /// Produces artifacts of the recovery point; the plugin's name.
    Backup backup "PLUGIN" as Backup: Name,
    /// Judges artifacts; the plugin's name.
    Verify verify "PLUGIN" as Verify: Name,
    /// Stores what all verify steps passed, at a target, whose document names the plugin.
    Store target "NAME" as Store #[serde(deserialize_with = "optional_id")]: TargetName,
    /// Restores the newest recovery point of a target into scratch.
    Drill drill "{target: NAME}" as Work: Drill,
    /// Waits for an operator's answer.
    Gate gate "{question: TEXT, choices: [...]}" as Question: Gate,
    /// Changes the world.
    Action action "PLUGIN" as Action: ActionStep,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Step {
    pub name: StepName,
    pub work: StepWork,
    /// The plugin's own configuration, which the plugin checks.
    pub config: PluginConfig,
    /// Secrets for the plugin, by the names that its grants use. Those of a store step
    /// stand at its target.
    pub secrets: BTreeMap<Name, SecretFrom>,
    /// What the plugin may do here of what it was granted; all of that where nothing is said.
    /// Those of a store step stand at its target.
    pub grants: Option<Grants>,
    /// For a verify step, the backup steps whose artifacts it judges; all where nothing is
    /// said.
    pub verifies: Option<Vec<StepName>>,
    /// The steps that have to be done before; what stands before in the file decides where
    /// nothing is said ([`super::ScheduleSpec::order`]).
    pub needs: Option<Vec<StepName>>,
    /// For a store step, whether a run has failed that is not stored at its target, wherever
    /// else it is.
    pub required: bool,
    /// The holds under which this step runs: actions with `hold`.
    pub during: Vec<StepName>,
    /// Whether it goes on where a hold does not come about.
    pub or_without: bool,
    pub when: When,
    active_deadline_seconds: Option<Seconds>,
    backoff_limit: Option<Retries>,
    /// Whether nothing is undone any more once this step began.
    pub no_return: bool,
    /// Outputs of actions that ran before, by the names under which this one takes them.
    pub inputs: BTreeMap<Name, Input>,
}

/// In which case a step runs once those that it needs are over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// All of them succeeded.
    #[default]
    Success,
    /// One of them failed.
    Failure,
    Always,
}

/// A plugin that changes the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Name", into = "Name")]
pub struct ActionStep {
    pub plugin: Name,
    /// There if and only if other steps run `during` it.
    pub hold: Option<Hold>,
}

/// How long an action may hold something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hold {
    seconds: Bounded<1, HOLD_SECONDS_MAX>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acquire_seconds: Option<Bounded<1, HOLD_SECONDS_MAX>>,
}

/// A question that an operator answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gate {
    pub question: String,
    /// Two at least, one of which lets the run go on.
    pub choices: Vec<Choice>,
    /// What others may have while the question waits; nothing where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frees: Option<Frees>,
}

/// One answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Choice {
    /// The word that `run decide` takes.
    pub name: Name,
    /// What happens then, for whoever answers.
    pub means: String,
    /// Whether the run ends, as a failure.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ends: bool,
}

/// What a waiting gate lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frees {
    /// The cluster, targets and nodes that the run is about.
    Subjects,
}

/// Where an action's input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    pub value_from: OutputRef,
}

/// An output of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutputRef {
    #[serde(deserialize_with = "id")]
    pub step: StepName,
    pub output: Name,
}

/// Why the keys of a step do not say one kind: a predicate of the step.
#[derive(Debug, thiserror::Error)]
enum KindError {
    #[error("does not say what it does; add one of {}", examples())]
    None,
    #[error("says {}; keep one, and make each other a step of its own", .0.join(" and "))]
    Several(Vec<&'static str>),
    #[error("has hold beside {0}, and only an action holds something; remove it")]
    HoldBeside(&'static str),
}

impl Step {
    /// The step's configuration as JSON text, keys in their order by name.
    #[must_use]
    pub fn config_json(&self) -> String {
        self.config.json()
    }

    /// The plugin that the step names. A store step's is named by its target.
    #[must_use]
    pub fn plugin(&self) -> Option<&Name> {
        match &self.work {
            StepWork::Backup(plugin) | StepWork::Verify(plugin) => Some(plugin),
            StepWork::Action(action) => Some(&action.plugin),
            StepWork::Store(_) | StepWork::Drill(_) | StepWork::Gate(_) => None,
        }
    }

    /// The target that the step names.
    #[must_use]
    pub fn target(&self) -> Option<&TargetName> {
        match &self.work {
            StepWork::Store(target) => Some(target),
            StepWork::Drill(drill) => Some(&drill.target),
            StepWork::Backup(_) | StepWork::Verify(_) | StepWork::Gate(_) | StepWork::Action(_) => {
                None
            }
        }
    }

    /// The key under which the target stands.
    #[must_use]
    pub fn target_key(&self) -> &'static str {
        match &self.work {
            StepWork::Drill(_) => "drill.target",
            _ => "target",
        }
    }

    /// What others run `during`, if this is that.
    #[must_use]
    pub fn hold(&self) -> Option<&Hold> {
        match &self.work {
            StepWork::Action(action) => action.hold.as_ref(),
            _ => None,
        }
    }

    /// Whether it is a node of the run's graph. The others are parts of the recovery point.
    #[must_use]
    pub fn is_node(&self) -> bool {
        !matches!(self.role(), Role::Verify | Role::Store)
    }

    /// What part of a run it has.
    #[must_use]
    pub fn role(&self) -> Role {
        self.work.role()
    }

    #[must_use]
    pub fn is_backup(&self) -> bool {
        self.role() == Role::Backup
    }

    /// Longest time of all attempts together, where the step says.
    #[must_use]
    pub fn active_deadline(&self) -> Option<Duration> {
        self.active_deadline_seconds.map(Bounded::duration)
    }

    /// Retries before the step counts as failed, where the step says.
    #[must_use]
    pub fn backoff_limit(&self) -> Option<u32> {
        self.backoff_limit.map(super::retries)
    }

    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for secret in self.secrets.values_mut() {
            secret.value_from.resolve(folder);
        }
        self.config.resolve_paths(folder);
    }
}

impl When {
    fn is_success(&self) -> bool {
        *self == Self::Success
    }
}

impl Hold {
    /// When it is let go, whatever happens.
    #[must_use]
    pub fn time_max(&self) -> Duration {
        self.seconds.duration()
    }

    /// How long it may take to come about.
    #[must_use]
    pub fn acquire_time_max(&self) -> Duration {
        let said = self.acquire_seconds.map(Bounded::duration);
        said.unwrap_or(Duration::from_secs(ACQUIRE_SECONDS))
    }
}

impl From<Name> for ActionStep {
    fn from(plugin: Name) -> Self {
        Self { plugin, hold: None }
    }
}

impl From<ActionStep> for Name {
    fn from(action: ActionStep) -> Self {
        action.plugin
    }
}

impl TryFrom<Written> for Step {
    type Error = KindError;

    fn try_from(mut written: Written) -> Result<Self, KindError> {
        let mut works = written.works();
        let work = match (works.pop(), works.is_empty()) {
            (None, _) => return Err(KindError::None),
            (Some(work), true) => with_hold(work, written.hold)?,
            (Some(last), false) => {
                let keys = works.iter().chain([&last]).map(StepWork::key);
                return Err(KindError::Several(keys.collect()));
            }
        };
        Ok(Self {
            name: written.name,
            work,
            config: written.config,
            secrets: written.secrets,
            grants: written.grants,
            verifies: written.verifies,
            needs: written.needs,
            during: written.during,
            required: written.required,
            or_without: written.or_without,
            when: written.when,
            active_deadline_seconds: written.active_deadline_seconds,
            backoff_limit: written.backoff_limit,
            no_return: written.no_return,
            inputs: written.inputs,
        })
    }
}

fn with_hold(work: StepWork, hold: Option<Hold>) -> Result<StepWork, KindError> {
    match (work, hold) {
        (StepWork::Action(action), hold) => Ok(StepWork::Action(ActionStep { hold, ..action })),
        (work, None) => Ok(work),
        (work, Some(_)) => Err(KindError::HoldBeside(work.key())),
    }
}

/// `backup: PLUGIN, verify: PLUGIN` and so on.
fn examples() -> String {
    let rows = STEP_KEYS.iter();
    let rows = rows.map(|row| format!("{}: {}", row.key, row.takes));
    rows.collect::<Vec<_>>().join(", ")
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a field's reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}
