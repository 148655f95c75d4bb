//! Snapshot streams that break off, fall silent, or lose their server midway.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::proxy::{Accident, Proxy};

use super::endpoints::plain_cluster;
use super::{assert_nothing_stored, ended, ends, hide_endpoints, impatient, notes};
use crate::bad_input::Case;
use crate::world::{Answer, World, new_cluster, runtime};

/// Far behind the answers that come before the stream, far before the stream's end.
const MIDWAY_BYTES: u64 = 128 * 1024;

/// How long a test waits for something that takes well under a second.
pub const SOON: Duration = Duration::from_secs(60);

/// A node that reaches the first member of `cluster` through a proxy only.
pub fn behind_proxy(cluster: &Arc<Cluster>) -> (World, Proxy) {
    let mut world = World::of(Arc::clone(cluster));
    let proxy = runtime()
        .block_on(Proxy::before(&world.endpoints[0]))
        .unwrap();
    world.endpoints[0] = proxy.url("http");
    world.backup_config = format!("{{endpoint: \"{}\"}}", world.endpoints[0]);
    world.write();
    (world, proxy)
}

fn case(name: &'static str, cluster: &Arc<Cluster>) -> (Case, Proxy) {
    let (world, proxy) = behind_proxy(cluster);
    let mut case = impatient(name, world);
    hide_endpoints(&mut case, cluster);
    case.hide(&proxy.url("http"), "http://<member-0>");
    case.hides_numbers = true;
    (case, proxy)
}

/// Starts a run, and waits until its stream is held at [`MIDWAY_BYTES`].
pub fn started_and_held(mut command: Command, proxy: &Proxy) -> Child {
    proxy.order(Accident::Hold, MIDWAY_BYTES, 1);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    runtime()
        .block_on(proxy.wait_for_accidents(1, SOON))
        .unwrap();
    child
}

#[test]
fn a_stream_that_is_cut_each_time() {
    let (case, proxy) = case("stream-cut", &plain_cluster());
    proxy.order(Accident::Cut, MIDWAY_BYTES, u32::MAX);
    ends(&case, 1);
    assert!(proxy.accidents() > 0);
    assert_nothing_stored(&case);
}

#[test]
fn a_stream_that_is_cut_once_is_taken_anew() {
    let (world, proxy) = behind_proxy(&plain_cluster());
    proxy.order(Accident::Cut, MIDWAY_BYTES, 1);
    let (answer, run) = world.run();
    let answer = answer.ok();
    assert_eq!(proxy.accidents(), 1);
    assert_eq!(run["outcome"], "Succeeded");
    assert!(answer.stderr.contains("broke off"), "{}", answer.stderr);
    let name = world.recovery_points().remove(0);
    world.fetch(&name);
    world.assert_spool_empty();
}

#[test]
fn a_stream_that_falls_silent() {
    let (case, proxy) = case("stream-silent", &plain_cluster());
    case.edit(
        "schedules/cluster.yaml",
        "  etcd:\n",
        "  etcd:\n    streamIdleSeconds: 1\n",
    );
    proxy.order(Accident::Hold, MIDWAY_BYTES, u32::MAX);
    ends(&case, 1);
    assert_nothing_stored(&case);
}

#[test]
fn a_member_that_dies_midway() {
    let cluster = Arc::new(new_cluster(EtcdOptions::default(), 600));
    let (case, proxy) = case("member-dies-midway", &cluster);
    let child = started_and_held(case.command(&["run", "s1"]), &proxy);
    cluster.member(0).kill();
    proxy.cut();
    let answer = Answer::of(child.wait_with_output().unwrap());
    ended(&case, 1, answer);
    assert_nothing_stored(&case);

    // It comes back; the next run stores what this one could not.
    runtime().block_on(cluster.start_member(0)).unwrap();
    case.world.run().0.ok();
}

/// The member that was asked dies, another one delivers, and the run says so.
#[test]
fn a_member_that_dies_midway_beside_others() {
    let options = EtcdOptions {
        members: 3,
        ..EtcdOptions::default()
    };
    let cluster = Arc::new(new_cluster(options, 600));
    let (case, proxy) = case("another-member-delivers", &cluster);
    let child = started_and_held(case.command(&["run", "s1"]), &proxy);
    cluster.member(0).kill();
    proxy.cut();
    let answer = Answer::of(child.wait_with_output().unwrap());
    notes(&case, answer);
    let name = case.world.recovery_points().remove(0);
    case.world.fetch(&name);
}
