//! The effects of a run that drills: one drill, and nothing to take back.

use std::sync::Arc;

use async_trait::async_trait;
use drydock_api_types::drill::Verdict;
use drydock_core::{ClusterName, ErrorCode, Fault, RunId, UnixTime, chain};
use drydock_documents::DrillWork;
use drydock_drill::{
    DrillError,
    perform::{self, Done, Means, NewestError, Wanted, newest},
};
use drydock_engine::{
    model::{DrillPin, DrillResult, DrillVerdict, Effect, Event, Policy, RunSpec},
    runner::{Events, StepRunner},
    state::RunState,
};
use drydock_node::{RegistryError, judged_config};
use drydock_repository::{Identities, Repository, TrustedSigners};
use drydock_sandbox::StoreTarget;

use crate::BACKOFF_MS;
use crate::BACKOFF_MS_MAX;
use crate::PrepareError;
use crate::RunService;
use crate::Tell;
use crate::asked;

/// A drill that is ready to start.
pub struct Prepared {
    pub spec: RunSpec,
    steps: DrillSteps,
}

/// Carries the drill out.
pub struct DrillSteps {
    means: Means,
    target: StoreTarget,
    target_name: String,
    cluster: ClusterName,
    signers: Arc<TrustedSigners>,
    identities: Arc<Identities>,
    api_server: bool,
}

impl Prepared {
    /// # Errors
    /// The node has no identity, or the target cannot be used.
    pub fn new(
        service: &RunService,
        work: DrillWork<'_>,
        run: RunId,
        due: UnixTime,
        by_hand: bool,
    ) -> Result<Self, PrepareError> {
        let node = &service.registry.node;
        let identities = perform::identities(node)?.ok_or(PrepareError::NoIdentity)?;
        let cluster = work.cluster.value.name.clone();
        let target = service.registry.idle_target(work.target, &cluster)?;
        let steps = DrillSteps {
            means: Means::of(&service.registry, Some(Arc::clone(&service.key)))?,
            target,
            target_name: work.target.value.name.to_string(),
            cluster,
            signers: Arc::clone(&service.signers),
            identities,
            api_server: work.drill.api_server,
        };
        let digest = node.documents.workflow_digest(&work.schedule.value.name);
        Ok(Self {
            spec: spec(work, run, due, by_hand, digest.unwrap_or_default()),
            steps,
        })
    }

    /// Lets the target's plugin judge its configuration.
    ///
    /// # Errors
    /// As the plugin says.
    pub async fn check_config(&self, tell: Tell<'_>) -> Result<(), RegistryError> {
        let DrillSteps {
            target,
            target_name,
            ..
        } = &self.steps;
        let subject = format!("target {target_name}");
        let plugin = &target.plugin().manifest().name;
        tell(&asked(plugin, &subject));
        judged_config(&subject, plugin, target.check_config()).await
    }

    pub fn steps(self) -> DrillSteps {
        self.steps
    }
}

fn spec(work: DrillWork<'_>, run: RunId, due: UnixTime, by_hand: bool, digest: String) -> RunSpec {
    let schedule = &work.schedule.value;
    RunSpec {
        run,
        schedule: schedule.name.clone(),
        cluster: work.cluster.value.name.clone(),
        due,
        by_hand,
        backups: Vec::new(),
        verify: Vec::new(),
        stores: Vec::new(),
        drill: Some(DrillPin {
            target: work.target.value.name.clone(),
            api_server: work.drill.api_server,
        }),
        policy: Policy {
            backoff_limit: schedule.spec.backoff_limit(),
            backoff_ms: BACKOFF_MS,
            backoff_ms_max: BACKOFF_MS_MAX,
            active_deadline_seconds: schedule.spec.active_deadline().map(|limit| limit.as_secs()),
        },
        workflow_digest: digest,
    }
}

#[async_trait]
impl StepRunner for DrillSteps {
    async fn perform(&self, _state: Arc<RunState>, effect: Effect, _events: Events) -> Event {
        let done = match &effect {
            Effect::Drill { attempt } => {
                Box::pin(self.drill()).await.map(|result| Event::Drilled {
                    attempt: *attempt,
                    result: Box::new(result),
                })
            }
            // It has none.
            Effect::DropSpool => Ok(Event::SpoolDropped),
            other => Err(Fault::permanent(
                ErrorCode::NotAnEffect,
                format!("{} is no effect of a drill", other.word()),
            )),
        };
        done.unwrap_or_else(|fault| Event::EffectFailed {
            effect: Box::new(effect),
            fault,
        })
    }
}

impl DrillSteps {
    async fn drill(&self) -> Result<DrillResult, Fault> {
        let repository = Repository::new(&self.target, &self.signers);
        let point = newest(&repository, &self.cluster, &self.target_name)
            .await
            .map_err(NewestError::into_fault)?;
        let wanted = Wanted {
            repository,
            point: &point,
            target: &self.target_name,
            identities: Arc::clone(&self.identities),
            api_server: self.api_server,
            encryption: None,
            etcd_prefix: None,
            reports: Some(self.means.reports()),
        };
        let done = Box::pin(perform::drill(&self.means, wanted)).await;
        Ok(result(done.map_err(DrillError::into_fault)?))
    }
}

/// A drill as the run's record keeps it.
fn result(done: Done) -> DrillResult {
    let mut warnings = Vec::new();
    if let Some(Err(error)) = &done.written {
        warnings.push(error.to_string());
    }
    if let Some(Err(error)) = &done.mark {
        warnings.push(format!(
            "putting the mark beside the recovery point failed, so that it may be missing: {}",
            chain(error)
        ));
    }
    let report = done.report;
    DrillResult {
        recovery_point: report.recovery_point,
        verdict: match report.verdict {
            Verdict::Pass => DrillVerdict::Passed,
            Verdict::Fail => DrillVerdict::Failed,
            Verdict::Skipped => DrillVerdict::Skipped,
        },
        reason: report.reason,
        checks: u32::try_from(report.checks.len()).unwrap_or(u32::MAX),
        recovery_milliseconds: report.recovery_milliseconds,
        data_age_seconds: report.data_age_seconds,
        report: done
            .written
            .and_then(Result::ok)
            .map(|written| written.html.display().to_string()),
        warnings,
    }
}
