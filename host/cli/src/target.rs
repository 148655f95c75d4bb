//! `drydock target`: looks at the places where recovery points are kept.

mod accept;

use drydock_core::{ClusterName, Fault, Finding, Level, TargetId, TargetName, chain};
use drydock_journal::{Journal, OpenError};
use drydock_node::{
    Configuration, Need, PluginRegistry, RegistryError, judged_config, judged_retention,
};
use drydock_repository::{Identity, Target as _, identity, names::PROBE_FOLDER, probe::probe};
use drydock_runs::steps::guard;
use drydock_sandbox::StoreTarget;
use drydock_terminal::print::Output;

use super::args::{Global, TargetVerb};
use crate::findings::{self, exit_of};
use crate::runtime::block_on;
use crate::{Exit, Failure, Outcome};

pub fn dispatch(global: &Global, verb: &TargetVerb) -> Outcome {
    let (TargetVerb::Check { name, .. } | TargetVerb::Accept { name }) = verb;
    let node = crate::runtime::load(global, &Need::target(Some(name)))?;
    let output = global.output;
    match verb {
        TargetVerb::Check { name, probe } => {
            block_on(async move { check(output, node, name, *probe).await })
        }
        TargetVerb::Accept { name } => {
            block_on(async move { accept::accept(output, node, name).await })
        }
    }
}

/// Reads first; the probe, which writes, comes last, and only where something may be written.
async fn check(output: Output, node: Configuration, name: &str, probed: bool) -> Outcome {
    let registry = PluginRegistry::open_to_read(node)?;
    let (target, unwritable) = opened_to_look(&registry, name)?;
    judged(&registry, name, &target).await?;
    let known_by = asked_as(&registry.node, name)?;
    // A plugin's own look may well write.
    let mut findings = match &unwritable {
        None => match placed(&registry.node, &target, name).await {
            Ok(()) => looked_at(&target).await,
            Err(fault) => vec![failure(fault)],
        },
        Some(_) => Vec::new(),
    };
    findings.extend(known_by);
    // What cannot even be looked at need not be asked, let alone written to.
    if exit_of(&findings) != Exit::Failed {
        let reads_only = unwritable.is_some();
        findings.push(which(&registry.node, &target, name, reads_only).await);
    }
    match unwritable {
        Some(why) => findings.push(not_written(name, probed, &why)),
        None if probed && exit_of(&findings) != Exit::Failed => {
            let id = drydock_node::random_hex::<8>()?;
            findings.extend(probe(&target, &format!("{PROBE_FOLDER}/{id}/")).await);
        }
        None => {}
    }
    findings::told(output, &findings)
}

/// Makes the place of a target that was never stored at, where its document grants that.
async fn placed(node: &Configuration, target: &StoreTarget, name: &str) -> Result<(), Fault> {
    let create = node.target(name).is_ok_and(|found| found.value.spec.create);
    let name = TargetName::new(name);
    match known_id(node, &name) {
        Ok(None) => guard::find_or_place(target, &name, create)
            .await
            .and_then(|found| guard::accept(&name, None, found))
            .map(drop),
        // Which one it is, is told next.
        Ok(Some(_)) | Err(_) => Ok(()),
    }
}

/// Who the target's plugin is at its servers: the kind, never a secret.
fn asked_as(node: &Configuration, name: &str) -> Result<Option<Finding>, Failure> {
    let identity = node.target(name)?.value.spec.identity.as_ref();
    Ok(identity.map(|identity| {
        let message = format!(
            "requests to {name} go under the identity {}",
            identity.kind()
        );
        Finding::new(Level::Note, "target-identity", message)
    }))
}

async fn looked_at(target: &StoreTarget) -> Vec<Finding> {
    match target.check().await {
        Ok(findings) => findings,
        Err(fault) => vec![failure(fault)],
    }
}

fn failure(fault: Fault) -> Finding {
    Finding::new(Level::Failure, fault.code.as_str(), fault.message)
}

/// The target of that name, its configuration accepted.
async fn opened(registry: &PluginRegistry, name: &str) -> Result<StoreTarget, Failure> {
    let document = registry.node.target(name)?;
    let target = registry.idle_target(document, &ClusterName::new(""))?;
    judged(registry, name, &target).await?;
    Ok(target)
}

