//! Holds that nobody looks after: the process that had them is gone, and so may be the
//! documents of their run.

use super::kit::{Graph, wait};

const FREEZE: &str =
    "{name: freeze, action: test-freeze, hold: {seconds: 2}, config: {path: $holds}}";
const DIES: &str = "{name: cut, action: test-cut, needs: [], during: [freeze], config: {path: $cuts, holds: $holds, die: before}}";
const TELL: &str = "{name: tell, action: test-tell, config: {path: $log}}";

/// A run that died while it held something, and whose schedule is gone.
fn died() -> (Graph, String) {
    let graph = Graph::new(&[FREEZE, DIES]);
    let run = graph.dies();
    assert_eq!(graph.count("holds"), 1);
    std::fs::remove_file(graph.path("schedules/s1.yaml")).unwrap();
    graph.schedule("s2", "", &[TELL]);
    (graph, run)
}

#[test]
fn the_daemon_lets_go_what_a_dead_process_held_without_the_runs_documents() {
    let (graph, run) = died();
    let mut daemon = graph.daemon();
    daemon.wait_said("the run has ended", 1);
    daemon.stop();
    graph.assert_nothing_held("the daemon took it up");
    assert_eq!(graph.shown(&run)["outcome"], "Succeeded");
}

#[test]
fn a_run_of_another_schedule_lets_go_what_a_dead_process_held() {
    let (graph, run) = died();
    let answer = graph.drydock(&["run", "s2"]).ok();
    assert!(answer.stderr.contains(&run), "{}", answer.stderr);
    graph.assert_nothing_held("another run took it up");
    assert_eq!(graph.shown(&run)["outcome"], "Succeeded");
    assert_eq!(graph.log().len(), 1);
}

#[test]
fn a_hold_of_a_run_that_cannot_be_resumed_is_told() {
    let (graph, run) = died();
    let (pins, away) = (graph.path("state/pins"), graph.path("away"));
    std::fs::rename(&pins, &away).unwrap();
    let told = graph.drydock(&["run", "s2"]).ok();
    let sentence = format!("run {run} may still hold what it took with step freeze");
    assert!(told.stderr.contains(&sentence), "{}", told.stderr);

    let mut daemon = graph.daemon();
    daemon.wait_serving();
    let ready = || daemon.get("/readyz").1;
    wait("the hold is told", || {
        let ready = ready();
        ready.contains(&format!("warn runs: {run}")) && ready.contains("step freeze took")
    });
    wait("it is overdue", || {
        let overdue = daemon.metric("drydock_run_hold_overdue_seconds");
        overdue.is_some_and(|seconds| seconds > 0.0)
    });
    assert_eq!(graph.count("holds"), 1, "it still stands");
    daemon.stop();
    let _ = std::fs::remove_dir_all(&pins);
    std::fs::rename(&away, &pins).unwrap();
    graph.to_its_end(&run);
    graph.assert_nothing_held("its pins are back");
}
