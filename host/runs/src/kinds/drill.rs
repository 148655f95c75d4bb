//! `drill: {target: NAME}`: a node that proves. A recovery point is restored into scratch and
//! compared; nothing of that has to be taken back. In a run that also backs up it is the
//! recovery point that the run committed at that target, else the newest there.

use std::sync::Arc;

use async_trait::async_trait;
use drydock_api_types::drill::Verdict;
use drydock_core::{
    ClusterName, ErrorCode, Fault, RecoveryPointName, Repeat, RunSubject, Subject, TargetName,
    chain,
};
use drydock_documents::{Step, StepWork, Workflow};
use drydock_drill::{
    DrillError,
    perform::{self, Means, NewestError, Wanted, identities, newest},
};
use drydock_engine::STOP_GRACE;
use drydock_engine::model::{Answer, Done, NodeSpec};
use drydock_engine::state::RunState;
use drydock_point::state::StoreStatus;
use drydock_repository::{Identities, Repository, TrustedSigners, recovery_point::RecoveryPoint};
use drydock_sandbox::StoreTarget;
use serde::{Deserialize, Serialize};

use crate::PrepareError;
use crate::kind::{
    AccessOf, CheckContext, NodePart, Part, PrepareContext, StepKind, StepRef, reads_cluster,
};
use crate::node::{NodeCall, NodeRunner};

/// How a drill ended that could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillVerdict {
    Passed,
    Failed,
    /// There was nothing to compare, so that nothing is proven and nothing is wrong.
    Skipped,
}

/// What a drill found: the body of its step's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrillResult {
    pub target: TargetName,
    pub recovery_point: RecoveryPointName,
    pub verdict: DrillVerdict,
    /// Why it did not pass, in a sentence.
    pub reason: Option<String>,
    pub checks: u32,
    /// From the first byte fetched to a cluster that answers.
    pub recovery_milliseconds: Option<u64>,
    pub data_age_seconds: u64,
    /// The report's page on this node.
    pub report: Option<String>,
    /// What could not be done beside the drill itself, e.g. the mark; a sentence each.
    pub warnings: Vec<String>,
}

pub struct Drill;

/// Carries the attempts of one drill out.
struct DrillNode {
    means: Means,
    target: StoreTarget,
    target_name: TargetName,
    cluster: ClusterName,
    signers: Arc<TrustedSigners>,
    identities: Arc<Identities>,
    api_server: bool,
}

#[async_trait]
impl StepKind for Drill {
    fn word(&self) -> &'static str {
        "drill"
    }

    /// A node without an identity skips its drills, which is no mistake.
    async fn check_config(&self, at: StepRef<'_>, check: CheckContext<'_>) -> Vec<PrepareError> {
        let opened = identities(&at.registry.node).map_err(PrepareError::from);
        let judged = at.judge_target(check).await;
        [opened.err(), judged.err()].into_iter().flatten().collect()
    }

    fn prepare(&self, at: StepRef<'_>, context: &PrepareContext<'_>) -> Result<Part, PrepareError> {
        let StepWork::Drill(drill) = &at.step.work else {
            return Err(at.misplaced());
        };
        let identities = identities(&at.registry.node)?.ok_or(PrepareError::NoIdentity)?;
        let cluster = at.workflow.cluster.value.name.clone();
        let tools = context.tools;
        let target = at.registry.idle_target(at.target()?, &cluster)?;
        let pin = at.pin(target.plugin());
        let runner = DrillNode {
            means: Means::of(at.registry, Some(Arc::clone(&tools.key)))?,
            target,
            target_name: drill.target.clone(),
            cluster,
            signers: Arc::clone(&tools.signers),
            identities,
            api_server: drill.api_server,
        };
        let spec = NodeSpec {
            repeat: Repeat::Idempotent,
            proves: true,
            pin: Some(pin),
            ..at.node(context)
        };
        Ok(Part::Node(Box::new(NodePart {
            spec,
            runner: Some(Arc::new(runner)),
            grace: STOP_GRACE,
        })))
    }

    fn subjects(&self, step: &Step, workflow: &Workflow<'_>, _: AccessOf<'_>) -> Vec<RunSubject> {
        let target = step.target().cloned().map(Subject::Target);
        let target = target.map(RunSubject::read);
        [reads_cluster(workflow)]
            .into_iter()
            .chain(target)
            .collect()
    }
}

