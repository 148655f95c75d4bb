//! The etcd capability against real clusters. Tests that only look share one cluster;
//! tests that break something start their own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod grants;
mod log_in;
mod outage;
mod ways_to_fail;
mod writes;

use std::path::Path;
use std::time::Duration;

use drydock_capability_etcd::{EtcdAccess, EtcdCall, EtcdConfig, Timeouts};
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use tokio::sync::OnceCell;

const ALL: [EtcdCall; 13] = EtcdCall::ALL;

/// Three members with mutual TLS and a few keys; nobody changes it.
async fn shared() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(async || {
            let cluster = three_members().await;
            for n in 0..50 {
                let (key, value) = (format!("/registry/pods/p{n}"), "x".repeat(2000));
                cluster.put(&key, &value).await.unwrap();
            }
            cluster
        })
        .await
}

async fn three_members() -> Cluster {
    let options = EtcdOptions {
        members: 3,
        tls: true,
        ..EtcdOptions::default()
    };
    Cluster::start(options).await.unwrap()
}

/// How the cluster's operator would configure it, with short time limits.
fn config(cluster: &Cluster) -> EtcdConfig {
    let client = cluster.client_certificate();
    EtcdConfig {
        endpoints: cluster.endpoints(),
        ca: cluster.ca().map(bytes),
        certificate: client.map(|files| bytes(&files.certificate)),
        key: client.map(|files| bytes(&files.key)),
        username: None,
        password: None,
        timeouts: Timeouts {
            connect: Duration::from_secs(20),
            request: Duration::from_secs(30),
            stream_idle: Duration::from_secs(30),
            rewrite: Duration::from_secs(60),
        },
    }
}

fn access(config: EtcdConfig) -> EtcdAccess {
    EtcdAccess::new(config, ALL.to_vec())
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
