//! What a run made, where that is, and what its operator does next.

use std::path::{Path, PathBuf};

use drydock_api_types::run::{Run, StoreStep, StoredPlace};
use drydock_core::{StorePhase, TargetName};
use drydock_documents::{Located, Target};
use drydock_node::Configuration;
use drydock_schedule::Timetable;

use super::args;

/// Keys of a target's `config:` that say where it is, in the order in which they are read.
/// Each is an address; secrets do not stand in a `config:`.
const ADDRESS_KEYS: [&str; 7] = [
    "folder",
    "url",
    "endpoint",
    "account",
    "bucket",
    "container",
    "prefix",
];

pub const PLACE_HEADER: [&str; 3] = ["RECOVERY POINT", "TARGET", "PLACE"];

/// Where a run's recovery point is, a line for each target that has it.
pub fn places(node: &Configuration, run: &Run) -> Vec<StoredPlace> {
    let has_it = |store: &&StoreStep| store.state == StorePhase::Committed;
    let stores = run.stores.iter().filter(has_it);
    stores
        .map(|store| StoredPlace {
            recovery_point: run.run.recovery_point(),
            target: store.target.clone(),
            place: place(node, run, &store.target),
        })
        .collect()
}

pub fn row(place: &StoredPlace) -> Vec<String> {
    vec![
        place.recovery_point.to_string(),
        place.target.to_string(),
        place.place.clone(),
    ]
}

/// The folder itself where there is one, and what leads to it otherwise.
fn place(node: &Configuration, run: &Run, target: &TargetName) -> String {
    let Ok(document) = node.target(target.as_str()) else {
        return "-".to_owned();
    };
    let below = format!("{}/{}", run.cluster, run.run.recovery_point());
    match address(document) {
        (Some(folder), _) => folder.join(below).display().to_string(),
        (None, words) if words.is_empty() => below,
        (None, words) => format!("{} {below}", words.join(" ")),
    }
}

fn address(document: &Located<Target>) -> (Option<PathBuf>, Vec<String>) {
    let spec = &document.value.spec;
    let text = |key: &&str| spec.config.get(key)?.as_str().map(str::to_owned);
    let folder = text(&"folder").map(PathBuf::from);
    let words = ADDRESS_KEYS.iter().filter_map(text);
    // A user and password may hide before an `@`, whatever they have no place for.
    let words = words.filter(|word| !word.contains('@'));
    (folder, words.collect())
}

/// What to do after a run that made a recovery point, a sentence each.
pub fn next(config: &Path, node: &Configuration, run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    if run.steps.iter().all(|step| step.drill().is_none())
        && let Some(point) = &run.recovery_point
    {
        let drydock = args::program(config);
        lines.push(format!(
            "prove that it opens, on a machine that has the key: `{drydock} recovery-point verify {point} --identity FILE`"
        ));
        lines.extend(key_to_take_away(node));
    }
    lines.extend(next_due(node, run));
    lines
        .into_iter()
        .map(|line| format!("Next: {line}"))
        .collect()
}

/// The key that `drydock init` made, as long as it lies where it was put.
fn key_to_take_away(node: &Configuration) -> Option<String> {
    let key = node.config.value.spec.sealing_key_made.as_ref()?;
    key.exists().then(|| {
        format!(
            "take {} off this node, to two safe places: it alone opens the recovery points, and whoever has it reads every Secret of the cluster",
            key.display()
        )
    })
}

fn next_due(node: &Configuration, run: &Run) -> Option<String> {
    let schedule = node.documents.schedule(&run.schedule)?;
    let name = &run.schedule;
    if schedule.value.spec.suspend {
        return Some(format!(
            "schedule {name} is suspended, so a daemon does not run it"
        ));
    }
    let due = Timetable::of(schedule)
        .ok()?
        .next_after(node.deps.clock.now())?;
    Some(format!(
        "schedule {name} is due at {due}, if a daemon runs here"
    ))
}
