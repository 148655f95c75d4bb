//! `drydock run show`, and what `drydock run` says at the end.

use drydock_core::{Finding, GrantRecord, Level, RunId, StepName, UnixTime, nearest};
use drydock_engine::{
    RunView,
    model::{LEFT_BEHIND, Outcome as RunOutcome},
    replay::replay,
    view::{DrillView, OutputView, StorePhase, StoreView},
};
use drydock_journal::{Attempt, Journal, OpenError, RunPage, RunRow};
use drydock_node::Configuration;
use drydock_runs::cause;
use drydock_snapshot::Status;
use drydock_terminal::print::{self, Output};
use serde_json::{Value, json};

use super::snapshot::{STATUS_HEADER, status_row};
use crate::{Exit, Failure, Outcome};

/// The word of a run that has no outcome yet.
pub const UNFINISHED: &str = "Unfinished";

/// The newest runs among which the one is looked for that was meant: who mistypes an id has
/// just seen it.
const NEAREST_RUNS_MAX: u32 = 1000;

/// Why a run that did nothing wrong has no recovery point of its own.
const SUPERSEDED: &str =
    "another run had committed this recovery point first, so this one stored nothing";

/// Instants of a run that JSON shows as text, as every other command does.
const INSTANTS: [&str; 3] = ["due", "created", "finished"];

pub fn show(node: &Configuration, output: Output, run: &str) -> Outcome {
    let run = RunId::new(run);
    let (journal, row) = look_up(node, &run)?;
    let view = view(&journal, &row)?;
    let attempts = journal.attempts(&run)?;
    match output {
        Output::Json => print::line(&serde_json::to_string_pretty(&json!({
            "run": value(&view)?,
            "attempts": attempts.iter().map(attempt_value).collect::<Vec<_>>(),
        }))?),
        Output::Table => print_view(&view, &attempts),
    }
    Ok(Exit::Done)
}

/// The run's row, with the journal that has it.
pub fn look_up(node: &Configuration, run: &RunId) -> Result<(Journal, RunRow), Failure> {
    let journal = reader(node)?.ok_or_else(|| unknown(run, &[]))?;
    match journal.run(run)? {
        Some(row) => Ok((journal, row)),
        None => {
            let newest = journal.runs(&RunPage {
                schedule: None,
                before: None,
                count_max: NEAREST_RUNS_MAX,
            });
            Err(unknown(run, &newest?))
        }
    }
}

/// No such run: the nearest that there is.
fn unknown(run: &RunId, rows: &[RunRow]) -> Failure {
    let known = rows.iter().map(|row| row.run.as_str());
    let hint = match nearest(run.as_str(), known) {
        Some(near) => format!("; did you mean {near}?"),
        None if rows.is_empty() => ", which holds none yet".to_owned(),
        None => "; `drydock run list` shows those that are there".to_owned(),
    };
    Failure::failed(format!(
        "there is no run {run} in this node's journal{hint}"
    ))
}

