//! What can be told of a component's file alone.

use drydock_core::PluginDigest;
use wasmparser::{Parser, Payload};

use super::{ManifestError, PluginManifest, read};

/// What stands in a plugin's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    pub manifest: PluginManifest,
    pub digest: PluginDigest,
    /// Interfaces that the component imports, in its order.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
}

/// Looks at a component without running or compiling it.
///
/// # Errors
/// [`ManifestError`], as [`read`].
pub fn inspect(component: &[u8]) -> Result<Inspection, ManifestError> {
    let manifest = read(component)?;
    let mut found = Inspection {
        manifest,
        digest: PluginDigest::of(component),
        imports: Vec::new(),
        exports: Vec::new(),
    };
    gather(component, &mut found).map_err(|_| ManifestError::Damaged)?;
    Ok(found)
}

/// Imports and exports of the outermost component; what is nested in it is its own affair.
fn gather(component: &[u8], found: &mut Inspection) -> Result<(), wasmparser::BinaryReaderError> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    found.imports.push(plain(import?.name.name));
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    found.exports.push(plain(export?.name.name));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A name out of an unknown file, fit for a terminal.
fn plain(name: &str) -> String {
    drydock_core::plain(name, 200)
}