#[async_trait]
impl NodeRunner for DrillNode {
    async fn attempt(&self, call: NodeCall) -> Answer {
        match Box::pin(self.drill(&call.state)).await {
            Ok(result) => result.answer(),
            Err(fault) => Answer::failed(fault),
        }
    }
}

impl DrillNode {
    async fn drill(&self, state: &RunState) -> Result<DrillResult, Fault> {
        let repository = Repository::new(&self.target, &self.signers);
        let point = self.point(&repository, state).await?;
        let wanted = Wanted {
            repository,
            point: &point,
            target: self.target_name.as_str(),
            identities: Arc::clone(&self.identities),
            api_server: self.api_server,
            encryption: None,
            etcd_prefix: None,
            reports: Some(self.means.reports()),
        };
        let done = Box::pin(perform::drill(&self.means, wanted)).await;
        let done = done.map_err(DrillError::into_fault)?;
        Ok(DrillResult::of(done, &self.target_name))
    }

    async fn point(
        &self,
        repository: &Repository<'_>,
        state: &RunState,
    ) -> Result<RecoveryPoint, Fault> {
        if self.has_committed(state) {
            let name = state.spec.run.recovery_point();
            return Ok(repository.load(&self.cluster, &name).await?);
        }
        let newest = newest(repository, &self.cluster, self.target_name.as_str()).await;
        newest.map_err(NewestError::into_fault)
    }

    /// Whether the run has a recovery point of its own at the target.
    fn has_committed(&self, state: &RunState) -> bool {
        let stores = state.point.iter().flat_map(|point| point.stores());
        let mut there = stores.filter(|store| store.target == self.target_name);
        there.any(|store| store.status == StoreStatus::Committed)
    }
}

impl DrillResult {
    fn of(done: perform::Done, target: &TargetName) -> Self {
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
        Self {
            target: target.clone(),
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

    /// A recovery point that does not pass fails the run, however well the drill went. One
    /// that there was nothing to compare of degrades it: nothing is proven.
    fn answer(self) -> Answer {
        let why = self.reason.as_deref().unwrap_or("no reason was given");
        let point = self.recovery_point.clone();
        let body = serde_json::to_value(&self).expect("what a drill found is plain data");
        match self.verdict {
            DrillVerdict::Passed => done(point, self.warnings, body),
            DrillVerdict::Skipped => {
                let skipped = format!("the drill of recovery point {point} was skipped: {why}");
                let reasons = [skipped].into_iter().chain(self.warnings);
                done(point, reasons.collect(), body)
            }
            DrillVerdict::Failed => {
                let message = format!("recovery point {point} failed its drill: {why}");
                let fault = Fault::permanent(ErrorCode::DrillFailed, message);
                let warnings = self.warnings.iter();
                let fault = warnings.fold(fault, |fault, told| fault.with_detail("warning", told));
                Answer::Failed { fault, body }
            }
        }
    }
}

fn done(point: RecoveryPointName, reasons: Vec<String>, body: serde_json::Value) -> Answer {
    let done = Done {
        reasons,
        recovery_point: Some(point),
        body,
        ..Done::default()
    };
    Answer::Done {
        done: Box::new(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(verdict: DrillVerdict) -> DrillResult {
        DrillResult {
            target: TargetName::new("t1"),
            recovery_point: RecoveryPointName::new("p1"),
            verdict,
            reason: Some("no keys".to_owned()),
            checks: 3,
            recovery_milliseconds: Some(7),
            data_age_seconds: 9,
            report: None,
            warnings: vec!["no mark".to_owned()],
        }
    }

    #[test]
    fn a_drill_that_fails_is_a_failure_with_everything_that_it_found() {
        let failed = result(DrillVerdict::Failed);
        let Answer::Failed { fault, body } = failed.clone().answer() else {
            panic!("it is done")
        };
        assert_eq!(
            (fault.code, fault.message.as_str()),
            (
                ErrorCode::DrillFailed,
                "recovery point p1 failed its drill: no keys"
            )
        );
        assert_eq!(
            fault.details,
            [("warning".to_owned(), "no mark".to_owned())]
        );
        let read: DrillResult = serde_json::from_value(body).unwrap();
        assert_eq!(read, failed);
    }

    #[test]
    fn a_skipped_drill_is_done_and_says_why_it_proves_nothing() {
        let Answer::Done { done } = result(DrillVerdict::Skipped).answer() else {
            panic!("it failed")
        };
        assert_eq!(
            done.reasons,
            [
                "the drill of recovery point p1 was skipped: no keys",
                "no mark"
            ]
        );
    }
}
