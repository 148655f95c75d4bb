//! From a schedule's documents to a run: the specification, and what carries its effects
//! out, with plugins, grants, targets and keys. Each step's part is made by its kind.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drydock_capability_etcd::EtcdAccess;
use drydock_core::pin::workflow_digest;
use drydock_core::{Pin, RunId, ScheduleName, StepName, UnixTime};
use drydock_documents::{FileError, Step, Workflow};
use drydock_engine::model::{NodeSpec, Origin, Policy, RunSpec};
use drydock_node::action::ActionAccess;
use drydock_node::{OWN_CALLS, cluster_access};
use drydock_point::model::{PointSpec, RetryPolicy};
use drydock_sandbox::StepCall;
use drydock_snapshot::Limits;
use tokio::runtime::Handle;

use super::kind::{Part, PrepareContext, StepRef, StorePart, VerifyPart};
use super::kinds;
use super::{PrepareError, RunService};
use crate::limits::RunClaim;
use crate::node::{NodeRunner, Signals};
use crate::steps::{
    Attempts, Backups, Commit, Examiner, Outputs, PipelineContext, PlainSpools, PointSteps,
    Previous, SealedSpool, Sealing, Steps, Store, Verdicts,
};
use crate::tools::RunTools;

/// First wait before an effect is tried again, and the longest one.
pub const BACKOFF_MS: u64 = 1_000;
pub const BACKOFF_MS_MAX: u64 = 60_000;

/// Steps of one run that are carried out at once. Each may have a plugin, a stream and a
/// spool file; more of them would wait for the same disk.
pub const STEPS_MAX_AT_ONCE: u32 = 4;

/// Memory of the index of a snapshot's keys before it moves into the spool, so that a run
/// stays below 96 MiB whatever the snapshot holds. 350,000 keys fit; more cost some writing.
const INDEX_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The folder of all spools, in the state folder.
const SPOOL: &str = "spool";

/// A run that is to be prepared.
#[derive(Debug, Clone)]
pub struct RunRequest {
    pub run: RunId,
    pub schedule: ScheduleName,
    pub due: UnixTime,
    pub origin: Origin,
    /// What it uses.
    pub pins: Vec<Pin>,
}

/// A run that is ready to start.
pub struct Prepared {
    pub spec: RunSpec,
    nodes: BTreeMap<StepName, Arc<dyn NodeRunner>>,
    point: Option<PointSteps>,
    signals: Arc<Signals>,
    grace: Duration,
}

/// The parts of a run's recovery point.
struct PointParts {
    verify: Vec<VerifyPart>,
    stores: Vec<StorePart>,
    backups: Arc<Backups>,
}

/// The nodes of a run's graph.
#[derive(Default)]
struct NodeParts {
    specs: Vec<NodeSpec>,
    runners: BTreeMap<StepName, Arc<dyn NodeRunner>>,
    grace: Duration,
}

impl Prepared {
    /// Prepares a run by the documents of the service.
    ///
    /// # Errors
    /// Everything that is in the way of its plugins, or the first other thing.
    pub fn new(service: &RunService, request: RunRequest) -> Result<Self, PrepareError> {
        let registry = &service.registry;
        let workflow = registry.node.workflow(&request.schedule)?;
        let access = access(&workflow, service)?;
        kinds::admit(registry, &workflow)?;
        let tools = tools(service, &workflow, &request, access.as_ref());
        let access = access.filter(|_| workflow.has_point());
        let point = access.map(|access| PointParts::prepare(service, &workflow, &tools, access));
        let point = point.transpose()?;
        let nodes = NodeParts::prepare(service, &workflow, &tools, point.as_ref())?;
        let spec = spec(&workflow, service, request, &nodes.specs, point.as_ref());
        let grace = point.iter().map(PointParts::grace).max();
        Ok(Self {
            spec,
            nodes: nodes.runners,
            grace: nodes.grace.max(grace.unwrap_or_default()),
            point: point.map(|point| point.steps(service, tools.attempts)),
            signals: tools.signals,
        })
    }

    /// What carries the run's effects out.
    pub fn steps(self, claim: RunClaim) -> Steps {
        Steps {
            nodes: self.nodes,
            point: self.point,
            signals: self.signals,
            grace: self.grace,
            claim,
        }
    }
}

