//! The call of plugins that produce artifacts.

use drydock_capability_artifact::{OutputSink, Outputs};
use drydock_core::Finding;
use serde::Serialize;

use crate::answer;
use crate::attempt::Attempt;
use crate::link::Outlet;
use crate::plugin::Plugin;
use crate::step::StepCall;
use crate::world::steps::backup_step::Guest as BackupStep;
use crate::world::{Step as _, World};

/// A call of a backup plugin.
pub struct BackupCall {
    pub context: StepCall,
    pub outputs: Box<dyn OutputSink>,
}

/// What a backup plugin answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    pub degraded: bool,
    pub findings: Vec<Finding>,
}

impl Plugin {
    /// Runs a backup plugin. When this returns, nothing calls `outputs` any more.
    ///
    /// The result is a fault `wrong-world` for a plugin of another world.
    pub async fn run_backup(&self, call: BackupCall) -> Attempt<BackupReport> {
        if let Err(fault) = self.is_of(World::Backup) {
            return Attempt::refused(fault);
        }
        let outputs = Outputs::start(call.outputs);
        let mut guest = self.powered(call.context);
        let opener = outputs.opener().part_of(&guest.work);
        guest.parts.put(Outlet(opener));
        let linked = self.linked.clone();
        let attempt = self.run(guest, move |store| {
            Box::pin(async move {
                let step = BackupStep::enter(&linked, store).await?;
                step.call_run(store).await
            })
        });
        let mut attempt = attempt.await.and_then(|report| {
            Ok(BackupReport {
                degraded: report.degraded,
                findings: answer::findings(report.findings, self.bounds())?,
            })
        });
        if let Err(fault) = outputs.close().await {
            attempt.result = Err(fault);
        }
        attempt
    }
}
