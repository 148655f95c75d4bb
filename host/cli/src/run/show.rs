//! `drydock run show`, and what `drydock run` says at the end.

use drydock_api_types::{
    run::{DrillSummary, Run, RunDetails, RunOutput, RunStep, StepAttempt, StepBody, StoreStep},
    snapshot::SnapshotStatus,
};
use drydock_core::{
    Finding, GrantRecord, Level, OutcomeCode, RecoveryPointName, RunId, StepName, StorePhase,
};
use drydock_node::Configuration;
use drydock_runs::{cause, shape};
use drydock_terminal::print::{self, Output};

use super::look_up::{look_up, view};
use super::{outcome_word, questions, records};
use crate::args::{self, Global};
use crate::snapshot::{STATUS_HEADER, status_row};
use crate::{Exit, Failure, Outcome};

/// The kind of the steps that every backup has; a run of these alone has nothing to show of
/// them that its artifacts and findings do not.
const BACKUP: &str = "backup";

pub fn show(global: &Global, node: &Configuration, run: &str, only_records: bool) -> Outcome {
    let run = RunId::new(run);
    let (journal, row) = look_up(node, &run, Exit::Failed)?;
    if only_records {
        let records = records::without_secrets(&run, &journal.records(&run)?)?;
        print::line(drydock_engine::replay::write_log(&records).trim_end());
        return Ok(Exit::Done);
    }
    let attempts = journal.attempts(&run)?.into_iter();
    let details = RunDetails {
        run: shape::run(view(&journal, &row.run)?),
        attempts: attempts.map(shape::attempt).collect(),
    };
    print(global, &details)?;
    Ok(Exit::Done)
}

/// A run with all that is known of it, in the form that the caller wants.
fn print(global: &Global, details: &RunDetails) -> Result<(), Failure> {
    match global.output {
        Output::Json => print::line(&serde_json::to_string_pretty(details)?),
        Output::Table => print_details(&args::program(&global.config), details),
    }
    Ok(())
}

/// A run in tables and sentences. Of one that failed the last line is its cause, of one that
/// waits the command lines that answer it.
pub fn print_details(program: &str, RunDetails { run, attempts }: &RunDetails) {
    print::line(&targets(run));
    let tables: [(&[&str], Vec<_>); 5] = [
        (&STEP_HEADER, step_rows(run)),
        (&HOLD_HEADER, hold_rows(run)),
        (&STATUS_HEADER, snapshot_rows(run)),
        (&ARTIFACT_HEADER, artifact_rows(run)),
        (&PLUGIN_HEADER, plugin_rows(run)),
    ];
    for (header, rows) in tables.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        print::line("");
        print::line(&print::table(header, rows));
    }
    findings(run).iter().for_each(|line| print::line(line));
    for attempt in attempts {
        print_attempt(run, attempt);
    }
    let answered = run.questions.iter().filter_map(questions::answered);
    let open = run.open_questions();
    let open = open.flat_map(|open| questions::open(program, &run.run, open));
    let end = answered.chain(run.end.reasons.iter().cloned()).chain(open);
    let end: Vec<_> = end.collect();
    if !attempts.is_empty() && !end.is_empty() {
        print::line("");
    }
    end.iter().for_each(|line| print::line(line));
}

fn print_attempt(run: &Run, attempt: &StepAttempt) {
    print::line(&format!(
        "\nstep {} attempt {} started {} {}",
        attempt.step,
        attempt.attempt,
        attempt.started,
        attempt
            .ended
            .map_or_else(|| "and was cut off".to_owned(), |at| format!("ended {at}"))
    ));
    for line in other_reach(run, attempt) {
        print::line(&format!("  could reach {line}"));
    }
    attempt
        .log
        .lines()
        .for_each(|line| print::line(&format!("  {line}")));
}

/// What a run did at its targets: of its stores, of its drills, or, where it has neither, how
/// far it is.
pub fn targets(run: &Run) -> String {
    let drills: Vec<_> = run.steps.iter().filter(is_drill).collect();
    let mut tables = Vec::new();
    if !run.stores.is_empty() {
        tables.push(print::table(&STORE_HEADER, store_rows(run)));
    }
    if !drills.is_empty() {
        let rows = drills.into_iter().map(|step| drill_row(run, step));
        tables.push(print::table(&DRILL_HEADER, rows));
    }
    if tables.is_empty() {
        let row = vec![run.run.to_string(), outcome_of(run).to_owned()];
        tables.push(print::table(&["RUN", "OUTCOME"], [row]));
    }
    tables.join("\n\n")
}

fn is_drill(step: &&RunStep) -> bool {
    step.kind == shape::DRILL
}

const STORE_HEADER: [&str; 6] = ["RUN", "OUTCOME", "TARGET", "STATE", "PARTS", "BYTES"];

const DRILL_HEADER: [&str; 6] = [
    "RUN",
    "OUTCOME",
    "TARGET",
    "RECOVERY POINT",
    "CHECKS",
    "TIME TO RECOVER",
];

fn drill_row(run: &Run, step: &RunStep) -> Vec<String> {
    let found = step.drill();
    let none = || "-".to_owned();
    let recovery = found.and_then(|found| found.recovery_milliseconds);
    let point = |found: &DrillSummary| RecoveryPointName::to_string(&found.recovery_point);
    vec![
        run.run.to_string(),
        outcome_of(run).to_owned(),
        found.map_or_else(none, |found| found.target.to_string()),
        found.map_or_else(none, point),
        found.map_or_else(none, |found| found.checks.to_string()),
        recovery.map_or_else(none, drydock_drill::seconds),
    ]
}

