//! Plugins decide: another component in a step's place changes what a run does, without
//! a rebuild of the host.

use std::sync::Arc;

use drydock_testkit::etcd::EtcdOptions;
use serde_json::Value;

use crate::world::{World, fixture, new_cluster};

/// A node whose verify step is the fixture that says what its configuration says.
fn judged_by_fixture(config: &str) -> World {
    let mut world = World::new();
    let path = fixture("probe-verify");
    let digest = drydock_core::PluginDigest::of(&std::fs::read(&path).unwrap());
    world.plugins = format!("    etcd-verify: {{file: {}}}\n", path.display());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: probe-verify}}\nspec:\n  digest: {digest}\n  grants: {{}}\n"
    );
    world.verify_config = config.to_owned();
    world.write();
    world
}

#[test]
fn another_verify_component_changes_the_verdict() {
    let world = judged_by_fixture("{pass: false}");
    let (answer, run) = world.run();
    answer.code(1);
    assert_eq!(run["outcome"], "Failed");
    world.assert_nothing_left();

    let world = judged_by_fixture("{pass: true}");
    let (answer, run) = world.run();
    answer.ok();
    assert_eq!(run["outcome"], "Succeeded");
}

#[test]
fn keys_that_vanished_fail_the_verification_and_leave_nothing_new() {
    let cluster = Arc::new(new_cluster(EtcdOptions::default(), 400));
    let mut world = World::of(Arc::clone(&cluster));
    world.run().0.ok();
    let kept = world.stored_files();
    cluster.etcdctl(&["del", "--prefix", "/registry/"]).unwrap();

    let (answer, run) = world.run();
    let answer = answer.code(1);
    assert_eq!(run["outcome"], "Failed");
    assert!(
        answer.stderr.contains("a fall of more than 50 %"),
        "{}",
        answer.stderr
    );
    assert_eq!(world.stored_files(), kept);
    world.assert_spool_empty();

    world.verify_config = "{keysFallMaxPercent: 100}".to_owned();
    world.write();
    world.run().0.ok();
    assert_eq!(world.recovery_points().len(), 2);
}

#[test]
fn plugins_are_listed_with_digests_requests_and_grants() {
    let world = World::new();
    let answer = world.drydock(&["plugin", "list", "--output", "json"]).ok();
    let list: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap();
    let names: Vec<_> = list
        .iter()
        .map(|plugin| plugin["name"].as_str().unwrap())
        .collect();
    for name in [
        "etcd-backup",
        "etcd-verify",
        "files-backup",
        "files-verify",
        "notify-webhook",
        "store-azure-blob",
        "store-file",
        "store-gcs",
        "store-s3",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(list[0]["digest"].as_str().unwrap().starts_with("sha256:"));
}
