//! Values that a step takes from an earlier one, by reference.

use super::kit::Graph;

const FILE: &str = "{name: file, action: test-file, config: {path: $files}}";

fn tell(from: &str, output: &str) -> String {
    format!(
        "{{name: tell, action: test-tell, inputs: {{where: {{valueFrom: {{step: {from}, output: {output}}}}}}}, config: {{path: $log}}}}"
    )
}

#[test]
fn a_step_takes_what_an_earlier_one_gave_also_after_a_crash() {
    let graph = Graph::new(&[FILE, &tell("file", "path")]);
    graph.killed_everywhere(2, |run, place| {
        assert_eq!(run["outcome"], "Succeeded", "{place}: {run}");
        let entry = std::fs::read_dir(graph.path("files")).unwrap().next();
        let path = entry.unwrap().unwrap().path();
        let told = format!("tell {{\"where\":{{\"text\":\"{}\"}}}}", path.display());
        assert_eq!(graph.log().last(), Some(&told), "{place}");
        graph.clear("files");
    });
}

#[test]
fn a_reference_to_what_is_not_given_is_refused_without_a_plugin() {
    for (from, told) in [
        ("look", "only actions have outputs"),
        ("nobody", "a step that the schedule does not have"),
        ("tell", "the step itself"),
    ] {
        let look = "{name: look, gate: {question: Is it well?, choices: [{name: go-on, means: it goes on}, {name: stop, means: it ends, ends: true}]}}";
        let graph = Graph::new(&[FILE, look, &tell(from, "path")]);
        let file = graph.path("schedules/s1.yaml").display().to_string();
        // The shipped program knows none of these actions, and need not.
        let refused = graph.world.drydock(&["schedule", "check", &file]).code(64);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
        assert!(refused.stderr.contains("s1.yaml"), "{}", refused.stderr);
    }
}

#[test]
fn a_value_that_its_step_does_not_declare_is_refused_before_anything_begins() {
    let graph = Graph::new(&[FILE, &tell("file", "colour")]);
    let refused = graph.drydock(&["run", "s1"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("colour"), "{}", refused.stderr);
    assert!(graph.rows().is_empty());
    assert_eq!(graph.count("files"), 0);
}
