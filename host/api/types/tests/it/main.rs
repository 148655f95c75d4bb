//! Every shape, pinned: the examples in `golden/shapes.txt` are written by hand, one under
//! each heading, and are read and written again to the letter. A key that is renamed, added
//! or lost shows here, and so does what can be written and not be read.

use std::collections::BTreeMap;

use drydock_api_types::Timestamp;
use drydock_api_types::drill::DrillReport;
use drydock_api_types::init::{NodeMade, PlannedFiles, RescueMade};
use drydock_api_types::plugin::{PluginCall, PluginDetails, PluginSummary};
use drydock_api_types::recovery_point::{
    ExtractedArtifact, FetchedArtifact, ListedMark, RecoveryPointSummary, VerifiedRecoveryPoint,
};
use drydock_api_types::run::{RunDetails, RunListEntry, RunReplay, RunReport};
use drydock_api_types::schedule::ScheduleSummary;
use drydock_api_types::snapshot::{
    FieldChange, ListedObject, ObjectRevision, RestoredCluster, SnapshotCheck, SnapshotDiff,
    SnapshotHashKv, SnapshotStatus, SpaceUsed,
};
use drydock_api_types::target::AcceptedTarget;
use drydock_core::{Finding, UnixTime};
use serde::{Serialize, de::DeserializeOwned};

const GOLDEN: &str = include_str!("../golden/shapes.txt");

/// Reads a text as a shape and writes the shape again.
type Again = fn(&str) -> serde_json::Result<String>;

/// What stands under each heading.
const SHAPES: [(&str, Again); 31] = [
    ("run", again::<Vec<RunReport>>),
    ("run list", again::<Vec<RunListEntry>>),
    ("run show", again::<RunDetails>),
    ("run show of one that asks", again::<RunDetails>),
    ("run replay", again::<RunReplay>),
    ("schedule list", again::<Vec<ScheduleSummary>>),
    ("recovery-point list", again::<Vec<RecoveryPointSummary>>),
    ("marks in recovery-point list", again::<Vec<ListedMark>>),
    ("recovery-point verify", again::<VerifiedRecoveryPoint>),
    ("recovery-point fetch", again::<Vec<FetchedArtifact>>),
    ("recovery-point fetch --extract", again::<ExtractedArtifact>),
    ("snapshot status", again::<SnapshotStatus>),
    ("snapshot hashkv", again::<SnapshotHashKv>),
    ("snapshot verify", again::<Vec<SnapshotCheck>>),
    ("snapshot ls", again::<Vec<ListedObject>>),
    ("snapshot ls --by resource", again::<Vec<SpaceUsed>>),
    ("snapshot history", again::<Vec<ObjectRevision>>),
    ("snapshot diff", again::<SnapshotDiff>),
    ("snapshot diff of one object", again::<Vec<FieldChange>>),
    ("snapshot restore", again::<RestoredCluster>),
    ("plugin list", again::<Vec<PluginSummary>>),
    ("plugin inspect", again::<PluginDetails>),
    ("plugin check", again::<Vec<Finding>>),
    ("plugin run", again::<PluginCall>),
    ("plugin run of one that fails", again::<PluginCall>),
    ("target check", again::<Vec<Finding>>),
    ("target accept", again::<AcceptedTarget>),
    ("drill", again::<DrillReport>),
    ("init", again::<NodeMade>),
    ("init --dry-run", again::<PlannedFiles>),
    ("init --restore-only", again::<RescueMade>),
];

fn again<T: Serialize + DeserializeOwned>(text: &str) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&serde_json::from_str::<T>(text)?)
}

/// The texts by their headings.
fn examples() -> BTreeMap<&'static str, &'static str> {
    let sections = GOLDEN.split("\n## ").skip(1);
    sections
        .map(|section| section.split_once('\n').expect("a heading has an example"))
        .map(|(heading, text)| (heading, text.trim()))
        .collect()
}

#[test]
fn every_shape_is_read_and_written_to_the_letter() {
    let mut examples = examples();
    for (heading, again) in SHAPES {
        let text = examples
            .remove(heading)
            .unwrap_or_else(|| panic!("{heading}: no example"));
        let written = again(text).unwrap_or_else(|error| panic!("{heading}: {error}"));
        assert_eq!(written, text, "{heading}");
    }
    assert!(
        examples.is_empty(),
        "no shape is called {:?}",
        examples.keys()
    );
}

#[test]
fn an_instant_is_text_and_nothing_else() {
    let at = Timestamp(UnixTime(1_767_323_045));
    let text = "\"2026-01-02T03:04:05Z\"";
    assert_eq!(serde_json::to_string(&at).unwrap(), text);
    assert_eq!(serde_json::from_str::<Timestamp>(text).unwrap(), at);
    let elsewhere = "\"2026-01-02T04:04:05+01:00\"";
    assert_eq!(serde_json::from_str::<Timestamp>(elsewhere).unwrap(), at);
    for other in ["1767323045", "\"yesterday\"", "\"2026-01-02\"", "null"] {
        assert!(serde_json::from_str::<Timestamp>(other).is_err(), "{other}");
    }
}

/// A reader of one version is not stopped by what a newer one adds.
#[test]
fn unknown_keys_are_passed_over() {
    let text = examples()["target accept"].replacen('{', "{\"newer\": 1,", 1);
    assert_eq!(
        again::<AcceptedTarget>(&text).unwrap(),
        examples()["target accept"]
    );
}
