//! Steps and undos of which only an operator can say what became of them.

use serde_json::Value;

use super::kit::{Graph, ended, wait};

const FIRST: &str = "{name: first, action: test-file, config: {path: $files}}";

#[test]
fn a_step_that_may_not_be_done_twice_asks_whether_it_was_done() {
    for (choice, attempts) in [("done", 1), ("not-done", 2)] {
        let once = "{name: once, action: test-once, config: {path: $log, die: after}}";
        let graph = Graph::new(&[FIRST, once]);
        let run = graph.dies();
        let asked = graph.drydock(&["run", "resume", &run]).code(75);
        let command = format!("run decide {run} 1 {choice}");
        assert!(asked.stderr.contains(&command), "{}", asked.stderr);
        graph.drydock(&["run", "decide", &run, "1", choice]).ok();
        assert_eq!(graph.log().len(), attempts, "{choice}: {:?}", graph.log());
        assert_eq!(graph.shown(&run)["outcome"], "Succeeded");
        graph.assert_nothing_held(choice);
    }
}

#[test]
fn a_run_that_asks_whether_a_step_was_done_can_be_cancelled() {
    let once = "{name: once, action: test-once, config: {path: $log, die: after}}";
    let graph = Graph::new(&[FIRST, once]);
    let run = graph.dies();
    graph.drydock(&["run", "resume", &run]).code(75);
    let cancelled = graph.drydock(&["run", "cancel", &run]).code(1);
    let doubt = "nobody knows whether step once was done";
    assert!(cancelled.stderr.contains(doubt), "{}", cancelled.stderr);
    assert_eq!(graph.count("files"), 0);
    graph.assert_nothing_held("cancelled");
}

/// A run whose undo has failed so often that it asks.
fn stuck(graph: &Graph) -> String {
    graph.drydock(&["run", "s1"]).code(75);
    let run = graph.newest().run.to_string();
    graph.get_stuck(&run);
    run
}

const GATE: &str = "{name: look, gate: {question: Is it well?, choices: [{name: go-on, means: it goes on}, {name: stop, means: it ends, ends: true}]}}";

#[test]
fn an_undo_that_never_works_asks_and_the_daemon_names_it() {
    let fails = "{name: fails, action: test-file, config: {path: $files, undoFails: {until: $root/mended}}}";
    let graph = Graph::new(&[fails, GATE]);
    let run = stuck(&graph);
    let shown = graph.shown(&run);
    assert_eq!(shown["phase"], "stuck", "{shown}");
    assert_eq!(graph.count("files"), 1);
    let open = shown["questions"].as_array().unwrap();
    let open = open.iter().find(|asked| asked["answer"] == Value::Null);
    let question = open.unwrap()["question"].to_string();

    let mut daemon = graph.daemon();
    daemon.wait_serving();
    daemon.wait("the stuck run is told", |daemon| {
        daemon.metric("drydock_runs_stuck") == Some(1.0)
    });
    let (_, ready) = daemon.get("/readyz");
    assert!(ready.contains(&format!("warn runs: {run}")), "{ready}");
    let command = format!("run decide {run} {question} retry|mended-by-hand");
    assert!(ready.contains(&command), "{ready}");
    daemon.stop();

    graph.clear("files");
    let decide = ["run", "decide", &run, &question, "mended-by-hand"];
    let ended = graph.drydock(&decide).code(1);
    assert!(
        ended.stderr.contains("taken back by hand"),
        "{}",
        ended.stderr
    );
    assert_eq!(graph.shown(&run)["outcome"], "Failed");
    graph.assert_nothing_held("mended by hand");
}

#[test]
fn an_undo_that_works_again_is_tried_again_when_an_operator_says_so() {
    let fails = "{name: fails, action: test-file, config: {path: $files, undoFails: {until: $root/mended}}}";
    let graph = Graph::new(&[fails, GATE]);
    let run = stuck(&graph);
    graph.put("root/mended");
    graph.drydock(&["run", "retry", &run]).code(1);
    assert_eq!(graph.shown(&run)["outcome"], "Failed");
    assert_eq!(graph.count("files"), 0);
}

/// What it holds stands for as long as nobody says that it does not.
#[test]
fn a_hold_that_is_never_let_go_asks_and_is_told_of_until_it_is_mended() {
    let freeze = "{name: freeze, action: test-freeze, hold: {seconds: 60}, config: {path: $holds, undoFails: {until: $root/mended}}}";
    let cut = "{name: cut, action: test-cut, needs: [], during: [freeze], config: {path: $cuts, holds: $holds}}";
    let graph = Graph::new(&[freeze, cut]);
    let mut child = graph.start();
    let failed = || {
        let rows = graph.rows();
        let run = rows.first().map(|row| row.run.to_string());
        run.is_some_and(|run| graph.shown(&run)["faults"][0]["effect"] == "undo")
    };
    wait("its undo failed once", failed);
    child.kill().unwrap();
    ended(child);
    let run = graph.newest().run.to_string();
    let resume = ["run", "resume", &run];
    while graph.newest().progress.questions.is_empty() {
        graph.killed_at("after-record:2", &resume).unwrap();
    }
    assert_eq!(graph.newest().progress.holds.len(), 1, "it still holds");
    graph.clear("holds");
    let decide = ["run", "decide", &run, "1", "mended-by-hand"];
    graph.drydock(&decide).ok();
    graph.assert_nothing_held("mended by hand");
}
