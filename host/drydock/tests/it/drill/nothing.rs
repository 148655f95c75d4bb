//! Recovery points of which there is nothing to compare: a drill neither passes nor fails
//! them, and leaves no mark.

use std::sync::Arc;

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use serde_json::Value;

use super::kit::{Node, real};
use super::kubernetes::both;
use crate::daemon::kit::put;
use crate::world::runtime;

const WHY: &str =
    "nothing to compare: the snapshot holds no key, so bringing it back proves nothing";

/// A node that backs up an etcd which has no key; where `emptied`, it had some.
fn node(emptied: bool) -> Node {
    node_with(emptied, &real(true))
}

fn node_with(emptied: bool, drill: &str) -> Node {
    let cluster = runtime().block_on(async {
        let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
        if emptied {
            for number in 0..5 {
                let key = format!("/registry/pods/a/{number}");
                cluster.put(&key, "value").await.unwrap();
            }
            cluster.etcdctl(&["del", "", "--prefix"]).unwrap();
        }
        cluster
    });
    // Members at their first revision have no hash that could be compared.
    let code = if emptied { 0 } else { 2 };
    Node::of(Arc::new(cluster), drill, code)
}

#[test]
fn an_etcd_without_a_key_is_skipped_and_not_marked() {
    for emptied in [false, true] {
        let node = node(emptied);
        let answer = node.drill(&["--output", "json"]).code(2);
        let report: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(report["verdict"], "skipped");
        assert_eq!(report["reason"], WHY);
        let told = format!("skipped: {WHY}; no mark was put\n");
        assert!(answer.stderr.ends_with(&told), "{}", answer.stderr);
        assert_eq!(node.marks(), Vec::<String>::new());
        assert_eq!(node.listed()["state"], "Complete");
    }
}

/// An API server has nothing to look under, which is no fault of the drill.
#[test]
fn with_an_api_server_it_is_skipped_as_well() {
    let node = node_with(false, &both());
    let answer = node.drill(&["--api-server"]).code(2);
    let told = format!("skipped: {WHY}; no mark was put\n");
    assert!(answer.stderr.ends_with(&told), "{}", answer.stderr);
    assert_eq!(node.marks(), Vec::<String>::new());
}

/// A run is Degraded by it: an operator who waits for a drill has to hear that there was none.
#[test]
fn a_run_that_drills_nothing_is_degraded() {
    let node = node(false);
    put(
        &node.world,
        "schedules/drill.yaml",
        "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {name: d1}\nspec:\n  cluster: c1\n  schedule: \"0 0 29 2 *\"\n  steps:\n    - {name: drill, drill: {target: local}}\n",
    );
    let answer = node.world.drydock(&["run", "d1", "--output", "json"]);
    let run = serde_json::from_str::<Value>(&answer.code(2).stdout).unwrap()[0].clone();
    assert_eq!(run["outcome"], "Degraded");
    let point = &node.point;
    assert_eq!(
        run["reasons"],
        serde_json::json!([format!(
            "the drill of recovery point {point} was skipped: {WHY}"
        )])
    );
    assert_eq!(run["steps"][0]["body"]["verdict"], "skipped");
    assert_eq!(node.marks(), Vec::<String>::new());
}

/// A damaged one fails all the same.
#[test]
fn nothing_to_compare_hides_no_damage() {
    let node = node(false);
    std::fs::remove_file(node.object()).unwrap();
    assert_eq!(node.report(1)["verdict"], "fail");
    assert_eq!(node.listed()["state"], "Failed");
}
