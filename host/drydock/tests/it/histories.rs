//! Which history a backup belongs to: an etcd that was put back to an earlier state, in its
//! place, so that its ids are those of before.

use std::sync::Arc;

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use etcd_client::CompactionOptions;
use serde_json::Value;

use crate::world::{Answer, World, runtime};

/// A node and an etcd of its own with this many keys.
fn world(keys: usize) -> World {
    let cluster = runtime().block_on(Cluster::start(EtcdOptions::default()));
    let world = World::of(Arc::new(cluster.unwrap()));
    puts(&world, "before", keys);
    world
}

fn puts(world: &World, name: &str, count: usize) {
    let cluster = world.cluster.as_ref().unwrap();
    runtime().block_on(async {
        let mut client = cluster.client().await.unwrap();
        for number in 0..count {
            let (key, value) = (format!("/{name}/{number:04}"), format!("{name} {number}"));
            client.put(key, value, None).await.unwrap();
        }
    });
}

/// The manifest of a run's recovery point.
fn manifest(world: &World, run: &Value) -> Value {
    let name = run["recoveryPoint"].as_str().unwrap();
    let shown = world.drydock(&["recovery-point", "show", name, "--output", "json"]);
    serde_json::from_str(&shown.ok().stdout).unwrap()
}

fn backed_up(world: &World) -> Value {
    let (answer, run) = world.run();
    answer.ok();
    manifest(world, &run)
}

fn put_back(world: &World, manifest: &Value) {
    let snapshot = world.fetch(manifest["recoveryPoint"].as_str().unwrap());
    let cluster = world.cluster.as_ref().unwrap();
    runtime()
        .block_on(cluster.put_back(&snapshot, &[]))
        .unwrap();
}

fn assert_begins(world: &World, before: &Value, answer: Answer, run: &Value) -> Value {
    let said = answer.code(2).stderr;
    assert_eq!(run["outcome"], "Degraded");
    let after = manifest(world, run);
    assert_ne!(after["lineage"]["id"], before["lineage"]["id"]);
    assert_eq!(
        after["lineage"]["clusterId"],
        before["lineage"]["clusterId"]
    );
    assert_eq!(after["predecessor"], Value::Null);
    let finding = &after["verification"][0]["findings"][0];
    assert_eq!(finding["code"], "lineage-begins");
    let why = finding["message"].as_str().unwrap();
    let point = before["recoveryPoint"].as_str().unwrap();
    let expected = format!(
        " is not what it was in {point}, so etcd was put back to a state from before that and went on differently: a new lineage begins; nothing was compared with earlier recovery points: see that this was meant"
    );
    assert!(
        why.starts_with("etcd's revision ") && why.ends_with(&expected),
        "{why}"
    );
    assert!(said.contains(why), "{said}");
    after
}

/// 20 puts, A, 20 puts, B, A restored, 50 puts, C: the ids, the raft index and the revision
/// of C are what they would be had nothing been put back.
#[test]
fn an_etcd_that_was_put_back_and_went_on_begins_a_lineage() {
    let world = world(20);
    let a = backed_up(&world);
    puts(&world, "lost", 20);
    let b = backed_up(&world);
    assert_eq!(a["lineage"], b["lineage"]);
    put_back(&world, &a);
    puts(&world, "other", 50);
    let (answer, run) = world.run();
    let c = assert_begins(&world, &b, answer, &run);
    for figure in ["raftIndex", "raftTerm", "revision"] {
        let of = |manifest: &Value| manifest["etcd"][figure].as_u64().unwrap();
        assert!(of(&c) >= of(&b), "{figure} tells, and is not to");
    }
}

/// Few changes were lost among many keys: the newest revisions are noted first of all.
#[test]
fn a_few_lost_changes_among_many_keys_are_enough() {
    let world = world(600);
    let a = backed_up(&world);
    puts(&world, "lost", 3);
    let b = backed_up(&world);
    put_back(&world, &a);
    // Enough for a higher raft index, so that only the revisions tell.
    puts(&world, "other", 700);
    let (answer, run) = world.run();
    assert_begins(&world, &b, answer, &run);
}

#[test]
fn a_history_that_goes_on_is_one_lineage_and_one_that_cannot_be_seen_is_a_note() {
    let world = world(40);
    let a = backed_up(&world);
    // Some keys change and are compacted away, some stay.
    puts(&world, "before", 20);
    puts(&world, "before", 1);
    compact(&world);
    let b = backed_up(&world);
    assert_eq!(a["lineage"], b["lineage"]);
    assert_eq!(b["predecessor"]["recoveryPoint"], a["recoveryPoint"]);
    let told = |manifest: &Value| manifest["verification"][0]["findings"].to_string();
    assert!(!told(&b).contains("histor"), "{b}");
    puts(&world, "before", 40);
    puts(&world, "before", 1);
    compact(&world);
    let c = backed_up(&world);
    assert_eq!(a["lineage"], c["lineage"]);
    let findings = c["verification"][0]["findings"].as_array().unwrap();
    let note = findings
        .iter()
        .find(|f| f["code"] == "history-not-compared");
    let name = b["recoveryPoint"].as_str().unwrap();
    assert_eq!(
        note.unwrap()["message"],
        format!(
            "this snapshot has none of the 40 revisions that {name} noted, so only the cluster's id and its raft figures say that etcd was not put back to an earlier state meanwhile"
        )
    );
}

/// Drops all that was not alive one change ago: a compaction at the newest revision leaves
/// nothing that members could be asked for.
fn compact(world: &World) {
    let cluster = world.cluster.as_ref().unwrap();
    runtime().block_on(async {
        let mut client = cluster.client().await.unwrap();
        let answer = client.get("/", None).await.unwrap();
        let revision = answer.header().unwrap().revision() - 1;
        let physical = CompactionOptions::new().with_physical();
        client.compact(revision, Some(physical)).await.unwrap();
    });
}
