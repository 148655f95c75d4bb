//! The shipped program has none of the tests' actions.

use std::path::Path;

use super::kit::Graph;
use crate::faulty::faulty;
use crate::world::DRYDOCK;

#[test]
fn it_refuses_a_schedule_that_names_one() {
    let graph = Graph::new(&["{name: file, action: test-file, config: {path: $files}}"]);
    let refused = graph.world.drydock(&["run", "s1"]).code(64);
    let sentence = "there is no plugin test-file: it is neither built in nor under `plugins:`";
    assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
    assert!(refused.stderr.contains("s1.yaml"), "{}", refused.stderr);
    assert!(graph.rows().is_empty());
}

#[test]
fn it_does_not_even_know_their_names() {
    let name = b"test-freeze";
    let knows = |program: &Path| {
        let bytes = std::fs::read(program).unwrap();
        bytes.windows(name.len()).any(|place| place == name)
    };
    assert!(knows(faulty()), "the one that does is found out by this");
    assert!(!knows(DRYDOCK.as_ref()));
}
