//! `drydock plugin run --record`: the call, and a file with all that crossed the plugin's
//! border meanwhile.

use std::fs::OpenOptions;
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use drydock_api_types::plugin::PluginCall;
use drydock_core::reason;
use drydock_sandbox::{CONTRACT, RecordHead, Recorder};

use super::calls;
use super::surroundings::Surroundings;
use crate::Failure;
use crate::args::RunPluginArgs;

/// Bytes that only their owner can read: what a plugin was told may be nobody else's business.
const OWNER_ONLY: u32 = 0o600;

/// Makes the call and writes the record, however the call ended.
pub async fn record(
    around: Surroundings,
    args: &RunPluginArgs,
    file: &Path,
) -> Result<PluginCall, Failure> {
    // A call that cannot be recorded is not made.
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(file);
    let unwritten = |error: &std::io::Error| {
        Failure::failed(format!(
            "the record {} cannot be written: {}",
            file.display(),
            reason(error)
        ))
    };
    let out = opened.map_err(|error| unwritten(&error))?;
    let recorder = Recorder::new().map_err(Failure::failed)?;
    let around = Surroundings {
        plugin: around.plugin.recorded(&recorder),
        ..around
    };
    let called = calls::make(&around, args).await;
    let written = recorder.write(&head(&around, args), &mut BufWriter::new(out));
    written.map_err(|error| unwritten(&error))?;
    called
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
