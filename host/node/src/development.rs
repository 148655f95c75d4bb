//! Grants by folder, for nodes on which plugins are developed: each build has another digest,
//! and nobody grants one by hand each time. When the documents are read, such a grant becomes
//! one for each plugin of the node's configuration that lies in the folder, by its digest.
//!
//! **Invariant:** only a node whose configuration says that it is for development has them, and
//! as long as one is in force it is told.

use std::path::{Path, PathBuf};

use drydock_core::{Name, PluginDigest};
use drydock_documents::{Document, FileError, GrantSubject, Located, NodeConfig, PluginGrant};

use super::limits::plugin_limits;
use super::registry::read_component;

/// Grants that name no folder any more.
#[derive(Default)]
pub struct ByFolder {
    pub grants: Vec<Located<Document>>,
    /// What is granted by folder, a sentence for each plugin.
    pub in_force: Vec<FileError>,
    pub refused: Vec<(Name, FileError)>,
}

/// Turns each grant of a folder into grants of what lies there.
pub fn expand(config: &Located<NodeConfig>, documents: Vec<Located<Document>>) -> ByFolder {
    let mut expanded = ByFolder::default();
    for document in documents {
        let Document::PluginGrant(grant) = &document.value else {
            expanded.grants.push(document);
            continue;
        };
        let GrantSubject::Folder(folder) = grant.spec.subject() else {
            expanded.grants.push(document);
            continue;
        };
        match of_folder(config, &document, grant, folder) {
            Ok((grants, told)) => {
                expanded.grants.extend(grants);
                expanded.in_force.extend(told);
            }
            Err(error) => expanded.refused.push((grant.name.clone(), error)),
        }
    }
    expanded
}

type Expanded = (Vec<Located<Document>>, Vec<FileError>);

fn of_folder(
    config: &Located<NodeConfig>,
    document: &Located<Document>,
    grant: &PluginGrant,
    folder: &Path,
) -> Result<Expanded, FileError> {
    if !config.value.spec.development.plugin_folders {
        return Err(document.error("spec.folder", not_for_development(config)));
    }
    let plugins = plugins_in(config, folder);
    if plugins.is_empty() {
        let told = format!(
            "grants whatever plugin lies in {}, and none of `plugins:` of {} does: name one there, e.g. `plugins: {{NAME: {{file: {}}}}}`",
            folder.display(),
            config.file,
            folder.join("NAME.wasm").display()
        );
        return Ok((Vec::new(), vec![document.error("spec.folder", told)]));
    }
    let is_only = plugins.len() == 1;
    let (mut grants, mut told) = (Vec::<Located<Document>>::new(), Vec::new());
    for (plugin, file) in plugins {
        let most = plugin_limits(Some(&grant.spec.limits)).component_bytes_max;
        let component = read_component(file, most).map_err(|error| {
            document.error(
                "spec.folder",
                format!("grants plugin {plugin}, and {error}"),
            )
        })?;
        let digest = PluginDigest::of(&component);
        told.push(document.error(
            "spec.folder",
            format!(
                "grants plugin {plugin} ({digest}) for no better reason than that it lies in {}: this node is for development",
                folder.display()
            ),
        ));
        let name = if is_only {
            grant.name.clone()
        } else {
            own_name(document, grant, plugin)?
        };
        let spec = grant.spec.for_component(digest);
        let is_there = |other: &Located<Document>| match &other.value {
            Document::PluginGrant(other) => other.spec == spec,
            _ => false,
        };
        // One component under two names needs one grant.
        if !grants.iter().any(is_there) {
            grants.push(Located {
                value: Document::PluginGrant(PluginGrant { name, spec }),
                ..document.clone()
            });
        }
    }
    Ok((grants, told))
}

/// The plugins of the configuration whose file lies in the folder, and in none below it.
fn plugins_in<'a>(config: &'a Located<NodeConfig>, folder: &Path) -> Vec<(&'a str, &'a PathBuf)> {
    let plugins = config.value.spec.plugins.iter();
    plugins
        .filter(|(_, plugin)| plugin.file.parent() == Some(folder))
        .map(|(name, plugin)| (name.as_str(), &plugin.file))
        .collect()
}

/// Documents of one kind have names of their own.
fn own_name(
    document: &Located<Document>,
    grant: &PluginGrant,
    plugin: &str,
) -> Result<Name, FileError> {
    let name = format!("{}-{plugin}", grant.name);
    Name::parse(&name).map_err(|rule| {
        let told = format!("is for several plugins, and {name} {rule}: give it a shorter name");
        document.error("metadata.name", told)
    })
}

fn not_for_development(config: &Located<NodeConfig>) -> String {
    format!(
        "grants whatever is put into a folder, which a node allows that is for development: name the plugin by its digest, as `drydock plugin grant FILE` prints it, or, where plugins are developed and nothing else is kept, say `development: {{pluginFolders: true}}` in {}",
        config.file
    )
}

#[cfg(test)]
mod tests;
