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
use drydock_sandbox::{StepCall, World};

use crate::PrepareError;
use crate::kind::{AccessOf, CheckContext, NodePart, Part, PrepareContext, StepKind, StepRef};
use crate::node::{NodeCall, NodeRunner};
use crate::steps::Attempts;
use crate::tools::asked;

/// Under which a probe's words are kept beside its step's.
const PROBE: &str = "probe";

pub struct ActionKind;

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

#[async_trait]
impl NodeRunner for ActionNode {
    async fn attempt(&self, call: NodeCall) -> Answer {
        match self.action.run(self.call(call, None)).await {
            Ok(done) => Answer::Done {
                done: Box::new(done),
            },
            Err(fault) => Answer::failed(fault),
        }
    }

    async fn probe(&self, call: NodeCall) -> Answer {
        match self.action.probe(self.call(call, Some(PROBE))).await {
            Ok(ProbeEnd::Done(done)) => Answer::Done {
                done: Box::new(done),
            },
            Ok(ProbeEnd::Found(state)) => Answer::Probed { state },
            Err(fault) => Answer::failed(fault),
        }
    }

    async fn undo(&self, call: NodeCall) -> Answer {
        match self.action.undo(self.call(call, Some("undo"))).await {
            Ok(()) => Answer::Undone,
            Err(fault) => Answer::failed(fault),
        }
    }
}

impl ActionNode {
    /// `beside` is what is asked of the step beside its attempts: what it says then is kept
    /// under a name of its own.
    fn call(&self, call: NodeCall, beside: Option<&str>) -> ActionCall {
        let hold = call.state.node(&call.step);
        let hold = hold.and_then(|node| node.hold.as_ref());
        let spec = call.state.spec.node(&call.step);
        let spec = spec.and_then(|node| node.hold);
        let attempts = self.attempts.clone();
        let (step, number) = (call.step.clone(), call.attempt);
        let step = beside.map_or(step.clone(), |beside| {
            StepName::new(format!("{step}/{beside}"))
        });
        // A probe looks, and changes nothing.
        let grants = self.action.plugin().map(|plugin| match beside {
            Some(PROBE) => plugin.grants().reading(),
            _ => plugin.grants().clone(),
        });
        ActionCall {
            deadline: hold.map(|hold| hold.deadline),
            hold_max: spec.map(|spec| self.longest(spec)),
            config: self.config.clone(),
            key: call.key,
            run: call.state.spec.run.clone(),
            step: call.step,
            attempt: call.attempt,
            inputs: call.inputs,
            so_far: Arc::new(call.state.so_far()),
            progress: ActionProgress::new(call.emissions, call.let_go),
            stop: call.stop,
            log: Box::new(move |result, log| {
                attempts
                    .start(&step, number, grants.as_ref())
                    .end(result, log);
            }),
        }
    }

    /// How long a hold may go on: until it stands, while it does, and while it ends.
    fn longest(&self, hold: HoldSpec) -> Duration {
        let seconds = hold.acquire_seconds.saturating_add(hold.seconds_max);
        Duration::from_secs(seconds).saturating_add(self.action.grace())
    }
}
