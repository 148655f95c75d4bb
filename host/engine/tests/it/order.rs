//! In which order steps run, and how often: needs, `when`, retries and deadlines.

use std::collections::BTreeMap;

use drydock_core::{Probed, Repeat, UnixTime, Value, ValueType};
use drydock_engine::model::{Done, Event, NodeSpec, Outcome, OutputRef, When};

use crate::actions::{done, stopped};
use crate::graph::step;
use crate::kit::{Run, action, busy, denied, graph, lost};

fn following(name: &str, when: When, needs: &[&str]) -> NodeSpec {
    NodeSpec {
        when,
        ..action(name, needs)
    }
}

fn of_repeat(name: &str, repeat: Repeat) -> NodeSpec {
    NodeSpec {
        repeat,
        ..action(name, &[])
    }
}

#[test]
fn steps_run_side_by_side_once_they_have_what_they_need() {
    let nodes = vec![action("a", &[]), action("b", &[]), action("c", &["a", "b"])];
    let (mut run, asked) = Run::of(graph(nodes));
    assert_eq!(asked, ["run a 1", "run b 1"]);
    assert_eq!(run.done("run b 1"), [""; 0]);
    assert_eq!(run.done("run a 1"), ["run c 1"]);
    assert_eq!(run.done("run c 1"), ["finish Succeeded"]);
}

#[test]
fn no_more_steps_run_at_once_than_may() {
    let mut spec = graph(vec![action("a", &[]), action("b", &[]), action("c", &[])]);
    spec.policy.steps_max = 2;
    let (mut run, asked) = Run::of(spec);
    assert_eq!(asked, ["run a 1", "run b 1"]);
    assert_eq!(run.done("run b 1"), ["run c 1"]);
}

#[test]
fn a_step_whose_need_failed_is_skipped_and_the_run_ends() {
    let nodes = vec![action("a", &[]), action("b", &["a"])];
    let (mut run, _) = Run::of(graph(nodes));
    assert_eq!(run.fail("run a 1", denied()), ["finish Failed"]);
    assert_eq!(run.failure(), "denied-here");
}

#[test]
fn what_only_comes_first_in_the_document_need_not_succeed() {
    let mut after = action("after", &["told"]);
    after.needs[0].is_order = true;
    let told = following("told", When::Always, &["a"]);
    let (mut run, _) = Run::of(graph(vec![action("a", &[]), told, after]));
    assert_eq!(run.done("run a 1"), ["run told 1"]);
    assert_eq!(run.fail("run told 1", denied()), ["run after 1"]);
    run.done("run after 1");
    let reasons = vec!["step told failed: the thing is not granted".to_owned()];
    assert_eq!(run.outcome(), Outcome::Degraded { reasons });
}

#[test]
fn steps_for_a_failure_run_when_there_was_one() {
    let nodes = || {
        vec![
            action("a", &[]),
            following("tell", When::Failure, &["a"]),
            following("tidy", When::Always, &["a"]),
        ]
    };
    let (mut run, _) = Run::of(graph(nodes()));
    assert_eq!(run.done("run a 1"), ["run tidy 1"]);
    assert_eq!(run.done("run tidy 1"), ["finish Succeeded"]);
    let (mut run, _) = Run::of(graph(nodes()));
    assert_eq!(run.fail("run a 1", denied()), ["run tell 1", "run tidy 1"]);
    run.done("run tell 1");
    assert_eq!(run.done("run tidy 1"), ["finish Failed"]);
}

#[test]
fn a_step_is_tried_again_as_often_as_its_limit_says() {
    let (mut run, _) = Run::of(graph(vec![action("a", &[])]));
    assert_eq!(run.fail("run a 1", busy()), ["wait 100"]);
    assert_eq!(run.wait("wait 100"), ["run a 2"]);
    assert_eq!(run.fail("run a 2", busy()), ["finish Failed"]);
    let own = NodeSpec {
        backoff_limit: Some(2),
        ..action("a", &[])
    };
    let (mut run, _) = Run::of(graph(vec![own]));
    run.fail("run a 1", busy());
    run.wait("wait 100");
    assert_eq!(run.fail("run a 2", busy()), ["wait 200"]);
}

/// What is done about an answer that nobody knows, by what may be done with a step.
#[test]
fn an_answer_that_got_lost_is_treated_as_the_step_says() {
    let table = [
        (Repeat::Idempotent, "wait 100"),
        (Repeat::Keyed, "probe a 1"),
        (Repeat::AtMostOnce, "ask a"),
    ];
    for (repeat, expected) in table {
        let (mut run, _) = Run::of(graph(vec![of_repeat("a", repeat)]));
        assert_eq!(run.fail("run a 1", lost()), [expected], "{repeat:?}");
        let (mut run, _) = Run::of(graph(vec![of_repeat("a", repeat)]));
        let sure = run.fail("run a 1", busy().not_done());
        assert_eq!(sure, ["wait 100"], "{repeat:?}");
    }
}

#[test]
fn a_process_that_ends_is_treated_like_a_lost_answer_without_a_wait() {
    let table = [
        (Repeat::Idempotent, "run a 2"),
        (Repeat::Keyed, "probe a 1"),
        (Repeat::AtMostOnce, "ask a"),
    ];
    for (repeat, expected) in table {
        let (mut run, _) = Run::of(graph(vec![of_repeat("a", repeat)]));
        assert_eq!(run.resume(), [expected], "{repeat:?}");
    }
}

