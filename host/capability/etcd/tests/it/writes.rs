//! What changes a cluster does what it says, and where it fails it says whether it may have
//! been done.

use std::time::Duration;

use drydock_capability_etcd::{Alarm, EtcdAccess, EtcdCall, EtcdConfig, MemberStatus};
use drydock_core::{Certainty, ErrorClass, Fault};
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::proxy::Proxy;
use drydock_testkit::{free_port, random_values, wait_until};

use crate::{access, config, three_members};

/// Far longer than a cluster takes even on a busy machine.
const SETTLING_MAX: Duration = Duration::from_secs(60);

/// What is written and then deleted.
const FREED_BYTES: usize = 8 * 1024 * 1024;

/// With one call alone.
fn only(cluster: &Cluster, call: EtcdCall) -> EtcdAccess {
    EtcdAccess::new(config(cluster), vec![call])
}

async fn status_at(cluster: &Cluster, index: usize) -> MemberStatus {
    let endpoint = cluster.member(index).client_url();
    access(config(cluster)).status(endpoint).await.unwrap()
}

async fn plain(options: EtcdOptions) -> Cluster {
    Cluster::start(options).await.unwrap()
}

#[track_caller]
fn assert_refused(fault: &Fault, code: &str) {
    assert_eq!(
        (fault.code.as_str(), fault.certainty),
        (code, Certainty::NotDone),
        "{fault:?}"
    );
}

#[tokio::test]
async fn a_compacted_and_defragmented_member_gives_its_free_bytes_back() {
    let cluster = plain(EtcdOptions::default()).await;
    let client = cluster.client().await.unwrap();
    random_values::fill(&client, FREED_BYTES, 7).await.unwrap();
    cluster.etcdctl(&["del", "--prefix", "/fill/"]).unwrap();
    let endpoint = cluster.member(0).client_url();
    let revision = status_at(&cluster, 0).await.revision;

    let compact = only(&cluster, EtcdCall::Compact);
    let future = compact.compact(endpoint, revision + 1000, true).await;
    assert_refused(&future.unwrap_err(), "future-revision");
    compact.compact(endpoint, revision, true).await.unwrap();
    let again = compact.compact(endpoint, revision, true).await;
    assert_refused(&again.unwrap_err(), "compacted");

    let before = status_at(&cluster, 0).await;
    let defragment = only(&cluster, EtcdCall::Defragment);
    defragment.defragment(endpoint).await.unwrap();
    let after = status_at(&cluster, 0).await;
    assert!(
        after.db_size + FREED_BYTES as u64 / 2 < before.db_size,
        "{before:?} {after:?}"
    );
    assert!(after.db_size_quota > after.db_size, "{after:?}");
    assert_eq!(after.revision, revision);
}

