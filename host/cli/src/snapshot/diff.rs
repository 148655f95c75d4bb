//! `drydock snapshot diff`: how two snapshots differ, by object; or one object of both, by
//! field. It ends as diff(1) does: 0 the same, 1 different, more for trouble.

use std::path::Path;

use drydock_api_types::snapshot::{
    DifferenceCounts, FieldChange, ObjectChange, ObjectDifference, SnapshotDiff,
};
use drydock_objects::{compare::fields, encryption::Keys};
use drydock_snapshot::{
    Prefixes, Survey,
    inspect::{Difference, Order, compare},
};
use drydock_terminal::print::{self, Output, table};
use serde_json::{Map, Value};

use super::limits;
use super::objects::{Stored, Wanted, keys, object_of};
use super::source::{Opened, open_inside};
use crate::args::DiffArgs;
use crate::args::Global;
use crate::args::Inside;
use crate::{Context as _, Exit, Failure, Outcome};

const OBJECTS_HEADER: [&str; 6] = [
    "CHANGE",
    "RESOURCE",
    "NAMESPACE",
    "NAME",
    "REVISION A",
    "REVISION B",
];
const SUMMARY_HEADER: [&str; 4] = ["RESOURCE", "ADDED", "REMOVED", "CHANGED"];
const FIELDS_HEADER: [&str; 3] = ["FIELD", "A", "B"];

/// How a missing part is shown.
const NONE: &str = "-";

/// Objects that are listed by name; the summary counts all.
const LISTED_MAX: usize = 100_000;

/// All differences of two snapshots.
#[derive(Default)]
struct Differences {
    shape: SnapshotDiff,
    total: usize,
}

/// Where 1 says that things differ, no failure may end with it.
pub fn diff(global: &Global, asked: &DiffArgs) -> Outcome {
    compared(global, asked).map_err(|mut failure| {
        if failure.exit == Exit::Failed {
            failure.exit = Exit::Trouble;
        }
        failure
    })
}

fn compared(global: &Global, asked: &DiffArgs) -> Outcome {
    let keys = keys(asked.encryption_config.as_deref())?;
    let open = |source: &Path| open_inside(global, source, &asked.inside);
    let (before, after) = (open(&asked.before)?, open(&asked.after)?);
    let (a, b) = (
        survey(&before, &asked.inside)?,
        survey(&after, &asked.inside)?,
    );
    let differs = match (&asked.resource, &asked.name) {
        (Some(word), Some(name)) => {
            let wanted = Wanted::of(&b, word, name).or_else(|_| Wanted::of(&a, word, name))?;
            by_field(global.output, &wanted, [&a, &b], asked, keys.as_ref())?
        }
        _ => by_object(global.output, asked, [&a, &b])?,
    };
    Ok(if differs { Exit::Failed } else { Exit::Done })
}

fn survey<'a>(opened: &'a Opened, inside: &Inside) -> Result<Survey<'a>, Failure> {
    let survey = Survey::of(&opened.file, &limits(inside));
    let name = opened.file.path().display();
    survey.with_context(|| format!("{name} cannot be looked into"))
}

