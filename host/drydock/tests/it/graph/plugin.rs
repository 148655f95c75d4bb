//! The same holds and runs by a plugin: the fixture `actor`, whose lock is an answer of the
//! lock server that goes on.

use drydock_core::PluginDigest;

use super::kit::{Graph, ended, wait};
use crate::daemon::kit::put;
use crate::world::{World, fixture};

/// A node that has the fixture, and it may ask the lock server.
fn graph(steps: &[&str]) -> Graph {
    let path = fixture("actor");
    let mut world = World::alone();
    world.plugins = format!("    actor: {{file: {}}}\n", path.display());
    world.write();
    let graph = Graph::on(world, steps);
    std::fs::write(graph.path("root/secret"), "shown").unwrap();
    let digest = PluginDigest::of(&std::fs::read(&path).unwrap());
    let address = graph.locks.address();
    let port = address.rsplit_once(':').unwrap().1;
    put(
        &graph.world,
        "grants/actor.yaml",
        &format!(
            "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: actor}}\nspec:\n  digest: {digest}\n  grants:\n    http: [{{scheme: http, host: 127.0.0.1, port: {port}, addresses: [loopback]}}]\n    files: [{{directory: {}, access: write}}]\n    secret: [{{name: shown, reveal: true}}]\n",
            graph.path("files").display()
        ),
    );
    graph
}

/// A hold by the plugin; `server` is filled in once the port is known.
fn hold(behaviour: &str) -> String {
    format!(
        "{{name: lock, action: actor, hold: {{seconds: 60}}, secrets: {{shown: {{valueFrom: {{file: $root/secret}}}}}}, config: {{do: {behaviour}, url: 'http://$address/db/lock'}}}}"
    )
}

const CUT: &str = "{name: one, action: test-cut, needs: [], during: [lock], config: {path: $cuts, server: $server, holds: $holds}}";

/// Every third record: a hold by a plugin is held to the same laws as a native one.
#[test]
fn killed_anywhere_a_plugins_hold_is_let_go_and_the_unit_runs_anew() {
    let lock = hold("hold");
    let graph = graph(&[&lock, CUT]);
    graph.killed_everywhere(3, |run, place| {
        assert_eq!(run["outcome"], "Succeeded", "{place}: {run}");
        assert_eq!(graph.texts("cuts"), ["one holds=0 db=lock\n"], "{place}");
        graph.clear("cuts");
    });
}

#[test]
fn a_plugins_hold_that_is_cut_off_costs_a_pass() {
    let lock = hold("hold");
    let waits = CUT.replace("holds: $holds", "holds: $holds, waitFor: $root/go");
    let graph = graph(&[&lock, &waits]);
    let child = graph.start();
    wait("the lock is held", || !graph.locks.held().is_empty());
    assert!(graph.locks.break_hold("db"));
    wait("the lock is held again", || graph.locks.given() > 1);
    graph.put("root/go");
    let ended = ended(child);
    let shown = graph.shown(&graph.newest().run.to_string());
    assert_eq!(shown["outcome"], "Succeeded", "{}", ended.stderr);
    graph.assert_nothing_held("cut off");
}

/// What it says of how it ended is not taken for good when it says nothing.
#[test]
fn a_plugin_that_does_not_say_whether_it_held_has_not_held() {
    let lock = hold("hold-and-leave");
    let graph = graph(&[&lock, CUT]);
    let answer = graph.drydock(&["run", "s1"]);
    assert_ne!(answer.code, Some(0));
    let said = "returned without saying whether it held to the end";
    assert!(answer.stderr.contains(said), "{}", answer.stderr);
    graph.assert_nothing_held("it left");
}

#[test]
fn what_a_plugin_may_not_change_in_a_run_is_told_in_it() {
    let lock = hold("post").replace("hold: {seconds: 60}", "hold: {seconds: 5}");
    let other = lock.replace("http://$address", "http://127.0.0.1:1");
    let graph = graph(&[&other, CUT]);
    let answer = graph.drydock(&["run", "s1"]);
    assert_ne!(answer.code, Some(0));
    assert!(
        answer.stderr.contains("no grant leads there"),
        "{}",
        answer.stderr
    );
    let run = graph.newest().run.to_string();
    let shown = graph.world.drydock(&["run", "show", &run]).ok();
    assert!(shown.stdout.contains("actor"), "{}", shown.stdout);
}
