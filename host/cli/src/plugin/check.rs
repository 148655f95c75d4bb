//! `drydock plugin check`: whether a host of this version would take a component, had it all
//! that it asks for. Everything that speaks against it is told at once; nothing of it runs,
//! and no configuration is read.

use std::path::Path;

use drydock_core::{Finding, Level, chain};
use drydock_node::{example_grants, read_component};
use drydock_sandbox::{Admission, AdmitError, Judgement, Limits, read_manifest};

use super::sandbox::sandbox;
use crate::args::Global;
use crate::runtime::block_on;
use crate::{Failure, Outcome, findings};

pub fn check(global: &Global, file: &Path) -> Outcome {
    let component = read_component(file, Limits::default().component_bytes_max)?;
    let (global, file) = (global.clone(), file.to_owned());
    block_on(async move {
        let judgement = judge(&global, &component)?;
        findings::told(global.output, &said(&file, &component, &judgement))
    })
}

/// Compiles and links it as a run would.
fn judge(global: &Global, component: &[u8]) -> Result<Judgement, Failure> {
    let sandbox = sandbox(global)?;
    let requests = read_manifest(component).map(|manifest| manifest.asked().collect::<Vec<_>>());
    // Only its being there matters: nothing is called.
    let grants = example_grants(&requests.unwrap_or_default());
    Ok(sandbox.judge(Admission {
        component,
        builtin: None,
        grants: Some(&grants),
        ceiling: None,
        limits: None,
    }))
}

fn said(file: &Path, component: &[u8], judgement: &Judgement) -> Vec<Finding> {
    let complaints = judgement.complaints.iter();
    let mut findings: Vec<Finding> = complaints
        .map(|error| Finding::new(Level::Failure, code(error), sentence(file, error)))
        .collect();
    findings.extend(judgement.needless.iter().map(|request| {
        let told = format!(
            "the manifest asks for {request}, and nothing that it gives is imported: take it out, so that nobody grants it for nothing"
        );
        Finding::new(Level::Note, "needless-request", told)
    }));
    if let (true, Ok(manifest)) = (judgement.complaints.is_empty(), read_manifest(component)) {
        let told = format!(
            "{} {} of the world {} can be used by this host",
            manifest.name, manifest.version, manifest.world
        );
        findings.push(Finding::new(Level::Note, "sound", told));
    }
    findings
}

/// A file without a manifest has no name but that of the file.
fn sentence(file: &Path, error: &AdmitError) -> String {
    match error {
        AdmitError::Manifest { source, .. } => {
            format!("{} is no plugin: {}", file.display(), chain(source))
        }
        other => chain(other),
    }
}

/// What kind of complaint it is, for scripts.
fn code(error: &AdmitError) -> &'static str {
    match error {
        AdmitError::Manifest { .. } => "manifest",
        AdmitError::TooLarge { .. } => "component-limit",
        AdmitError::CompileLimit { .. } => "compile-limit",
        AdmitError::CompilerCrashed { .. } | AdmitError::Invalid { .. } => "plugin-invalid",
        AdmitError::NoCompiler { .. } => "no-compiler",
        AdmitError::WrongWorld { .. } | AdmitError::NoWrites { .. } => "wrong-world",
        AdmitError::OtherContract { .. } => "other-contract",
        AdmitError::UnknownImport { .. } => "unknown-import",
        AdmitError::NotRequested { .. } | AdmitError::WholeInterface { .. } => "not-requested",
        AdmitError::NotNamed { .. }
        | AdmitError::NotGranted { .. }
        | AdmitError::AboveCeiling { .. } => "not-granted",
        AdmitError::Link { .. } => "does-not-fit",
    }
}
