//! `drydock run show`, and what `drydock run` says at the end.

use drydock_api_types::{
    run::{DrillStep, Run, RunDetails, RunOutput, StepAttempt, StoreStep},
    snapshot::SnapshotStatus,
};
use drydock_core::{
    Finding, GrantRecord, Level, OutcomeCode, RecoveryPointName, RunId, StepName, StorePhase,
    nearest,
};
use drydock_engine::{RunView, replay::replay};
use drydock_journal::{Journal, OpenError, RunPage, RunRow};
use drydock_node::Configuration;
use drydock_runs::shape;
use drydock_terminal::print::{self, Output};
use serde_json::Value;

use super::snapshot::{STATUS_HEADER, status_row};
use crate::{Exit, Failure, Outcome};

/// The word of a run that has no outcome yet.
pub const UNFINISHED: &str = "Unfinished";

/// The newest runs among which the one is looked for that was meant: who mistypes an id has
/// just seen it.
const NEAREST_RUNS_MAX: u32 = 1000;

pub fn show(node: &Configuration, output: Output, run: &str) -> Outcome {
    let run = RunId::new(run);
    let (journal, row) = look_up(node, &run, Exit::Failed)?;
    let attempts = journal.attempts(&run)?.into_iter();
    let details = RunDetails {
        run: shape::run(view(&journal, &row)?),
        attempts: attempts.map(shape::attempt).collect(),
    };
    match output {
        Output::Json => print::line(&serde_json::to_string_pretty(&details)?),
        Output::Table => print_details(&details),
    }
    Ok(Exit::Done)
}

/// The run's row, with the journal that has it. `missing` is the end where there is none.
pub fn look_up(
    node: &Configuration,
    run: &RunId,
    missing: Exit,
) -> Result<(Journal, RunRow), Failure> {
    let unknown = |rows: &[RunRow]| Failure::of(missing, unknown(run, rows));
    let journal = reader(node)?.ok_or_else(|| unknown(&[]))?;
    match journal.run(run)? {
        Some(row) => Ok((journal, row)),
        None => {
            let newest = journal.runs(&RunPage {
                schedule: None,
                before: None,
                count_max: NEAREST_RUNS_MAX,
            });
            Err(unknown(&newest?))
        }
    }
}

/// No such run: the nearest that there is.
fn unknown(run: &RunId, rows: &[RunRow]) -> String {
    let known = rows.iter().map(|row| row.run.as_str());
    let hint = match nearest(run.as_str(), known) {
        Some(near) => format!("; did you mean {near}?"),
        None if rows.is_empty() => ", which holds none yet".to_owned(),
        None => "; `drydock run list` shows those that are there".to_owned(),
    };
    format!("there is no run {run} in this node's journal{hint}")
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

fn print_details(RunDetails { run, attempts }: &RunDetails) {
    print::line(&targets(run));
    let snapshots = snapshot_rows(run);
    if !snapshots.is_empty() {
        print::line("");
        print::line(&print::table(&STATUS_HEADER, snapshots));
    }
    if !run.outputs.is_empty() {
        print::line("");
        print::line(&print::table(&ARTIFACT_HEADER, artifact_rows(run)));
    }
    if !run.pins.is_empty() {
        print::line("");
        print::line(&print::table(&PLUGIN_HEADER, plugin_rows(run)));
    }
    findings(run).iter().for_each(|line| print::line(line));
    attempts.iter().for_each(print_attempt);
    let reasons = &run.end.reasons;
    if !attempts.is_empty() && !reasons.is_empty() {
        print::line("");
    }
    reasons.iter().for_each(|line| print::line(line));
}

fn print_attempt(attempt: &StepAttempt) {
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

/// What a run did at its targets, as a table.
pub fn targets(run: &Run) -> String {
    match &run.drill {
        Some(drill) => print::table(&DRILL_HEADER, [drill_row(run, drill)]),
        None => {
            let header = ["RUN", "OUTCOME", "TARGET", "STATE", "PARTS", "BYTES"];
            print::table(&header, store_rows(run))
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

fn drill_row(run: &Run, drill: &DrillStep) -> Vec<String> {
    let result = drill.result.as_ref();
    let none = || "-".to_owned();
    let recovery = result.and_then(|result| result.recovery_milliseconds);
    vec![
        run.run.to_string(),
        outcome_word(run).to_owned(),
        drill.target.to_string(),
        run.recovery_point
            .as_ref()
            .map_or_else(none, RecoveryPointName::to_string),
        result.map_or_else(none, |result| result.checks.to_string()),
        recovery.map_or_else(none, drydock_drill::seconds),
    ]
}

pub const ARTIFACT_HEADER: [&str; 5] = ["ARTIFACT", "STEP", "SIZE", "SEALED", "JUDGED"];

/// One row an artifact that counts.
pub fn artifact_rows(run: &Run) -> Vec<Vec<String>> {
    let rows = run.outputs.iter().map(|output| {
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
fn judged(output: &RunOutput) -> String {
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
fn plugin_rows(run: &Run) -> Vec<Vec<String>> {
    let rows = run.pins.iter().map(|pin| {
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

/// One row a target.
fn store_rows(run: &Run) -> Vec<Vec<String>> {
    let outcome = outcome_word(run);
    run.stores
        .iter()
        .map(|store| {
            vec![
                run.run.to_string(),
                outcome.to_owned(),
                store.target.to_string(),
                state_word(run, store).to_owned(),
                store.parts.to_string(),
                drydock_core::human_bytes(store.bytes),
            ]
        })
        .collect()
}

/// A target's state; a run that failed leaves nothing that could still be uploading.
fn state_word(run: &Run, store: &StoreStep) -> &'static str {
    match (run.end.outcome, store.state) {
        (Some(OutcomeCode::Failed), StorePhase::Uploading | StorePhase::Staged) => "NothingStored",
        (_, state) => state.word(),
    }
}

fn outcome_word(run: &Run) -> &'static str {
    run.end.outcome.map_or(UNFINISHED, OutcomeCode::word)
}

/// Everything that the backup steps, the host and the verify steps found.
fn findings(run: &Run) -> Vec<String> {
    let outputs = run.outputs.iter();
    let own = outputs.map(|output| (&output.step, &output.findings));
    let verdicts = run.outputs.iter().flat_map(|output| &output.verdicts);
    let verified =
        verdicts.filter_map(|judged| Some((&judged.step, &judged.verdict.as_ref()?.findings)));
    let backups = run.backups.iter();
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

/// One row an etcd snapshot; of a damaged one is known how long it is.
pub fn snapshot_rows(run: &Run) -> Vec<Vec<String>> {
    let row = |output: &RunOutput| {
        if let Some(status) = status(output) {
            return Some(status_row(&status));
        }
        output.nature.as_ref()?.damage()?;
        let none = || "-".to_owned();
        let size = output
            .plain_bytes
            .map_or_else(none, drydock_core::human_bytes);
        Some(vec![none(), none(), none(), size, "damaged".to_owned()])
    };
    run.outputs.iter().filter_map(row).collect()
}

/// The sound etcd snapshots of a run as `etcdutl snapshot status` would tell of them.
pub fn snapshots(run: &Run) -> Vec<SnapshotStatus> {
    run.outputs.iter().filter_map(status).collect()
}

fn status(output: &RunOutput) -> Option<SnapshotStatus> {
    let figures = output.nature.as_ref()?.figures()?;
    Some(SnapshotStatus {
        hash: figures.hash,
        revision: figures.revision,
        total_key: figures.total_keys,
        total_size: i64::try_from(figures.total_size).ok()?,
        version: figures.version.clone(),
    })
}