/// The journal without its lock: looking is allowed while a run is under way.
pub fn reader(node: &Configuration) -> Result<Option<Journal>, Failure> {
    match Journal::open_reader(node.state()) {
        Err(OpenError::Missing { .. }) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

fn view(journal: &Journal, row: &RunRow) -> Result<RunView, Failure> {
    let records = journal.records(&row.run)?;
    Ok(RunView::of(&replay(&row.run, &records)?))
}

fn print_view(view: &RunView, attempts: &[Attempt]) {
    print::line(&targets(view));
    let snapshots: Vec<_> = snapshot_rows(view).collect();
    if !snapshots.is_empty() {
        print::line("");
        print::line(&print::table(&STATUS_HEADER, snapshots));
    }
    if !view.outputs.is_empty() {
        print::line("");
        print::line(&print::table(&ARTIFACT_HEADER, artifact_rows(view)));
    }
    if !view.pins.is_empty() {
        print::line("");
        print::line(&print::table(&PLUGIN_HEADER, plugin_rows(view)));
    }
    findings(view).iter().for_each(|line| print::line(line));
    for attempt in attempts {
        print::line(&format!(
            "\nstep {} attempt {} started {} {}",
            attempt.step,
            attempt.attempt,
            attempt.started,
            attempt
                .ended
                .map_or_else(|| "and was cut off".to_owned(), |at| format!("ended {at}"))
        ));
        attempt
            .log
            .lines()
            .for_each(|line| print::line(&format!("  {line}")));
    }
    let reasons = reasons(view);
    if !attempts.is_empty() && !reasons.is_empty() {
        print::line("");
    }
    reasons.iter().for_each(|line| print::line(line));
}

/// What a run did at its targets, as a table.
pub fn targets(view: &RunView) -> String {
    match &view.drill {
        Some(drill) => print::table(&DRILL_HEADER, [drill_row(view, drill)]),
        None => {
            let header = ["RUN", "OUTCOME", "TARGET", "STATE", "PARTS", "BYTES"];
            print::table(&header, store_rows(view))
        }
    }
}

const DRILL_HEADER: [&str; 6] = [
    "RUN",
    "OUTCOME",
    "TARGET",
    "RECOVERY POINT",
    "CHECKS",
    "TIME TO RECOVER",
];

fn drill_row(view: &RunView, drill: &DrillView) -> Vec<String> {
    let result = drill.result.as_ref();
    let none = || "-".to_owned();
    let recovery = result.and_then(|result| result.recovery_milliseconds);
    vec![
        view.run.to_string(),
        outcome_word(view).to_owned(),
        drill.target.to_string(),
        recovery_point(view).unwrap_or_else(none),
        result.map_or_else(none, |result| result.checks.to_string()),
        recovery.map_or_else(none, drydock_drill::seconds),
    ]
}

pub const ARTIFACT_HEADER: [&str; 5] = ["ARTIFACT", "STEP", "SIZE", "SEALED", "JUDGED"];

/// One row an artifact that counts.
pub fn artifact_rows(view: &RunView) -> Vec<Vec<String>> {
    let rows = view.outputs.iter().map(|output| {
        vec![
            output.name.clone(),
            output.step.to_string(),
            output
                .plain_bytes
                .map_or_else(|| "-".to_owned(), drydock_core::human_bytes),
            drydock_core::human_bytes(output.sealed_bytes),
            judged(output),
        ]
    });
    rows.collect()
}

/// What each verify step said, e.g. `verify: passed`.
fn judged(output: &OutputView) -> String {
    let words = output.verdicts.iter().map(|judged| {
        let word = match &judged.verdict {
            None => "not yet",
            Some(verdict) if verdict.pass => "passed",
            Some(_) => "refused",
        };
        format!("{}: {word}", judged.step)
    });
    words.collect::<Vec<_>>().join(", ")
}

const PLUGIN_HEADER: [&str; 5] = ["STEP", "PLUGIN", "VERSION", "DIGEST", "MAY"];

/// Hex digits of a digest by which people tell plugins apart.
const DIGEST_CHARS_SHOWN: usize = "sha256:".len() + 12;

/// One row a step: what its plugin could do in this run.
fn plugin_rows(view: &RunView) -> Vec<Vec<String>> {
    let rows = view.pins.iter().map(|pin| {
        let digest = pin.digest.as_str();
        vec![
            pin.step.to_string(),
            pin.plugin.clone(),
            pin.version.clone(),
            digest
                .get(..DIGEST_CHARS_SHOWN)
                .unwrap_or(digest)
                .to_owned(),
            powers(&pin.grants),
        ]
    });
    rows.collect()
}

/// Grants in one line, e.g. `etcd: status, snapshot; files: read /etc/kubernetes`.
fn powers(grants: &GrantRecord) -> String {
    let Ok(Value::Object(kinds)) = serde_json::to_value(grants) else {
        return "-".to_owned();
    };
    let kinds = kinds
        .iter()
        .map(|(kind, granted)| format!("{kind}: {}", words(granted)));
    match kinds.collect::<Vec<_>>() {
        none if none.is_empty() => "nothing".to_owned(),
        some => some.join("; "),
    }
}

/// The words of a grant without its punctuation.
fn words(value: &Value) -> String {
    let joined = |values: &mut dyn Iterator<Item = &Value>, by: &str| {
        values.map(words).collect::<Vec<_>>().join(by)
    };
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => joined(&mut items.iter(), ", "),
        Value::Object(fields) => joined(&mut fields.values(), " "),
        other => other.to_string(),
    }
}

/// A run as JSON.
fn value(view: &RunView) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(view)?;
    value["cause"] = json!(cause(view));
    for name in INSTANTS {
        if let Some(seconds) = value[name].as_i64() {
            value[name] = json!(UnixTime(seconds).to_string());
        }
    }
    Ok(value)
}

