//! The built-in `etcd-maintain` as a step of a schedule: what `drydock run` makes of a cluster
//! that has grown, and of one that takes no writes any more.

use std::sync::Arc;
use std::time::Duration;

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::{random_values, wait_until};
use serde_json::Value;

use crate::world::{World, runtime, three_with_tls};

/// What is written and then deleted.
const FREED_BYTES: usize = 24 * 1024 * 1024;

/// How often it is written until the cluster takes no more.
const FILLS_MAX: u32 = 10;

/// Far longer than a cluster takes even on a busy machine.
const SETTLING_MAX: Duration = Duration::from_secs(60);

/// As schedules/examples/grants.yaml has it.
const GRANT: &str = "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {name: etcd-maintain}\nspec:\n  builtin: etcd-maintain\n  grants:\n    etcd: [member-list, status, health, compact, defragment, move-leader, alarm-disarm, probe-put]\n";

/// A node whose schedule `s1` is this one step, and which keeps what the step put out.
fn node(cluster: &Arc<Cluster>, config: &str) -> World {
    let mut world = World::of(Arc::clone(cluster));
    world.extra_grants = GRANT.to_owned();
    world.write();
    let text = format!(
        "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: s1}}\nspec:\n  cluster: c1\n  schedule: \"@weekly\"\n  steps:\n    - {{name: maintain, action: etcd-maintain, config: {config}}}\n"
    );
    std::fs::write(world.scratch.join("schedules/schedule.yaml"), text).unwrap();
    world
}

fn start(options: EtcdOptions) -> Arc<Cluster> {
    Arc::new(runtime().block_on(Cluster::start(options)).unwrap())
}

/// Size of the member's file, and whether it reports alarms.
fn status(cluster: &Cluster, member: usize) -> (i64, bool) {
    runtime().block_on(async {
        let mut client = cluster.client_of(member).await.unwrap();
        let status = client.status().await.unwrap();
        (status.db_size(), !status.errors().is_empty())
    })
}

/// Whether the cluster took all of it.
fn fill(cluster: &Cluster) -> bool {
    runtime().block_on(async {
        let client = cluster.client().await.unwrap();
        random_values::fill(&client, FREED_BYTES, 7).await.is_ok()
    })
}

/// A file grows with the next commit of its database.
async fn has_grown(cluster: &Cluster) -> bool {
    let all = i64::try_from(FREED_BYTES).unwrap();
    for member in 0..3 {
        let mut client = cluster.client_of(member).await.unwrap();
        if client.status().await.unwrap().db_size() < all {
            return false;
        }
    }
    true
}

fn findings(run: &Value) -> Vec<(String, String)> {
    let step = &run["steps"][0];
    let findings = step["findings"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = findings.iter();
    findings
        .map(|found| (text(&found["code"]), text(&found["message"])))
        .collect()
}

#[test]
fn all_three_members_shrink_and_the_leader_is_last() {
    let cluster = start(three_with_tls());
    assert!(fill(&cluster));
    cluster.etcdctl(&["del", "--prefix", "/fill/"]).unwrap();
    let grown = wait_until("every file has it all", SETTLING_MAX, async || {
        has_grown(&cluster).await
    });
    runtime().block_on(grown).unwrap();
    let leader = runtime().block_on(cluster.leader()).unwrap();
    let before: Vec<i64> = (0..3).map(|member| status(&cluster, member).0).collect();

    let world = node(
        &cluster,
        "{do: [compact, defragment], keepRevisions: 0, minFreeBytes: 1048576, leader: move-first, pauseSeconds: 0}",
    );
    let (answer, run) = world.run();
    answer.ok();
    assert_eq!(run["outcome"], "Succeeded", "{run}");
    for (member, before) in before.iter().enumerate() {
        let (after, _) = status(&cluster, member);
        let freed = i64::try_from(FREED_BYTES).unwrap() / 2;
        assert!(after + freed < *before, "member {member}: {before} {after}");
    }
    assert_ne!(runtime().block_on(cluster.leader()).unwrap(), leader);
    let defragmented: Vec<String> = findings(&run)
        .into_iter()
        .filter(|(code, _)| code == "defragmented")
        .map(|(_, message)| message)
        .collect();
    assert_eq!(defragmented.len(), 3, "{run}");
    let name = cluster.member(leader).name();
    assert!(defragmented[2].starts_with(name), "{defragmented:?}");
    assert!(
        !defragmented[2].contains("while it led"),
        "{defragmented:?}"
    );
}

#[test]
fn a_cluster_that_takes_no_writes_takes_them_again() {
    let cluster = start(EtcdOptions {
        quota_bytes: Some(16 * 1024 * 1024),
        ..EtcdOptions::default()
    });
    // etcd looks at the size after each commit of its database, so that more may get in.
    assert!((0..FILLS_MAX).any(|_| !fill(&cluster)));
    cluster.etcdctl(&["del", "--prefix", "/fill/"]).unwrap();
    let (before, has_alarm) = status(&cluster, 0);
    assert!(has_alarm);
    let put = || runtime().block_on(cluster.put("a", "b"));
    put().unwrap_err();

    let world = node(&cluster, "{do: [defragment]}");
    let (answer, run) = world.run();
    answer.code(1);
    assert_eq!(run["outcome"], "Failed", "{run}");
    let text = run.to_string();
    assert!(text.contains("do: [repair-space]"), "{text}");
    assert!(status(&cluster, 0).1);

    let world = node(&cluster, "{do: [repair-space]}");
    let (answer, run) = world.run();
    answer.ok();
    assert_eq!(run["outcome"], "Succeeded", "{run}");
    let codes: Vec<String> = findings(&run).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["repaired", "defragmented"], "{run}");
    let (after, has_alarm) = status(&cluster, 0);
    assert!(!has_alarm && after < before / 2, "{before} {after}");
    put().unwrap();
}
