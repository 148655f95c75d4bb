//! The backup step: room in the spool first, then the plugin, whose outputs go through
//! the pipeline.

use std::path::PathBuf;
use std::sync::Arc;

use drydock_capability_etcd::EtcdAccess;
use drydock_capability_local::spool::require_free;
use drydock_core::{Fault, OutputId, StepName};
use drydock_engine::model::Event;
use drydock_engine::runner::Events;
use drydock_sandbox::{BackupCall, Plugin, StepCall};
use tokio::sync::watch;

use super::Attempts;
use super::pipeline::{Pipeline, PipelineFactory};
use super::spool::{SealedSpool, create_folder, spool_fault};

/// The spool holds the plain and the sealed bytes at once, and sealed bytes that do not
/// compress are a little longer than plain ones.
const SPOOL_COPIES: u64 = 2;

/// Room that is left to the rest of the node.
const SPOOL_BYTES_SPARE: u64 = 64 * 1024 * 1024;

/// The backup step of one run.
pub struct Backup {
    pub step: StepName,
    pub plugin: Arc<Plugin>,
    pub context: StepCall,
    /// As the node sees the cluster, without a plugin's grants.
    pub etcd: EtcdAccess,
    pub spool_root: PathBuf,
    /// Of this run; what earlier attempts left in it is of no more use.
    pub spool: SealedSpool,
    pub attempts: Attempts,
    pub cancel: watch::Sender<bool>,
    /// Makes the surroundings of an attempt's outputs.
    pub pipeline: PipelineFactory,
}

impl Backup {
    pub async fn run(&self, attempt: u32, first: OutputId, events: Events) -> Event {
        let running = self.attempts.start(&self.step, attempt);
        let ready = match self.spool.remove_below(first) {
            Ok(()) => self.room().await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = ready {
            running.end::<()>(Err(&fault), &drydock_sandbox::AttemptLog::default());
            return Event::BackupFailed { attempt, fault };
        }
        let pipeline = Pipeline::new((self.pipeline)(events), first);
        let call = BackupCall {
            context: self.context.clone(),
            outputs: Box::new(pipeline),
        };
        let done = self.plugin.run_backup(call).await;
        running.end(done.result.as_ref(), &done.log);
        for finding in done.result.iter().flat_map(|report| &report.findings) {
            tracing::info!(step = %self.step, level = ?finding.level, code = finding.code, "{}", finding.message);
        }
        match done.result {
            Ok(report) => Event::BackupFinished {
                attempt,
                degraded: report.degraded,
                findings: report.findings,
            },
            Err(fault) => Event::BackupFailed { attempt, fault },
        }
    }

    /// Asks the plugin to end; it answers in its own time.
    pub fn stop(&self) {
        self.cancel.send_replace(true);
    }

    /// Refuses to start where the spool cannot hold the largest database of the cluster.
    async fn room(&self) -> Result<(), Fault> {
        let mut largest = 0;
        for endpoint in self.etcd.endpoints() {
            if let Ok(status) = self.etcd.status(endpoint).await {
                largest = largest.max(status.db_size);
            }
        }
        let needed = largest * SPOOL_COPIES + SPOOL_BYTES_SPARE;
        create_folder(&self.spool_root)?;
        require_free(&self.spool_root, needed).map_err(|error| spool_fault(&error))
    }
}
