//! `drydock plugin embed`: adds the manifest to a component of any language.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use drydock_node::read_component;
use drydock_sandbox::{Limits, MANIFEST_BYTES_MAX, PluginManifest};
use drydock_terminal::print;
use tempfile::NamedTempFile;

use crate::{Context as _, Exit, Failure, Outcome};

/// Writes `out`, which appears whole or not at all; an older one is replaced, as by a
/// compiler.
pub fn embed(manifest: &Path, component: &Path, out: &Path) -> Outcome {
    let manifest = read_manifest(manifest)?;
    let bytes = read_component(component, Limits::default().component_bytes_max)?;
    let whole = drydock_sandbox::embed(&bytes, &manifest)
        .with_context(|| format!("{} cannot take a manifest", component.display()))?;
    write(out, &whole, component)
        .with_context(|| format!("{} cannot be written", out.display()))?;
    print::line(drydock_core::PluginDigest::of(&whole).as_str());
    Ok(Exit::Done)
}

fn read_manifest(path: &Path) -> Result<PluginManifest, Failure> {
    let unreadable = || format!("the manifest {} cannot be read", path.display());
    let size = fs::metadata(path).map_err(Failure::usage);
    let size = size.with_context(unreadable)?.len();
    if size > MANIFEST_BYTES_MAX as u64 {
        return Err(Failure::usage(format!(
            "the manifest {} has {size} bytes, more than the {MANIFEST_BYTES_MAX} allowed",
            path.display()
        )));
    }
    let text = fs::read_to_string(path).map_err(Failure::usage);
    let manifest = serde_json::from_str(&text.with_context(unreadable)?);
    manifest.map_err(Failure::usage).with_context(|| {
        format!(
            "{} is no manifest: it is JSON with `name`, `version`, `world`, `contract` and `requests`",
            path.display()
        )
    })
}

/// Whoever could read the component can read what is made of it.
fn write(out: &Path, bytes: &[u8], component: &Path) -> std::io::Result<()> {
    let folder = match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(fs::metadata(component)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(out).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}