/// Tells which objects differ. Two that hold nothing are not the same: nobody compared
/// anything.
fn by_object(output: Output, asked: &DiffArgs, [a, b]: [&Survey<'_>; 2]) -> Result<bool, Failure> {
    let (before, after) = (a.sorted(None, Order::Key)?, b.sorted(None, Order::Key)?);
    let prefixes = a.prefixes().clone().join(b.prefixes());
    let mut differences = Differences::default();
    let same = compare(before, after, |difference| {
        differences.add(changed(&prefixes, difference));
    })?;
    differences.shape.same = same;
    if same == 0 && differences.total == 0 {
        return Err(Failure::failed(format!(
            "neither {} nor {} holds a key, so there is nothing to compare",
            asked.before.display(),
            asked.after.display()
        )));
    }
    match output {
        Output::Json => print::line(&serde_json::to_string_pretty(&differences.shape)?),
        Output::Table => differences.print(),
    }
    if differences.total > LISTED_MAX {
        print::note(&format!(
            "{} more objects differ and are only counted",
            differences.total - LISTED_MAX
        ));
    }
    Ok(differences.total > 0)
}

/// Tells which fields of one object differ.
fn by_field(
    output: Output,
    wanted: &Wanted,
    [a, b]: [&Survey<'_>; 2],
    asked: &DiffArgs,
    keys: Option<&Keys>,
) -> Result<bool, Failure> {
    let (before, after) = (wanted.find(a, None)?, wanted.find(b, None)?);
    if before.is_none() && after.is_none() {
        return Err(wanted.missing(
            &asked.before,
            &format!(", nor has {}", asked.after.display()),
        ));
    }
    let decode = |stored: Option<&Stored>| -> Result<Map<String, Value>, Failure> {
        let decoded = stored.map(|stored| stored.decode(keys)).transpose();
        let decoded = decoded.with_context(|| format!("{} cannot be shown", wanted.shown()))?;
        Ok(decoded.unwrap_or_default())
    };
    let fields = fields(&decode(before.as_ref())?, &decode(after.as_ref())?);
    let fields = fields.into_iter().map(|difference| FieldChange {
        field: difference.field,
        before: difference.before,
        after: difference.after,
    });
    let fields: Vec<_> = fields.collect();
    let rows = fields.iter().map(field_row);
    print::rows(output, &fields, &FIELDS_HEADER, rows)?;
    Ok(!fields.is_empty())
}

fn field_row(field: &FieldChange) -> Vec<String> {
    let shown = |value: &Option<Value>| value.as_ref().map_or(NONE.to_owned(), Value::to_string);
    vec![
        field.field.clone(),
        shown(&field.before),
        shown(&field.after),
    ]
}

impl Differences {
    fn add(&mut self, object: ObjectDifference) {
        let counts = self.shape.by_resource.entry(object.resource.clone());
        count(counts.or_default(), object.change);
        self.total += 1;
        if self.shape.differences.len() < LISTED_MAX {
            self.shape.differences.push(object);
        }
    }

    fn print(&self) {
        if self.total > 0 {
            let rows = self.shape.differences.iter().map(object_row);
            print::line(&table(&OBJECTS_HEADER, rows));
            print::line("");
            let rows = self.shape.by_resource.iter().map(count_row);
            print::line(&table(&SUMMARY_HEADER, rows));
        }
        print::note(&format!("{} keys are the same", self.shape.same));
    }
}

fn changed(prefixes: &Prefixes, difference: Difference<'_>) -> ObjectDifference {
    let (change, before, after) = match difference {
        Difference::Added(key) => (ObjectChange::Added, None, Some(key)),
        Difference::Removed(key) => (ObjectChange::Removed, Some(key), None),
        Difference::Changed(before, after) => (ObjectChange::Changed, Some(before), Some(after)),
    };
    let key = before.or(after).map_or(&[][..], |key| key.key.as_slice());
    let object = object_of(prefixes, key);
    ObjectDifference {
        change,
        resource: object.resource,
        namespace: object.namespace,
        name: object.name,
        revision_before: before.map(|key| key.mod_revision),
        revision_after: after.map(|key| key.mod_revision),
    }
}

fn object_row(object: &ObjectDifference) -> Vec<String> {
    let revision = |revision: Option<i64>| revision.map_or(NONE.to_owned(), |r| r.to_string());
    vec![
        object.change.word().to_owned(),
        shown(&object.resource),
        object.namespace.clone().unwrap_or_else(|| NONE.to_owned()),
        object.name.clone(),
        revision(object.revision_before),
        revision(object.revision_after),
    ]
}

fn count(counts: &mut DifferenceCounts, change: ObjectChange) {
    *match change {
        ObjectChange::Added => &mut counts.added,
        ObjectChange::Removed => &mut counts.removed,
        ObjectChange::Changed => &mut counts.changed,
    } += 1;
}

fn count_row((resource, counts): (&String, &DifferenceCounts)) -> Vec<String> {
    vec![
        shown(resource),
        counts.added.to_string(),
        counts.removed.to_string(),
        counts.changed.to_string(),
    ]
}

fn shown(resource: &str) -> String {
    match resource {
        "" => NONE.to_owned(),
        resource => resource.to_owned(),
    }
}
