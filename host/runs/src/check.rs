//! Everything that the schedules name, looked at without a run: plugins admitted and of
//! the right world, what they say of their configurations, keys and certificates. No
//! cluster is asked, and the state folder need not be free.

use drydock_core::{ClusterName, ScheduleName};
use drydock_documents::{DrillWork, Located, Step, Target, Workflow};
use drydock_drill::perform::identities;
use drydock_node::{
    ConfigPlaces, Configuration, PluginRegistry, RegistryError, Work, check_authorities,
    cluster_access, findings_of, judged_config, place,
};
use drydock_sandbox::{Plugin, StepCall};

use super::PrepareError;
use super::prepare::recipients;
use super::roles::{self, Roles};

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
        match registry.node.work(&name)? {
            Work::Backup(workflow) => {
                failures.extend(check_workflow(&registry, &workflow).await);
            }
            Work::Drill(drill) => failures.extend(check_drill(&registry, &drill).await),
        }
    }
    PrepareError::all(failures).map_or(Ok(()), Err)
}

async fn check_workflow(registry: &PluginRegistry, workflow: &Workflow<'_>) -> Vec<PrepareError> {
    let mut failures: Vec<PrepareError> = Vec::new();
    let cluster = workflow.cluster.value.name.clone();
    let deps = &registry.node.deps;
    let access = cluster_access(workflow.cluster, deps)
        .and_then(|access| check_authorities(workflow.cluster, deps).map(|()| access))
        .map_err(|error| failures.push(error.into()))
        .ok();
    let idle = StepCall {
        etcd: access,
        ..StepCall::idle(cluster.clone(), deps.clock.now())
    };
    let places = ConfigPlaces::of(workflow);
    let (fronts, refused) = roles::admitted(registry, workflow);
    for front in &fronts {
        let place = place(workflow, front.step, "config");
        let checked = check_step(&front.plugin, front.step, &idle).await;
        failures.extend(checked.err().map(|error| error.at_span(&place).into()));
    }
    // What a refused plugin would have been for is not known.
    if refused.is_empty() {
        let wrong = Roles::of(workflow, &fronts).err().into_iter().flatten();
        failures.extend(wrong.map(Into::into));
    }
    failures.extend(refused.into_iter().map(Into::into));
    for ((_, document), place) in workflow.stores.iter().zip(&places.stores) {
        failures.extend(recipients(document, &*deps.env).err().map(Into::into));
        let checked = check_target(registry, document, &cluster).await;
        failures.extend(checked.err().map(|error| error.at_span(place).into()));
    }
    failures
}

/// A node without an identity skips its drills, which is no mistake.
async fn check_drill(registry: &PluginRegistry, work: &DrillWork<'_>) -> Vec<PrepareError> {
    let mut failures: Vec<PrepareError> = Vec::new();
    let identities = identities(&registry.node);
    failures.extend(identities.err().map(Into::into));
    let place = work.target.span("spec.config");
    let checked = check_target(registry, work.target, &work.cluster.value.name).await;
    failures.extend(checked.err().map(|error| error.at_span(&place).into()));
    failures
}

async fn check_step(plugin: &Plugin, step: &Step, idle: &StepCall) -> Result<(), RegistryError> {
    let subject = format!("step {}", step.name);
    let call = StepCall {
        config: step.config_json(),
        ..idle.clone()
    };
    let name = &plugin.manifest().name;
    let judged = async { findings_of(&subject, plugin.check_config(call, None).await) };
    judged_config(&subject, name, judged).await
}

async fn check_target(
    registry: &PluginRegistry,
    document: &Located<Target>,
    cluster: &ClusterName,
) -> Result<(), RegistryError> {
    let target = registry.idle_target(document, cluster)?;
    let subject = format!("target {}", document.value.name);
    let name = document.value.spec.plugin.as_str();
    judged_config(&subject, name, target.check_config()).await
}
