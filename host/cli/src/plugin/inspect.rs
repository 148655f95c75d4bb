//! `drydock plugin inspect`: what a component's file says, for its author and for whoever is to
//! grant it something. No configuration is read, and nothing is judged: that is
//! [`check`](super::check)'s.

use std::path::Path;

use drydock_api_types::plugin::PluginDetails;
use drydock_node::read_component;
use drydock_sandbox::{Inspection, Limits};
use drydock_terminal::print;

use crate::args::Global;
use crate::{Context as _, Exit, Failure, Outcome};

/// Prints what the file says.
pub fn inspect(global: &Global, file: &Path) -> Outcome {
    let (component, found) = look(file)?;
    let details = details(&component, &found);
    print::rows(
        global.output,
        &details,
        &["FIELD", "VALUE"],
        fields(&details),
    )?;
    Ok(Exit::Done)
}

/// The file, and what it says.
pub fn look(file: &Path) -> Result<(Vec<u8>, Inspection), Failure> {
    let component = read_component(file, Limits::default().component_bytes_max)?;
    let found = drydock_sandbox::inspect(&component)
        .with_context(|| format!("{} is no plugin", file.display()))?;
    Ok((component, found))
}

fn details(component: &[u8], found: &Inspection) -> PluginDetails {
    let manifest = &found.manifest;
    PluginDetails {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        world: manifest.world.to_string(),
        contract: manifest.contract.clone(),
        requests: strings(&manifest.requests),
        optional: strings(&manifest.optional),
        digest: found.digest.clone(),
        bytes: component.len() as u64,
        imports: found.imports.clone(),
        exports: found.exports.clone(),
    }
}

fn fields(plugin: &PluginDetails) -> Vec<Vec<String>> {
    let field = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        field("name", plugin.name.clone()),
        field("version", plugin.version.clone()),
        field("world", plugin.world.clone()),
        field("contract", plugin.contract.clone()),
        field("requests", words(&plugin.requests)),
        field("digest", plugin.digest.to_string()),
        field("size", drydock_core::human_bytes(plugin.bytes)),
    ];
    if !plugin.optional.is_empty() {
        rows.push(field("optional", words(&plugin.optional)));
    }
    let imports = plugin.imports.iter();
    rows.extend(imports.map(|name| field("import", name.clone())));
    let exports = plugin.exports.iter();
    rows.extend(exports.map(|name| field("export", name.clone())));
    rows
}

/// For a sentence.
pub fn words(requests: &[impl ToString]) -> String {
    if requests.is_empty() {
        return "nothing".to_owned();
    }
    strings(requests).join(", ")
}

fn strings(requests: &[impl ToString]) -> Vec<String> {
    requests.iter().map(ToString::to_string).collect()
}
