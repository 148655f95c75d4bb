//! What a step is told of its run while that goes on.

use drydock_core::{StepSoFar, StepState};
use drydock_engine::model::{NodeSpec, When};

use crate::kit::{Run, action, busy, denied, graph};

fn telling(when: When, needs: &[&str]) -> NodeSpec {
    NodeSpec {
        when,
        ..action("tell", needs)
    }
}

/// Name, state and code of each step.
fn told(run: &Run) -> Vec<String> {
    let steps = run.state.so_far().steps.into_iter();
    let told = |step: StepSoFar| {
        let code = step.code.map(|code| format!(" {code}"));
        let code = code.unwrap_or_default();
        format!("{} {}{code}", step.step, step.state.word())
    };
    steps.map(told).collect()
}

#[test]
fn a_failed_step_is_told_with_its_code_and_its_sentence() {
    let nodes = vec![
        action("a", &[]),
        action("b", &["a"]),
        telling(When::Failure, &["b"]),
    ];
    let (mut run, _) = Run::of(graph(nodes));
    assert_eq!(run.state.so_far().failure, None);
    assert_eq!(told(&run), ["a running", "b pending", "tell pending"]);
    assert_eq!(run.fail("run a 1", denied()), ["run tell 1"]);
    assert_eq!(
        told(&run),
        ["a failed denied-here", "b skipped", "tell running"]
    );
    let so_far = run.state.so_far();
    assert_eq!(so_far.failure, Some(denied()));
    assert_eq!(so_far.reasons, [""; 0]);
    let why = so_far.steps[0].why.as_deref();
    assert_eq!(why, Some("the thing is not granted"));
    assert_eq!(so_far.steps[1].state, StepState::Skipped);
    assert!(so_far.steps[1].why.is_some());
}

#[test]
fn what_is_tried_again_has_not_failed() {
    let (mut run, _) = Run::of(graph(vec![action("a", &[])]));
    run.fail("run a 1", busy());
    assert_eq!(told(&run), ["a waiting"]);
    assert_eq!(run.state.so_far().failure, None);
}

#[test]
fn a_step_that_only_follows_degrades_what_is_told_later() {
    let first = NodeSpec {
        when: When::Always,
        ..action("first", &["a"])
    };
    let mut tell = telling(When::Always, &["first"]);
    tell.needs[0].is_order = true;
    let (mut run, _) = Run::of(graph(vec![action("a", &[]), first, tell]));
    run.done("run a 1");
    assert_eq!(run.fail("run first 1", denied()), ["run tell 1"]);
    let so_far = run.state.so_far();
    assert_eq!(so_far.failure, None);
    assert_eq!(
        so_far.reasons,
        ["step first failed: the thing is not granted"]
    );
}
