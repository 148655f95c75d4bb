//! Clusters in trouble: survivors, alarms, members that do not answer.

use std::sync::Arc;

use drydock_testkit::etcd::EtcdOptions;
use etcd_client::{AlarmAction, AlarmType};

use crate::world::{World, new_cluster, runtime, three_with_tls};

#[test]
fn a_survivor_without_quorum_is_backed_up_and_the_run_is_degraded() {
    let cluster = new_cluster(three_with_tls(), 300);
    cluster.member(0).kill();
    cluster.member(1).kill();
    let world = World::of(Arc::new(cluster));
    let (answer, run) = world.run();
    let answer = answer.code(2);
    assert_eq!(run["outcome"], "Degraded", "{}", answer.stderr);
    assert!(answer.stderr.contains("quorum"), "{}", answer.stderr);
    let name = run["recoveryPoint"].as_str().unwrap();
    let file = world.fetch(name);
    world
        .drydock(&["snapshot", "verify", &file.display().to_string()])
        .ok();
}

#[test]
fn one_member_down_is_told_and_the_backup_is_made() {
    let cluster = new_cluster(three_with_tls(), 300);
    cluster.member(2).kill();
    let world = World::of(Arc::new(cluster));
    let (answer, run) = world.run();
    assert!(run["recoveryPoint"].is_string(), "{}", answer.stderr);
    assert_eq!(world.recovery_points().len(), 1);
}

#[test]
fn no_member_at_all_fails_with_every_endpoint_named() {
    let cluster = new_cluster(EtcdOptions::default(), 50);
    cluster.member(0).kill();
    let world = World::of(Arc::new(cluster));
    let (answer, run) = world.run();
    let answer = answer.code(1);
    assert_eq!(run["outcome"], "Failed");
    assert!(
        answer.stderr.contains(&world.endpoints[0]),
        "{}",
        answer.stderr
    );
    world.assert_nothing_left();
}

fn raise(cluster: &drydock_testkit::etcd::Cluster, alarm: AlarmType) {
    runtime().block_on(async {
        let mut client = cluster.client().await.unwrap();
        let member = client.status().await.unwrap().header().unwrap().member_id();
        let mut options = etcd_client::AlarmOptions::new();
        options.with_member(member);
        client
            .alarm(AlarmAction::Activate, alarm, Some(options))
            .await
            .unwrap();
    });
}

#[test]
fn a_corrupt_member_stops_the_backup() {
    let cluster = new_cluster(EtcdOptions::default(), 50);
    raise(&cluster, AlarmType::Corrupt);
    let world = World::of(Arc::new(cluster));
    let (answer, run) = world.run();
    let answer = answer.code(1);
    assert_eq!(run["outcome"], "Failed");
    assert!(answer.stderr.contains("CORRUPT"), "{}", answer.stderr);
    world.assert_nothing_left();
}

#[test]
fn a_full_member_is_backed_up_with_a_warning() {
    let cluster = new_cluster(EtcdOptions::default(), 50);
    raise(&cluster, AlarmType::Nospace);
    let world = World::of(Arc::new(cluster));
    let (answer, run) = world.run();
    let answer = answer.code(2);
    assert_eq!(run["outcome"], "Degraded");
    assert!(answer.stderr.contains("NOSPACE"), "{}", answer.stderr);
    assert_eq!(world.recovery_points().len(), 1);
}

#[test]
fn endpoints_and_keys_come_from_the_environment_of_a_secret() {
    let cluster = Arc::new(new_cluster(three_with_tls(), 100));
    let world = World::of(Arc::clone(&cluster));
    let document = "apiVersion: drydock.dev/v1\nkind: Cluster\nmetadata: {name: c1}\nspec:\n  etcd:\n    endpoints: {valueFrom: {env: ENDPOINTS}}\n    ca: {valueFrom: {env: CA}}\n    certificate: {valueFrom: {env: CRT}}\n    key: {valueFrom: {env: KEY}}\n";
    std::fs::write(world.scratch.join("schedules/cluster.yaml"), document).unwrap();
    let client = cluster.client_certificate().unwrap();
    let text = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let key = text(&client.key);
    let output = world
        .command(&["run", "s1", "--log-level", "trace"])
        .env("ENDPOINTS", cluster.endpoints().join(","))
        .env("CA", text(cluster.ca().unwrap()))
        .env("CRT", text(&client.certificate))
        .env("KEY", &key)
        .output()
        .unwrap();
    let answer = crate::world::Answer::of(output).ok();
    let body = key.lines().nth(1).unwrap();
    assert!(
        !answer.stderr.contains(body) && !answer.stdout.contains(body),
        "the key was shown"
    );
}
