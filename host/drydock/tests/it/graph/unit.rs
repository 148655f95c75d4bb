//! A unit that becomes whole: a session and a state hold, and two steps during both.

use super::kit::Graph;

const LOCK: &str =
    "{name: lock, action: test-lock, hold: {seconds: 60}, config: {server: $server, lock: db}}";
const FREEZE: &str =
    "{name: freeze, action: test-freeze, hold: {seconds: 60}, config: {path: $holds}}";

fn cut(name: &str, more: &str) -> String {
    format!(
        "{{name: {name}, action: test-cut, needs: [], during: [lock, freeze], config: {{path: $cuts, server: $server, holds: $holds{more}}}}}"
    )
}

/// Both cuts were made while both holds stood.
fn assert_cuts(graph: &Graph, place: &str) {
    let cuts = ["one holds=1 db=lock\n", "two holds=1 db=lock\n"];
    assert_eq!(graph.texts("cuts"), cuts, "{place}");
}

/// Every record on both sides: the run is short.
#[test]
fn killed_anywhere_a_unit_runs_anew_until_it_is_whole() {
    let (one, two) = (cut("one", ""), cut("two", ""));
    let graph = Graph::new(&[LOCK, FREEZE, &one, &two]);
    graph.killed_everywhere(1, |run, place| {
        assert_eq!(run["outcome"], "Succeeded", "{place}: {run}");
        assert_cuts(&graph, place);
        graph.clear("cuts");
    });
}

/// Every third record: what is taken back after the unit is told by the others.
#[test]
fn killed_anywhere_what_a_unit_made_is_taken_back_when_a_later_step_fails() {
    let (one, two) = (cut("one", ""), cut("two", ""));
    let fails = "{name: fails, action: test-file, config: {path: $files, fail: {times: 9, class: permanent}}}";
    let graph = Graph::new(&[LOCK, FREEZE, &one, &two, fails]);
    graph.killed_everywhere(3, |run, place| {
        assert_eq!(run["outcome"], "Failed", "{place}: {run}");
        assert_eq!(graph.count("cuts"), 0, "{place}");
    });
}

#[test]
fn killed_between_hold_and_cut_the_unit_runs_anew() {
    let (one, two) = (cut("one", ", die: before"), cut("two", ""));
    let graph = Graph::new(&[LOCK, FREEZE, &one, &two]);
    let run = graph.dies();
    assert_eq!(graph.count("holds"), 1, "the state hold stands");
    let shown = graph.to_its_end(&run);
    assert_eq!(shown["outcome"], "Succeeded", "{shown}");
    assert_eq!(graph.locks.given(), 2);
    assert_cuts(&graph, "killed before the cut");
    graph.assert_nothing_held("killed before the cut");
}

#[test]
fn a_step_that_fails_after_its_cut_has_the_unit_run_anew() {
    let one = cut("one", ", fail: {times: 1, at: after}");
    let two = cut("two", "");
    let graph = Graph::new(&[LOCK, FREEZE, &one, &two]);
    graph.drydock(&["run", "s1"]).ok();
    assert_eq!(graph.locks.given(), 2);
    assert_cuts(&graph, "the second pass");
    graph.assert_nothing_held("the second pass");
}

/// An undo of the state hold that kills the process is repeated.
#[test]
fn killed_while_it_lets_go_the_hold_is_let_go() {
    let freeze = "{name: freeze, action: test-freeze, hold: {seconds: 60}, config: {path: $holds, die: after-undo}}";
    let (one, two) = (cut("one", ""), cut("two", ""));
    let graph = Graph::new(&[LOCK, freeze, &one, &two]);
    let run = graph.dies();
    let shown = graph.to_its_end(&run);
    assert_eq!(shown["outcome"], "Succeeded", "{shown}");
    graph.assert_nothing_held("killed while it lets go");
}
