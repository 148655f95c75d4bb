//! What kinds say of steps, from documents alone.

use drydock_core::{ClusterName, HoldKind, RunId, StepName, Subject, TargetName};
use drydock_documents::{self as documents, STEP_KEYS, Schedule, schedule::ScheduleSpec};

use super::*;
use crate::kind::*;

#[test]
fn every_key_of_documents_has_a_kind() {
    let words: Vec<_> = KINDS.iter().map(|kind| kind.word()).collect();
    let keys: Vec<_> = STEP_KEYS.iter().map(|key| key.key).collect();
    assert_eq!(words, keys);
}

/// The key is a promise to plugins: one that remembers what it did finds it again.
#[test]
fn a_key_follows_from_run_step_and_member() {
    let (run, step) = (
        RunId::new("nightly.20260102T030405Z"),
        StepName::new("lock"),
    );
    let key = step_key(&run, &step, None);
    assert_eq!(key, "7ab0dad51e3c3761f4d07f2c954e6a67");
    assert_eq!(key, step_key(&run, &step, Some("")));
    for other in [
        step_key(&run, &step, Some("m1")),
        step_key(&run, &StepName::new("lock2"), None),
        step_key(&RunId::new("nightly.20260102T030406Z"), &step, None),
    ] {
        assert_eq!(other.len(), KEY_CHARS);
        assert_ne!(other, key);
    }
}

#[test]
fn a_hold_lasts_as_its_action_says_and_as_long_as_its_step_says() {
    let steps = [
        "{name: lock, action: db, hold: {seconds: 60, acquireSeconds: 5}}",
        "{name: snapshot, backup: etcd-backup, during: [lock]}",
        "{name: verify, verify: etcd-verify}",
        "{name: store, target: local}",
    ];
    let spec = schedule(&steps);
    let hold = action::hold_spec(spec.steps[0].hold().unwrap(), HoldKind::State);
    assert_eq!(
        (hold.kind, hold.seconds_max, hold.acquire_seconds),
        (HoldKind::State, 60, 5)
    );
}

#[test]
fn steps_read_what_they_look_at_and_an_unknown_action_writes() {
    let cluster = || Subject::Cluster(ClusterName::new("c1"));
    let drilled = RunSubject::read(Subject::Target(TargetName::new("local")));
    let backup = [
        "{name: snapshot, backup: etcd-backup}",
        "{name: verify, verify: etcd-verify}",
        "{name: store, target: local}",
    ];
    let drill = ["{name: drill, drill: {target: local}}"];
    let action = ["{name: mark, action: marker}"];
    for (steps, kind, expected) in [
        (
            backup.to_vec(),
            RunKind::Backup,
            vec![RunSubject::read(cluster())],
        ),
        (
            drill.to_vec(),
            RunKind::Drill,
            vec![RunSubject::read(cluster()), drilled.clone()],
        ),
        (
            [&backup[..], &drill, &action].concat(),
            RunKind::Backup,
            vec![RunSubject::write(cluster()), drilled],
        ),
        (
            action.to_vec(),
            RunKind::Actions,
            vec![RunSubject::write(cluster())],
        ),
    ] {
        let set = documents_of(&steps);
        let workflow = set
            .workflow(&drydock_core::ScheduleName::new("s1"))
            .unwrap();
        assert_eq!(run_kind(&workflow), kind, "{steps:?}");
        assert_eq!(subjects(&workflow, &|_| None), expected, "{steps:?}");
    }
}

fn documents_of(steps: &[&str]) -> documents::DocumentSet {
    let text = format!(
        "apiVersion: drydock.dev/v1\nkind: Cluster\nmetadata: {{name: c1}}\nspec: {{etcd: {{endpoints: ['https://127.0.0.1:1'], ca: {{valueFrom: {{file: ca.pem}}}}}}}}\n---\napiVersion: drydock.dev/v1\nkind: Target\nmetadata: {{name: local}}\nspec: {{plugin: store-file}}\n---\napiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: s1}}\nspec:\n  cluster: c1\n  schedule: '@daily'\n  steps:\n  - {}\n",
        steps.join("\n  - ")
    );
    let read = documents::parse("t.yaml", &text, &drydock_node::CAPABILITIES).unwrap();
    documents::DocumentSet::build(read).unwrap()
}

fn schedule(steps: &[&str]) -> ScheduleSpec {
    let set = documents_of(steps);
    let mut schedules = set.schedules();
    let Schedule { spec, .. } = schedules.next().unwrap().value.clone();
    spec
}
