//! `drydock snapshot history`: every revision of one object that is still there.

use std::ops::ControlFlow;

use drydock_snapshot::{Survey, inspect::KeyValue};
use drydock_terminal::print;
use serde::Serialize;

use super::limits;
use super::objects::Wanted;
use super::source::open_inside;
use crate::args::Global;
use crate::args::HistoryArgs;
use crate::{Context as _, Exit, Outcome};

const HEADER: [&str; 5] = ["REVISION", "CHANGE", "VERSION", "SIZE", "LEASE"];

/// One revision.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    revision: i64,
    change: &'static str,
    version: i64,
    bytes: u64,
    lease: Option<String>,
}

pub fn history(global: &Global, asked: &HistoryArgs) -> Outcome {
    let opened = open_inside(global, &asked.source, &asked.inside)?;
    let survey = Survey::of(&opened.file, &limits(&asked.inside))
        .with_context(|| format!("{} cannot be looked into", asked.source.display()))?;
    let wanted = Wanted::of(&survey, &asked.resource, &asked.name)?;
    let mut changes = Vec::new();
    survey.changes(|pair, _| {
        if wanted.is(survey.prefixes(), pair.key) {
            changes.push(Change::of(pair));
        }
        ControlFlow::Continue(())
    })?;
    if changes.is_empty() {
        return Err(wanted.missing(&asked.source, ""));
    }
    let rows = changes.iter().map(Change::row);
    print::rows(global.output, &changes, &HEADER, rows)?;
    Ok(Exit::Done)
}

impl Change {
    fn of(pair: &KeyValue<'_>) -> Self {
        let change = if pair.deleted {
            "deleted"
        } else if pair.create_revision == pair.mod_revision {
            "created"
        } else {
            "changed"
        };
        Self {
            revision: pair.mod_revision,
            change,
            version: pair.version,
            bytes: pair.value.len() as u64,
            lease: (pair.lease != 0).then(|| format!("{:x}", pair.lease)),
        }
    }

    fn row(&self) -> Vec<String> {
        let counted = |number: String| match self.change {
            "deleted" => "-".to_owned(),
            _ => number,
        };
        vec![
            self.revision.to_string(),
            self.change.to_owned(),
            counted(self.version.to_string()),
            counted(drydock_core::human_bytes(self.bytes)),
            self.lease.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }
}
