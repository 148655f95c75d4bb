//! What remains possible when members are down, and how a dying one reads.

use drydock_capability_etcd::{Alarm, RaisedAlarm};
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::random_values;

use crate::{access, config, three_members};

/// Enough that a stream cannot be in flight as a whole: the receiver's window is far
/// smaller.
const DATABASE_BYTES: usize = 48 * 1024 * 1024;

#[tokio::test]
async fn a_survivor_without_quorum_still_answers() {
    let cluster = three_members().await;
    cluster.put("a", "b").await.unwrap();
    let access = access(config(&cluster));
    let endpoints = access.endpoints().to_vec();
    cluster.member(0).kill();
    assert_eq!(
        access
            .status(&endpoints[0])
            .await
            .unwrap_err()
            .code
            .as_str(),
        "unreachable"
    );
    assert_eq!(access.member_list(&endpoints[1]).await.unwrap().len(), 3);
    cluster.member(1).kill();
    let survivor = &endpoints[2];
    drydock_testkit::wait_until(
        "the leader is lost",
        std::time::Duration::from_secs(60),
        async || {
            access
                .status(survivor)
                .await
                .is_ok_and(|status| status.leader == 0)
        },
    )
    .await
    .unwrap();
    assert!(!access.status(survivor).await.unwrap().errors.is_empty());
    assert_eq!(access.member_list(survivor).await.unwrap().len(), 3);
    assert!(access.hash_kv(survivor, 0).await.unwrap().hash != 0);
    let mut stream = access.snapshot(survivor).await.unwrap();
    while stream.next().await.unwrap().is_some() {}
    assert!(stream.received() > 4096);
}

#[tokio::test]
async fn a_member_that_dies_midway_breaks_the_stream() {
    let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
    let client = cluster.client().await.unwrap();
    random_values::fill(&client, DATABASE_BYTES, 7)
        .await
        .unwrap();
    let access = access(config(&cluster));
    let mut stream = access.snapshot(&access.endpoints()[0]).await.unwrap();
    stream.next().await.unwrap().unwrap();
    cluster.member(0).kill();
    let fault = loop {
        match stream.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a stream of which most is missing ended well"),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.code.as_str(), "stream-broken", "{fault:?}");
    assert!(stream.received() < DATABASE_BYTES as u64);
}

#[tokio::test]
async fn a_full_database_is_an_alarm() {
    let options = EtcdOptions {
        quota_bytes: Some(2 * 1024 * 1024),
        ..EtcdOptions::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let value = "x".repeat(100_000);
    let mut full = false;
    for n in 0..100 {
        full = cluster.put(&format!("k{n}"), &value).await.is_err();
        if full {
            break;
        }
    }
    assert!(full, "10 MB fit into a quota of 2 MiB");
    let access = access(config(&cluster));
    let status = access.status(&access.endpoints()[0]).await.unwrap();
    let raised = RaisedAlarm {
        alarm: Alarm::NoSpace,
        member_id: status.member_id,
    };
    assert_eq!(status.alarms, [raised], "{:?}", status.errors);
}
