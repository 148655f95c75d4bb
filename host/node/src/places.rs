//! Where the mend of a mistake stands: the line of the document that named what turned
//! out to be wrong.

use std::sync::Arc;

use drydock_core::{PluginDigest, chain};
use drydock_documents::{SourceSpan, Step, Workflow};
use drydock_sandbox::{AdmitError, Plugin, World};

use super::binding::Binding;
use super::{Configuration, PluginRegistry};
use crate::RegistryError;

/// The plugin that a step names, which has to be of this world, with the step's secrets and
/// what the step leaves of its grants; or why not, by the line of the step.
pub fn step_plugin(
    registry: &PluginRegistry,
    workflow: &Workflow<'_>,
    step: &Step,
    world: World,
) -> Result<Arc<Plugin>, RegistryError> {
    let path = step_path(workflow, step);
    registry.plugin_for(&Binding::of_step(workflow.schedule, path, step), world)
}

/// The place of a step's key.
pub fn place(workflow: &Workflow<'_>, step: &Step, key: &str) -> SourceSpan {
    let path = format!("{}.{key}", step_path(workflow, step));
    workflow.schedule.span(&path)
}

fn step_path(workflow: &Workflow<'_>, step: &Step) -> String {
    let steps = &workflow.schedule.value.spec.steps;
    let index = steps.iter().position(|other| other.name == step.name);
    format!("spec.steps[{}]", index.unwrap_or_default())
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
