//! Trying what was written: every endpoint with the certificates, and the target. What
//! fails is a warning with its mend, since a cluster may be down just now.

use drydock_api_types::init::{KnownLeader, Tried, TriedEndpoint, TriedMember};
use drydock_cli::Failure;
use drydock_core::{Clock, Fault, Level, TargetName, chain};
use drydock_documents::{Cluster, Located, Target};
use drydock_node::{Deps, PluginRegistry, cluster_access};
use drydock_repository::{Identity, Target as _};
use drydock_runs::steps::guard;
use drydock_sandbox::StoreTarget;

/// Tries the cluster and the target.
pub async fn attempt(
    registry: &PluginRegistry,
    cluster: &Located<Cluster>,
    target: &Located<Target>,
) -> Tried {
    let mut tried = Tried::default();
    match try_cluster(cluster, &registry.node.deps, &mut tried).await {
        Ok(()) => {}
        Err(failure) => tried.warnings.push(failure.to_string()),
    }
    if let Err(text) = try_target(registry, cluster, target, &mut tried).await {
        tried
            .warnings
            .push(format!("target {}: {text}", target.value.name));
    }
    tried
}

async fn try_cluster(
    cluster: &Located<Cluster>,
    deps: &Deps,
    tried: &mut Tried,
) -> Result<(), Failure> {
    let access = cluster_access(cluster, deps)?;
    let mut answered = Vec::new();
    for endpoint in access.endpoints() {
        let answer = access.status(endpoint).await;
        if let Ok(status) = &answer {
            answered.push((endpoint.clone(), status.member_id));
        }
        let (member, error) = match answer {
            Ok(status) => (Some(member(&status)), None),
            Err(fault) => (None, Some(fault.message)),
        };
        if let Some(error) = &error {
            tried.warnings.push(error.clone());
        }
        tried.endpoints.push(TriedEndpoint {
            endpoint: endpoint.clone(),
            error,
            member,
        });
    }
    let Some((first, _)) = answered.first() else {
        return Ok(());
    };
    let mut members = access.member_list(first).await.map_err(told)?;
    // etcd tells them in an order of its own each time.
    members.sort_by(|a, b| a.name.cmp(&b.name));
    for member in members {
        let reached = answered.iter().any(|(_, id)| *id == member.id);
        let named = member
            .client_urls
            .iter()
            .any(|url| access.endpoints().contains(url));
        if !reached && !named {
            tried.notes.push(unnamed(&member, cluster));
        }
    }
    Ok(())
}

fn unnamed(member: &drydock_capability_etcd::Member, cluster: &Located<Cluster>) -> String {
    format!(
        "The cluster also has the member {} at {}: add it to `endpoints:` in {}, so that a backup can come from there.",
        member.name,
        member.client_urls.join(", "),
        cluster.file
    )
}

fn member(status: &drydock_capability_etcd::MemberStatus) -> TriedMember {
    let leader = match status.leader {
        0 => KnownLeader::None,
        leader if leader == status.member_id => KnownLeader::Itself,
        _ => KnownLeader::Another,
    };
    TriedMember {
        member: format!("{:x}", status.member_id),
        version: status.version.clone(),
        leader,
        db_size: status.db_size,
        learner: status.learner,
        revision: status.revision,
    }
}

async fn try_target(
    registry: &PluginRegistry,
    cluster: &Located<Cluster>,
    target: &Located<Target>,
    tried: &mut Tried,
) -> Result<(), String> {
    let store = registry
        .idle_target(target, &cluster.value.name)
        .map_err(|error| chain(&error))?;
    let mut findings = store.check_config().await.map_err(|fault| fault.message)?;
    let (name, create) = (&target.value.name, target.value.spec.create);
    let found = guard::find_or_place(&store, name, create).await;
    let found = found.map_err(|fault| fault.message)?;
    findings.extend(store.check().await.map_err(|fault| fault.message)?);
    let is_sound = findings.iter().all(|found| found.level < Level::Failure);
    if is_sound {
        let clock = &*registry.node.deps.clock;
        name_target(&store, name, found, clock, tried).await?;
    }
    for finding in findings {
        let text = format!("target {}: {}", target.value.name, finding.message);
        match finding.level {
            Level::Failure | Level::Warning => tried.warnings.push(text),
            Level::Note => tried.notes.push(text),
        }
    }
    Ok(())
}

/// Gives the target its id, or tells that somebody did so before.
async fn name_target(
    store: &StoreTarget,
    name: &TargetName,
    found: Identity,
    clock: &dyn Clock,
    tried: &mut Tried,
) -> Result<(), String> {
    let told = |fault: Fault| fault.message;
    match guard::accept(name, None, found).map_err(told)? {
        None => {
            guard::make(store, name, clock).await.map_err(told)?;
        }
        Some(id) => tried.notes.push(format!(
            "Target {name} has been stored at before (it is {id}): recovery points go beside those that are there."
        )),
    }
    Ok(())
}

fn told(fault: Fault) -> Failure {
    Failure::failed(fault.message)
}

/// A line for each endpoint.
pub fn rows(tried: &Tried) -> impl Iterator<Item = Vec<String>> {
    tried.endpoints.iter().map(|endpoint| {
        let of = |show: &dyn Fn(&TriedMember) -> String| {
            endpoint.member.as_ref().map_or("-".to_owned(), show)
        };
        vec![
            endpoint.endpoint.clone(),
            if endpoint.member.is_some() {
                "Answers"
            } else {
                "Fails"
            }
            .to_owned(),
            of(&|member| member.version.clone()),
            of(&|member| member.member.clone()),
            of(&|member| member.leader.word().to_owned()),
            of(&|member| drydock_core::human_bytes(member.db_size)),
            of(&|member| member.learner.to_string()),
        ]
    })
}
