//! `action: PLUGIN`: a node that changes the world, and may hold something for others.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drydock_capability_etcd::EtcdCall;
use drydock_core::{ActionManifest, HoldKind, RunSubject, StepName, Subject, SubjectAccess};
use drydock_documents::{FileError, Hold, Step, Workflow};
use drydock_engine::model::{Answer, HoldSpec, NodeSpec};
use drydock_node::action::{Action, ActionCall, ActionProgress, PluginAction, ProbeEnd};
use drydock_node::{RegistryError, judged_config};
use drydock_sandbox::{Occasion, StepCall, World};

use crate::PrepareError;
use crate::kind::{AccessOf, CheckContext, NodePart, Part, PrepareContext, StepKind, StepRef};
use crate::node::{NodeCall, NodeRunner, occasion};
use crate::steps::Attempts;
use crate::tools::asked;

pub struct ActionKind;

/// What is asked of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Attempt,
    Probe,
    Undo,
}

/// Carries out what the engine asks of one action.
struct ActionNode {
    action: Arc<dyn Action>,
    config: String,
    attempts: Attempts,
}

#[async_trait]
impl StepKind for ActionKind {
    fn word(&self) -> &'static str {
        "action"
    }

    fn admit(&self, at: StepRef<'_>) -> Result<(), RegistryError> {
        let cluster = at.workflow.cluster.value.name.clone();
        let now = at.registry.node.deps.clock.now();
        let action = action(at, StepCall::idle(cluster, now))?;
        hold(at, action.manifest())?;
        Ok(())
    }

    fn asks_cluster(&self, at: StepRef<'_>) -> bool {
        let native = at.registry.node.deps.actions.get(name_of(at.step));
        let plugin = native.is_none().then(|| at.plugin(World::Action));
        let plugin = plugin.and_then(Result::ok);
        plugin.is_some_and(|plugin| !plugin.grants().of::<EtcdCall>().is_empty())
    }

    async fn check_config(&self, at: StepRef<'_>, check: CheckContext<'_>) -> Vec<PrepareError> {
        let checked = match action(at, check.idle.clone()) {
            Ok(action) => judge_config(at, &*action, check).await,
            Err(error) => Err(error),
        };
        checked.err().map(PrepareError::from).into_iter().collect()
    }

    fn prepare(&self, at: StepRef<'_>, context: &PrepareContext<'_>) -> Result<Part, PrepareError> {
        let action = action(at, context.tools.call_of(at.step))?;
        let manifest = action.manifest();
        let spec = NodeSpec {
            repeat: manifest.repeat,
            undo: manifest.undo,
            hold: hold(at, manifest)?,
            outputs: manifest.outputs.clone(),
            pin: action.plugin().map(|plugin| at.pin(plugin)),
            body: serde_json::json!({"action": name_of(at.step), "version": action.version()}),
            ..at.node(context)
        };
        Ok(Part::Node(Box::new(NodePart {
            spec,
            grace: action.grace(),
            runner: Some(Arc::new(ActionNode {
                action,
                config: at.step.config_json(),
                attempts: context.tools.attempts.clone(),
            })),
        })))
    }

    /// One that is not there, so that nobody knows what it does, is taken to write.
    fn subjects(
        &self,
        step: &Step,
        workflow: &Workflow<'_>,
        access: AccessOf<'_>,
    ) -> Vec<RunSubject> {
        let access = access(name_of(step)).unwrap_or(SubjectAccess::Writes);
        vec![RunSubject {
            subject: Subject::Cluster(workflow.cluster.value.name.clone()),
            access,
        }]
    }
}

fn name_of(step: &Step) -> &str {
    step.plugin().map_or("", |name| name.as_str())
}

/// What the step names: an action that the process brings, or else a plugin.
fn action(at: StepRef<'_>, call: StepCall) -> Result<Arc<dyn Action>, RegistryError> {
    if let Some(native) = at.registry.node.deps.actions.get(name_of(at.step)) {
        return Ok(native);
    }
    let plugin = at.plugin(World::Action)?;
    let action = PluginAction::of(plugin, call);
    Ok(Arc::new(
        action.expect("a plugin of that world is an action"),
    ))
}

