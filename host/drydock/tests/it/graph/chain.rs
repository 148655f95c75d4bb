//! Steps one after the other, each undone when a later one fails.

use serde_json::Value;

use super::kit::{Graph, ended, wait};

const FIRST: &str = "{name: first, action: test-file, config: {path: $files}}";
const SECOND: &str = "{name: second, action: test-file, config: {path: $files}}";
const FAILS: &str =
    "{name: fails, action: test-file, config: {path: $files, fail: {times: 99, class: permanent}}}";
const TELL: &str =
    "{name: tell, action: test-tell, when: failure, needs: [fails], config: {path: $log}}";

/// Every record on both sides: the run is short.
#[test]
fn killed_anywhere_a_chain_whose_last_step_fails_is_taken_back() {
    let graph = Graph::new(&[FIRST, SECOND, FAILS, TELL]);
    let mut told = 0;
    graph.killed_everywhere(1, |run, place| {
        assert_eq!(run["outcome"], "Failed", "{place}: {run}");
        assert_eq!(graph.count("files"), 0, "{place}: a file stays");
    });
    for line in graph.log() {
        assert_eq!(line, "tell {}");
        told += 1;
    }
    assert!(told >= graph.rows().len(), "somebody was not told");
}

#[test]
fn a_chain_that_succeeds_stays_and_its_steps_are_asked_by_their_keys() {
    let dies = "{name: second, action: test-file, config: {path: $files, die: after}}";
    let graph = Graph::new(&[FIRST, dies]);
    let run = graph.dies();
    assert_eq!(graph.count("files"), 2);
    let shown = graph.to_its_end(&run);
    assert_eq!(shown["outcome"], "Succeeded", "{shown}");
    // Its probe found that it was done, so it did not run a second time.
    assert_eq!(shown["steps"][1]["attempts"], 1, "{shown}");
    assert_eq!(graph.count("files"), 2);
}

#[test]
fn a_step_that_fails_for_a_while_is_tried_again_and_asked_what_became_of_it() {
    let fails = "{name: first, action: test-file, config: {path: $files, fail: {times: 1, certainty: unknown, at: after}}}";
    let graph = Graph::new(&[fails]);
    graph.drydock(&["run", "s1"]).ok();
    assert_eq!(graph.count("files"), 1);
}

#[test]
fn killed_in_an_undo_the_undo_is_repeated() {
    let dies = "{name: second, action: test-file, config: {path: $files, die: after-undo}}";
    let graph = Graph::new(&[FIRST, dies, FAILS]);
    let run = graph.dies();
    let shown = graph.to_its_end(&run);
    assert_eq!(shown["outcome"], "Failed", "{shown}");
    assert_eq!(graph.count("files"), 0);
}

#[test]
fn an_undo_that_fails_for_a_while_is_tried_until_it_is_done() {
    let fails = "{name: second, action: test-file, config: {path: $files, undoFails: {times: 1}}}";
    let graph = Graph::new(&[FIRST, fails, FAILS]);
    graph.drydock(&["run", "s1"]).code(1);
    assert_eq!(graph.count("files"), 0);
}

#[test]
fn a_step_that_takes_too_long_fails_and_what_came_before_is_taken_back() {
    let hangs = "{name: hangs, action: test-file, activeDeadlineSeconds: 1, config: {path: $files, waitFor: $root/never}}";
    let graph = Graph::new(&[FIRST, hangs]);
    graph.drydock(&["run", "s1"]).code(1);
    let shown = graph.shown(graph.newest().run.as_str());
    assert_eq!(shown["fault"]["code"], "step-deadline", "{shown}");
    assert_eq!(graph.count("files"), 0);
}

#[test]
fn a_cancelled_run_takes_back_what_it_did() {
    let hangs = "{name: hangs, action: test-file, config: {path: $files, waitFor: $root/never}}";
    let graph = Graph::new(&[FIRST, hangs]);
    let mut child = graph.start();
    wait("the first step is done", || graph.count("files") == 1);
    child.kill().unwrap();
    ended(child);
    let run = graph.newest().run.to_string();
    graph.drydock(&["run", "cancel", &run]).code(1);
    let shown = graph.shown(&run);
    assert_eq!(shown["fault"]["code"], "cancelled", "{shown}");
    assert_eq!(graph.count("files"), 0);
}

/// A probe that lies costs what it lies about, and nothing else.
#[test]
fn a_probe_that_lies_leaves_no_run_open_and_nothing_undone() {
    for (lie, at, files) in [("done", "before", 1), ("not-begun", "after", 2)] {
        let lies = format!(
            "{{name: second, action: test-file, config: {{path: $files, die: {at}, lie: {lie}}}}}"
        );
        let graph = Graph::new(&[FIRST, &lies]);
        let run = graph.dies();
        let shown = graph.to_its_end(&run);
        assert_eq!(shown["outcome"], "Succeeded", "{lie}: {shown}");
        assert_eq!(graph.count("files"), files, "{lie}");

        let graph = Graph::new(&[FIRST, &lies, FAILS]);
        let run = graph.dies();
        let shown = graph.to_its_end(&run);
        assert_eq!(shown["outcome"], "Failed", "{lie}: {shown}");
        assert_ne!(shown["fault"], Value::Null);
        assert_eq!(graph.count("files"), 0, "{lie}");
    }
}
