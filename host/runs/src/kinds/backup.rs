//! `backup: PLUGIN`: a node whose outputs go through the pipeline into the recovery point.

use std::sync::Arc;

use async_trait::async_trait;
use drydock_capability_etcd::EtcdCall;
use drydock_core::{Fault, Repeat, RunSubject};
use drydock_documents::{Step, Workflow};
use drydock_engine::model::{Answer, Done, NodeSpec};
use drydock_node::RegistryError;
use drydock_node::action::ActionProgress;
use drydock_sandbox::{
    AttemptLog, BackupCall, BackupReport, NoEvents, Plugin, StepCall, StepEvents, World,
};

use crate::PrepareError;
use crate::kind::{
    AccessOf, CheckContext, NodePart, Part, PrepareContext, StepKind, StepRef, reads_cluster,
};
use crate::node::{NodeCall, NodeRunner, occasion, while_wanted};
use crate::steps::Backups;

pub struct Backup;

/// Carries the attempts of one backup step out.
struct BackupNode {
    backups: Arc<Backups>,
    plugin: Arc<Plugin>,
    call: StepCall,
    /// Whether the step stands during a hold, which is let go at its cut.
    is_during: bool,
}

#[async_trait]
impl StepKind for Backup {
    fn word(&self) -> &'static str {
        "backup"
    }

    fn admit(&self, at: StepRef<'_>) -> Result<(), RegistryError> {
        at.plugin(World::Backup).map(|_| ())
    }

    fn asks_cluster(&self, _at: StepRef<'_>) -> bool {
        true
    }

    async fn check_config(&self, at: StepRef<'_>, check: CheckContext<'_>) -> Vec<PrepareError> {
        let checked = match at.plugin(World::Backup) {
            Ok(plugin) => at.judge_config(&plugin, check).await,
            Err(error) => Err(error),
        };
        checked.err().map(PrepareError::from).into_iter().collect()
    }

    fn prepare(&self, at: StepRef<'_>, context: &PrepareContext<'_>) -> Result<Part, PrepareError> {
        let plugin = at.plugin(World::Backup)?;
        let backups = context.backups.ok_or_else(|| at.misplaced())?;
        let spec = NodeSpec {
            repeat: Repeat::Idempotent,
            contributes: true,
            pin: Some(at.pin(&plugin)),
            ..at.node(context)
        };
        Ok(Part::Node(Box::new(NodePart {
            grace: plugin.limits().stop_grace_max,
            runner: Some(Arc::new(BackupNode {
                backups: Arc::clone(backups),
                call: context.tools.call_of(at.step),
                is_during: !at.step.during.is_empty(),
                plugin,
            })),
            spec,
        })))
    }

    fn subjects(&self, _: &Step, workflow: &Workflow<'_>, _: AccessOf<'_>) -> Vec<RunSubject> {
        vec![reads_cluster(workflow)]
    }
}

#[async_trait]
impl NodeRunner for BackupNode {
    async fn attempt(&self, call: NodeCall) -> Answer {
        match Box::pin(self.back_up(&call)).await {
            Ok(BackupReport { degraded, findings }) => Answer::Done {
                done: Box::new(Done {
                    degraded,
                    findings,
                    ..Done::default()
                }),
            },
            Err(fault) => Answer::failed(fault),
        }
    }
}

impl BackupNode {
    /// Of one cluster only so many snapshots stream at once. How much room there is is asked
    /// once it is this one's turn.
    async fn back_up(&self, call: &NodeCall) -> Result<BackupReport, Fault> {
        let backups = &*self.backups;
        let grants = self.plugin.grants();
        let attempts = &backups.attempts;
        let running = attempts.start(&call.step, call.attempt, Some(grants));
        let claims = backups
            .outputs
            .begin(&call.step, call.attempt, call.state.point.as_ref());
        let begun = while_wanted(&call.stop, async {
            backups.make_room(call.state.point.as_ref())?;
            let takes_snapshots = self.takes_snapshots();
            let stream = backups.stream(takes_snapshots).await;
            Ok((backups.room(takes_snapshots).await?, stream))
        });
        let (room, _stream) = match begun.await {
            Ok(begun) => begun,
            Err(fault) => {
                running.end::<()>(Err(&fault), &AttemptLog::default());
                return Err(fault.not_done());
            }
        };
        let pipeline = backups.pipeline(call, claims.outputs(), self.is_during);
        let done = self.plugin.run_backup(BackupCall {
            context: StepCall {
                occasion: occasion(call),
                stop: call.stop.clone(),
                events: self.events(call),
                ..self.call.clone()
            },
            outputs: Box::new(pipeline),
        });
        let done = done.await;
        let result = done.result.map_err(|fault| room.explain(fault));
        let result = result.map(|mut report| {
            report.findings.extend(room.finding());
            claims.count();
            report
        });
        running.end(result.as_ref(), &done.log);
        tell(call, result.as_ref().ok());
        result
    }

    /// Where the step says its cut itself; of a snapshot the host says it.
    fn events(&self, call: &NodeCall) -> Arc<dyn StepEvents> {
        if !self.is_during {
            return Arc::new(NoEvents);
        }
        let progress = ActionProgress::new(call.emissions.clone(), call.let_go.clone());
        Arc::new(progress)
    }

    fn takes_snapshots(&self) -> bool {
        self.plugin.grants().of().contains(&EtcdCall::Snapshot)
    }
}

fn tell(call: &NodeCall, report: Option<&BackupReport>) {
    let step = &call.step;
    for finding in report.iter().flat_map(|report| &report.findings) {
        tracing::info!(%step, level = ?finding.level, code = finding.code, "{}", finding.message);
    }
}