/// The target of that name with all that its grants give; where they give only to read, as
/// on a node that only restores, to read, and why nothing can be written.
fn opened_to_look(
    registry: &PluginRegistry,
    name: &str,
) -> Result<(StoreTarget, Option<RegistryError>), Failure> {
    let document = registry.node.target(name)?;
    let cluster = ClusterName::new("");
    let why = match registry.idle_target(document, &cluster) {
        Ok(target) => return Ok((target, None)),
        Err(why) => why,
    };
    match registry.target_to_read(document, &cluster) {
        Ok(target) => Ok((target, Some(why))),
        Err(_) => Err(why.into()),
    }
}

async fn judged(
    registry: &PluginRegistry,
    name: &str,
    target: &StoreTarget,
) -> Result<(), Failure> {
    let plugin = registry.node.target(name)?.value.spec.plugin.as_str();
    let subject = format!("target {name}");
    judged_config(&subject, plugin, target.check_config()).await?;
    let retained = judged_retention(registry.node.target(name)?, target).await;
    Ok(retained.map_err(RegistryError::from)?)
}

/// Nothing may be written there: no more than a note, unless that was asked for.
fn not_written(name: &str, probed: bool, why: &RegistryError) -> Finding {
    let message = format!("{name} can only be read from here, and writing was not tried");
    if probed {
        let message = format!("{message}: {}", chain(why));
        return Finding::new(Level::Warning, "probe-not-tried", message);
    }
    Finding::new(Level::Note, "target-to-read", message)
}

/// Which target it is, held against what the journal knows.
async fn which(
    node: &Configuration,
    target: &StoreTarget,
    name: &str,
    reads_only: bool,
) -> Finding {
    let name = &TargetName::new(name);
    let known = match known_id(node, name) {
        Ok(known) => known,
        Err(failure) => {
            let message =
                format!("whether it is the target that was stored at is not known: {failure}");
            return Finding::new(Level::Warning, "journal", message);
        }
    };
    let found = match identity::find(target).await {
        Ok(found) => found,
        Err(error) => return failure(error.into()),
    };
    if let (true, Identity::NoPlace(why)) = (reads_only, &found) {
        let message = format!(
            "nothing is at {name}: {why}; mount or put there what should be, or correct its document"
        );
        return Finding::new(Level::Failure, "target-missing", message);
    }
    match guard::accept(name, known.as_ref(), found) {
        Err(fault) => failure(fault),
        Ok(None) if reads_only => Finding::new(
            Level::Warning,
            "target-unmade",
            format!(
                "{name} has no {}, so that no run stored anything there: see that it is mounted, and the right one",
                drydock_repository::names::TARGET
            ),
        ),
        Ok(None) => Finding::new(
            Level::Note,
            "target-new",
            format!(
                "{name} has no {} yet: the first run that stores something there makes it",
                drydock_repository::names::TARGET
            ),
        ),
        Ok(Some(id)) if known.is_some() => Finding::new(
            Level::Note,
            "target-known",
            format!("{name} is {id}, at which this node has stored recovery points"),
        ),
        Ok(Some(id)) => Finding::new(
            Level::Note,
            "target-id",
            format!("{name} is {id}, at which this node has stored nothing yet"),
        ),
    }
}

/// Why what is listed of a target may not be what was stored at it; nothing where it is the
/// target that was stored at, or none was.
pub(super) async fn warning(
    node: &Configuration,
    target: &StoreTarget,
    name: &TargetName,
) -> Option<String> {
    let known = match known_id(node, name) {
        Ok(known) => known?,
        Err(failure) => return Some(failure.to_string()),
    };
    match identity::find(target).await {
        Ok(found) => guard::accept(name, Some(&known), found)
            .err()
            .map(|fault| fault.message),
        Err(error) => Some(Fault::from(error).message),
    }
}

/// The id that the journal has for a target.
fn known_id(node: &Configuration, name: &TargetName) -> Result<Option<TargetId>, Failure> {
    match Journal::open_reader(node.state()) {
        Ok(journal) => Ok(journal.target_id(name)?),
        Err(OpenError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
