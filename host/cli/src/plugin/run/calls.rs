//! The calls of backup steps, verify steps and actions.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use drydock_api_types::plugin::PluginCall;
use drydock_capability_artifact::Slice;
use drydock_core::{FactValue, Facts, Fault, Level, Probed, ReadAt, UnixTime};
use drydock_sandbox::{
    ActionDone, ActionProbed, Attempt, AttemptLog, BackupCall, JudgeCall, World,
};

use super::outputs::OutputFolder;
use super::surroundings::Surroundings;
use super::{store, values};
use crate::args::RunPluginArgs;
use crate::{Context as _, Failure};

/// Makes the call that is meant.
///
/// # Errors
/// Usage: the plugin has no such call, or it lacks what it works on. What the plugin itself
/// does is in the answer.
pub async fn make(around: &Surroundings, args: &RunPluginArgs) -> Result<PluginCall, Failure> {
    let world = around.plugin.manifest().world;
    let export = export_of(args, world);
    let mut call = match (world, export) {
        (World::Store, export) => store::make(around, args, export).await?,
        (_, "check-config") => check_config(around).await,
        (World::Backup, "run") => backup(around, args).await?,
        (World::Verify, "judge") => judge(around, args).await?,
        (World::Action, export) => act(around, export).await?,
        (_, other) => return Err(no_such(world, other, &[usual(world), "check-config"])),
    };
    let manifest = around.plugin.manifest();
    call.plugin.clone_from(&manifest.name);
    call.version.clone_from(&manifest.version);
    call.export = export.to_owned();
    call.kept = around.said.kept();
    Ok(call)
}

/// The call that is meant.
pub fn export_of(args: &RunPluginArgs, world: World) -> &str {
    args.export.as_deref().unwrap_or(usual(world))
}

/// The call that is made where none is said.
fn usual(world: World) -> &'static str {
    match world {
        World::Backup | World::Action => "run",
        World::Verify => "judge",
        World::Store => "check",
    }
}

pub fn no_such(world: World, export: &str, valid: &[&str]) -> Failure {
    Failure::usage(format!(
        "there is no call {export} in the world {world}: choose from {}",
        valid.join(", ")
    ))
}

/// What came of it: `filled` says it of a value.
pub fn told<T>(attempt: Attempt<T>, filled: impl FnOnce(T, &mut PluginCall)) -> PluginCall {
    answered(attempt.result, &attempt.log, filled)
}

/// The same for what is no attempt of one store.
pub fn answered<T>(
    result: Result<T, Fault>,
    log: &AttemptLog,
    filled: impl FnOnce(T, &mut PluginCall),
) -> PluginCall {
    let mut call = PluginCall {
        end: "done".to_owned(),
        log: log.lines.iter().map(ToString::to_string).collect(),
        ..PluginCall::default()
    };
    match result {
        Ok(value) => filled(value, &mut call),
        Err(fault) => {
            call.end = "fault".to_owned();
            call.fault = Some(fault);
        }
    }
    call
}

async fn check_config(around: &Surroundings) -> PluginCall {
    let attempt = around.plugin.check_config(around.step.clone(), None).await;
    told(attempt, |findings, call| call.findings = findings)
}

async fn backup(around: &Surroundings, args: &RunPluginArgs) -> Result<PluginCall, Failure> {
    let outputs = OutputFolder::new(args.out.as_deref())?;
    let made = outputs.made();
    let attempt = around.plugin.run_backup(BackupCall {
        context: around.step.clone(),
        outputs: Box::new(outputs),
    });
    let mut call = told(attempt.await, |report, call| {
        call.findings = report.findings;
        if report.degraded {
            call.degraded.push("the plugin says so".to_owned());
        }
    });
    call.artifacts = made.take();
    Ok(call)
}

