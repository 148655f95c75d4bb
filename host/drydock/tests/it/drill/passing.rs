//! Drills of good recovery points.

use std::sync::Arc;

use drydock_testkit::etcd::{Cluster, EtcdOptions};

use super::kit::{Node, check, real};
use crate::world::runtime;

/// A restore that bumped leaves a key without a name in etcd: etcdutl counts it, and no
/// client can read it.
#[test]
fn a_backup_of_a_cluster_that_was_restored_passes() {
    const KEYS: usize = 7;
    let cluster = runtime().block_on(async {
        let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
        for number in 0..KEYS {
            let key = format!("/registry/pods/a/{number}");
            cluster.put(&key, "value").await.unwrap();
        }
        cluster
    });
    let cluster = Arc::new(cluster);
    let node = Node::of(Arc::clone(&cluster), &real(true), 0);
    let snapshot = node.world.fetch(&node.point);
    let bump = ["--bump-revision", "1000", "--mark-compacted"];
    runtime()
        .block_on(cluster.put_back(&snapshot, &bump))
        .unwrap();
    let (answer, run) = node.world.run();
    answer.code(2);
    // By name: the two may be of one second.
    let point = run["recoveryPoint"].as_str().unwrap();
    let drilled = node.drill(&[point, "--output", "json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&drilled.stdout).unwrap();
    assert_eq!(report["recoveryPoint"], point);
    let found = |name: &str| check(&report, name)["found"].as_str().unwrap().to_owned();
    assert_eq!(found("keys of the snapshot"), (KEYS + 1).to_string());
    assert_eq!(found("keys in etcd"), KEYS.to_string());
}

#[test]
fn a_good_recovery_point_passes_and_is_marked() {
    let node = Node::new();
    let report = node.report(0);
    assert_eq!(report["verdict"], "pass", "{report:#}");
    assert_eq!(report["recoveryPoint"], node.point.as_str());
    for member in ["member-1", "member-2", "member-3"] {
        let hash = check(&report, &format!("HashKV of {member}"));
        assert_eq!(hash["verdict"], "pass");
        assert_eq!(
            hash["expected"],
            check(&report, "HashKV of the snapshot")["expected"]
        );
    }
    assert_eq!(check(&report, "members with a leader")["found"], "3");
    let keys = &check(&report, "keys in etcd")["found"];
    assert_eq!(keys, &check(&report, "keys of the snapshot")["expected"]);
    assert_eq!(check(&report, "pods in etcd")["verdict"], "pass");
    let phases: Vec<&str> = report["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|timed| timed["phase"].as_str().unwrap())
        .collect();
    assert_eq!(
        phases,
        ["prepare", "fetch", "check", "restore", "boot", "compare"]
    );
    let recovery: u64 = report["phases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|timed| timed["phase"] != "prepare" && timed["phase"] != "compare")
        .map(|timed| timed["milliseconds"].as_u64().unwrap())
        .sum();
    assert_eq!(report["recoveryMilliseconds"], recovery);

    assert_eq!(node.marks().len(), 1);
    let mark = node.listed_mark();
    assert_eq!(mark["mark"], "drilled");
    assert_eq!(mark["at"], report["started"]);
    assert_eq!(mark["recoveryMilliseconds"], recovery);
    let listed = node.listed();
    assert_eq!(
        (&listed["state"], &listed["verified"]),
        (&"Verified".into(), &report["started"])
    );
    let listed = node.world.drydock(&["recovery-point", "list"]).ok().stdout;
    let at = report["started"].as_str().unwrap();
    assert!(listed.contains(&format!("drilled {at}")), "{listed}");
    let shown = node
        .world
        .drydock(&["recovery-point", "show", &node.point])
        .ok()
        .stdout;
    assert!(shown.contains(&format!("drilled {at}")), "{shown}");
    // The recovery point is as good as before.
    let identity = node.world.path("sealing.key");
    node.world
        .drydock(&[
            "recovery-point",
            "verify",
            &node.point,
            "--identity",
            &identity,
        ])
        .ok();
}
