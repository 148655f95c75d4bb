//! Runs that keep others from their cluster, and those that do not.

use super::kit::Graph;
use crate::world::World;

const FILE: &str = "{name: file, action: test-file, config: {path: $files}}";
const TELL: &str = "{name: tell, action: test-tell, config: {path: $log}}";
const STUCK: &str =
    "{name: cut, action: test-cut, config: {path: $cuts, undoFails: {until: $root/mended}}}";

const BACKUP: [&str; 3] = [
    "{name: snapshot, backup: etcd-backup}",
    "{name: verify, verify: etcd-verify}",
    "{name: store, target: local}",
];

fn gate(more: &str) -> String {
    format!(
        "{{name: look, gate: {{question: Is it well?, choices: [{{name: go-on, means: it goes on}}, {{name: stop, means: it ends, ends: true}}]{more}}}}}"
    )
}

/// The run that waits at the gate of `s1`.
fn parked(graph: &Graph) -> String {
    graph.drydock(&["run", "s1"]).code(75);
    graph.newest().run.to_string()
}

#[test]
fn a_run_that_writes_the_cluster_keeps_a_backup_of_it_from_beginning() {
    let graph = Graph::on(World::new(), &[FILE, &gate("")]);
    graph.schedule("s2", "", &BACKUP);
    let run = parked(&graph);
    let refused = graph.drydock(&["run", "s2"]);
    assert_ne!(refused.code, Some(0));
    let sentence = format!(
        "it reads cluster c1, and run {run} writes that too; {run} waits for an answer to its question 1"
    );
    assert!(refused.stderr.contains(&sentence), "{}", refused.stderr);
    let despite = format!("--despite {run}");
    assert!(refused.stderr.contains(&despite), "{}", refused.stderr);
    assert!(graph.world.recovery_points().is_empty());

    graph.drydock(&["run", "s2", "--despite", &run]).ok();
    assert_eq!(graph.world.recovery_points().len(), 1);
    graph.drydock(&["run", "decide", &run, "1", "go-on"]).ok();
    graph.drydock(&["run", "s2"]).ok();
}

#[test]
fn a_gate_that_frees_the_subjects_lets_others_begin() {
    let graph = Graph::new(&[FILE, &gate(", frees: subjects")]);
    graph.schedule("s2", "", &[TELL]);
    let run = parked(&graph);
    graph.drydock(&["run", "s2"]).ok();
    graph.drydock(&["run", "decide", &run, "1", "go-on"]).ok();
    assert_eq!(graph.count("files"), 1);
}

#[test]
fn a_stuck_run_that_reads_keeps_nobody_from_beginning() {
    let graph = Graph::new(&[STUCK, &gate("")]);
    graph.schedule("s2", "", &[FILE]);
    let run = parked(&graph);
    // As long as it only waits, nobody changes what it looks at.
    let refused = graph.drydock(&["run", "s2"]);
    let sentence = format!("it writes cluster c1, and run {run} reads that too");
    assert!(refused.stderr.contains(&sentence), "{}", refused.stderr);
    graph.get_stuck(&run);
    graph.drydock(&["run", "s2"]).ok();
}

#[test]
fn a_stuck_run_that_writes_keeps_others_from_writing_and_says_so() {
    let stuck =
        "{name: file, action: test-file, config: {path: $files, undoFails: {until: $root/mended}}}";
    let graph = Graph::new(&[stuck, &gate("")]);
    graph.schedule("s2", "", &[FILE]);
    graph.schedule("s3", "", &[TELL]);
    let run = parked(&graph);
    graph.get_stuck(&run);
    let refused = graph.drydock(&["run", "s2"]);
    let sentence = format!("{run} is Stuck and waits for an answer");
    assert!(refused.stderr.contains(&sentence), "{}", refused.stderr);
    // Who only looks finds a cluster on which nobody works at the moment.
    graph.drydock(&["run", "s3"]).ok();
    graph.drydock(&["run", "s2", "--despite", &run]).ok();
}