#[tokio::test]
async fn leadership_moves_where_it_is_sent_and_is_refused_by_whoever_has_it_not() {
    let cluster = three_members().await;
    let leader = cluster.leader().await.unwrap();
    let (next, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let to = status_at(&cluster, next).await.member_id;
    let access = only(&cluster, EtcdCall::MoveLeader);

    let refused = access
        .move_leader(cluster.member(other).client_url(), to)
        .await;
    assert_refused(&refused.unwrap_err(), "not-leader");
    let endpoint = cluster.member(leader).client_url();
    let nobody = access.move_leader(endpoint, 7).await.unwrap_err();
    assert_refused(&nobody, "bad-transferee");
    assert!(
        nobody.message.starts_with(&format!(
            "cannot move the leadership to member 7 from {endpoint}: "
        )),
        "{}",
        nobody.message
    );

    access.move_leader(endpoint, to).await.unwrap();
    assert_eq!(status_at(&cluster, leader).await.leader, to);
    assert_eq!(cluster.leader().await.unwrap(), next);
}

#[tokio::test]
async fn a_member_is_put_out_a_learner_taken_in_and_promoted() {
    let cluster = three_members().await;
    let leader = cluster.leader().await.unwrap();
    let gone = (leader + 1) % 3;
    let endpoint = cluster.member(leader).client_url();
    let all = access(config(&cluster));
    let id = status_at(&cluster, gone).await.member_id;

    let remove = only(&cluster, EtcdCall::MemberRemove);
    // A member counts as connected some seconds after the start.
    wait_until("the cluster may change", SETTLING_MAX, async || {
        let removed = remove.member_remove(endpoint, id).await;
        removed.is_ok_and(|()| true)
    })
    .await
    .unwrap();
    let members = all.member_list(endpoint).await.unwrap();
    assert!(members.len() == 2 && members.iter().all(|member| member.id != id));
    let again = remove.member_remove(endpoint, id).await.unwrap_err();
    assert_refused(&again, "member-not-found");

    let add = only(&cluster, EtcdCall::MemberAddLearner);
    let urls = [format!("https://127.0.0.1:{}", free_port())];
    let added = add.member_add_learner(endpoint, &urls).await.unwrap();
    assert!(added.learner && added.peer_urls == urls && added.name.is_empty());
    let members = all.member_list(endpoint).await.unwrap();
    assert!(members.contains(&added), "{members:?}");
    let twice = add.member_add_learner(endpoint, &urls).await.unwrap_err();
    assert_refused(&twice, "exists");
    let nonsense = ["nonsense".to_owned()];
    let nonsense = add.member_add_learner(endpoint, &nonsense).await;
    assert_refused(&nonsense.unwrap_err(), "bad-request");

    // It never starts, so that it is never ready.
    let promote = only(&cluster, EtcdCall::MemberPromote);
    let early = promote
        .member_promote(endpoint, added.id)
        .await
        .unwrap_err();
    assert_refused(&early, "learner-not-ready");
    let voter = status_at(&cluster, leader).await.member_id;
    let voter = promote.member_promote(endpoint, voter).await.unwrap_err();
    assert_refused(&voter, "not-a-learner");
}

#[tokio::test]
async fn a_learner_that_has_caught_up_is_promoted() {
    let mut cluster = plain(EtcdOptions::default()).await;
    let index = cluster.add_learner().await.unwrap();
    let (id, endpoint) = (
        status_at(&cluster, index).await.member_id,
        cluster.member(0).client_url(),
    );
    let promote = only(&cluster, EtcdCall::MemberPromote);
    wait_until("the learner is level", SETTLING_MAX, async || match promote
        .member_promote(endpoint, id)
        .await
    {
        Ok(()) => true,
        Err(fault) => {
            assert_refused(&fault, "learner-not-ready");
            false
        }
    })
    .await
    .unwrap();
    let members = access(config(&cluster)).member_list(endpoint).await;
    assert!(members.unwrap().iter().all(|member| !member.learner));
}

#[tokio::test]
async fn a_full_cluster_takes_writes_again_once_its_alarm_is_disarmed() {
    let cluster = plain(EtcdOptions {
        quota_bytes: Some(2 * 1024 * 1024),
        ..EtcdOptions::default()
    })
    .await;
    let endpoint = cluster.member(0).client_url();
    let probe = only(&cluster, EtcdCall::ProbePut);
    let before = status_at(&cluster, 0).await;
    probe.probe_put(endpoint).await.unwrap();
    let after = status_at(&cluster, 0).await;
    // It went through the log, and left no key and no revision.
    assert_eq!(after.revision, before.revision);
    assert!(after.raft_index > before.raft_index, "{after:?}");

    let value = "x".repeat(100_000);
    let mut keys = 0;
    while cluster.put(&format!("k{keys}"), &value).await.is_ok() {
        keys += 1;
        assert!(keys < 100, "10 MB fit into a quota of 2 MiB");
    }
    let refused = probe.probe_put(endpoint).await.unwrap_err();
    assert_refused(&refused, "no-space");
    access(config(&cluster)).health(endpoint).await.unwrap();

    cluster.etcdctl(&["del", "--prefix", "k"]).unwrap();
    let full = status_at(&cluster, 0).await;
    let all = access(config(&cluster));
    all.compact(endpoint, full.revision, true).await.unwrap();
    all.defragment(endpoint).await.unwrap();
    let disarm = only(&cluster, EtcdCall::AlarmDisarm);
    let unknown = disarm.alarm_disarm(endpoint, 0, Alarm::Other).await;
    assert_refused(&unknown.unwrap_err(), "bad-request");
    // Nobody else raised one.
    let other = full.member_id + 1;
    disarm
        .alarm_disarm(endpoint, other, Alarm::NoSpace)
        .await
        .unwrap();
    assert_eq!(status_at(&cluster, 0).await.alarms.len(), 1);
    let raised = full.alarms[0];
    disarm
        .alarm_disarm(endpoint, raised.member_id, raised.alarm)
        .await
        .unwrap();
    assert!(status_at(&cluster, 0).await.alarms.is_empty());
    probe.probe_put(endpoint).await.unwrap();
    cluster.put("k", "v").await.unwrap();
}

#[tokio::test]
async fn a_write_that_nobody_can_be_asked_for_surely_did_not_happen() {
    let nowhere = EtcdConfig {
        endpoints: vec![format!("http://127.0.0.1:{}", free_port())],
        ..EtcdConfig::default()
    };
    let access = access(nowhere);
    let endpoint = access.endpoints()[0].clone();
    let fault = access.defragment(&endpoint).await.unwrap_err();
    assert_refused(&fault, "unreachable");
    let other = access.defragment("http://127.0.0.1:1").await.unwrap_err();
    assert_refused(&other, "unknown-endpoint");
    assert_eq!(other.class, ErrorClass::Denied);
}

/// Three members of which only the leader still runs: what has to be agreed on waits in it.
async fn leader_alone() -> (Cluster, usize) {
    let cluster = plain(EtcdOptions {
        members: 3,
        ..EtcdOptions::default()
    })
    .await;
    cluster.put("a", "b").await.unwrap();
    let leader = cluster.leader().await.unwrap();
    for other in [leader + 1, leader + 2] {
        cluster.member(other % 3).kill();
    }
    (cluster, leader)
}

#[tokio::test]
async fn a_write_that_was_cut_off_may_have_happened_and_is_not_sent_again() {
    let (cluster, leader) = leader_alone().await;
    let member = cluster.member(leader);
    let proxy = Proxy::before(member.client_url()).await.unwrap();
    let endpoint = proxy.url("http");
    let access = access(EtcdConfig {
        endpoints: vec![endpoint.clone()],
        ..EtcdConfig::default()
    });
    let cut = async {
        let is_pending = async || member.has_metric("etcd_server_proposals_pending 1").await;
        wait_until("the member has it", SETTLING_MAX, is_pending)
            .await
            .unwrap();
        drop(proxy);
    };
    let (compacted, ()) = tokio::join!(access.compact(&endpoint, 1, false), cut);
    let fault = compacted.unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.certainty),
        ("unreachable", Certainty::Unknown)
    );
    // A second try would have found nobody there.
    assert!(fault.message.contains("was cut"), "{}", fault.message);
}

/// The member gives up by itself; what it proposed may still be taken.
#[tokio::test]
async fn a_write_that_the_member_gave_up_may_have_happened() {
    let (cluster, leader) = leader_alone().await;
    let endpoint = cluster.member(leader).client_url();
    let access = access(config(&cluster));
    let (probed, health) = tokio::join!(access.probe_put(endpoint), access.health(endpoint));
    let fault = probed.unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.certainty),
        ("timeout", Certainty::Unknown),
        "{fault:?}"
    );
    health.unwrap_err();
}
