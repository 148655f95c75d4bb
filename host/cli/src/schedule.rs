//! `drydock schedule`: looks at schedules and checks the files they stand in.

use std::path::PathBuf;

use drydock_core::{OccurrenceEnd, UnixTime};
use drydock_documents::{self as documents, Among, FileErrors, Loaded, Located, Schedule};
use drydock_journal::{Journal, Occurrence, OpenError};
use drydock_node::{Configuration, Need, read_documents, refuse_timetables};
use drydock_runs::check;
use drydock_schedule::Timetable;
use drydock_terminal::print::{self, Output};
use serde_json::{Value, json};

use super::args::{Global, ScheduleVerb};
use crate::runtime::block_on;
use crate::{Exit, Failure, Outcome};

pub fn dispatch(global: &Global, verb: &ScheduleVerb) -> Outcome {
    match verb {
        ScheduleVerb::List => list(global.output, &crate::runtime::load(global, &Need::SOUND)?),
        ScheduleVerb::Check { files } if files.is_empty() => check_node(global),
        ScheduleVerb::Check { files } => check_files(files),
    }
}

/// Keys of a schedule in JSON, and the columns that show them.
const COLUMNS: [(&str, &str); 8] = [
    ("name", "NAME"),
    ("cluster", "CLUSTER"),
    ("schedule", "SCHEDULE"),
    ("timeZone", "TIME ZONE"),
    ("suspend", "SUSPEND"),
    ("next", "NEXT"),
    ("last", "LAST"),
    ("lastEnd", "END"),
];

fn list(output: Output, node: &Configuration) -> Outcome {
    // What is due does not depend on what was.
    let past = last_occurrences(node).unwrap_or_else(|failure| {
        print::note(&format!(
            "warning: how the last occurrences ended is not shown: {failure}"
        ));
        Vec::new()
    });
    let now = node.deps.clock.now();
    let values = node
        .documents
        .schedules()
        .map(|schedule| value(schedule, &past, now))
        .collect::<Result<Vec<_>, Failure>>()?;
    let rows = values.iter().map(|value| {
        let cells = COLUMNS.iter().map(|(key, _)| match &value[*key] {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        });
        cells.collect()
    });
    let header = COLUMNS.map(|(_, column)| column);
    print::rows(output, &values, &header, rows)?;
    Ok(Exit::Done)
}

/// The last occurrence of each schedule, read beside a daemon that may be running. None
/// has ended where no daemon has run yet.
fn last_occurrences(node: &Configuration) -> Result<Vec<Ended>, Failure> {
    let journal = match Journal::open_reader(node.state()) {
        Err(OpenError::Missing { .. }) => return Ok(Vec::new()),
        opened => opened?,
    };
    let occurrences = journal.last_occurrences()?;
    occurrences
        .into_iter()
        .map(|occurrence| Ended::of(&journal, occurrence))
        .collect()
}

/// An occurrence with what became of its run.
struct Ended {
    occurrence: Occurrence,
    word: &'static str,
}

impl Ended {
    /// Where the run has ended, its outcome says more than that it was started.
    fn of(journal: &Journal, occurrence: Occurrence) -> Result<Self, Failure> {
        let run = journal.run(&occurrence.run)?;
        let ended = run.and_then(|row| row.progress.end);
        let word = match (&occurrence.end, ended) {
            (OccurrenceEnd::Started { .. }, Some(end)) => end.outcome.word(),
            (end, _) => end.word(),
        };
        Ok(Self { occurrence, word })
    }
}

fn value(located: &Located<Schedule>, past: &[Ended], now: UnixTime) -> Result<Value, Failure> {
    let schedule = &located.value;
    let last = past
        .iter()
        .find(|ended| ended.occurrence.schedule == schedule.name);
    let next = Timetable::of(located)?
        .next_after(now)
        .map(|instant| instant.to_string());
    Ok(json!({
        "name": schedule.name,
        "cluster": schedule.spec.cluster,
        "schedule": schedule.spec.schedule,
        "timeZone": schedule.spec.time_zone,
        "suspend": schedule.spec.suspend,
        "next": next,
        "last": last.map(|ended| ended.occurrence.due.to_string()),
        "lastEnd": last.map(|ended| ended.word),
        "lastReason": last.and_then(|ended| ended.occurrence.end.reason()),
        "lastRun": last.map(|ended| ended.occurrence.run.as_str()),
    }))
}

/// The node's own files and everything that they name: plugins, keys, certificates.
fn check_node(global: &Global) -> Outcome {
    let node = crate::runtime::load(global, &Need::ALL)?;
    let count = node.documents.schedules().count();
    if count == 0 {
        let rule = "names nothing that holds a Schedule; put a file with kind: Schedule there, its name ending in .yaml";
        return Err(node.config.error("spec.schedules", rule).into());
    }
    block_on(async move {
        check(node).await?;
        print::note(&format!(
            "{count} schedules and everything they name are sound."
        ));
        Ok(Exit::Done)
    })
}

/// Files on their own, e.g. before they are merged.
fn check_files(paths: &[PathBuf]) -> Outcome {
    let (documents, unread) = read_documents(paths);
    let mut loaded = Loaded::of(documents);
    loaded.note_unread(Among::Schedules, unread);
    refuse_timetables(&mut loaded);
    let usable = loaded.take(documents::Need::All);
    let set = usable.map_err(FileErrors)?.set;
    let count = set.schedules().count();
    print::note(&format!(
        "{count} schedules and the documents they name are sound."
    ));
    Ok(Exit::Done)
}
