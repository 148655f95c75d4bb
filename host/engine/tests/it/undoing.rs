//! How a run that fails is taken back, and what an operator is asked meanwhile.

use drydock_core::{Repeat, RunPhase};
use drydock_engine::model::{Answer, NodeSpec, Outcome, When};
use drydock_engine::state::UndoPhase;

use crate::actions::stopped;
use crate::kit::{Run, action, busy, denied, graph, lost, undoable};

/// Three steps, the last of which has just begun.
fn third_began() -> Run {
    let nodes = vec![
        undoable("a", &[]),
        undoable("b", &["a"]),
        undoable("c", &["b"]),
    ];
    let (mut run, _) = Run::of(graph(nodes));
    run.done("run a 1");
    run.done("run b 1");
    run
}

#[test]
fn what_was_done_is_taken_back_in_reverse_order() {
    let mut run = third_began();
    assert_eq!(run.fail("run c 1", denied()), ["undo c 1"]);
    assert_eq!(run.undone("undo c 1"), ["undo b 1"]);
    assert_eq!(run.undone("undo b 1"), ["undo a 1"]);
    assert_eq!(run.undone("undo a 1"), ["finish Failed"]);
}

#[test]
fn a_step_that_still_works_is_waited_for() {
    let mut run = third_began();
    assert_eq!(run.cancel(), [""; 0]);
    assert_eq!(run.done("run c 1"), ["undo c 1"]);
}

#[test]
fn nothing_is_taken_back_below_a_step_that_still_works() {
    let nodes = vec![undoable("a", &[]), action("b", &[]), action("c", &[])];
    let (mut run, _) = Run::of(graph(nodes));
    run.done("run a 1");
    assert_eq!(run.fail("run b 1", denied()), [""; 0]);
    assert_eq!(run.done("run c 1"), ["undo a 1"]);
}

#[test]
fn an_undo_that_was_cut_off_is_asked_for_again() {
    let mut run = third_began();
    run.fail("run c 1", denied());
    assert_eq!(run.resume(), ["undo c 2"]);
}

#[test]
fn steps_for_a_failure_are_not_taken_back() {
    let tell = NodeSpec {
        when: When::Failure,
        ..undoable("tell", &["a"])
    };
    let (mut run, _) = Run::of(graph(vec![undoable("a", &[]), tell]));
    let asked = run.fail("run a 1", denied());
    assert_eq!(asked, ["undo a 1", "run tell 1"]);
    run.done("run tell 1");
    assert_eq!(run.undone("undo a 1"), ["finish Failed"]);
}

/// The tenth failure asks; nobody else may give an undo up.
fn stuck() -> Run {
    let (mut run, _) = Run::of(graph(vec![undoable("a", &[]), action("b", &["a"])]));
    run.done("run a 1");
    let mut asked = run.fail("run b 1", denied());
    for attempt in 1..10 {
        assert_eq!(asked, [format!("undo a {attempt}")]);
        let wait = run.fail(&format!("undo a {attempt}"), busy());
        asked = run.wait(&wait[0]);
    }
    assert_eq!(run.fail("undo a 10", busy()), ["ask a"]);
    run
}

#[test]
fn an_undo_that_goes_on_failing_makes_the_run_stuck() {
    let mut run = stuck();
    assert_eq!(run.state.phase(), RunPhase::Stuck);
    assert_eq!(run.choices(), ["retry", "mended-by-hand"]);
    assert_eq!(run.decide("perhaps"), [""; 0]);
    assert_eq!(run.decide("retry"), ["undo a 11"]);
    assert_eq!(run.undone("undo a 11"), ["finish Failed"]);
}

#[test]
fn what_was_mended_by_hand_is_told() {
    let mut run = stuck();
    assert_eq!(run.resume(), [""; 0]);
    assert_eq!(run.decide("mended-by-hand"), ["finish Failed"]);
    assert_eq!(*run.undo_phase("a"), UndoPhase::ByHand);
    let Outcome::Failed { fault } = run.outcome() else {
        panic!("{:?}", run.outcome());
    };
    let told = "what step a did was taken back by hand, an operator says";
    assert_eq!(fault.details, [("left-behind".to_owned(), told.to_owned())]);
}

