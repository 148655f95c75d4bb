//! A plugin of the world `action` as an action of a run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drydock_core::{ActionManifest, ErrorClass, ErrorCode, Fault, Finding, HoldOrder};
use drydock_engine::Closed;
use drydock_engine::model::Done;
use drydock_sandbox::{ActionDone, ActionProbed, Attempt, Plugin, StepCall, StepEvents};

use super::{Action, ActionCall, ActionProgress, LogSink, ProbeEnd};

/// A plugin and the surroundings of its step.
pub struct PluginAction {
    plugin: Arc<Plugin>,
    manifest: ActionManifest,
    step: StepCall,
}

impl PluginAction {
    /// None for a plugin of another world.
    #[must_use]
    pub fn of(plugin: Arc<Plugin>, step: StepCall) -> Option<Self> {
        let manifest = plugin.action()?.clone();
        Some(Self {
            plugin,
            manifest,
            step,
        })
    }

    fn call(&self, call: ActionCall) -> (StepCall, LogSink) {
        let step = StepCall {
            config: call.config,
            occasion: call.occasion,
            stop: call.stop,
            events: Arc::new(call.progress),
            ..self.step.clone()
        };
        (step, call.log)
    }
}

#[async_trait]
impl Action for PluginAction {
    fn version(&self) -> &str {
        &self.plugin.manifest().version
    }

    fn manifest(&self) -> &ActionManifest {
        &self.manifest
    }

    fn grace(&self) -> Duration {
        self.plugin.limits().stop_grace_max
    }

    fn plugin(&self) -> Option<&Arc<Plugin>> {
        Some(&self.plugin)
    }

    async fn check_config(&self, config: &str) -> Result<Vec<Finding>, Fault> {
        let step = StepCall {
            config: config.to_owned(),
            ..self.step.clone()
        };
        self.plugin.check_config(step, None).await.result
    }

    async fn run(&self, call: ActionCall) -> Result<Done, Fault> {
        let hold_max = call.hold_max;
        let (step, log) = self.call(call);
        let ran = self.plugin.run_action(step, hold_max).await;
        told(ran, log).map(done)
    }

    async fn probe(&self, call: ActionCall) -> Result<ProbeEnd, Fault> {
        let (step, log) = self.call(call);
        let probed = self.plugin.probe_action(step).await;
        Ok(match told(probed, log)? {
            ActionProbed::Done(what) => ProbeEnd::Done(done(what)),
            ActionProbed::Found(found) => ProbeEnd::Found(found),
        })
    }

    async fn undo(&self, call: ActionCall) -> Result<(), Fault> {
        let (step, log) = self.call(call);
        told(self.plugin.undo_action(step).await, log)
    }
}

#[async_trait]
impl StepEvents for ActionProgress {
    async fn cut(&self) -> Result<(), Fault> {
        Self::cut(self).await.map_err(closed)
    }

    async fn keep(&self, handle: String) -> Result<(), Fault> {
        Self::keep(self, &handle).await.map_err(closed)
    }

    async fn held(&self, evidence: String, at_most: Duration) -> Result<HoldOrder, Fault> {
        Ok(Self::held(self, &evidence, at_most).await)
    }
}

fn told<T>(attempt: Attempt<T>, log: LogSink) -> Result<T, Fault> {
    log(attempt.result.as_ref().map(|_| &()), &attempt.log);
    attempt.result
}

fn done(done: ActionDone) -> Done {
    Done {
        findings: done.findings,
        reasons: done.reasons,
        outputs: done.outputs,
        hold: done.hold,
        ..Done::default()
    }
}

fn closed(closed: Closed) -> Fault {
    Fault::new(
        ErrorClass::Cancelled,
        ErrorCode::Cancelled,
        closed.to_string(),
    )
}
