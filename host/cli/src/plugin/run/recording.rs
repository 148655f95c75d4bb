//! `drydock plugin run --record`: the call, and a file with all that crossed the plugin's
//! border meanwhile.

use std::io::{self, BufWriter};
use std::path::Path;

use drydock_api_types::plugin::PluginCall;
use drydock_core::reason;
use drydock_sandbox::{CONTRACT, RecordHead, Recorder};
use tempfile::NamedTempFile;

use super::calls;
use super::surroundings::Surroundings;
use crate::Failure;
use crate::args::{Global, RunPluginArgs};

/// Makes the call and writes the record, however the call ended: whole, or not at all. Only its
/// owner can read it, as every temporary file.
pub async fn record(
    global: &Global,
    args: &RunPluginArgs,
    file: &Path,
) -> Result<PluginCall, Failure> {
    // A call that cannot be recorded is not made.
    let out = begun(file).map_err(|error| unwritten(file, &error))?;
    let around = Surroundings::new(global, args)?;
    let recorder = Recorder::new().map_err(Failure::failed)?;
    let around = Surroundings {
        plugin: around.plugin.recorded(&recorder),
        ..around
    };
    let called = calls::make(&around, args).await;
    let head = head(&around, args);
    recorder
        .write(&head, &mut BufWriter::new(out.as_file()))
        .map_err(|error| unwritten(file, &error))?;
    out.persist_noclobber(file)
        .map_err(|error| unwritten(file, &error.error))?;
    called
}

fn begun(file: &Path) -> io::Result<NamedTempFile> {
    if file.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    NamedTempFile::new_in(folder)
}

fn unwritten(file: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!(
        "the record {} cannot be written: {}",
        file.display(),
        reason(error)
    ))
}

fn head(around: &Surroundings, args: &RunPluginArgs) -> RecordHead {
    let manifest = around.plugin.manifest();
    RecordHead {
        contract: CONTRACT.to_owned(),
        plugin: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: around.plugin.digest().clone(),
        export: calls::export_of(args, manifest.world).to_owned(),
        inputs: args.inputs.clone(),
    }
}
