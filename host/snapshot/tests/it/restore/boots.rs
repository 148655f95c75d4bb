//! Servers on restored folders.

use drydock_snapshot::restore::Bump;
use drydock_testkit::Scratch;
use drydock_testkit::etcd::{Auth, Cluster, EtcdOptions};
use etcd_client::{Client, LeaseTimeToLiveOptions, PutOptions};
use tokio::runtime::Runtime;

use crate::tools::Server;

use super::matrix::{Origin, VERSIONS, start_restored};
use super::request;

/// An hour: no test takes as long.
const LEASE_SECONDS: i64 = 3600;

fn one_of_each(index: usize) {
    let version = VERSIONS[index];
    let check = async { Origin::make(version).await?.check(version).await };
    Runtime::new()
        .expect("a runtime")
        .block_on(check)
        .expect("as it was");
}

#[test]
fn three_members_of_etcd_3_5_are_as_the_source() {
    one_of_each(0);
}

#[test]
fn three_members_of_etcd_3_6_are_as_the_source() {
    one_of_each(1);
}

#[test]
fn three_members_of_etcd_3_7_are_as_the_source() {
    one_of_each(2);
}

#[test]
fn users_passwords_and_leases_live_on() {
    let options = EtcdOptions {
        auth: Some(Auth {
            root_password: "correct horse".to_owned(),
        }),
        ..EtcdOptions::default()
    };
    let check = async {
        let source = Cluster::start(options.clone()).await?;
        let mut client = source.client().await?;
        let lease = client.lease_grant(LEASE_SECONDS, None).await?.id();
        let leased = PutOptions::new().with_lease(lease);
        client.put("/leased", "value", Some(leased)).await?;
        let scratch = Scratch::new()?;
        let path = scratch.join("snapshot.db");
        source.etcdctl_of(0, &["snapshot", "save", &path.display().to_string()])?;
        let three = EtcdOptions {
            members: 3,
            ..options
        };
        let (cluster, _) = start_restored(three, &path, Bump::None, false).await?;
        let mut client = cluster.client().await?;
        let with_keys = LeaseTimeToLiveOptions::new().with_keys();
        let living = client.lease_time_to_live(lease, Some(with_keys)).await?;
        assert!((1..=LEASE_SECONDS).contains(&living.ttl()), "{living:?}");
        assert_eq!(living.keys(), [b"/leased"]);
        client.put("/more", "value", None).await?;
        let mut nobody = Client::connect(cluster.endpoints(), None).await?;
        let refused = nobody
            .get("/leased", None)
            .await
            .expect_err("a password is asked for");
        assert!(
            refused.to_string().contains("user name is empty"),
            "{refused}"
        );
        anyhow::Ok(())
    };
    Runtime::new()
        .expect("a runtime")
        .block_on(check)
        .expect("as it was");
}

#[test]
fn an_alarm_of_the_source_binds_the_new_cluster_only_if_it_is_kept() {
    let mut server = Server::start();
    server.put("/key", "value", None);
    server.raise_alarm();
    let (_, file) = server.snapshot("full.db");
    for keep_alarms in [false, true] {
        let mut restored = Server::restored(|data_dir, name, url| {
            let mut request = request(data_dir);
            request.cluster =
                drydock_snapshot::restore::InitialCluster::parse(&format!("{name}={url}"), "tok")
                    .expect("one member");
            request.only = Some(name.to_owned());
            request.keep_alarms = keep_alarms;
            let restored =
                drydock_snapshot::restore::restore(&file, &request).expect("a sound file");
            assert_eq!(restored.alarms_cleared, usize::from(!keep_alarms));
        });
        let refused = restored.refusal_of_a_put();
        assert_eq!(
            refused.as_deref(),
            keep_alarms.then_some("etcdserver: mvcc: database space exceeded")
        );
    }
}
