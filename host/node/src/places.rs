//! Where the mend of a mistake stands: the line of the document that named what turned
//! out to be wrong.

use std::sync::Arc;

use drydock_core::{Name, PluginDigest, chain};
use drydock_documents::{SourceSpan, Step, Workflow};
use drydock_sandbox::{AdmitError, Plugin, World};

use super::secrets::with_secrets;
use super::{Configuration, PluginRegistry};
use crate::RegistryError;

/// The plugin that a step names, which has to be of this world, with the step's secrets; or
/// why not, by the line of the step.
pub fn step_plugin(
    registry: &PluginRegistry,
    workflow: &Workflow<'_>,
    step: &Step,
    world: World,
) -> Result<Arc<Plugin>, RegistryError> {
    let name = step.plugin().map_or("", Name::as_str);
    let plugin = registry
        .plugin_for(name, world, &format!("step {}", step.name))
        .map_err(|error| error.at_span(&place(workflow, step, step.work.key())))?;
    let path = path(workflow, step, "secrets");
    let env = &registry.node.deps.env;
    Ok(with_secrets(
        plugin,
        workflow.schedule,
        &path,
        &step.secrets,
        env,
    )?)
}

/// The place of a step's key.
pub fn place(workflow: &Workflow<'_>, step: &Step, key: &str) -> SourceSpan {
    workflow.schedule.span(&path(workflow, step, key))
}

fn path(workflow: &Workflow<'_>, step: &Step, key: &str) -> String {
    let steps = &workflow.schedule.value.spec.steps;
    let index = steps.iter().position(|other| other.name == step.name);
    format!("spec.steps[{}].{key}", index.unwrap_or_default())
}

/// Why a plugin may not run, by the line that names it or that ought to allow it.
pub fn refused(
    node: &Configuration,
    name: &str,
    builtin: Option<&str>,
    digest: &PluginDigest,
    error: AdmitError,
) -> RegistryError {
    let config = &node.config;
    let path = format!("spec.plugins.{name}");
    let file = config
        .value
        .spec
        .plugins
        .get(name)
        .map(|plugin| &plugin.file);
    let told = chain(&error);
    match (&error, file) {
        (AdmitError::NotGranted { .. }, _) => match node.documents.grant_of(builtin, digest) {
            Some(grant) => grant.sentence("spec.grants", told).into(),
            None => error.into(),
        },
        (AdmitError::AboveCeiling { .. }, _) => config.sentence("spec.ceiling", told).into(),
        (AdmitError::Manifest { source, .. }, Some(file)) => {
            let rule = format!("names {}, which cannot be used: {source}", file.display());
            config.error(&path, rule).into()
        }
        (_, Some(_)) => config.sentence(&path, told).into(),
        (_, None) => error.into(),
    }
}
