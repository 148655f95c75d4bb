//! The built-in `etcd-maintain` on real clusters: what it looks at, whom it leaves alone, and
//! when it does nothing. What it does as a step of a run stands in the program's own tests.

use std::sync::Arc;
use std::time::Duration;

use drydock_capability_etcd::{EtcdAccess, EtcdCall, EtcdConfig};
use drydock_core::{ErrorClass, Grants, Value};
use drydock_sandbox::{ActionDone, Attempt, Plugin, StepCall};
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::{random_values, wait_until};
use serde_json::json;
use tokio::sync::watch;

use crate::{admit, call, sandbox};

/// What is written and then deleted.
const FREED_BYTES: usize = 8 * 1024 * 1024;

/// Far longer than a cluster takes even on a busy machine.
const SETTLING_MAX: Duration = Duration::from_secs(60);

/// Calls of the plugin's own grant, as the documentation has it.
const GRANTED: [EtcdCall; 8] = [
    EtcdCall::MemberList,
    EtcdCall::Status,
    EtcdCall::Health,
    EtcdCall::Compact,
    EtcdCall::Defragment,
    EtcdCall::MoveLeader,
    EtcdCall::AlarmDisarm,
    EtcdCall::ProbePut,
];

fn maintain() -> Arc<Plugin> {
    let grants = Grants::default().with(GRANTED);
    admit(&sandbox(), "etcd-maintain", &grants)
}

fn step(cluster: &Cluster, config: &serde_json::Value) -> StepCall {
    let etcd = EtcdConfig {
        endpoints: cluster.endpoints(),
        ..EtcdConfig::default()
    };
    StepCall {
        etcd: Some(EtcdAccess::new(etcd, EtcdCall::ALL.to_vec())),
        ..call(&config.to_string())
    }
}

async fn ran(cluster: &Cluster, config: serde_json::Value) -> Attempt<ActionDone> {
    maintain().run_action(step(cluster, &config), None).await
}

async fn planned(cluster: &Cluster, config: serde_json::Value) -> Vec<String> {
    let planned = maintain().plan_action(step(cluster, &config)).await;
    planned.result.unwrap()
}

fn codes(done: &ActionDone) -> Vec<&str> {
    done.findings
        .iter()
        .map(|found| found.code.as_str())
        .collect()
}

async fn sizes(cluster: &Cluster) -> Vec<i64> {
    let mut sizes = Vec::new();
    for member in 0..cluster.endpoints().len() {
        let mut client = cluster.client_of(member).await.unwrap();
        sizes.push(client.status().await.unwrap().db_size());
    }
    sizes
}

/// Three members whose databases hold deleted values.
async fn bloated() -> Cluster {
    let options = EtcdOptions {
        members: 3,
        ..EtcdOptions::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let client = cluster.client().await.unwrap();
    random_values::fill(&client, FREED_BYTES, 7).await.unwrap();
    cluster.etcdctl(&["del", "--prefix", "/fill/"]).unwrap();
    // A file grows with the next commit of its database.
    let all = i64::try_from(FREED_BYTES).unwrap();
    wait_until("every file has it all", SETTLING_MAX, async || {
        sizes(&cluster).await.into_iter().all(|size| size >= all)
    })
    .await
    .unwrap();
    cluster
}

#[tokio::test]
async fn a_plan_changes_nothing_and_the_run_leaves_the_leader_alone() {
    let cluster = bloated().await;
    let before = sizes(&cluster).await;
    let leader = cluster.leader().await.unwrap();
    let config = json!({
        "do": ["compact", "defragment"], "keepRevisions": 0,
        "minFreeBytes": 1024 * 1024, "minFreePercent": 10, "pauseSeconds": 0,
    });

    let lines = planned(&cluster, config.clone()).await;
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(lines[0].starts_with("compact to revision "), "{lines:?}");
    let name = cluster.member(leader).name();
    let skipped = "last, the leader: ";
    assert!(
        lines[3].starts_with(skipped) && lines[3].contains(name),
        "{lines:?}"
    );
    let planned = sizes(&cluster).await;
    let mut pairs = planned.iter().zip(&before);
    assert!(pairs.all(|(now, before)| now >= before), "{planned:?}");

    let done = ran(&cluster, config.clone()).await.result.unwrap();
    assert_eq!(
        codes(&done),
        ["leader-left-out", "defragmented", "defragmented"],
        "{:?}",
        done.findings
    );
    let after = sizes(&cluster).await;
    for (member, (before, after)) in before.iter().zip(&after).enumerate() {
        let shrank = after + i64::try_from(FREED_BYTES / 2).unwrap() < *before;
        assert_eq!(shrank, member != leader, "{before} {after}");
    }
    assert_eq!(cluster.leader().await.unwrap(), leader);

    // Whoever is small already is left out, and so is the compaction.
    let again = ran(&cluster, config).await.result.unwrap();
    let mut told = codes(&again);
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "leader-left-out",
            "left-out",
            "left-out",
            "nothing-to-compact"
        ]
    );
    assert_eq!(again.outputs["bytes-freed"], Value::Integer(0));
}

