//! Backup steps: room in the spool first, then the plugin, whose outputs go through the
//! pipeline.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use drydock_capability_artifact::spool::require_free;
use drydock_capability_etcd::{EtcdAccess, EtcdCall};
use drydock_core::{ErrorCode, Fault, OutputId, StepName};
use drydock_engine::{model::Event, runner::Events};
use drydock_sandbox::{BackupCall, BackupReport, Plugin, StepCall, asked_to_stop};
use tokio::sync::watch;

use super::Attempts;
use super::pipeline::{Pipeline, PipelineFactory, Taken};
use super::room::Room;
use super::spool::{SealedSpool, create_folder, spool_fault};

/// The backup steps of one run, which run one after the other.
pub struct Backups {
    pub steps: BTreeMap<StepName, Backup>,
    /// As the node sees the cluster, without a plugin's grants.
    pub etcd: EtcdAccess,
    pub spool_root: PathBuf,
    /// Of this run; what dead attempts left in it is of no more use.
    pub spool: SealedSpool,
    pub attempts: Attempts,
    /// Tells every plugin of the run that brings it forward to stop.
    pub stop: watch::Sender<Option<Fault>>,
    /// Makes the surroundings of an attempt's outputs.
    pub pipeline: PipelineFactory,
}

/// One backup step.
pub struct Backup {
    pub plugin: Arc<Plugin>,
    pub context: StepCall,
}

/// One attempt of a backup step, as the engine asks for it.
pub struct BackupAttempt<'a> {
    pub step: &'a StepName,
    pub attempt: u32,
    /// Number of the first output that it opens.
    pub first: OutputId,
    /// What the steps before it left.
    pub taken: Taken,
}

impl Backups {
    pub async fn run(&self, asked: BackupAttempt<'_>, events: Events) -> Event {
        let (step, attempt) = (asked.step.clone(), asked.attempt);
        match self.attempt(asked, events).await {
            Ok(report) => Event::BackupFinished {
                step,
                attempt,
                degraded: report.degraded,
                findings: report.findings,
            },
            Err(fault) => Event::BackupFailed {
                step,
                attempt,
                fault,
            },
        }
    }

    async fn attempt(
        &self,
        asked: BackupAttempt<'_>,
        events: Events,
    ) -> Result<BackupReport, Fault> {
        let step = asked.step;
        let backup = self.steps.get(step).ok_or_else(|| {
            Fault::permanent(
                ErrorCode::NoSuchStep,
                format!("the run has no backup step {step}"),
            )
        })?;
        let running = self.attempts.start(step, asked.attempt);
        let ready = match self.spool.keep_only(&asked.taken.outputs, asked.first) {
            Ok(()) => self.while_wanted(self.room(&backup.plugin)).await,
            Err(fault) => Err(fault),
        };
        let room = match ready {
            Ok(room) => room,
            Err(fault) => {
                running.end::<()>(Err(&fault), &drydock_sandbox::AttemptLog::default());
                return Err(fault);
            }
        };
        let surroundings = (self.pipeline)(events);
        let pipeline = Pipeline::new(surroundings, step.clone(), asked.taken, asked.first);
        let call = BackupCall {
            context: backup.context.clone(),
            outputs: Box::new(pipeline),
        };
        let done = backup.plugin.run_backup(call).await;
        let result = done.result.map_err(|fault| room.explain(fault));
        let result = result.map(|mut report| {
            report.findings.extend(room.finding());
            report
        });
        running.end(result.as_ref(), &done.log);
        for finding in result.iter().flat_map(|report| &report.findings) {
            tracing::info!(%step, level = ?finding.level, code = finding.code, "{}", finding.message);
        }
        result
    }

    /// Waits for it unless the run is to stop.
    async fn while_wanted<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            done = work => done,
            why = asked_to_stop(&mut stop) => Err(why),
        }
    }

    /// Refuses to start where the spool cannot hold what the step may bring: the largest
    /// database of the cluster where it may take snapshots. How much another plugin brings
    /// is not known before it does; writing stops where the room ends.
    async fn room(&self, plugin: &Plugin) -> Result<Room, Fault> {
        let takes_snapshots = plugin.grants().of().contains(&EtcdCall::Snapshot);
        let room = if takes_snapshots {
            Room::ask(&self.etcd).await
        } else {
            Room::default()
        };
        create_folder(&self.spool_root)?;
        require_free(&self.spool_root, room.bytes()).map_err(|error| spool_fault(&error))?;
        Ok(room)
    }
}
