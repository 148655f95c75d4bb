//! Everything that the schedules name, looked at without a run: plugins admitted and of
//! the right world, what they say of their configurations, keys and certificates. No
//! cluster is asked, and the state folder need not be free.

use drydock_core::ScheduleName;
use drydock_documents::Workflow;
use drydock_node::{Configuration, PluginRegistry, check_authorities, cluster_access};
use drydock_sandbox::StepCall;

use super::PrepareError;
use super::kind::{CheckContext, StepRef};
use super::kinds;
use super::tools::Tell;

/// Looks at every schedule of the node.
///
/// # Errors
/// Every mistake, a line each.
pub async fn check(node: Configuration) -> Result<(), PrepareError> {
    let registry = PluginRegistry::open(node)?;
    let mut failures: Vec<PrepareError> = Vec::new();
    failures.extend(registry.signing_key().err().map(Into::into));
    failures.extend(registry.signers().err().map(Into::into));
    let names: Vec<ScheduleName> = registry
        .node
        .documents
        .schedules()
        .map(|schedule| schedule.value.name.clone())
        .collect();
    for name in names {
        let workflow = registry.node.workflow(&name)?;
        failures.extend(check_cluster(&registry, &workflow));
        failures.extend(check_steps(&registry, &workflow, &|_| {}).await);
    }
    PrepareError::all(failures).map_or(Ok(()), Err)
}

/// Lets every plugin of a schedule judge its configuration; `tell` hears who is asked. Says
/// everything that is wrong.
pub async fn check_steps(
    registry: &PluginRegistry,
    workflow: &Workflow<'_>,
    tell: Tell<'_>,
) -> Vec<PrepareError> {
    let deps = &registry.node.deps;
    let idle = StepCall {
        etcd: access(registry, workflow),
        ..StepCall::idle(workflow.cluster.value.name.clone(), deps.clock.now())
    };
    let check = CheckContext { idle: &idle, tell };
    let mut failures = Vec::new();
    for step in &workflow.steps {
        let at = StepRef {
            registry,
            workflow,
            step,
        };
        failures.extend(kinds::of(step).check_config(at, check).await);
    }
    failures
}

/// A configuration is judged without any power, so that a cluster that cannot be used is told
/// elsewhere.
fn access(
    registry: &PluginRegistry,
    workflow: &Workflow<'_>,
) -> Option<drydock_capability_etcd::EtcdAccess> {
    let access = kinds::asks_cluster(registry, workflow)
        .then(|| cluster_access(workflow.cluster, &registry.node.deps));
    access.and_then(Result::ok)
}

/// Whether a cluster that is asked something can be spoken to, as far as files show.
fn check_cluster(registry: &PluginRegistry, workflow: &Workflow<'_>) -> Option<PrepareError> {
    if !kinds::asks_cluster(registry, workflow) {
        return None;
    }
    let deps = &registry.node.deps;
    let access = cluster_access(workflow.cluster, deps);
    let checked = access.and_then(|_| check_authorities(workflow.cluster, deps));
    checked.err().map(Into::into)
}