#[test]
fn what_nobody_can_take_back_any_more_is_told() {
    let (mut run, _) = Run::of(graph(vec![undoable("a", &[]), action("b", &["a"])]));
    run.done("run a 1");
    assert_eq!(run.fail("run b 1", denied()), ["undo a 1"]);
    let gone = Answer::Gone { fault: denied() };
    assert_eq!(run.answer("undo a 1", gone), ["finish Failed"]);
    assert_eq!(*run.undo_phase("a"), UndoPhase::GivenUp);
    let Outcome::Failed { fault } = run.outcome() else {
        panic!("{:?}", run.outcome());
    };
    let told = "what step a did was not taken back";
    assert_eq!(fault.details, [("left-behind".to_owned(), told.to_owned())]);
}

/// A step from which there is no way back, and one after it that has just failed.
fn past_no_return() -> Run {
    let no_return = NodeSpec {
        no_return: true,
        ..undoable("a", &[])
    };
    let (mut run, _) = Run::of(graph(vec![no_return, undoable("b", &["a"])]));
    run.done("run a 1");
    assert_eq!(run.fail("run b 1", denied()), ["ask a"]);
    run
}

#[test]
fn past_a_point_of_no_return_an_operator_decides() {
    let run = past_no_return();
    assert_eq!(run.choices(), ["retry", "undo", "leave"]);
    let table = [
        ("retry", vec!["run b 2"]),
        ("undo", vec!["undo b 1"]),
        ("leave", vec!["finish Failed"]),
    ];
    for (choice, expected) in table {
        assert_eq!(past_no_return().decide(choice), expected, "{choice}");
    }
}

/// A step with a deadline that came too late, past a point of no return.
fn overdue_past_no_return(repeat: Repeat) -> Run {
    let no_return = NodeSpec {
        no_return: true,
        ..action("a", &[])
    };
    let slow = NodeSpec {
        deadline_seconds: Some(60),
        repeat,
        ..action("b", &["a"])
    };
    let (mut run, _) = Run::of(graph(vec![no_return, slow]));
    assert_eq!(run.done("run a 1"), ["run b 1", "wait 60000"]);
    assert_eq!(run.wait("wait 60000"), ["stop b"]);
    assert_eq!(run.fail("run b 1", stopped()), ["ask a"]);
    run
}

#[test]
fn a_step_that_is_tried_again_by_decision_has_all_its_time_again() {
    let mut run = overdue_past_no_return(Repeat::Idempotent);
    assert_eq!(run.decide("retry"), ["run b 2", "wait 60000"]);
    assert_eq!(run.wait("wait 60000"), ["stop b"]);
    assert_eq!(run.fail("run b 2", stopped()), ["ask a"]);
}

/// Nobody knows what became of the attempt that was stopped.
#[test]
fn a_step_that_may_run_once_and_took_too_long_is_asked_about_before_it_is_tried_again() {
    let mut run = overdue_past_no_return(Repeat::AtMostOnce);
    assert_eq!(run.decide("retry"), ["ask b"]);
    assert_eq!(run.decide("not-done"), ["run b 2", "wait 60000"]);
    let mut run = overdue_past_no_return(Repeat::AtMostOnce);
    run.decide("leave");
    let Outcome::Failed { fault } = run.outcome() else {
        panic!("{:?}", run.outcome());
    };
    let told = "nobody knows whether step b was done: look";
    assert_eq!(fault.details, [("left-behind".to_owned(), told.to_owned())]);
}

#[test]
fn what_is_left_by_decision_is_told() {
    let mut run = past_no_return();
    run.decide("leave");
    let Outcome::Failed { fault } = run.outcome() else {
        panic!("{:?}", run.outcome());
    };
    let told: Vec<_> = fault
        .details
        .iter()
        .map(|(_, told)| told.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "what step a did stays, as an operator wants",
            "what step b did stays, as an operator wants",
        ]
    );
}

#[test]
fn a_step_that_may_run_once_runs_again_only_if_an_operator_says_so() {
    let once = NodeSpec {
        repeat: Repeat::AtMostOnce,
        ..action("a", &[])
    };
    let asks = || {
        let (mut run, _) = Run::of(graph(vec![once.clone()]));
        assert_eq!(run.fail("run a 1", lost()), ["ask a"]);
        run
    };
    assert_eq!(asks().choices(), ["done", "not-done"]);
    assert_eq!(asks().resume(), [""; 0]);
    assert_eq!(asks().decide("not-done"), ["run a 2"]);
    assert_eq!(asks().decide("done"), ["finish Succeeded"]);
    assert_eq!(asks().cancel(), ["finish Failed"]);
}
