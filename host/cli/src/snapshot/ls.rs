//! `drydock snapshot ls`: which objects there are, and what takes the space.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use drydock_objects::key::ObjectKey;
use drydock_snapshot::{
    Survey,
    inspect::{KeyValue, Order, SortedKey},
};
use drydock_terminal::print::{self, Listing};
use serde::Serialize;

use super::limits;
use super::objects::{object_of, resource};
use super::source::open_inside;
use crate::args::By;
use crate::args::Global;
use crate::args::LsArgs;
use crate::{Context as _, Exit, Failure, Outcome};

const OBJECTS_HEADER: [&str; 6] = [
    "RESOURCE",
    "NAMESPACE",
    "NAME",
    "REVISION",
    "VERSION",
    "SIZE",
];

/// How a missing part of a name is shown.
const NONE: &str = "-";

/// What is listed.
struct Filter {
    resource: Option<String>,
    namespace: Option<String>,
}

/// One object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    resource: Option<String>,
    namespace: Option<String>,
    name: String,
    revision: i64,
    version: i64,
    bytes: u64,
}

/// What a resource or a namespace takes. Bytes are those of keys and values.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sum {
    keys: u64,
    bytes: u64,
    /// Revisions that are not the newest, deletions among them; a compaction drops them.
    old_revisions: u64,
    old_bytes: u64,
}

/// A line of sums.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    sum: &'a Sum,
    name: Option<&'a str>,
}

pub fn ls(global: &Global, asked: &LsArgs) -> Outcome {
    let opened = open_inside(global, &asked.source, &asked.inside)?;
    let survey = Survey::of(&opened.file, &limits(&asked.inside))
        .with_context(|| format!("{} cannot be looked into", asked.source.display()))?;
    let word = asked.resource.as_deref();
    let filter = Filter {
        resource: word
            .map(|word| resource(&survey, word).map(|asked| asked.word))
            .transpose()?,
        namespace: asked.namespace.clone(),
    };
    match asked.by {
        None => objects(global, &survey, &filter, Order::Key),
        Some(By::Key) => objects(global, &survey, &filter, Order::Size),
        Some(By::Resource) => sums(global, &survey, &filter, "RESOURCE", |object| {
            Some(object.resource).filter(|resource| !resource.is_empty())
        }),
        Some(By::Namespace) => sums(global, &survey, &filter, "NAMESPACE", |object| {
            object.namespace
        }),
    }
}

fn objects(global: &Global, survey: &Survey<'_>, filter: &Filter, order: Order) -> Outcome {
    let mut keys = survey.sorted(None, order)?.merge()?;
    let mut listing = Listing::new(global.output, &OBJECTS_HEADER);
    while let Some(key) = keys.next_key()? {
        let object = object_of(survey.prefixes(), &key.key);
        if filter.takes(&object) {
            let object = Object::of(object, &key);
            listing.push(&object, object.row())?;
        }
    }
    listing.finish();
    Ok(Exit::Done)
}

fn sums(
    global: &Global,
    survey: &Survey<'_>,
    filter: &Filter,
    head: &str,
    group: impl Fn(ObjectKey) -> Option<String>,
) -> Outcome {
    let mut sums: BTreeMap<Option<String>, Sum> = BTreeMap::new();
    survey
        .changes(|pair, is_live| {
            let object = object_of(survey.prefixes(), pair.key);
            if filter.takes(&object) {
                sums.entry(group(object)).or_default().add(pair, is_live);
            }
            ControlFlow::Continue(())
        })
        .map_err(Failure::failed)?;
    let mut sums: Vec<(Option<String>, Sum)> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sum)| Reverse(sum.bytes + sum.old_bytes));
    let lines: Vec<Line<'_>> = sums.iter().map(Line::of).collect();
    let header = [head, "KEYS", "SIZE", "OLD REVISIONS", "OLD SIZE"];
    let rows = lines.iter().map(Line::row);
    print::rows(global.output, &lines, &header, rows)?;
    Ok(Exit::Done)
}

impl Filter {
    fn takes(&self, object: &ObjectKey) -> bool {
        let resource = self.resource.as_ref();
        let is_resource = resource.is_none_or(|wanted| *wanted == object.resource);
        is_resource && (self.namespace.is_none() || self.namespace == object.namespace)
    }
}

impl Object {
    fn of(object: ObjectKey, key: &SortedKey) -> Self {
        Self {
            resource: Some(object.resource).filter(|resource| !resource.is_empty()),
            namespace: object.namespace,
            name: object.name,
            revision: key.mod_revision,
            version: key.version,
            bytes: key.value_bytes,
        }
    }

    fn row(&self) -> Vec<String> {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| NONE.to_owned());
        vec![
            part(&self.resource),
            part(&self.namespace),
            self.name.clone(),
            self.revision.to_string(),
            self.version.to_string(),
            drydock_core::human_bytes(self.bytes),
        ]
    }
}

impl Sum {
    fn add(&mut self, pair: &KeyValue<'_>, is_live: bool) {
        let bytes = (pair.key.len() + pair.value.len()) as u64;
        let (count, sum) = if is_live {
            (&mut self.keys, &mut self.bytes)
        } else {
            (&mut self.old_revisions, &mut self.old_bytes)
        };
        *count += 1;
        *sum += bytes;
    }
}

impl<'a> Line<'a> {
    fn of((name, sum): &'a (Option<String>, Sum)) -> Self {
        Self {
            sum,
            name: name.as_deref(),
        }
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.name.unwrap_or(NONE).to_owned(),
            self.sum.keys.to_string(),
            drydock_core::human_bytes(self.sum.bytes),
            self.sum.old_revisions.to_string(),
            drydock_core::human_bytes(self.sum.old_bytes),
        ]
    }
}