async fn judge(around: &Surroundings, args: &RunPluginArgs) -> Result<PluginCall, Failure> {
    let (facts, plain) = if around.is_replayed {
        // Whatever is asked of them is answered out of the record.
        (Facts::default(), nothing())
    } else {
        judged(around, args)?
    };
    let attempt = around.plugin.judge(JudgeCall {
        context: around.step.clone(),
        facts,
        plain: Some(plain),
    });
    Ok(told(attempt.await, |verdict, call| {
        call.end = if verdict.pass { "passed" } else { "failed" }.to_owned();
        call.findings = verdict.findings;
    }))
}

fn judged(around: &Surroundings, args: &RunPluginArgs) -> Result<(Facts, Slice), Failure> {
    let Some(artifact) = &args.artifact else {
        return Err(Failure::usage(
            "a verify step judges an artifact: say which with --artifact FILE",
        ));
    };
    let plain = open(artifact)?;
    let mut facts = facts_of(artifact, &plain, around.step.due)?;
    values::add_facts(&args.facts, &mut facts)?;
    Ok((facts, plain))
}

/// What the host knows of every artifact. What it finds in a snapshot or an archive is said
/// by `--fact`.
fn facts_of(file: &Path, plain: &Slice, now: UnixTime) -> Result<Facts, Failure> {
    let mut facts = Facts::default();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    facts.set_text("artifact.name", name);
    facts.set("artifact.size", FactValue::Unsigned(plain.size()));
    let sha256 = plain.sha256()?;
    facts.set("artifact.sha256", FactValue::Bytes(sha256.to_vec()));
    facts.set("artifact.opened", FactValue::Signed(now.0));
    facts.set("artifact.closed", FactValue::Signed(now.0));
    Ok(facts)
}

async fn act(around: &Surroundings, export: &str) -> Result<PluginCall, Failure> {
    const CALLS: [&str; 6] = ["run", "plan", "probe", "undo", "forget", "check-config"];
    let (plugin, step) = (&around.plugin, around.step.clone());
    Ok(match export {
        "plan" => told(plugin.plan_action(step).await, |lines, call| {
            call.lines = lines;
        }),
        "run" => told(plugin.run_action(step, None).await, done),
        "probe" => told(plugin.probe_action(step).await, |found, call| match found {
            ActionProbed::Done(outcome) => done(outcome, call),
            ActionProbed::Found(found) => call.end = word(found).to_owned(),
        }),
        "undo" => told(plugin.undo_action(step).await, |(), _| {}),
        "forget" => {
            let kept = step.occasion.inputs.get("kept");
            let Some(kept) = kept.and_then(values::word_of) else {
                return Err(Failure::usage(
                    "forget removes what was kept: say what with --input kept=HANDLE",
                ));
            };
            told(plugin.forget_kept(step, kept).await, |(), _| {})
        }
        other => return Err(no_such(World::Action, other, &CALLS)),
    })
}

fn done(outcome: ActionDone, call: &mut PluginCall) {
    call.findings = outcome.findings;
    call.degraded = outcome.reasons;
    call.outputs = outcome.outputs;
}

fn word(found: Probed) -> &'static str {
    match found {
        Probed::NotBegun => "not-begun",
        Probed::Begun => "begun",
        Probed::Undone => "undone",
        Probed::Held => "held",
        Probed::Lost => "lost",
    }
}

/// Whether a call was one that ends well.
pub fn is_failed(call: &PluginCall) -> bool {
    let failure = |level| level == Level::Failure;
    call.fault.is_some()
        || call.end == "failed"
        || call.findings.iter().any(|found| failure(found.level))
}

/// A file as bytes that the plugin is lent.
fn open(file: &Path) -> Result<Slice, Failure> {
    Ok(Slice::whole(file_bytes(file)?))
}

pub fn file_bytes(file: &Path) -> Result<Arc<dyn ReadAt>, Failure> {
    let bytes = File::open(file).and_then(|open| {
        let size = open.metadata()?.len();
        Ok(FileBytes { file: open, size })
    });
    let bytes = bytes.with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(Arc::new(bytes))
}

/// A slice without bytes.
fn nothing() -> Slice {
    Slice::whole(Arc::new(Vec::new()))
}

struct FileBytes {
    file: File,
    size: u64,
}

impl ReadAt for FileBytes {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}
