//! `drydock schedule`: looks at schedules and checks the files they stand in.

use std::path::PathBuf;

use drydock_core::Clock as _;
use drydock_core::files::{DocumentSet, Located, Schedule};
use drydock_schedule::Timetable;
use serde_json::{Value, json};

use super::args::{Global, Output, ScheduleVerb};
use super::print;
use crate::clock::SystemClock;
use crate::exit::{Exit, Failure, Outcome};
use crate::node::{Node, check_timetables, read_documents};

pub fn dispatch(global: &Global, verb: &ScheduleVerb) -> Outcome {
    match verb {
        ScheduleVerb::List => list(global.output, &Node::load(global)?),
        ScheduleVerb::Check { files } if files.is_empty() => check_node(global),
        ScheduleVerb::Check { files } => check_files(files),
    }
}

fn list(output: Output, node: &Node) -> Outcome {
    let schedules: Vec<_> = node.documents.schedules().collect();
    let values = schedules
        .iter()
        .map(|s| value(s))
        .collect::<Result<Vec<_>, Failure>>()?;
    let rows = values.iter().map(|value| {
        ["name", "cluster", "schedule", "timeZone", "suspend", "next"]
            .iter()
            .map(|key| match &value[*key] {
                Value::String(text) => text.clone(),
                Value::Null => "-".to_owned(),
                other => other.to_string(),
            })
            .collect()
    });
    let header = [
        "NAME",
        "CLUSTER",
        "SCHEDULE",
        "TIME ZONE",
        "SUSPEND",
        "NEXT",
    ];
    print::rows(output, &values, &header, rows)?;
    Ok(Exit::Done)
}

fn value(located: &Located<Schedule>) -> Result<Value, Failure> {
    let schedule = &located.value;
    let next = Timetable::of(located)
        .map_err(Failure::usage)?
        .next_after(SystemClock.now())
        .map(|instant| instant.to_string());
    Ok(json!({
        "name": schedule.name,
        "cluster": schedule.spec.cluster,
        "schedule": schedule.spec.schedule,
        "timeZone": schedule.spec.time_zone,
        "suspend": schedule.spec.suspend,
        "next": next,
    }))
}

/// The node's own files, with configuration and references.
fn check_node(global: &Global) -> Outcome {
    let node = Node::load(global)?;
    let count = node.documents.schedules().count();
    print::note(&format!(
        "{count} schedules and everything they name are sound."
    ));
    Ok(Exit::Done)
}

/// Files on their own, e.g. before they are merged.
fn check_files(files: &[PathBuf]) -> Outcome {
    let (documents, mut errors) = read_documents(files)?;
    if errors.is_empty() {
        match DocumentSet::build(documents) {
            Ok(set) => {
                check_timetables(&set)?;
                let count = set.schedules().count();
                print::note(&format!(
                    "{count} schedules and everything they name are sound."
                ));
                return Ok(Exit::Done);
            }
            Err(more) => errors = more,
        }
    }
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Err(Failure::usage(anyhow::anyhow!(lines.join("\nerror: "))))
}