/// What the parts of a run have in common.
fn tools(
    service: &RunService,
    workflow: &Workflow<'_>,
    request: &RunRequest,
    access: Option<&EtcdAccess>,
) -> RunTools {
    let signals = Arc::new(Signals::default());
    let cluster = workflow.cluster.value.name.clone();
    RunTools {
        attempts: Attempts {
            journal: Arc::clone(&service.journal),
            clock: Arc::clone(&service.clock),
            run: request.run.clone(),
        },
        key: Arc::clone(&service.key),
        signers: Arc::clone(&service.signers),
        targets: Arc::default(),
        call: StepCall {
            // Every call; the sandbox narrows it to each plugin's grants.
            etcd: access.cloned(),
            stop: signals.of_run(),
            ..StepCall::idle(cluster, request.due)
        },
        signals,
        spool_root: service.registry.node.state().join(SPOOL),
    }
}

impl PointParts {
    fn prepare(
        service: &RunService,
        workflow: &Workflow<'_>,
        tools: &RunTools,
        access: EtcdAccess,
    ) -> Result<Self, PrepareError> {
        let context = PrepareContext {
            tools,
            backups: None,
            order: &[],
        };
        let (mut verify, mut stores) = (Vec::new(), Vec::new());
        for step in workflow.steps.iter().filter(|step| !step.is_node()) {
            let at = step_ref(service, workflow, step);
            match kinds::of(step).prepare(at, &context)? {
                Part::Verify(part) => verify.push(*part),
                Part::Store(part) => stores.push(*part),
                Part::Node(_) => {}
            }
        }
        let backups = backups(service, workflow, tools, &stores, access);
        Ok(Self {
            verify,
            stores,
            backups: Arc::new(backups),
        })
    }

    /// The longest that any of the plugins may go on once it was asked to stop.
    fn grace(&self) -> Duration {
        let verify = self.verify.iter();
        let verify = verify.map(|part| part.plugin.limits().stop_grace_max);
        let stores = self.stores.iter().map(|part| part.grace);
        verify.chain(stores).max().unwrap_or_default()
    }

    fn spec(&self, run: &RunId, workflow: &Workflow<'_>, policy: &Policy) -> PointSpec {
        let contributors = workflow.backups().map(|(step, _)| step.name.clone());
        PointSpec {
            run: run.clone(),
            cluster: workflow.cluster.value.name.clone(),
            contributors: contributors.collect(),
            verify: self.verify.iter().map(|part| part.pin.clone()).collect(),
            stores: self.stores.iter().map(|part| part.pin.clone()).collect(),
            minimum_targets: workflow.schedule.value.spec.minimum_targets(),
            retry: RetryPolicy {
                backoff_limit: policy.backoff_limit,
                backoff_ms: policy.backoff_ms,
                backoff_ms_max: policy.backoff_ms_max,
            },
        }
    }

    fn steps(self, service: &RunService, attempts: Attempts) -> PointSteps {
        let verdicts = self.verify.into_iter();
        let verdicts = verdicts.map(|part| (part.pin.pin.step, (part.plugin, part.call)));
        let stores = self.stores.into_iter();
        let stores = stores.map(|part| (part.pin.pin.step, part.store));
        let context = &self.backups.context;
        PointSteps {
            verdicts: Verdicts {
                steps: verdicts.collect(),
                attempts,
            },
            stores: stores.collect(),
            commit: Commit {
                key: Arc::clone(&service.key),
                signers: Arc::clone(&service.signers),
                clock: Arc::clone(&service.clock),
                journal: Arc::clone(&service.journal),
            },
            spool: context.spool.clone(),
            plain: Arc::clone(&context.plain),
        }
    }
}

