//! `drydock snapshot history`: every revision of one object that is still there.

use std::ops::ControlFlow;

use drydock_api_types::snapshot::{ObjectRevision, RevisionChange};
use drydock_snapshot::{Survey, inspect::KeyValue};
use drydock_terminal::print;

use super::limits;
use super::objects::Wanted;
use super::source::open_inside;
use crate::args::Global;
use crate::args::HistoryArgs;
use crate::{Context as _, Exit, Outcome};

const HEADER: [&str; 5] = ["REVISION", "CHANGE", "VERSION", "SIZE", "LEASE"];

pub fn history(global: &Global, asked: &HistoryArgs) -> Outcome {
    let opened = open_inside(global, &asked.source, &asked.inside)?;
    let survey = Survey::of(&opened.file, &limits(&asked.inside))
        .with_context(|| format!("{} cannot be looked into", asked.source.display()))?;
    let wanted = Wanted::of(&survey, &asked.resource, &asked.name)?;
    let mut changes = Vec::new();
    survey.changes(|pair, _| {
        if wanted.is(survey.prefixes(), pair.key) {
            changes.push(revision(pair));
        }
        ControlFlow::Continue(())
    })?;
    if changes.is_empty() {
        return Err(wanted.missing(&asked.source, ""));
    }
    let rows = changes.iter().map(row);
    print::rows(global.output, &changes, &HEADER, rows)?;
    Ok(Exit::Done)
}

fn revision(pair: &KeyValue<'_>) -> ObjectRevision {
    let change = if pair.deleted {
        RevisionChange::Deleted
    } else if pair.create_revision == pair.mod_revision {
        RevisionChange::Created
    } else {
        RevisionChange::Changed
    };
    ObjectRevision {
        revision: pair.mod_revision,
        change,
        version: pair.version,
        bytes: pair.value.len() as u64,
        lease: (pair.lease != 0).then(|| format!("{:x}", pair.lease)),
    }
}

fn row(revision: &ObjectRevision) -> Vec<String> {
    let counted = |number: String| match revision.change {
        RevisionChange::Deleted => "-".to_owned(),
        RevisionChange::Created | RevisionChange::Changed => number,
    };
    vec![
        revision.revision.to_string(),
        revision.change.word().to_owned(),
        counted(revision.version.to_string()),
        counted(drydock_core::human_bytes(revision.bytes)),
        revision.lease.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
