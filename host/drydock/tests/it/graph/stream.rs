//! A real snapshot during a hold: the cut is made at the stream's first bytes.

use drydock_testkit::proxy::Accident;

use super::kit::{Graph, ended, wait};
use crate::trouble::endpoints::plain_cluster;
use crate::trouble::stream::{SOON, behind_proxy};
use crate::world::runtime;

const MIDWAY_BYTES: u64 = 128 * 1024;

#[test]
fn a_stream_that_breaks_after_the_hold_was_let_go_has_the_unit_run_anew() {
    let (world, proxy) = behind_proxy(&plain_cluster());
    let snapshot = format!(
        "{{name: snapshot, backup: etcd-backup, during: [lock], config: {}}}",
        world.backup_config
    );
    let graph = Graph::on(
        world,
        &[
            "{name: lock, action: test-lock, hold: {seconds: 60}, config: {server: $server, lock: db}}",
            &snapshot,
            "{name: verify, verify: etcd-verify}",
            "{name: store, target: local}",
        ],
    );
    proxy.order(Accident::Hold, MIDWAY_BYTES, 1);
    let child = graph.start();
    let held = proxy.wait_for_accidents(1, SOON);
    runtime().block_on(held).unwrap();
    // The cut was made at the first bytes: nothing is held for the rest of the stream.
    wait("the lock is let go", || graph.locks.held().is_empty());
    assert_eq!(graph.locks.given(), 1);
    proxy.cut();
    ended(child).ok();
    assert_eq!(graph.locks.given(), 2);
    assert_eq!(graph.world.recovery_points().len(), 1);
    graph.world.assert_spool_empty();
    graph.assert_nothing_held("the stream broke");
}
