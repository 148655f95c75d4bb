//! Every shipped file is read, joined and planned, so that none rots.

use std::fs;
use std::path::{Path, PathBuf};

use drydock_core::tree::Node;
use drydock_core::{
    DecodeError, Grants, OccurrenceEnd, RunKind, RunSubject, ScheduleName, Subject, UnixTime,
};
use drydock_documents::{self as documents, Document, DocumentSet, Located, Vocabulary};
use drydock_schedule::{Planned, Policy, State, Timetable, next_wake, plan};

/// 2026-03-01T00:00:00Z: the months after it hold transitions of every zone in use.
const BEGIN: i64 = 1_772_323_200;
const QUARTER_OF_A_YEAR: i64 = 92 * 86_400;

/// What the quickstart puts beside its schedule.
const QUICKSTART_PLACES: &str = "
apiVersion: drydock.dev/v1
kind: Cluster
metadata: {name: quickstart}
spec: {etcd: {endpoints: [http://127.0.0.1:2379]}}
---
apiVersion: drydock.dev/v1
kind: Target
metadata: {name: local}
spec: {plugin: store-file, config: {folder: /tmp/store}}
";

/// What is granted is none of a schedule's affair; the node's tests read these grants.
struct Anything;

impl Vocabulary for Anything {
    fn grants(&self, _: &Node) -> Result<Grants, DecodeError> {
        Ok(Grants::default())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schedules")
}

/// All documents of a shipped file.
fn documents(name: &str) -> Vec<Located<Document>> {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    documents::parse(name, &text, &Anything).unwrap()
}

/// Names of all shipped examples, in order.
fn examples() -> Vec<String> {
    let entries = fs::read_dir(folder().join("examples")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| format!("examples/{name}"))
        .collect();
    names.sort();
    names
}

/// Plans a schedule for a quarter of a year as a daemon would, and counts what starts.
fn starts(schedule: &Located<documents::Schedule>) -> usize {
    let mut state = State {
        schedules: vec![Planned {
            schedule: schedule.value.name.clone(),
            cluster: schedule.value.spec.cluster.clone(),
            kind: RunKind::Backup,
            subjects: vec![RunSubject::read(Subject::Cluster(
                schedule.value.spec.cluster.clone(),
            ))],
            timetable: Timetable::of(schedule).unwrap(),
            policy: Policy::of(&schedule.value.spec),
            decided: UnixTime(BEGIN),
        }],
        active: Vec::new(),
    };
    let mut now = UnixTime(BEGIN);
    let mut started = 0;
    while let Some(wake) = next_wake(&state, now).filter(|wake| wake.0 < BEGIN + QUARTER_OF_A_YEAR)
    {
        now = wake;
        let decisions = plan(&state, now);
        assert_eq!(decisions.len(), 1, "at {now}");
        assert!(matches!(decisions[0].end, OccurrenceEnd::Started { .. }));
        state.record(&decisions[0]);
        state.active.clear();
        started += 1;
    }
    started
}

#[test]
fn the_quickstart_is_due_every_quarter_of_an_hour() {
    let mut all = documents("quickstart.yaml");
    all.extend(documents::parse("places.yaml", QUICKSTART_PLACES, &Anything).unwrap());
    let set = DocumentSet::from_folders(all, Vec::new()).unwrap();
    let schedule = set.schedules().next().unwrap();
    assert_eq!(schedule.value.name.as_str(), "quickstart");
    assert_eq!(starts(schedule), 92 * 96 - 1);
}

/// The two differ in who the node is, and in nothing else.
#[test]
fn the_classic_is_due_every_six_hours_and_keeps_two_records_of_each_kind() {
    let of = |name: &str| {
        let set = DocumentSet::from_folders(documents(name), Vec::new()).unwrap();
        let schedule = set.schedules().next().unwrap();
        assert_eq!(starts(schedule), 92 * 4 - 1, "{name}");
        let spec = &schedule.value.spec;
        assert_eq!(spec.schedule, "0 */6 * * *");
        assert_eq!(spec.successful_runs_history_limit, Some(2));
        assert_eq!(spec.failed_runs_history_limit, Some(2));
        assert_eq!(spec.ttl_seconds_after_finished.unwrap().get(), 21_600);
        assert_eq!(spec.active_deadline().unwrap().as_secs(), 600);
        set
    };
    let (principal, key) = (of("azure-six-hourly.yaml"), of("azure-six-hourly-key.yaml"));
    let canonical = |set: &DocumentSet| {
        let target = set.targets().next().unwrap().value.clone();
        let identity = target.spec.identity.clone().unwrap();
        let mut target = target;
        target.spec.identity = None;
        let rest = Document::Target(target).canonical(Path::new("/"));
        (identity.kind(), rest)
    };
    let ((one, rest), (other, same)) = (canonical(&principal), canonical(&key));
    assert_eq!((one, other), ("servicePrincipal", "accountKey"));
    assert_eq!(rest, same);
    let text = |set: &DocumentSet| {
        let schedule = set.schedules().next().unwrap().value.clone();
        let cluster = set.clusters().next().unwrap().value.clone();
        let both = [Document::Schedule(schedule), Document::Cluster(cluster)];
        both.map(|document| document.canonical(Path::new("/")))
    };
    assert_eq!(text(&principal), text(&key));
}

#[test]
fn every_shipped_file_is_read_by_a_test() {
    let entries = fs::read_dir(folder()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let known = [
        "azure-six-hourly-key.yaml",
        "azure-six-hourly.yaml",
        "examples",
        "quickstart.yaml",
    ];
    assert_eq!(names, known);
}

#[test]
fn the_examples_fit_together() {
    let apart = ["examples/grants.yaml", "examples/node.yaml"];
    let work = examples()
        .into_iter()
        .filter(|name| !apart.contains(&name.as_str()))
        .flat_map(|name| {
            let documents = documents(&name);
            assert!(!documents.is_empty(), "{name}");
            documents
        })
        .collect();
    let set = DocumentSet::from_folders(work, documents("examples/grants.yaml")).unwrap();
    let counted: Vec<(&str, usize)> = set
        .schedules()
        .map(|schedule| (schedule.value.name.as_str(), starts(schedule)))
        .collect();
    // Fourteen Sundays, and the firsts of April and May, which are none: four times each.
    // The repair is suspended.
    let expected = [
        ("every-policy", 64),
        ("nightly", 92),
        ("nightly-azure", 92),
        ("nightly-gcs", 92),
        ("nightly-s3", 92),
        ("repair-space", 0),
        ("told", 368),
        ("weekly-drill", 14),
        ("weekly-maintenance", 13),
    ];
    assert_eq!(counted, expected);
    let workflow = set.workflow(&ScheduleName::new("weekly-drill")).unwrap();
    assert!(workflow.drills().all(|(_, drill, _)| drill.api_server));
    assert!(workflow.schedule.value.spec.only_drills());
    let node = fs::read_to_string(folder().join("examples/node.yaml")).unwrap();
    assert!(documents::parse_node_config("examples/node.yaml", &node, &Anything).is_ok());
}

#[test]
fn a_wrong_expression_and_a_wrong_zone_name_their_line() {
    let text = fs::read_to_string(folder().join("quickstart.yaml")).unwrap();
    let told = |from: &str, to: &str| {
        let documents =
            documents::parse("schedules/a.yaml", &text.replace(from, to), &Anything).unwrap();
        let Document::Schedule(schedule) = documents[0].value.clone() else {
            panic!("the file holds a schedule");
        };
        let schedule = Located {
            value: schedule,
            file: documents[0].file.clone(),
            positions: documents[0].positions.clone(),
        };
        Timetable::of(&schedule).unwrap_err().to_string()
    };
    assert_eq!(
        told("*/15 * * * *", "*/15 25 * * *"),
        "schedules/a.yaml:13:13: spec.schedule of a Schedule cannot be read: the field hour holds 25; valid are 0-23"
    );
    assert_eq!(
        told("Etc/UTC", "Europe/Berln"),
        "schedules/a.yaml:14:13: spec.timeZone of a Schedule cannot be used: Europe/Berln is no time zone of the IANA database; did you mean Europe/Berlin?"
    );
}
