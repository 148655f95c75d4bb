//! The interface `etcd`, call by call, through the probe and a real cluster.

use std::path::Path;
use std::sync::Arc;

use drydock_capability_artifact::OutputSink;
use drydock_capability_etcd::{EtcdAccess, EtcdCall, EtcdConfig};
use drydock_capability_files::Access;
use drydock_core::{ErrorClass, Fault, Grants};
use drydock_sandbox::{BackupCall, Plugin, StepCall};
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::random_values;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{Item, Shelf, admit, all_grants, call, run_call, sandbox, seen};

/// One member without TLS and with a few keys; nobody changes it.
async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(async || {
            let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
            cluster.put("a", "b").await.unwrap();
            cluster
        })
        .await
}

fn grants() -> Grants {
    all_grants(Path::new("/nowhere"), Access::Write)
}

async fn access() -> EtcdAccess {
    let config = EtcdConfig {
        endpoints: cluster().await.endpoints(),
        ..EtcdConfig::default()
    };
    EtcdAccess::new(config, grants().of().to_vec())
}

async fn step(config: &Value) -> StepCall {
    StepCall {
        etcd: Some(access().await),
        ..call(&config.to_string())
    }
}

fn probe() -> Arc<Plugin> {
    admit(&sandbox(), "probe", &grants())
}

async fn fault(plugin: &Plugin, config: &Value) -> Fault {
    run_call(plugin, step(config).await)
        .await
        .result
        .unwrap_err()
}

/// What the probe can be told to call.
fn calls(endpoint: &str) -> [(EtcdCall, Value); 4] {
    [
        (
            EtcdCall::MemberList,
            json!({"do": "member-list", "endpoint": endpoint}),
        ),
        (
            EtcdCall::Status,
            json!({"do": "status", "endpoint": endpoint}),
        ),
        (
            EtcdCall::HashKv,
            json!({"do": "hash-kv", "endpoint": endpoint, "revision": 0}),
        ),
        (
            EtcdCall::Snapshot,
            json!({"do": "snapshot", "endpoint": endpoint, "name": "a.db"}),
        ),
    ]
}

#[tokio::test]
async fn granted_calls_work() {
    let endpoint = &cluster().await.endpoints()[0];
    let plugin = probe();
    let expected = ["member ", "cluster", "hash", "size"];
    for ((_, config), expected) in calls(endpoint).iter().zip(expected) {
        let seen = seen(run_call(&plugin, step(config).await).await);
        assert!(seen.len() == 1 && seen[0].contains(expected), "{seen:?}");
    }
    let endpoints = run_call(&plugin, step(&json!({"do": "endpoints"})).await).await;
    assert_eq!(seen(endpoints), std::slice::from_ref(endpoint));
}

#[tokio::test]
async fn another_endpoint_is_refused_at_the_call() {
    let plugin = probe();
    for (_, config) in calls("http://127.0.0.1:1") {
        let fault = fault(&plugin, &config).await;
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, "unknown-endpoint")
        );
    }
}

#[tokio::test]
async fn a_call_that_the_access_lacks_is_refused_at_the_call() {
    // An ungranted import is refused on admission already; this is the second fence,
    // which holds whatever was linked.
    let endpoint = &cluster().await.endpoints()[0];
    let plugin = probe();
    for (granted, _) in calls(endpoint) {
        for (asked, config) in calls(endpoint) {
            let context = StepCall {
                etcd: Some(access().await.narrowed(&[granted])),
                ..call(&config.to_string())
            };
            let result = run_call(&plugin, context).await.result;
            if asked == granted {
                drop(result.unwrap())
            } else {
                assert_eq!(result.unwrap_err().code.as_str(), "not-granted")
            }
        }
    }
}

#[tokio::test]
async fn a_step_without_a_cluster_can_call_nothing() {
    let plugin = probe();
    for (_, config) in calls("http://127.0.0.1:1") {
        let fault = run_call(&plugin, call(&config.to_string()))
            .await
            .result
            .unwrap_err();
        assert_eq!(fault.code.as_str(), "not-granted");
    }
}

#[tokio::test]
async fn a_snapshot_goes_from_the_cluster_to_the_output() {
    let endpoint = &cluster().await.endpoints()[0];
    let shelf = Shelf::default();
    let config = json!({"do": "snapshot", "endpoint": endpoint, "name": "kubernetes.db"});
    let attempt = probe()
        .run_backup(BackupCall {
            context: step(&config).await,
            outputs: Box::new(shelf.clone()),
        })
        .await;
    attempt.result.unwrap();
    let items = shelf.items();
    let [
        Item {
            name,
            secret,
            bytes,
            state,
        },
    ] = items.as_slice()
    else {
        panic!("{} outputs", items.len());
    };
    assert_eq!(
        (name.as_str(), *secret, state.as_str()),
        ("kubernetes.db", true, "finished")
    );
    assert_eq!(bytes.len() % 512, 32);
}

/// Kills the cluster's member when the first bytes come.
struct Killer {
    shelf: Shelf,
    cluster: Arc<Cluster>,
}

impl OutputSink for Killer {
    fn open(&mut self, name: &str, secret: bool) -> Result<(), Fault> {
        self.shelf.open(name, secret)
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        if self.cluster.member(0).is_started() {
            self.cluster.member(0).kill();
        }
        self.shelf.write(bytes)
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.shelf.finish()
    }

    fn discard(&mut self, reason: Fault) {
        self.shelf.discard(reason);
    }
}

#[tokio::test]
async fn an_output_whose_stream_broke_cannot_be_finished() {
    let cluster = Arc::new(Cluster::start(EtcdOptions::default()).await.unwrap());
    let client = cluster.client().await.unwrap();
    random_values::fill(&client, 48 * 1024 * 1024, 7)
        .await
        .unwrap();
    let endpoint = cluster.endpoints().remove(0);
    let config = json!({"do": "snapshot-finish-anyway", "endpoint": endpoint, "name": "a.db"});
    let shelf = Shelf::default();
    let access = EtcdConfig {
        endpoints: vec![endpoint],
        ..EtcdConfig::default()
    };
    let call = BackupCall {
        context: StepCall {
            etcd: Some(EtcdAccess::new(access, grants().of().to_vec())),
            ..call(&config.to_string())
        },
        outputs: Box::new(Killer {
            shelf: shelf.clone(),
            cluster,
        }),
    };
    let attempt = probe().run_backup(call).await;
    assert_eq!(attempt.result.unwrap_err().code.as_str(), "stream-broken");
    assert_eq!(shelf.items()[0].state, "stream-broken");
}

#[tokio::test]
async fn the_shipped_backup_takes_a_snapshot() {
    let shelf = Shelf::default();
    let call = BackupCall {
        context: StepCall {
            etcd: Some(access().await),
            ..call("{}")
        },
        outputs: Box::new(shelf.clone()),
    };
    let plugin = admit(&sandbox(), "etcd-backup", &grants());
    let report = plugin.run_backup(call).await.result.unwrap();
    assert!(!report.degraded, "{report:?}");
    let items = shelf.items();
    let [item] = items.as_slice() else {
        panic!("{} outputs", items.len());
    };
    assert_eq!(item.name, "kubernetes-etcd-snapshot_20260102_030405.db");
    assert_eq!((item.secret, item.state.as_str()), (true, "finished"));
}