/// One row a target.
fn store_rows(view: &RunView) -> Vec<Vec<String>> {
    let outcome = outcome_word(view);
    view.stores
        .iter()
        .map(|store| {
            vec![
                view.run.to_string(),
                outcome.to_owned(),
                store.target.to_string(),
                state_word(view, store).to_owned(),
                store.parts.to_string(),
                drydock_core::human_bytes(store.bytes),
            ]
        })
        .collect()
}

/// A target's state; a run that failed leaves nothing that could still be uploading.
fn state_word(view: &RunView, store: &StoreView) -> &'static str {
    match (&view.outcome, store.state) {
        (Some(RunOutcome::Failed { .. }), StorePhase::Uploading | StorePhase::Staged) => {
            "NothingStored"
        }
        (_, state) => state.word(),
    }
}

pub fn outcome_word(view: &RunView) -> &'static str {
    view.outcome.as_ref().map_or(UNFINISHED, RunOutcome::word)
}

/// The recovery point's name, once it is committed somewhere, or was drilled.
pub fn recovery_point(view: &RunView) -> Option<String> {
    view.recovery_point.as_ref().map(ToString::to_string)
}

/// Why the run is to be looked at, in a line.
pub fn cause(view: &RunView) -> Option<String> {
    cause::of(view.outcome.as_ref()?)
}

/// Why a run ended as it did, a sentence each; of one that failed, the cause comes last.
pub fn reasons(view: &RunView) -> Vec<String> {
    match &view.outcome {
        Some(RunOutcome::Degraded { reasons }) => reasons.clone(),
        Some(RunOutcome::Superseded { reasons }) => std::iter::once(SUPERSEDED.to_owned())
            .chain(reasons.iter().cloned())
            .collect(),
        Some(RunOutcome::Failed { fault }) => {
            // The other details are for programs; what was left behind is for the operator.
            let details = fault.details.iter();
            let left = details.filter(|(name, _)| name == LEFT_BEHIND);
            let left = left.map(|(_, what)| format!("left behind: {what}"));
            left.chain([fault.message.clone()]).collect()
        }
        Some(RunOutcome::Succeeded) | None => Vec::new(),
    }
}

/// Everything that the backup steps, the host and the verify steps found.
fn findings(view: &RunView) -> Vec<String> {
    let outputs = view.outputs.iter();
    let own = outputs.map(|output| (&output.step, &output.findings));
    let verdicts = view.outputs.iter().flat_map(|output| &output.verdicts);
    let verified =
        verdicts.filter_map(|judged| Some((&judged.step, &judged.verdict.as_ref()?.findings)));
    let backups = view.backups.iter();
    backups
        .map(|backup| (&backup.step, &backup.findings))
        .chain(own)
        .chain(verified)
        .flat_map(|(step, findings)| findings.iter().map(move |found| told(step, found)))
        .collect()
}

fn told(step: &StepName, finding: &Finding) -> String {
    let level = match finding.level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Failure => "failure",
    };
    format!("{step}: {level}: {}", finding.message)
}

/// The etcd snapshots of a run as `etcdutl snapshot status` would tell of them.
pub fn snapshots(view: &RunView) -> Vec<Status> {
    view.outputs.iter().filter_map(status).collect()
}

pub fn snapshot_rows(view: &RunView) -> impl Iterator<Item = Vec<String>> {
    snapshots(view)
        .into_iter()
        .map(|status| status_row(&status))
}

fn status(output: &OutputView) -> Option<Status> {
    let figures = output.nature.as_ref()?.figures()?;
    Some(Status {
        hash: figures.hash,
        revision: figures.revision,
        total_key: figures.total_keys,
        total_size: i64::try_from(figures.total_size).ok()?,
        version: figures.version.clone(),
    })
}

fn attempt_value(attempt: &Attempt) -> Value {
    let result = attempt
        .result
        .as_deref()
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "step": attempt.step,
        "attempt": attempt.attempt,
        "started": attempt.started.to_string(),
        "ended": attempt.ended.map(|at| at.to_string()),
        "result": result,
        "log": attempt.log,
    })
}