pub const STEP_HEADER: [&str; 5] = ["STEP", "KIND", "STATE", "ATTEMPTS", "WHY"];

/// One row a step, of a run in which they are not all backups, or all drills: the other tables
/// tell of those.
pub fn step_rows(run: &Run) -> Vec<Vec<String>> {
    let all = |kind: &str| run.steps.iter().all(|step| step.kind == kind);
    if all(BACKUP) || all(shape::DRILL) {
        return Vec::new();
    }
    let rows = run.steps.iter().map(|step| {
        let reason = step.reason.as_deref();
        vec![
            step.step.to_string(),
            step.kind.clone(),
            step.state.word().to_owned(),
            step.attempts.to_string(),
            reason.map_or_else(|| "-".to_owned(), cause::short),
        ]
    });
    rows.collect()
}

const HOLD_HEADER: [&str; 6] = ["HOLD", "KIND", "STATE", "SINCE", "DEADLINE", "EVIDENCE"];

/// One row a hold that was asked for.
fn hold_rows(run: &Run) -> Vec<Vec<String>> {
    let rows = run.holds.iter().map(|hold| {
        let evidence = hold.evidence.as_deref();
        vec![
            hold.step.to_string(),
            hold.kind.word().to_owned(),
            hold.phase.word().to_owned(),
            hold.since.to_string(),
            hold.deadline.to_string(),
            evidence.map_or_else(|| "-".to_owned(), cause::short),
        ]
    });
    rows.collect()
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

/// A step's plugin, and a row for each capability that it could use in this run.
fn plugin_rows(run: &Run) -> Vec<Vec<String>> {
    let rows = run.pins.iter().flat_map(|pin| {
        let digest = pin.digest.as_str();
        let shown = digest.get(..DIGEST_CHARS_SHOWN).unwrap_or(digest);
        let own = [pin.step.as_str(), &pin.plugin, &pin.version, shown];
        let lines = reach(&pin.grants).into_iter();
        let lines = lines.chain(identity_of(run, &pin.step)).enumerate();
        lines.map(move |(number, line)| {
            let own = own.map(|cell| if number == 0 { cell } else { "" });
            own.into_iter()
                .chain([line.as_str()])
                .map(str::to_owned)
                .collect()
        })
    });
    rows.collect()
}

/// Who the plugin of a store step is at its target's servers.
fn identity_of(run: &Run, step: &StepName) -> Option<String> {
    let mut stores = run.stores.iter();
    let store = stores.find(|store| store.step == *step)?;
    let kind = store.identity.as_ref()?;
    Some(format!("identity: {kind}"))
}

/// A line for each capability, e.g. `files: read /etc/kubernetes`.
fn reach(grants: &GrantRecord) -> Vec<String> {
    match grants.lines(drydock_sandbox::capabilities()) {
        none if none.is_empty() => vec!["nothing".to_owned()],
        lines => lines,
    }
}

/// What an attempt could reach, where that was something else than at the beginning of the
/// run: since then the node's ceiling has changed, or it only looked.
fn other_reach(run: &Run, attempt: &StepAttempt) -> Vec<String> {
    let name = attempt.step.as_str();
    let step = name.split_once('/').map_or(name, |(step, _)| step);
    let pin = run.pins.iter().find(|pin| pin.step.as_str() == step);
    let grants = attempt.grants.as_ref();
    match grants.filter(|grants| pin.is_none_or(|pin| pin.grants != **grants)) {
        Some(grants) => reach(grants),
        None => Vec::new(),
    }
}

/// One row a target.
fn store_rows(run: &Run) -> Vec<Vec<String>> {
    let outcome = outcome_of(run);
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

fn outcome_of(run: &Run) -> &'static str {
    outcome_word(run.end.outcome, run.phase)
}

/// Everything that the steps, the host and the verify steps found, and what else they show.
fn findings(run: &Run) -> Vec<String> {
    let outputs = run.outputs.iter();
    let own = outputs.map(|output| (&output.step, &output.findings));
    let verdicts = run.outputs.iter().flat_map(|output| &output.verdicts);
    let verified =
        verdicts.filter_map(|judged| Some((&judged.step, &judged.verdict.as_ref()?.findings)));
    let steps = run.steps.iter();
    let found = steps
        .map(|step| (&step.step, &step.findings))
        .chain(own)
        .chain(verified)
        .flat_map(|(step, findings)| findings.iter().map(move |found| told(step, found)));
    found
        .chain(run.steps.iter().filter_map(shown_body))
        .chain(run.stores.iter().filter_map(room))
        .collect()
}

/// Until when an upload that was left takes room at a target, where nobody else can free it.
fn room(store: &StoreStep) -> Option<String> {
    let until = store.room_until?;
    Some(format!(
        "{}: note: an upload that was left takes room at target {} until {until}, when the store frees it by itself",
        store.step, store.target
    ))
}

/// What a step shows beside its findings; a drill has its own table.
fn shown_body(step: &RunStep) -> Option<String> {
    match step.body.as_ref()? {
        StepBody::Drill(_) => None,
        StepBody::Unread { unread } => Some(format!("{}: {unread}", step.step)),
        StepBody::Other(body) => Some(format!("{}: {body}", step.step)),
    }
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

#[cfg(test)]
mod tests;
