//! `action: PLUGIN`: a node that changes the world, and may hold something for others.

use std::sync::Arc;

use async_trait::async_trait;
use drydock_core::{HoldKind, RunSubject, Subject, SubjectAccess};
use drydock_documents::{FileError, Hold, Step, Workflow};
use drydock_engine::STOP_GRACE;
use drydock_engine::model::{Answer, HoldSpec, NodeSpec};
use drydock_node::action::{Action, ActionCall, ActionProgress, Actions, Manifest, ProbeEnd};
use drydock_node::{RegistryError, judged_config};

use crate::PrepareError;
use crate::kind::{CheckContext, NodePart, Part, PrepareContext, StepKind, StepRef};
use crate::node::{NodeCall, NodeRunner};
use crate::tools::asked;

pub struct ActionKind;

/// Carries out what the engine asks of one action.
struct ActionNode {
    action: Arc<dyn Action>,
    config: String,
}

#[async_trait]
impl StepKind for ActionKind {
    fn word(&self) -> &'static str {
        "action"
    }

    fn admit(&self, at: StepRef<'_>) -> Result<(), RegistryError> {
        let action = action(at)?;
        hold(at, action.manifest())?;
        Ok(())
    }

    async fn check_config(&self, at: StepRef<'_>, check: CheckContext<'_>) -> Vec<PrepareError> {
        let checked = match action(at) {
            Ok(action) => judge_config(at, &*action, check).await,
            Err(error) => Err(error),
        };
        checked.err().map(PrepareError::from).into_iter().collect()
    }

    fn prepare(&self, at: StepRef<'_>, context: &PrepareContext<'_>) -> Result<Part, PrepareError> {
        let action = action(at)?;
        let manifest = action.manifest();
        let spec = NodeSpec {
            repeat: manifest.repeat,
            undo: manifest.undo,
            hold: hold(at, manifest)?,
            outputs: manifest.outputs.clone(),
            body: serde_json::json!({"action": name_of(at.step), "version": manifest.version}),
            ..at.node(context)
        };
        Ok(Part::Node(Box::new(NodePart {
            spec,
            runner: Some(Arc::new(ActionNode {
                action,
                config: at.step.config_json(),
            })),
            grace: STOP_GRACE,
        })))
    }

    /// One that is not there, so that nobody knows what it does, is taken to write.
    fn subjects(
        &self,
        step: &Step,
        workflow: &Workflow<'_>,
        actions: &dyn Actions,
    ) -> Vec<RunSubject> {
        let action = actions.get(name_of(step));
        let access = action.map_or(SubjectAccess::Writes, |action| action.manifest().access);
        vec![RunSubject {
            subject: Subject::Cluster(workflow.cluster.value.name.clone()),
            access,
        }]
    }
}

fn name_of(step: &Step) -> &str {
    step.plugin().map_or("", |name| name.as_str())
}

fn action(at: StepRef<'_>) -> Result<Arc<dyn Action>, RegistryError> {
    let action = at.registry.action(name_of(at.step), &at.subject());
    action.map_err(|error| error.at_span(&at.span(at.step.work.key())))
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
fn hold(at: StepRef<'_>, manifest: &Manifest) -> Result<Option<HoldSpec>, FileError> {
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
        match self.action.run(self.call(call)).await {
            Ok(done) => Answer::Done {
                done: Box::new(done),
            },
            Err(fault) => Answer::failed(fault),
        }
    }

    async fn probe(&self, call: NodeCall) -> Answer {
        match self.action.probe(self.call(call)).await {
            Ok(ProbeEnd::Done(done)) => Answer::Done {
                done: Box::new(done),
            },
            Ok(ProbeEnd::Found(state)) => Answer::Probed { state },
            Err(fault) => Answer::failed(fault),
        }
    }

    async fn undo(&self, call: NodeCall) -> Answer {
        match self.action.undo(self.call(call)).await {
            Ok(()) => Answer::Undone,
            Err(fault) => Answer::failed(fault),
        }
    }
}

impl ActionNode {
    fn call(&self, call: NodeCall) -> ActionCall {
        let hold = call.state.node(&call.step);
        let hold = hold.and_then(|node| node.hold.as_ref());
        ActionCall {
            deadline: hold.map(|hold| hold.deadline),
            config: self.config.clone(),
            key: call.key,
            run: call.state.spec.run.clone(),
            step: call.step,
            attempt: call.attempt,
            inputs: call.inputs,
            progress: ActionProgress::new(call.emissions, call.let_go),
            stop: call.stop,
        }
    }
}