async fn judge_config(
    at: StepRef<'_>,
    action: &dyn Action,
    check: CheckContext<'_>,
) -> Result<(), RegistryError> {
    let (subject, name) = (at.subject(), name_of(at.step));
    (check.tell)(&asked(name, &subject));
    let config = at.step.config_json();
    let judged = judged_config(&subject, name, action.check_config(&config)).await;
    judged.map_err(|error| error.at_span(&at.span("config")))
}

/// What the step holds. How long it may is for the document to say, how it lasts for the
/// action; one without the other is a mistake.
fn hold(at: StepRef<'_>, manifest: &ActionManifest) -> Result<Option<HoldSpec>, FileError> {
    let (step, name) = (&at.step.name, name_of(at.step));
    match (at.step.hold(), manifest.hold) {
        (None, None) => Ok(None),
        (Some(hold), Some(kind)) => Ok(Some(hold_spec(hold, kind))),
        (Some(_), None) => Err(at.span("hold").error(format!(
            "step {step} says hold, and {name} holds nothing: name an action that does, or remove hold and the during of the steps that name it"
        ))),
        (None, Some(_)) => Err(at.span(at.step.work.key()).error(format!(
            "step {step} does not say how long {name} may hold what it holds: add e.g. `hold: {{seconds: 300}}`, and `during: [{step}]` to the steps that it holds for"
        ))),
    }
}

pub(crate) fn hold_spec(hold: &Hold, kind: HoldKind) -> HoldSpec {
    HoldSpec {
        kind,
        seconds_max: hold.time_max().as_secs(),
        acquire_seconds: hold.acquire_time_max().as_secs(),
    }
}

impl Asked {
    /// Under which its words are kept with the run.
    fn entry(self, step: &StepName) -> StepName {
        match self {
            Self::Attempt => step.clone(),
            Self::Probe => StepName::new(format!("{step}/probe")),
            Self::Undo => StepName::new(format!("{step}/undo")),
        }
    }
}

#[async_trait]
impl NodeRunner for ActionNode {
    async fn attempt(&self, call: NodeCall) -> Answer {
        match self.action.run(self.call(call, Asked::Attempt)).await {
            Ok(done) => Answer::Done {
                done: Box::new(done),
            },
            Err(fault) => Answer::failed(fault),
        }
    }

    async fn probe(&self, call: NodeCall) -> Answer {
        match self.action.probe(self.call(call, Asked::Probe)).await {
            Ok(ProbeEnd::Done(done)) => Answer::Done {
                done: Box::new(done),
            },
            Ok(ProbeEnd::Found(state)) => Answer::Probed { state },
            Err(fault) => Answer::failed(fault),
        }
    }

    async fn undo(&self, call: NodeCall) -> Answer {
        match self.action.undo(self.call(call, Asked::Undo)).await {
            Ok(()) => Answer::Undone,
            Err(fault) => Answer::failed(fault),
        }
    }
}

impl ActionNode {
    fn call(&self, call: NodeCall, asked: Asked) -> ActionCall {
        let hold = call.state.node(&call.step);
        let hold = hold.and_then(|node| node.hold.as_ref());
        let spec = call.state.spec.node(&call.step);
        let spec = spec.and_then(|node| node.hold);
        // One that holds a state returns once it does, within its plugin's own limits.
        let session = spec.filter(|hold| hold.kind == HoldKind::Session);
        let grants = self.action.plugin().map(|plugin| match asked {
            Asked::Probe => plugin.grants().reading(),
            Asked::Attempt | Asked::Undo => plugin.grants().clone(),
        });
        let entry = asked.entry(&call.step);
        let running = self.attempts.start(&entry, call.attempt, grants.as_ref());
        let occasion = Occasion {
            deadline: hold.map(|hold| hold.deadline),
            so_far: Some(Arc::new(call.state.so_far())),
            ..occasion(&call)
        };
        ActionCall {
            occasion,
            hold_max: session.map(|hold| self.longest(hold)),
            config: self.config.clone(),
            progress: ActionProgress::new(call.emissions, call.let_go),
            stop: call.stop,
            log: Box::new(move |result, log| running.end(result, log)),
        }
    }

    /// How long a hold may go on: until it stands, while it does, and while it ends.
    fn longest(&self, hold: HoldSpec) -> Duration {
        let seconds = hold.acquire_seconds.saturating_add(hold.seconds_max);
        Duration::from_secs(seconds).saturating_add(self.action.grace())
    }
}
