//! `drydock plugin`: what plugins ask for and what they are granted.

mod check;
mod embed;
mod grant;
mod inspect;
mod new;
mod run;
mod sandbox;
mod test;

use drydock_api_types::plugin::{PluginState, PluginSummary};
use drydock_core::{PluginDigest, chain};
use drydock_node::{Need, PluginRegistry};
use drydock_sandbox::PluginManifest;
use drydock_terminal::print;

use super::args::{Global, PluginVerb};
use crate::runtime::block_on;
use crate::{Exit, Failure, Outcome};

pub fn dispatch(global: &Global, verb: &PluginVerb) -> Outcome {
    match verb {
        PluginVerb::List => list(global),
        // These need no configuration: an author has none.
        PluginVerb::Inspect { file } => inspect::inspect(global, file),
        PluginVerb::Check { file } => check::check(global, file),
        PluginVerb::New(args) => new::new(args),
        PluginVerb::Run(args) => run::run(global, args),
        PluginVerb::Test(args) => test::run(global, args),
        PluginVerb::Grant { file, dev } => match (file, dev) {
            (_, Some(folder)) => grant::of_folder(folder),
            (Some(file), None) => grant::of_component(file),
            (None, None) => Err(Failure::usage(
                "say which FILE, or which folder with --dev DIR",
            )),
        },
        PluginVerb::Embed {
            manifest,
            component,
            out,
        } => embed::embed(manifest, component, out),
    }
}

fn list(global: &Global) -> Outcome {
    let node = crate::runtime::load(global, &Need::SOUND)?;
    let output = global.output;
    block_on(async move {
        let registry = PluginRegistry::open_to_read(node)?;
        let names = registry.names();
        let plugins = names.iter().map(|name| summary(&registry, name));
        let plugins: Vec<_> = plugins.collect();
        print::rows(
            output,
            &plugins,
            &[
                "NAME", "SOURCE", "WORLD", "VERSION", "REQUESTS", "STATE", "DIGEST",
            ],
            plugins.iter().map(cells),
        )?;
        for plugin in &plugins {
            if let Some(why) = &plugin.refused {
                print::note(why);
            }
        }
        Ok(Exit::Done)
    })
}

fn summary(registry: &PluginRegistry, name: &str) -> PluginSummary {
    // One that cannot be read is refused, and hides no other.
    let component = registry
        .component(name)
        .ok()
        .map(|(component, _)| component);
    let digest = component.as_deref().map(PluginDigest::of);
    let manifest = component
        .as_deref()
        .and_then(|component| drydock_sandbox::read_manifest(component).ok());
    let source = match registry.node.config.value.spec.plugins.get(name) {
        Some(file) => file.file.display().to_string(),
        None => "built in".to_owned(),
    };
    let admitted = registry.plugin(name);
    // A node lacks nothing that has no grant for what it does not use.
    let state = match &admitted {
        Ok(_) => PluginState::Admitted,
        Err(_) if registry.is_unused(name) => PluginState::Unused,
        Err(_) => PluginState::Refused,
    };
    PluginSummary {
        name: name.to_owned(),
        source,
        digest,
        world: manifest.as_ref().map(|manifest| manifest.world.to_string()),
        version: manifest.as_ref().map(|manifest| manifest.version.clone()),
        requests: manifest
            .iter()
            .flat_map(PluginManifest::asked)
            .map(|request| request.to_string())
            .collect(),
        state,
        grants: admitted.as_ref().ok().map(|plugin| plugin.grants().into()),
        refused: admitted
            .err()
            .filter(|_| state == PluginState::Refused)
            .map(|error| chain(&error)),
    }
}

fn cells(plugin: &PluginSummary) -> Vec<String> {
    let none = || "-".to_owned();
    vec![
        plugin.name.clone(),
        plugin.source.clone(),
        plugin.world.clone().unwrap_or_else(none),
        plugin.version.clone().unwrap_or_else(none),
        if plugin.requests.is_empty() {
            none()
        } else {
            plugin.requests.join(",")
        },
        plugin.state.word().to_owned(),
        plugin
            .digest
            .as_ref()
            .map_or_else(none, PluginDigest::to_string),
    ]
}
