//! `drydock run list`: a page of the journal's rows. No record is read for it.

use drydock_core::{OccurrenceEnd, RunId, ScheduleName};
use drydock_engine::model::Outcome as RunOutcome;
use drydock_journal::{Journal, Occurrence, RunPage, RunRow};
use drydock_node::Configuration;
use drydock_runs::cause;
use drydock_terminal::print::{self, Output};
use serde_json::{Value, json};

use super::args::RunListArgs;
use super::run_show::{UNFINISHED, look_up, reader};
use crate::{Exit, Failure, Outcome};

/// A row with what has to be read of its outcome.
struct Ended {
    row: RunRow,
    outcome: Option<RunOutcome>,
}

pub fn list(node: &Configuration, output: Output, args: RunListArgs) -> Outcome {
    let schedule = args.schedule.map(ScheduleName::new);
    let before = args.before.map(RunId::new);
    if let Some(before) = &before {
        look_up(node, before)?;
    }
    let mut runs = Vec::new();
    let mut skipped = Vec::new();
    if let Some(journal) = reader(node)? {
        // The first page tells of what has no run as well.
        if before.is_none() {
            skipped = skipped_last(&journal, schedule.as_ref())?;
        }
        // One more, to see whether there are more.
        let page = RunPage {
            schedule,
            before,
            count_max: args.limit + 1,
        };
        let rows = journal.runs(&page)?.into_iter();
        runs = rows.map(Ended::of).collect::<Result<_, _>>()?;
    }
    let shown = runs.len().min(args.limit as usize);
    let has_more = runs.len() > shown;
    runs.truncate(shown);
    let rows = runs.iter().map(Ended::cells);
    let rows = skipped.iter().map(skipped_cells).chain(rows);
    let values = skipped.iter().map(skipped_value);
    let values: Vec<_> = values.chain(runs.iter().map(Ended::value)).collect();
    print::rows(output, &values, &HEADER, rows)?;
    if let Some(last) = runs.last().filter(|_| has_more) {
        print::note(&format!(
            "There are older runs: add `--before {}` to see them.",
            last.row.run
        ));
    }
    Ok(Exit::Done)
}

const HEADER: [&str; 6] = [
    "RUN",
    "OUTCOME",
    "CREATED",
    "FINISHED",
    "RECOVERY POINT",
    "CAUSE",
];

impl Ended {
    fn of(row: RunRow) -> Result<Self, Failure> {
        let end = row.progress.end.as_ref();
        let outcome = end.map(|end| serde_json::from_str(&end.details));
        let outcome = outcome.transpose()?;
        Ok(Self { row, outcome })
    }

    /// Why the run is to be looked at, in a line.
    fn cause(&self) -> Option<String> {
        cause::of(self.outcome.as_ref()?)
    }

    fn cells(&self) -> Vec<String> {
        let RunRow {
            run,
            created,
            progress,
            ..
        } = &self.row;
        let none = || "-".to_owned();
        let end = progress.end.as_ref();
        let point = progress.recovery_point.as_ref();
        vec![
            run.to_string(),
            end.map_or(UNFINISHED, |end| end.outcome.word()).to_owned(),
            created.to_string(),
            end.map_or_else(none, |end| end.finished.to_string()),
            point.map_or_else(none, ToString::to_string),
            self.cause().map_or_else(none, |cause| cause::short(&cause)),
        ]
    }

    fn value(&self) -> Value {
        let row = &self.row;
        let end = row.progress.end.as_ref();
        json!({
            "run": row.run,
            "schedule": row.schedule,
            "cluster": row.cluster,
            "kind": row.kind,
            "subjects": row.subjects,
            "due": row.due.to_string(),
            "byHand": row.by_hand,
            "created": row.created.to_string(),
            "finished": end.map(|end| end.finished.to_string()),
            "phase": row.progress.phase,
            "outcome": self.outcome,
            "recoveryPoint": row.progress.recovery_point,
            "cause": self.cause(),
        })
    }
}

/// The last occurrence of each schedule, where it was skipped: no run tells of it, and what
/// nobody backs up or proves must be seen.
fn skipped_last(
    journal: &Journal,
    asked: Option<&ScheduleName>,
) -> Result<Vec<Occurrence>, Failure> {
    let mut occurrences = journal.last_occurrences()?;
    occurrences.retain(|Occurrence { schedule, end, .. }| {
        let is_asked = asked.is_none_or(|asked| asked == schedule);
        matches!(end, OccurrenceEnd::Skipped(_)) && is_asked
    });
    Ok(occurrences)
}

fn skipped_cells(occurrence: &Occurrence) -> Vec<String> {
    let reason = occurrence.end.reason().unwrap_or_default();
    vec![
        occurrence.run.to_string(),
        occurrence.end.word().to_owned(),
        occurrence.decided_at.to_string(),
        "-".to_owned(),
        "-".to_owned(),
        cause::short(&reason),
    ]
}

fn skipped_value(occurrence: &Occurrence) -> Value {
    json!({
        "run": occurrence.run,
        "schedule": occurrence.schedule,
        "due": occurrence.due.to_string(),
        "phase": occurrence.end.word().to_lowercase(),
        "reason": occurrence.end.reason(),
    })
}
