//! `drydock snapshot ls`: which objects there are, and what takes the space.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use drydock_api_types::snapshot::{ListedObject, Space, SpaceUsed};
use drydock_objects::key::ObjectKey;
use drydock_snapshot::{
    Survey,
    inspect::{KeyValue, Order, SortedKey},
};
use drydock_terminal::print::{self, Listing};

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
            let object = listed(object, &key);
            listing.push(&object, object_row(&object))?;
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
    let mut sums: BTreeMap<Option<String>, Space> = BTreeMap::new();
    survey
        .changes(|pair, is_live| {
            let object = object_of(survey.prefixes(), pair.key);
            if filter.takes(&object) {
                add(sums.entry(group(object)).or_default(), pair, is_live);
            }
            ControlFlow::Continue(())
        })
        .map_err(Failure::failed)?;
    let sums = sums.into_iter();
    let mut sums: Vec<_> = sums
        .map(|(name, space)| SpaceUsed { name, space })
        .collect();
    sums.sort_by_key(|used| Reverse(used.space.bytes + used.space.old_bytes));
    let header = [head, "KEYS", "SIZE", "OLD REVISIONS", "OLD SIZE"];
    print::rows(global.output, &sums, &header, sums.iter().map(sum_row))?;
    Ok(Exit::Done)
}

impl Filter {
    fn takes(&self, object: &ObjectKey) -> bool {
        let resource = self.resource.as_ref();
        let is_resource = resource.is_none_or(|wanted| *wanted == object.resource);
        is_resource && (self.namespace.is_none() || self.namespace == object.namespace)
    }
}

fn listed(object: ObjectKey, key: &SortedKey) -> ListedObject {
    ListedObject {
        resource: Some(object.resource).filter(|resource| !resource.is_empty()),
        namespace: object.namespace,
        name: object.name,
        revision: key.mod_revision,
        version: key.version,
        bytes: key.value_bytes,
    }
}

fn object_row(object: &ListedObject) -> Vec<String> {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| NONE.to_owned());
    vec![
        part(&object.resource),
        part(&object.namespace),
        object.name.clone(),
        object.revision.to_string(),
        object.version.to_string(),
        drydock_core::human_bytes(object.bytes),
    ]
}

fn add(space: &mut Space, pair: &KeyValue<'_>, is_live: bool) {
    let bytes = (pair.key.len() + pair.value.len()) as u64;
    let (count, sum) = if is_live {
        (&mut space.keys, &mut space.bytes)
    } else {
        (&mut space.old_revisions, &mut space.old_bytes)
    };
    *count += 1;
    *sum += bytes;
}

fn sum_row(SpaceUsed { name, space }: &SpaceUsed) -> Vec<String> {
    vec![
        name.clone().unwrap_or_else(|| NONE.to_owned()),
        space.keys.to_string(),
        drydock_core::human_bytes(space.bytes),
        space.old_revisions.to_string(),
        drydock_core::human_bytes(space.old_bytes),
    ]
}
