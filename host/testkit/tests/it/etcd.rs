use std::time::Duration;

use drydock_testkit::etcd::{Auth, Cluster, EtcdOptions};
use drydock_testkit::kube_objects::{self, LoadOptions};
use drydock_testkit::{random_values, wait_until};
use etcd_client::GetOptions;

fn three_with_tls() -> EtcdOptions {
    EtcdOptions {
        members: 3,
        tls: true,
        ..EtcdOptions::default()
    }
}

#[tokio::test]
async fn a_killed_member_comes_back_with_what_it_missed() {
    let cluster = Cluster::start(three_with_tls()).await.unwrap();
    cluster.put("before", "1").await.unwrap();
    let victim = cluster.leader().await.unwrap();
    cluster.member(victim).kill();
    assert!(!cluster.member(victim).is_healthy().await);

    // Two of three still take writes, once they have chosen another leader.
    let survivor = (victim + 1) % 3;
    let mut client = cluster.client_of(survivor).await.unwrap();
    wait_until(
        "the survivors take a write",
        Duration::from_secs(30),
        async || client.put("meanwhile", "2", None).await.is_ok(),
    )
    .await
    .unwrap();

    cluster.start_member(victim).await.unwrap();
    let mut client = cluster.client_of(victim).await.unwrap();
    let answer = client.get("meanwhile", None).await.unwrap();
    assert_eq!(answer.kvs()[0].value(), b"2");
}

#[tokio::test]
async fn a_cluster_with_tls_refuses_a_client_without_certificate() {
    let options = EtcdOptions {
        tls: true,
        ..EtcdOptions::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    cluster.put("key", "value").await.unwrap();
    let etcdctl = cluster.programs().join("etcdctl");
    let refused = drydock_testkit::program::run(
        std::process::Command::new(etcdctl)
            .args([
                "--endpoints",
                &cluster.endpoints()[0],
                "--command-timeout=2s",
            ])
            .args(["--insecure-skip-tls-verify", "get", "key"]),
    );
    assert!(refused.is_err());
    assert_eq!(
        cluster.etcdctl(&["get", "key"]).unwrap().stdout,
        "key\nvalue\n"
    );
}

#[tokio::test]
async fn a_cluster_with_passwords_refuses_a_client_without_one() {
    let options = EtcdOptions {
        auth: Some(Auth {
            root_password: "not a secret".to_owned(),
        }),
        ..EtcdOptions::default()
    };
    assert!(!format!("{options:?}").contains("not a secret"));
    let cluster = Cluster::start(options).await.unwrap();
    cluster.put("key", "value").await.unwrap();
    assert_eq!(
        cluster.etcdctl(&["get", "key"]).unwrap().stdout,
        "key\nvalue\n"
    );
    let mut stranger = etcd_client::Client::connect(cluster.endpoints(), None)
        .await
        .unwrap();
    assert!(stranger.get("key", None).await.is_err());
}

#[tokio::test]
async fn loaded_objects_can_be_read_back() {
    let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
    let mut client = cluster.client().await.unwrap();
    let load = LoadOptions {
        objects: 600,
        seed: 4,
    };
    let loaded = kube_objects::load(&mut client, load).await.unwrap();
    let all = GetOptions::new().with_prefix();
    let answer = client.get("/registry/", Some(all)).await.unwrap();
    assert_eq!(answer.kvs().len(), 600);
    assert_eq!(answer.header().unwrap().revision(), loaded.revision);
    let leased = answer.kvs().iter().filter(|pair| pair.lease() != 0);
    assert!(leased.count() > 30);
    assert_eq!(client.leases().await.unwrap().leases().len(), loaded.leases);
}

#[tokio::test]
async fn filling_writes_the_wanted_bytes() {
    let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
    let client = cluster.client().await.unwrap();
    let filled = random_values::fill(&client, 3_000_000, 1).await.unwrap();
    assert!((3_000_000..3_100_000).contains(&filled.bytes));
    let counted = cluster
        .etcdctl(&["get", "/fill/", "--prefix", "--keys-only"])
        .unwrap();
    let keys = counted.stdout.lines().filter(|line| !line.is_empty());
    assert_eq!(keys.count(), filled.keys);
}

#[tokio::test]
async fn a_learner_joins_and_a_snapshot_restores_into_another_cluster() {
    let mut cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
    cluster.put("key", "value").await.unwrap();
    let learner = cluster.add_learner().await.unwrap();
    assert_eq!(learner, 1);
    let listed = cluster
        .client_of(0)
        .await
        .unwrap()
        .member_list()
        .await
        .unwrap();
    assert_eq!(
        listed
            .members()
            .iter()
            .filter(|member| member.is_learner())
            .count(),
        1
    );

    let file = cluster.folder().join("snapshot.db");
    let path = file.to_str().unwrap();
    cluster.etcdctl_of(0, &["snapshot", "save", path]).unwrap();
    let restored = Cluster::start_restored(three_with_tls(), &file, &[])
        .await
        .unwrap();
    assert_eq!(restored.get("key").await.unwrap().unwrap(), b"value");
}

#[tokio::test]
async fn a_member_that_cannot_run_shows_the_end_of_its_log() {
    let options = EtcdOptions {
        arguments: vec!["--election-timeout=1".to_owned()],
        ..EtcdOptions::default()
    };
    let error = format!("{:#}", Cluster::start(options).await.unwrap_err());
    assert!(error.contains("member-0 ended"), "{error}");
    assert!(error.contains("--election-timeout[1ms]"), "{error}");
}
