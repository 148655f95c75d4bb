//! Holds that do not come about, go midway, or are said to have gone.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use drydock_testkit::lock_server::LockServer;

use super::kit::{Graph, ended, wait};

const LOCK: &str = "{name: lock, action: test-lock, hold: {seconds: 60, acquireSeconds: 1}, config: {server: $server, lock: db}}";

/// Somebody else who has a lock.
fn other(server: &LockServer, lock: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    writeln!(stream, "lock {lock} somebody").unwrap();
    let mut line = String::new();
    BufReader::new(stream.try_clone().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "held\n");
    stream
}

#[test]
fn a_hold_that_is_lost_midway_has_the_unit_run_anew() {
    let cut = "{name: cut, action: test-cut, during: [lock], config: {path: $cuts, server: $server, waitFor: $root/go}}";
    let graph = Graph::new(&[LOCK, cut]);
    let child = graph.start();
    wait("the lock is held", || !graph.locks.held().is_empty());
    assert!(graph.locks.break_hold("db"));
    wait("it is taken anew", || graph.locks.given() == 2);
    graph.put("root/go");
    ended(child).ok();
    assert_eq!(graph.texts("cuts"), ["cut holds=0 db=lock\n"]);
    graph.assert_nothing_held("lost midway");
}

const FREE: &str = "{name: free, action: test-lock, hold: {seconds: 60, acquireSeconds: 1}, config: {server: $server, lock: free}}";

#[test]
fn two_holds_of_which_one_waits_too_long_are_both_let_go() {
    let cut = "{name: cut, action: test-cut, during: [free, lock], needs: [], config: {path: $cuts, server: $server}}";
    let graph = Graph::new(&[]);
    graph.schedule("s1", "  backoffLimit: 0\n", &[FREE, LOCK, cut]);
    let somebody = other(&graph.locks, "db");
    graph.drydock(&["run", "s1"]).code(1);
    let shown = graph.shown(graph.newest().run.as_str());
    assert_eq!(shown["fault"]["code"], "hold-failed", "{shown}");
    assert_eq!(graph.locks.held().len(), 1, "the other one's own");
    assert_eq!(graph.count("cuts"), 0);
    drop(somebody);
    graph.assert_nothing_held("one waits too long");
}

#[test]
fn a_step_that_may_go_without_its_hold_does_and_the_run_is_degraded() {
    let cut = "{name: cut, action: test-cut, during: [lock], needs: [], orWithout: true, config: {path: $cuts, server: $server}}";
    let graph = Graph::new(&[]);
    graph.schedule("s1", "  backoffLimit: 0\n", &[LOCK, cut]);
    let somebody = other(&graph.locks, "db");
    graph.drydock(&["run", "s1"]).code(2);
    assert_eq!(graph.texts("cuts"), ["cut holds=0 db=somebody\n"]);
    drop(somebody);
    graph.assert_nothing_held("without the hold");
}

/// A state hold whose probe says that it went does not count, and is taken back all the same.
#[test]
fn a_hold_that_is_said_to_have_gone_does_not_count() {
    let freeze = "{name: freeze, action: test-freeze, hold: {seconds: 60}, config: {path: $holds, lie: lost}}";
    let cut = "{name: cut, action: test-cut, during: [freeze], needs: [], config: {path: $cuts, holds: $holds}}";
    let graph = Graph::new(&[]);
    graph.schedule("s1", "  backoffLimit: 0\n", &[freeze, cut]);
    graph.drydock(&["run", "s1"]).code(1);
    let shown = graph.shown(graph.newest().run.as_str());
    assert_eq!(shown["fault"]["code"], "hold-lost", "{shown}");
    assert_eq!(graph.count("cuts"), 0);
    graph.assert_nothing_held("said to have gone");
}

#[test]
fn a_hold_is_let_go_at_its_deadline_whatever_the_step_is_at() {
    let freeze = "{name: freeze, action: test-freeze, hold: {seconds: 1}, config: {path: $holds}}";
    let cut = "{name: cut, action: test-cut, during: [freeze], needs: [], config: {path: $cuts, holds: $holds, waitFor: $root/never}}";
    let graph = Graph::new(&[]);
    graph.schedule("s1", "  backoffLimit: 0\n", &[freeze, cut]);
    graph.drydock(&["run", "s1"]).code(1);
    let shown = graph.shown(graph.newest().run.as_str());
    assert_eq!(shown["fault"]["code"], "hold-overdue", "{shown}");
    graph.assert_nothing_held("its deadline passed");
}