#[test]
fn what_a_probe_finds_decides() {
    let table = [
        (Probed::NotBegun, vec!["run a 2"]),
        (Probed::Begun, vec!["run a 2"]),
        (Probed::Undone, vec!["finish Failed"]),
    ];
    for (found, expected) in table {
        let (mut run, _) = Run::of(graph(vec![of_repeat("a", Repeat::Keyed)]));
        run.resume();
        assert_eq!(run.probed("probe a 1", found), expected, "{found:?}");
    }
    let (mut run, _) = Run::of(graph(vec![of_repeat("a", Repeat::Keyed)]));
    run.resume();
    assert_eq!(run.done("probe a 1"), ["finish Succeeded"]);
}

#[test]
fn all_attempts_of_a_step_share_its_deadline() {
    let slow = NodeSpec {
        deadline_seconds: Some(60),
        ..action("a", &[])
    };
    let (mut run, asked) = Run::of(graph(vec![slow]));
    assert_eq!(asked, ["run a 1", "wait 60000"]);
    run.fail("run a 1", busy());
    run.wait("wait 100");
    assert_eq!(run.wait("wait 60000"), ["stop a"]);
    assert_eq!(run.fail("run a 2", stopped()), ["finish Failed"]);
    assert_eq!(run.failure(), "step-deadline");
}

/// A keyed step with a deadline, of whose first attempt nobody knows what became.
fn probed_in_time() -> Run {
    let slow = NodeSpec {
        deadline_seconds: Some(60),
        undo: true,
        ..of_repeat("a", Repeat::Keyed)
    };
    let (mut run, asked) = Run::of(graph(vec![slow]));
    assert_eq!(asked, ["run a 1", "wait 60000"]);
    assert_eq!(run.fail("run a 1", lost()), ["probe a 1"]);
    assert_eq!(run.wait("wait 60000"), [""; 0]);
    run
}

#[test]
fn a_step_that_is_overdue_while_it_is_probed_waits_for_the_answer() {
    let mut run = probed_in_time();
    let asked = run.probed("probe a 1", Probed::NotBegun);
    assert_eq!(asked, ["undo a 1"]);
    run.undone("undo a 1");
    assert_eq!(run.failure(), "step-deadline");
    let mut run = probed_in_time();
    assert_eq!(run.fail("probe a 1", busy()), ["undo a 1"]);
    let mut run = probed_in_time();
    assert_eq!(run.done("probe a 1"), ["finish Succeeded"]);
}

#[test]
fn a_deadline_goes_on_with_what_is_left_of_it_after_a_crash() {
    let slow = NodeSpec {
        deadline_seconds: Some(60),
        ..action("a", &[])
    };
    let (mut run, _) = Run::of(graph(vec![slow]));
    run.now = UnixTime(45);
    assert_eq!(run.resume(), ["run a 2", "wait 15000"]);
}

#[test]
fn the_runs_deadline_names_what_was_under_way() {
    let (mut run, _) = Run::of(graph(vec![action("a", &[])]));
    let under_way = vec!["work of step a".to_owned()];
    run.take(Event::Deadline {
        seconds: 9,
        under_way,
    });
    run.done("run a 1");
    let Outcome::Failed { fault } = run.outcome() else {
        panic!("{:?}", run.outcome());
    };
    assert!(fault.message.contains("work of step a"), "{fault}");
}

#[test]
fn a_value_goes_to_the_step_that_takes_it_and_has_the_declared_type() {
    let giver = NodeSpec {
        outputs: BTreeMap::from([("size".to_owned(), ValueType::Integer)]),
        ..action("a", &[])
    };
    let from = OutputRef {
        step: step("a"),
        output: "size".to_owned(),
    };
    let taker = NodeSpec {
        inputs: BTreeMap::from([("bytes".to_owned(), from)]),
        ..action("b", &["a"])
    };
    let gives = |value| {
        done(Done {
            outputs: BTreeMap::from([("size".to_owned(), value)]),
            ..Done::default()
        })
    };
    let (mut run, _) = Run::of(graph(vec![giver.clone(), taker.clone()]));
    assert_eq!(run.answer("run a 1", gives(Value::Integer(7))), ["run b 1"]);
    let values = run.state.inputs(&step("b")).unwrap();
    assert_eq!(values["bytes"], Value::Integer(7));
    let (mut run, _) = Run::of(graph(vec![giver, taker]));
    run.answer("run a 1", gives(Value::Flag(true)));
    assert_eq!(run.failure(), "wrong-output");
}

/// It was done: looking again would find the same again.
#[test]
fn a_probe_that_finds_a_value_nobody_declared_ends_the_step() {
    let (mut run, _) = Run::of(graph(vec![of_repeat("a", Repeat::Keyed)]));
    assert_eq!(run.fail("run a 1", lost()), ["probe a 1"]);
    let undeclared = done(Done {
        outputs: BTreeMap::from([("size".to_owned(), Value::Integer(7))]),
        ..Done::default()
    });
    assert_eq!(run.answer("probe a 1", undeclared), ["finish Failed"]);
    assert_eq!(run.failure(), "wrong-output");
}

#[test]
fn a_step_that_proves_fails_the_run() {
    let drill = NodeSpec {
        proves: true,
        ..action("drill", &[])
    };
    let (mut run, _) = Run::of(graph(vec![drill]));
    assert_eq!(run.fail("run drill 1", denied()), ["finish Failed"]);
}

/// Whatever comes for an effect that is answered changes nothing.
#[test]
fn an_answer_that_comes_twice_changes_nothing() {
    let (mut run, _) = Run::of(graph(vec![action("a", &[]), action("b", &["a"])]));
    let effect = *run.in_flight.keys().next().unwrap();
    run.done("run a 1");
    let again = run.take(Event::Answered {
        effect,
        answer: done(Done::default()),
    });
    assert_eq!(again, [""; 0]);
}
