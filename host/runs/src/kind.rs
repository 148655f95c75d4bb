//! What a step does: a kind of steps is one file under `kinds/`, and a row of the table in
//! `kinds.rs`. The engine knows none of them, and nothing outside of a kind's own file
//! asks which one a step is of.
//!
//! A kind makes of a step either a node of the run's graph ([`NodePart`]) or a part of the
//! run's recovery point ([`VerifyPart`], [`StorePart`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::{RunId, RunSubject, StepName, Subject, SubjectAccess};
use drydock_documents::{self as documents, SourceSpan, Step, StepNeed, StepNeeds, Workflow};
use drydock_engine::model::{Need, NodeSpec, OutputRef, When};
use drydock_node::{
    PluginRegistry, RegistryError, findings_of, judged_config, judged_retention, place, step_plugin,
};
use drydock_point::model::{StepPin, StorePin, VerifyPin};
use drydock_repository::Recipient;
use drydock_sandbox::{Plugin, StepCall, World};
use sha2::{Digest as _, Sha256};

use crate::PrepareError;
use crate::node::NodeRunner;
use crate::steps::{Backups, Store};
use crate::tools::{RunTools, Tell, asked};

/// Hex digits of a step's key.
pub(crate) const KEY_CHARS: usize = 32;

/// What the action of that name says that it does with the run's cluster; none where there
/// is none.
pub type AccessOf<'a> = &'a dyn Fn(&str) -> Option<SubjectAccess>;

/// A kind of steps.
#[async_trait]
pub trait StepKind: Send + Sync {
    /// The key that names it in documents.
    fn word(&self) -> &'static str;

    /// Whether what carries the step out is there, and of the right world.
    ///
    /// # Errors
    /// By the line of the document.
    fn admit(&self, _at: StepRef<'_>) -> Result<(), RegistryError> {
        Ok(())
    }

    /// Whether a run with the step needs the way to its cluster.
    fn asks_cluster(&self, _at: StepRef<'_>) -> bool {
        false
    }

    /// Lets whoever carries the step out judge its configuration. Says everything that is
    /// wrong with it.
    async fn check_config(&self, at: StepRef<'_>, check: CheckContext<'_>) -> Vec<PrepareError>;

    /// Makes the step's part of a run. Nothing happens yet.
    ///
    /// # Errors
    /// By the line of the document.
    fn prepare(&self, at: StepRef<'_>, context: &PrepareContext<'_>) -> Result<Part, PrepareError>;

    /// What the step works on, from the documents alone and what actions say of themselves.
    fn subjects(
        &self,
        step: &Step,
        workflow: &Workflow<'_>,
        access: AccessOf<'_>,
    ) -> Vec<RunSubject>;
}

/// A step where it stands.
#[derive(Clone, Copy)]
pub struct StepRef<'a> {
    pub registry: &'a PluginRegistry,
    pub workflow: &'a Workflow<'a>,
    pub step: &'a Step,
}

/// What a check of configurations works with.
#[derive(Clone, Copy)]
pub struct CheckContext<'a> {
    /// A call in which nobody stops the plugin.
    pub idle: &'a StepCall,
    /// Hears who is asked.
    pub tell: Tell<'a>,
}

/// What a step's part of a run is made with.
pub struct PrepareContext<'a> {
    pub tools: &'a RunTools,
    /// Where contributors leave their outputs; none while the parts of the recovery point
    /// are made, and where the run makes none.
    pub backups: Option<&'a Arc<Backups>>,
    /// What each node waits for.
    pub order: &'a [StepNeeds],
}

/// A step's part of a run.
pub enum Part {
    Node(Box<NodePart>),
    Verify(Box<VerifyPart>),
    Store(Box<StorePart>),
}

/// A node of the graph.
pub struct NodePart {
    pub spec: NodeSpec,
    /// None where an operator's answer is all that there is to do.
    pub runner: Option<Arc<dyn NodeRunner>>,
    /// How long an attempt may go on once it was asked to come to an end.
    pub grace: Duration,
}

/// A verify step.
pub struct VerifyPart {
    pub pin: VerifyPin,
    pub plugin: Arc<Plugin>,
    pub call: StepCall,
}

/// A store step.
pub struct StorePart {
    pub pin: StorePin,
    pub store: Store,
    /// Whom artifacts are sealed to there.
    pub recipients: Vec<Recipient>,
    pub grace: Duration,
}

/// Names a step's work for whoever carries it out: the same for all attempts, the undo and
/// the probe.
#[must_use]
pub fn step_key(run: &RunId, step: &StepName, member: Option<&str>) -> String {
    let mut hasher = Sha256::new();
    for part in [run.as_str(), step.as_str(), member.unwrap_or_default()] {
        hasher.update(part);
        // No name has this in it, so that no two steps give the same bytes.
        hasher.update([0]);
    }
    let mut key = hex::encode(hasher.finalize());
    key.truncate(KEY_CHARS);
    key
}

