//! Gates: steps whose work is a question to an operator.

use drydock_core::{RunPhase, Value};
use drydock_engine::model::{Event, NodeSpec, OutputRef};
use drydock_engine::state::GATE_OUTPUT;

use crate::graph::{gate, step};
use crate::kit::{Run, action, denied, graph, undoable};

fn asks() -> Run {
    let from = OutputRef {
        step: step("gate"),
        output: GATE_OUTPUT.to_owned(),
    };
    let mut after = action("after", &["gate"]);
    after.inputs.insert("word".to_owned(), from);
    let (run, asked) = Run::of(graph(vec![gate("gate"), after]));
    assert_eq!(asked, ["ask gate"]);
    run
}

#[test]
fn a_gate_asks_and_hands_the_answer_on() {
    let mut run = asks();
    assert_eq!(run.state.phase(), RunPhase::Asking);
    assert_eq!(run.choices(), ["go", "stop"]);
    assert_eq!(run.decide("go"), ["run after 1"]);
    let values = run.state.inputs(&step("after")).unwrap();
    assert_eq!(values["word"], Value::Text("go".to_owned()));
    assert_eq!(run.done("run after 1"), ["finish Succeeded"]);
}

#[test]
fn a_gate_may_end_the_run() {
    let mut run = asks();
    assert_eq!(run.decide("stop"), ["finish Failed"]);
    assert_eq!(run.failure(), "gate-ended");
}

#[test]
fn words_that_a_question_does_not_have_change_nothing() {
    let mut run = asks();
    assert_eq!(run.decide("perhaps"), [""; 0]);
    assert_eq!(run.state.open_questions().count(), 1);
    assert_eq!(run.decide("go"), ["run after 1"]);
}

#[test]
fn a_question_is_answered_once() {
    let mut run = asks();
    let (question, _) = run.state.open_questions().next().unwrap();
    run.decide("go");
    let again = Event::Decided {
        question,
        choice: "stop".to_owned(),
        by: "ben".to_owned(),
    };
    assert_eq!(run.take(again), [""; 0]);
    assert_eq!(
        run.state.questions[&question].answer.as_ref().unwrap().by,
        "ann"
    );
}

#[test]
fn a_question_outlives_its_process() {
    let mut run = asks();
    assert_eq!(run.resume(), [""; 0]);
    assert_eq!(run.decide("go"), ["run after 1"]);
}

#[test]
fn a_cancelled_run_withdraws_its_question() {
    let mut run = asks();
    assert_eq!(run.cancel(), ["finish Failed"]);
    assert_eq!(run.state.open_questions().count(), 0);
}

#[test]
fn a_gate_waits_no_longer_than_its_deadline() {
    let slow = NodeSpec {
        deadline_seconds: Some(60),
        ..gate("gate")
    };
    let (mut run, asked) = Run::of(graph(vec![undoable("a", &[]), slow]));
    assert_eq!(asked, ["run a 1", "ask gate", "wait 60000"]);
    run.done("run a 1");
    assert_eq!(run.wait("wait 60000"), ["undo a 1"]);
    assert_eq!(run.undone("undo a 1"), ["finish Failed"]);
    assert_eq!(run.failure(), "step-deadline");
}

#[test]
fn a_gate_may_free_what_the_run_works_on() {
    let mut freeing = gate("gate");
    freeing.gate.as_mut().unwrap().frees_subjects = true;
    let (mut run, _) = Run::of(graph(vec![freeing, action("after", &["gate"])]));
    assert!(run.state.frees_subjects());
    run.decide("go");
    assert!(!run.state.frees_subjects());
}

#[test]
fn other_steps_go_on_while_a_gate_waits() {
    let (mut run, asked) = Run::of(graph(vec![gate("gate"), action("a", &[])]));
    assert_eq!(asked, ["run a 1", "ask gate"]);
    assert_eq!(run.state.phase(), RunPhase::Running);
    assert_eq!(run.fail("run a 1", denied()), ["finish Failed"]);
}
