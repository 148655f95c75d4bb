//! Drills on a schedule: through the same durable runs as backups.

use drydock_testkit::wait_until;
use serde_json::Value;

use super::kit::{Node, folders, processes_in, real};
use crate::daemon::kit::{Daemon, occurrences, put, set_clock, to_the_hour};
use crate::faulty::KILL;
use crate::world::{World, runtime};

/// A schedule that drills, beside the one that backs up.
fn schedule(world: &World, cron: &str) {
    let text = format!(
        "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: d1}}\nspec:\n  cluster: c1\n  schedule: \"{cron}\"\n  backoffLimit: 0\n  steps:\n    - {{name: drill, drill: {{target: local}}}}\n"
    );
    put(world, "schedules/drill.yaml", &text);
}

/// A node that drills by hand.
fn by_hand(identity: bool) -> Node {
    let node = Node::with(&real(identity));
    // Never due while the test runs.
    schedule(&node.world, "0 0 29 2 *");
    node
}

/// A daemon beside which the full hour is about to strike.
fn at_the_hour(drill: &str) -> Node {
    let mut node = Node::new();
    node.drill_by(&format!("  daemon: {{listen: \"127.0.0.1:0\"}}\n{drill}"));
    // Only the drill is due.
    std::fs::remove_file(node.world.scratch.join("schedules/schedule.yaml")).unwrap();
    schedule(&node.world, "0 * * * *");
    set_clock(&node.world, to_the_hour(-3));
    node
}

#[test]
fn a_daemon_drills_on_time_and_tells_of_it() {
    let node = at_the_hour(&real(true));
    let mut daemon = Daemon::start(&node.world);
    let ended = daemon.wait_said("the run has ended", 1);
    assert_eq!(ended["outcome"], "Succeeded", "{}", daemon.log());
    let recovery = daemon.metric("drydock_drill_recovery_milliseconds{schedule=\"d1\"}");
    assert!(recovery.is_some_and(|milliseconds| milliseconds > 0.0));
    assert_eq!(
        daemon.metric("drydock_runs_total{schedule=\"d1\",outcome=\"Succeeded\"}"),
        Some(1.0)
    );
    daemon.stop();
    node.assert_nothing_left();
    let marks = node.marks();
    assert!(
        marks.len() == 1 && marks[0].starts_with("mark.drilled."),
        "{marks:?}"
    );
    let listed = node
        .world
        .drydock(&["run", "list", "--schedule", "d1"])
        .ok()
        .stdout;
    assert!(
        listed.contains("Succeeded") && listed.contains(&node.point),
        "{listed}"
    );
    let run = listed
        .lines()
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    let shown = node.world.drydock(&["run", "show", &run]).ok().stdout;
    assert!(
        shown.contains("TIME TO RECOVER") && shown.contains(&node.point),
        "{shown}"
    );
    let reports = std::fs::read_dir(node.world.scratch.join("state/reports")).unwrap();
    assert_eq!(reports.count(), 2);
}

#[test]
fn without_an_identity_the_occurrence_is_skipped_and_says_why() {
    let node = at_the_hour(&real(false));
    let mut daemon = Daemon::start(&node.world);
    daemon.wait_said("the occurrence ended", 1);
    daemon.wait("the metric counts it", |daemon| {
        daemon.metric("drydock_occurrences_total{schedule=\"d1\",end=\"Skipped\"}") == Some(1.0)
    });
    assert_eq!(daemon.get("/readyz").0, 200);
    daemon.stop();
    let why = "this node has no identity that opens recovery points: name one as spec.drill.identity of its configuration, or let another node drill with nodes: of the schedule";
    let ends = occurrences(&node.world, "d1");
    assert_eq!(ends[0].end.word(), "Skipped");
    assert_eq!(ends[0].end.reason().as_deref(), Some(why));
    let listed = node.world.drydock(&["run", "list"]).ok().stdout;
    let line = listed.lines().find(|line| line.contains("Skipped"));
    assert!(
        line.is_some_and(|line| line.contains(&why[..100])),
        "{listed}"
    );
    let listed = node.world.drydock(&["schedule", "list"]).ok().stdout;
    assert!(listed.contains("Skipped"), "{listed}");
    assert_eq!(node.marks(), Vec::<String>::new());
}

#[test]
fn by_hand_it_ends_as_the_recovery_point_deserves() {
    let mut node = by_hand(true);
    node.world.drydock(&["schedule", "check"]).ok();
    let run = |node: &Node, code| {
        let answer = node
            .world
            .drydock(&["run", "d1", "--output", "json"])
            .code(code);
        node.assert_nothing_left();
        serde_json::from_str::<Value>(&answer.stdout).unwrap()[0].clone()
    };
    let passed = run(&node, 0);
    assert_eq!(passed["outcome"], "Succeeded");
    assert_eq!(passed["recoveryPoint"], node.point.as_str());
    assert_eq!(passed["steps"][0]["body"]["verdict"], "pass");
    std::fs::remove_file(node.object()).unwrap();
    let failed = run(&node, 1);
    assert_eq!(failed["outcome"], "Failed");
    let reason = failed["reasons"][0].as_str().unwrap();
    let begins = format!(
        "recovery point {} failed its drill: snapshot as stored: ",
        node.point
    );
    assert!(reason.starts_with(&begins), "{reason}");
    assert_eq!(node.listed_mark()["mark"], "failed");
    node.drill_by(&real(false));
    let refused = node.world.drydock(&["run", "d1"]).code(64);
    assert!(
        refused.stderr.contains("needs the key that does"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_run_that_was_killed_in_its_drill_drills_anew() {
    let node = by_hand(true);
    let mut command = node.world.faulty(&["run", "d1"]);
    let killed = command.env(KILL, "in-phase:5").status().unwrap();
    assert_eq!(killed.code(), None);
    let gone = wait_until(
        "no etcd is left",
        std::time::Duration::from_secs(10),
        async || processes_in(&node.lab()).is_empty(),
    );
    runtime().block_on(gone).unwrap();
    assert_eq!(folders(&node.lab()).len(), 1);
    let answer = node.world.resume().ok();
    let run = &serde_json::from_str::<Value>(&answer.stdout).unwrap()[0];
    assert_eq!(run["outcome"], "Succeeded");
    assert_eq!(run["steps"][0]["attempts"], 2);
    node.assert_nothing_left();
    assert_eq!(node.marks().len(), 1);
}