impl StepRef<'_> {
    /// What errors call the step.
    pub(crate) fn subject(&self) -> String {
        format!("step {}", self.step.name)
    }

    /// The line of one of the step's keys.
    pub(crate) fn span(&self, key: &str) -> SourceSpan {
        place(self.workflow, self.step, key)
    }

    /// The step's plugin, of this world.
    pub(crate) fn plugin(&self, world: World) -> Result<Arc<Plugin>, RegistryError> {
        step_plugin(self.registry, self.workflow, self.step, world)
    }

    /// Lets the step's plugin judge its configuration.
    pub(crate) async fn judge_config(
        &self,
        plugin: &Plugin,
        check: CheckContext<'_>,
    ) -> Result<(), RegistryError> {
        let subject = self.subject();
        let name = &plugin.manifest().name;
        (check.tell)(&asked(name, &subject));
        let call = StepCall {
            config: self.step.config_json(),
            ..check.idle.clone()
        };
        let judged = async { findings_of(&subject, plugin.check_config(call, None).await) };
        let judged = judged_config(&subject, name, judged).await;
        judged.map_err(|error| error.at_span(&self.span("config")))
    }

    /// Lets the plugin of the step's target judge its configuration.
    pub(crate) async fn judge_target(&self, check: CheckContext<'_>) -> Result<(), PrepareError> {
        let document = self.target()?;
        let target = self
            .registry
            .idle_target(document, &self.workflow.cluster.value.name)?;
        let subject = format!("target {}", document.value.name);
        let plugin = document.value.spec.plugin.as_str();
        (check.tell)(&asked(plugin, &subject));
        let judged = judged_config(&subject, plugin, target.check_config()).await;
        judged.map_err(|error| error.at_span(&document.span("spec.config")))?;
        Ok(judged_retention(document, &target).await?)
    }

    /// The document of the target that the step names.
    pub(crate) fn target(&self) -> Result<&documents::Located<documents::Target>, PrepareError> {
        let name = self.step.target();
        let target = name.and_then(|name| self.workflow.targets.get(name).copied());
        target.ok_or_else(|| self.misplaced())
    }

    /// The step does not say what its kind needs.
    pub(crate) fn misplaced(&self) -> PrepareError {
        let key = self.step.work.key();
        let message = "does not say what its kind needs: report this";
        PrepareError::Document(self.span(key).error(message.to_owned()))
    }

    /// The step with this plugin, as a run pins it.
    pub(crate) fn pin(&self, plugin: &Plugin) -> StepPin {
        StepPin {
            step: self.step.name.clone(),
            plugin: plugin.manifest().name.clone(),
            version: plugin.manifest().version.clone(),
            digest: plugin.digest().clone(),
            config: self.step.config_json(),
            grants: plugin.grants().into(),
        }
    }

    /// The step as a node, with everything that its document says of it.
    pub(crate) fn node(&self, context: &PrepareContext<'_>) -> NodeSpec {
        let step = self.step;
        let order = context.order.iter();
        let needs = order.filter(|needs| needs.step == step.name);
        let deadline = step.active_deadline();
        NodeSpec {
            needs: needs.flat_map(|needs| &needs.needs).map(need).collect(),
            during: step.during.clone(),
            or_without: step.or_without,
            when: when(step.when),
            deadline_seconds: deadline.map(|deadline| deadline.as_secs()),
            backoff_limit: step.backoff_limit(),
            no_return: step.no_return,
            inputs: inputs(step),
            ..NodeSpec::new(step.name.clone(), step.work.key())
        }
    }
}

/// The run's cluster, which is only looked at.
pub(crate) fn reads_cluster(workflow: &Workflow<'_>) -> RunSubject {
    RunSubject::read(Subject::Cluster(workflow.cluster.value.name.clone()))
}

fn need(need: &StepNeed) -> Need {
    Need {
        step: need.step.clone(),
        is_order: need.is_order,
    }
}

fn when(when: documents::When) -> When {
    match when {
        documents::When::Success => When::Success,
        documents::When::Failure => When::Failure,
        documents::When::Always => When::Always,
    }
}

fn inputs(step: &Step) -> BTreeMap<String, OutputRef> {
    let inputs = step.inputs.iter();
    let inputs = inputs.map(|(name, input)| {
        let from = &input.value_from;
        let from = OutputRef {
            step: from.step.clone(),
            output: from.output.to_string(),
        };
        (name.to_string(), from)
    });
    inputs.collect()
}
