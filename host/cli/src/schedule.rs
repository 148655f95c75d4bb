//! `drydock schedule`: looks at schedules and checks the files they stand in.

use std::path::PathBuf;

use drydock_api_types::{
    Timestamp,
    schedule::{LastEnd, ScheduleSummary},
};
use drydock_core::{OccurrenceEnd, UnixTime};
use drydock_documents::{
    self as documents, Among, FileErrors, GrantSubject, Loaded, Located, Schedule,
};
use drydock_journal::{Journal, Occurrence, OpenError};
use drydock_node::{Configuration, Need, read_documents, refuse_timetables};
use drydock_runs::check;
use drydock_schedule::Timetable;
use drydock_terminal::print::{self, Output};

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

const HEADER: [&str; 8] = [
    "NAME",
    "CLUSTER",
    "SCHEDULE",
    "TIME ZONE",
    "SUSPEND",
    "NEXT",
    "LAST",
    "END",
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
    let schedules = node
        .documents
        .schedules()
        .map(|schedule| summary(schedule, &past, now))
        .collect::<Result<Vec<_>, Failure>>()?;
    print::rows(output, &schedules, &HEADER, schedules.iter().map(cells))?;
    Ok(Exit::Done)
}

/// The last occurrence of each schedule, read beside a daemon that may be running. None
/// has ended where no daemon has run yet.
fn last_occurrences(node: &Configuration) -> Result<Vec<(Occurrence, LastEnd)>, Failure> {
    let journal = match Journal::open_reader(node.state()) {
        Err(OpenError::Missing { .. }) => return Ok(Vec::new()),
        opened => opened?,
    };
    let occurrences = journal.last_occurrences()?;
    occurrences
        .into_iter()
        .map(|occurrence| {
            let end = last_end(&journal, &occurrence)?;
            Ok((occurrence, end))
        })
        .collect()
}

/// Where the run has ended, its outcome says more than that it was started.
fn last_end(journal: &Journal, occurrence: &Occurrence) -> Result<LastEnd, Failure> {
    let run = journal.run(&occurrence.run)?;
    let ended = run.and_then(|row| row.progress.end);
    Ok(match (&occurrence.end, ended) {
        (OccurrenceEnd::Started { .. }, Some(end)) => end.outcome.into(),
        (end, _) => end.into(),
    })
}

fn summary(
    located: &Located<Schedule>,
    past: &[(Occurrence, LastEnd)],
    now: UnixTime,
) -> Result<ScheduleSummary, Failure> {
    let schedule = &located.value;
    let last = past
        .iter()
        .find(|(occurrence, _)| occurrence.schedule == schedule.name);
    let occurrence = last.map(|(occurrence, _)| occurrence);
    let next = Timetable::of(located)?.next_after(now);
    Ok(ScheduleSummary {
        name: schedule.name.clone(),
        cluster: schedule.spec.cluster.clone(),
        schedule: schedule.spec.schedule.clone(),
        time_zone: schedule.spec.time_zone.clone(),
        suspend: schedule.spec.suspend,
        next: next.map(Into::into),
        last: occurrence.map(|occurrence| occurrence.due.into()),
        last_end: last.map(|(_, end)| *end),
        last_reason: occurrence.and_then(|occurrence| occurrence.end.reason()),
        last_run: occurrence.map(|occurrence| occurrence.run.clone()),
    })
}

fn cells(schedule: &ScheduleSummary) -> Vec<String> {
    let instant = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    vec![
        schedule.name.to_string(),
        schedule.cluster.to_string(),
        schedule.schedule.clone(),
        schedule.time_zone.clone(),
        schedule.suspend.to_string(),
        instant(schedule.next),
        instant(schedule.last),
        schedule.last_end.map_or("-", LastEnd::word).to_owned(),
    ]
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
    for grant in set.grants() {
        if let GrantSubject::Folder(folder) = grant.value.spec.subject() {
            let told = format!(
                "grants whatever is put into {}: no node takes it but one whose configuration says `development: {{pluginFolders: true}}`",
                folder.display()
            );
            print::note(&format!("warning: {}", grant.error("spec.folder", told)));
        }
    }
    let count = set.schedules().count();
    print::note(&format!(
        "{count} schedules and the documents they name are sound."
    ));
    Ok(Exit::Done)
}
