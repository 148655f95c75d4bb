//! `drydock run list`: a page of the journal's rows. No record is read for it.

use drydock_api_types::{
    Timestamp,
    run::{RunListEntry, RunSummary, SkippedOccurrence},
};
use drydock_core::{RunId, ScheduleName};
use drydock_journal::{Journal, RunPage};
use drydock_node::Configuration;
use drydock_runs::{cause, shape};
use drydock_terminal::print::{self, Output};

use super::look_up::{look_up, reader};
use super::outcome_word;
use crate::args::RunListArgs;
use crate::{Exit, Failure, Outcome};

pub fn list(node: &Configuration, output: Output, args: RunListArgs) -> Outcome {
    let schedule = args.schedule.map(ScheduleName::new);
    let before = args.before.map(RunId::new);
    let journal = match &before {
        Some(before) => Some(look_up(node, before, Exit::Usage)?.0),
        None => reader(node)?,
    };
    let mut entries = Vec::new();
    let mut runs = Vec::new();
    if let Some(journal) = journal {
        // The first page tells of what has no run as well.
        if before.is_none() {
            entries = skipped_last(&journal, schedule.as_ref())?;
        }
        // One more, to see whether there are more.
        let page = RunPage {
            schedule,
            before,
            count_max: args.limit + 1,
        };
        let rows = journal.runs(&page)?.into_iter();
        runs = rows.map(shape::summary).collect();
    }
    let shown = runs.len().min(args.limit as usize);
    let has_more = runs.len() > shown;
    runs.truncate(shown);
    let last = runs.last().map(|run| run.run.clone());
    let runs = runs.into_iter().map(Box::new).map(RunListEntry::Run);
    entries.extend(runs);
    print::rows(output, &entries, &HEADER, entries.iter().map(cells))?;
    if let Some(last) = last.filter(|_| has_more) {
        print::note(&format!(
            "There are older runs: add `--before {last}` to see them."
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

/// How an occurrence that was skipped is shown.
const SKIPPED: &str = "Skipped";

/// The last occurrence of each schedule, where it was skipped: no run tells of it, and what
/// nobody backs up or proves must be seen.
fn skipped_last(
    journal: &Journal,
    asked: Option<&ScheduleName>,
) -> Result<Vec<RunListEntry>, Failure> {
    let occurrences = journal.last_occurrences()?;
    let asked = occurrences
        .iter()
        .filter(|occurrence| asked.is_none_or(|asked| *asked == occurrence.schedule));
    Ok(asked
        .filter_map(shape::skipped)
        .map(RunListEntry::Skipped)
        .collect())
}

fn cells(entry: &RunListEntry) -> Vec<String> {
    match entry {
        RunListEntry::Run(run) => run_cells(run),
        RunListEntry::Skipped(occurrence) => skipped_cells(occurrence),
    }
}

fn run_cells(run: &RunSummary) -> Vec<String> {
    let none = || "-".to_owned();
    let (end, point) = (&run.end, run.recovery_point.as_ref());
    vec![
        run.run.to_string(),
        outcome_word(end.outcome, run.phase).to_owned(),
        run.created.to_string(),
        run.finished
            .as_ref()
            .map_or_else(none, Timestamp::to_string),
        point.map_or_else(none, ToString::to_string),
        end.cause.as_deref().map_or_else(none, cause::short),
    ]
}

fn skipped_cells(occurrence: &SkippedOccurrence) -> Vec<String> {
    vec![
        occurrence.run.to_string(),
        SKIPPED.to_owned(),
        occurrence.created.to_string(),
        "-".to_owned(),
        "-".to_owned(),
        cause::short(&occurrence.cause),
    ]
}