impl NodeParts {
    fn prepare(
        service: &RunService,
        workflow: &Workflow<'_>,
        tools: &RunTools,
        point: Option<&PointParts>,
    ) -> Result<Self, PrepareError> {
        let order = workflow.schedule.value.spec.order();
        let context = PrepareContext {
            tools,
            backups: point.map(|point| &point.backups),
            order: &order,
        };
        let mut nodes = Self::default();
        for step in workflow.steps.iter().filter(|step| step.is_node()) {
            let at = step_ref(service, workflow, step);
            if let Part::Node(node) = kinds::of(step).prepare(at, &context)? {
                let runner = node.runner.map(|runner| (step.name.clone(), runner));
                nodes.runners.extend(runner);
                nodes.grace = nodes.grace.max(node.grace);
                nodes.specs.push(node.spec);
            }
        }
        Ok(nodes)
    }
}

fn step_ref<'a>(
    service: &'a RunService,
    workflow: &'a Workflow<'a>,
    step: &'a Step,
) -> StepRef<'a> {
    StepRef {
        registry: &service.registry,
        workflow,
        step,
    }
}

/// The cluster, for every call there is; none for a run that asks nothing of it.
fn access(workflow: &Workflow<'_>, service: &RunService) -> Result<Option<EtcdAccess>, FileError> {
    let deps = &service.registry.node.deps;
    let wanted = kinds::asks_cluster(&service.registry, workflow);
    wanted
        .then(|| cluster_access(workflow.cluster, deps))
        .transpose()
}

fn backups(
    service: &RunService,
    workflow: &Workflow<'_>,
    tools: &RunTools,
    stores: &[StorePart],
    access: EtcdAccess,
) -> Backups {
    let spool_root = tools.spool_root.clone();
    let run = &tools.attempts.run;
    let etcd = access.narrowed(&OWN_CALLS);
    let cluster = workflow.cluster.value.name.clone();
    let examiner = Examiner {
        etcd: etcd.clone(),
        previous: Arc::new(Previous {
            cluster: cluster.clone(),
            name: run.recovery_point(),
            stores: stores
                .iter()
                .map(|part| part.store.clone())
                .collect::<Vec<Store>>(),
            signers: Arc::clone(&service.signers),
        }),
        limits: limits(&spool_root),
        runtime: Handle::current(),
        stop: tools.signals.of_run(),
    };
    Backups {
        cluster,
        etcd,
        outputs: Arc::new(Outputs::default()),
        attempts: tools.attempts.clone(),
        limits: Arc::clone(&service.limits),
        context: PipelineContext {
            spool: SealedSpool::new(&spool_root, run),
            sealing: sealing(stores),
            examiner,
            plain: Arc::new(PlainSpools::default()),
            clock: Arc::clone(&service.clock),
        },
        spool_root,
    }
}

fn limits(spool_root: &Path) -> Limits {
    Limits {
        spill_folder: Some(spool_root.to_owned()),
        index_bytes_max: INDEX_BYTES_MAX,
        ..Limits::default()
    }
}

/// One sealed copy serves every target, so it is sealed for all their recipients.
fn sealing(stores: &[StorePart]) -> Sealing {
    let mut open = stores.iter().filter(|part| part.recipients.is_empty());
    Sealing {
        recipients: stores
            .iter()
            .flat_map(|part| part.recipients.clone())
            .collect(),
        open_target: open.next().map(|part| part.pin.target.to_string()),
    }
}

fn spec(
    workflow: &Workflow<'_>,
    service: &RunService,
    request: RunRequest,
    nodes: &[NodeSpec],
    point: Option<&PointParts>,
) -> RunSpec {
    let schedule = &workflow.schedule.value;
    let access = ActionAccess::of(&service.registry);
    let policy = Policy {
        backoff_limit: schedule.spec.backoff_limit(),
        backoff_ms: BACKOFF_MS,
        backoff_ms_max: BACKOFF_MS_MAX,
        active_deadline_seconds: schedule.spec.active_deadline().map(|limit| limit.as_secs()),
        steps_max: STEPS_MAX_AT_ONCE,
    };
    RunSpec {
        point: point.map(|point| point.spec(&request.run, workflow, &policy)),
        run: request.run,
        schedule: request.schedule,
        cluster: workflow.cluster.value.name.clone(),
        due: request.due,
        origin: request.origin,
        kind: kinds::run_kind(workflow),
        subjects: kinds::subjects(workflow, &|name| access.get(name)),
        workflow_digest: workflow_digest(&request.pins),
        pins: request.pins,
        nodes: nodes.to_vec(),
        policy,
    }
}