#[tokio::test]
async fn a_single_member_is_defragmented_only_where_that_is_said() {
    let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
    let client = cluster.client().await.unwrap();
    random_values::fill(&client, FREED_BYTES, 7).await.unwrap();
    cluster.etcdctl(&["del", "--prefix", "/fill/"]).unwrap();
    let config = |leader| {
        json!({
            "do": ["compact", "defragment"], "keepRevisions": 0, "leader": leader,
            "minFreeBytes": 1024 * 1024, "minFreePercent": 10, "pauseSeconds": 0,
        })
    };
    let alone = ran(&cluster, config("move-first")).await.result.unwrap();
    assert_eq!(codes(&alone), ["leader-left-out"]);
    let last = ran(&cluster, config("last")).await.result.unwrap();
    assert_eq!(codes(&last), ["nothing-to-compact", "defragmented"]);
    let freed = last.outputs["bytes-freed"].clone();
    assert!(
        matches!(freed, Value::Integer(freed) if freed > i64::try_from(FREED_BYTES / 2).unwrap()),
        "{freed:?}"
    );
}

#[tokio::test]
async fn nothing_is_done_while_a_member_is_down_or_the_run_is_to_stop() {
    let cluster = bloated().await;
    let config = json!({
        "do": ["defragment"], "minFreeBytes": 0, "minFreePercent": 0,
        "leader": "last", "settleSeconds": 0,
    });
    let (ask, stop) = watch::channel(None);
    ask.send_replace(Some(crate::stopping::reason()));
    let context = StepCall {
        stop,
        ..step(&cluster, &config)
    };
    let stopped = maintain().run_action(context, None).await;
    assert_eq!(stopped.result.unwrap_err().class, ErrorClass::Cancelled);

    let leader = cluster.leader().await.unwrap();
    let down = (leader + 1) % 3;
    let before = sizes(&cluster).await;
    cluster.member(down).kill();
    let fault = ran(&cluster, config.clone()).await.result.unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Transient, "cluster-not-healthy")
    );
    let endpoint = cluster.member(down).client_url();
    let silent = format!(
        "nothing is done to a cluster that is not healthy: cannot read the status of {endpoint}: nothing listens there"
    );
    assert!(fault.message.starts_with(&silent), "{}", fault.message);
    let lines = planned(&cluster, config).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("do nothing and wait 0 s"), "{lines:?}");
    cluster.start_member(down).await.unwrap();
    let after = sizes(&cluster).await;
    let mut pairs = before.iter().zip(&after);
    assert!(
        pairs.all(|(before, after)| after * 2 > *before),
        "{after:?}"
    );
}

#[tokio::test]
async fn a_repair_without_an_alarm_does_nothing() {
    let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
    let done = ran(&cluster, json!({"do": ["repair-space"]})).await;
    let done = done.result.unwrap();
    assert_eq!(codes(&done), ["no-alarm"]);
    assert_eq!(done.outputs["bytes-freed"], Value::Integer(0));
}
