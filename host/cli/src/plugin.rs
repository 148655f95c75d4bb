//! `drydock plugin`: what plugins ask for and what they are granted.

mod embed;
mod inspect;

use drydock_core::{Grants, chain};
use drydock_node::{Need, PluginRegistry};
use drydock_terminal::print;
use serde::Serialize;

use super::args::{Global, PluginVerb};
use crate::runtime::block_on;
use crate::{Exit, Outcome};

/// One plugin in the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    source: String,
    digest: Option<String>,
    world: Option<String>,
    version: Option<String>,
    requests: Vec<String>,
    grants: Option<Grants>,
    /// Why it would be refused.
    refused: Option<String>,
}

pub fn dispatch(global: &Global, verb: &PluginVerb) -> Outcome {
    match verb {
        PluginVerb::List => list(global),
        // These need no configuration: an author has none.
        PluginVerb::Inspect { file } => inspect::inspect(global, file),
        PluginVerb::Grant { file } => inspect::grant(file),
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
        let rows: Vec<Row> = names.iter().map(|name| row(&registry, name)).collect();
        let cells = rows.iter().map(cells).collect::<Vec<_>>();
        print::rows(
            output,
            &rows,
            &[
                "NAME", "SOURCE", "WORLD", "VERSION", "REQUESTS", "STATE", "DIGEST",
            ],
            cells,
        )?;
        for row in &rows {
            if let Some(why) = &row.refused {
                print::note(why);
            }
        }
        Ok(Exit::Done)
    })
}

fn row(registry: &PluginRegistry, name: &str) -> Row {
    // One that cannot be read is refused, and hides no other.
    let component = registry
        .component(name)
        .ok()
        .map(|(component, _)| component);
    let digest = component.as_deref().map(drydock_core::PluginDigest::of);
    let manifest = component
        .as_deref()
        .and_then(|component| drydock_sandbox::read_manifest(component).ok());
    let source = match registry.node.config.value.spec.plugins.get(name) {
        Some(file) => file.file.display().to_string(),
        None => "built in".to_owned(),
    };
    let admitted = registry.plugin(name);
    Row {
        name: name.to_owned(),
        source,
        digest: digest.map(|digest| digest.to_string()),
        world: manifest.as_ref().map(|manifest| manifest.world.to_string()),
        version: manifest.as_ref().map(|manifest| manifest.version.clone()),
        requests: manifest
            .iter()
            .flat_map(|manifest| &manifest.requests)
            .map(ToString::to_string)
            .collect(),
        grants: admitted.as_ref().ok().map(|plugin| plugin.grants().clone()),
        refused: admitted.err().map(|error| chain(&error)),
    }
}

fn cells(row: &Row) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        row.name.clone(),
        row.source.clone(),
        or_dash(&row.world),
        or_dash(&row.version),
        if row.requests.is_empty() {
            "-".to_owned()
        } else {
            row.requests.join(",")
        },
        if row.refused.is_some() {
            "Refused"
        } else {
            "Admitted"
        }
        .to_owned(),
        or_dash(&row.digest),
    ]
}
