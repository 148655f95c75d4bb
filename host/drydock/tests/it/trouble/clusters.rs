//! Clusters of which some members are down, full or not allowed to speak for the others.

use std::sync::Arc;

use drydock_testkit::etcd::EtcdOptions;
use etcd_client::{AlarmAction, AlarmType};

use super::{assert_nothing_stored, ends, hide_endpoints, hide_ids, ids, impatient, notes};
use crate::bad_input::Case;
use crate::world::{World, new_cluster, runtime, three_with_tls};

fn case(name: &'static str, cluster: &Arc<drydock_testkit::etcd::Cluster>) -> Case {
    let mut case = impatient(name, World::of(Arc::clone(cluster)));
    hide_endpoints(&mut case, cluster);
    case
}

/// One cluster on its way down.
#[test]
fn members_go_down_one_by_one() {
    let cluster = Arc::new(new_cluster(three_with_tls(), 100));
    let ids = ids(&cluster);

    cluster.member(2).kill();
    let one_down = case("one-member-of-three-down", &cluster);
    notes(&one_down, one_down.world.drydock(&["run", "s1"]));
    assert_eq!(one_down.world.recovery_points().len(), 1);

    cluster.member(1).kill();
    let mut two_down = case("two-members-of-three-down", &cluster);
    hide_ids(&mut two_down, &ids);
    let run = ends(&two_down, 2);
    let snapshot = &run["outputs"][0]["nature"]["snapshot"]["sound"];
    assert_eq!(snapshot["cluster"]["quorum"], false);
    let name = two_down.world.recovery_points().remove(0);
    let file = two_down.world.fetch(&name).display().to_string();
    two_down.world.drydock(&["snapshot", "verify", &file]).ok();

    cluster.member(0).kill();
    let all_down = case("all-members-down", &cluster);
    ends(&all_down, 1);
    assert_nothing_stored(&all_down);
}

#[test]
fn a_member_without_space() {
    let cluster = Arc::new(new_cluster(EtcdOptions::default(), 50));
    raise(&cluster, AlarmType::Nospace);
    let case = case("alarm-nospace", &cluster);
    ends(&case, 2);
    assert_eq!(case.world.recovery_points().len(), 1);
}

#[test]
fn a_corrupt_member() {
    let cluster = Arc::new(new_cluster(EtcdOptions::default(), 50));
    raise(&cluster, AlarmType::Corrupt);
    let case = case("alarm-corrupt", &cluster);
    ends(&case, 1);
    assert_nothing_stored(&case);
}

#[test]
fn a_learner_alone() {
    let mut cluster = new_cluster(EtcdOptions::default(), 50);
    let learner = runtime().block_on(cluster.add_learner()).unwrap();
    let cluster = Arc::new(cluster);
    let mut world = World::of(Arc::clone(&cluster));
    world.endpoints = vec![cluster.endpoints()[learner].clone()];
    world.write();
    let mut case = impatient("only-a-learner", world);
    hide_endpoints(&mut case, &cluster);
    ends(&case, 1);
    assert_nothing_stored(&case);
}

/// Two clusters in one document: whose backup would it be?
#[test]
fn endpoints_of_two_clusters() {
    let one = Arc::new(new_cluster(EtcdOptions::default(), 20));
    let other = super::endpoints::plain_cluster();
    let mut world = World::of(Arc::clone(&one));
    world.endpoints = [one.endpoints(), other.endpoints()].concat();
    world.write();
    let mut case = impatient("endpoints-of-two-clusters", world);
    hide_endpoints(&mut case, &one);
    hide_ids(&mut case, &[ids(&one), ids(&other)].concat());
    let others = &other.endpoints()[0];
    case.hide(others, "http://<member-of-the-other>");
    ends(&case, 1);
    assert_nothing_stored(&case);
}

fn raise(cluster: &drydock_testkit::etcd::Cluster, alarm: AlarmType) {
    runtime().block_on(async {
        let mut client = cluster.client().await.unwrap();
        let member = client.status().await.unwrap().header().unwrap().member_id();
        let mut options = etcd_client::AlarmOptions::new();
        options.with_member(member);
        client
            .alarm(AlarmAction::Activate, alarm, Some(options))
            .await
            .unwrap();
    });
}
