//! Holds, and the units that they make with the steps during them.

use drydock_core::{HoldEnd, HoldKind, HoldPhase, Probed, QuestionId, Repeat};
use drydock_engine::model::{Event, NodeSpec, Outcome, RunSpec};
use drydock_engine::view::RunView;

use crate::actions::stopped;
use crate::graph::{gate, hold, step};
use crate::kit::{Run, action, busy, denied, graph, undoable};

fn during(holds: &[&str], node: NodeSpec) -> NodeSpec {
    NodeSpec {
        during: holds.iter().map(step).collect(),
        ..node
    }
}

fn session(name: &str) -> NodeSpec {
    hold(name, HoldKind::Session)
}

fn locked(copy: NodeSpec) -> RunSpec {
    graph(vec![session("lock"), during(&["lock"], copy)])
}

fn lost() -> HoldEnd {
    HoldEnd::Lost {
        why: "the other side closed it".to_owned(),
    }
}

/// The lock stands, and the copy has just begun.
fn copying(copy: NodeSpec) -> Run {
    let (mut run, asked) = Run::of(locked(copy));
    assert_eq!(asked, ["run lock 1", "wait 60000"]);
    assert_eq!(run.held("run lock 1"), ["run copy 1", "wait 3600000"]);
    run
}

fn phase_of(run: &Run, name: &str) -> HoldPhase {
    let holds = RunView::of(&run.state).holds;
    let found = holds.into_iter().find(|hold| hold.step == step(name));
    found.unwrap().phase
}

#[test]
fn a_hold_stands_until_the_step_during_it_made_its_cut() {
    let nodes = vec![
        session("lock"),
        during(&["lock"], action("copy", &[])),
        action("after", &["copy"]),
    ];
    let (mut run, _) = Run::of(graph(nodes));
    assert_eq!(phase_of(&run, "lock"), HoldPhase::Requested);
    run.held("run lock 1");
    assert_eq!(phase_of(&run, "lock"), HoldPhase::Held);
    assert_eq!(run.cut("run copy 1"), ["let-go lock"]);
    assert_eq!(phase_of(&run, "lock"), HoldPhase::LettingGo);
    assert_eq!(run.done("run copy 1"), [""; 0]);
    let asked = run.hold_ends("run lock 1", HoldEnd::ToTheEnd);
    assert_eq!(asked, ["run after 1"]);
    assert_eq!(phase_of(&run, "lock"), HoldPhase::Released);
    assert_eq!(run.done("run after 1"), ["finish Succeeded"]);
}

#[test]
fn a_step_that_says_no_cut_is_held_for_until_it_ends() {
    let mut run = copying(action("copy", &[]));
    assert_eq!(run.done("run copy 1"), ["let-go lock"]);
    let asked = run.hold_ends("run lock 1", HoldEnd::ToTheEnd);
    assert_eq!(asked, ["finish Succeeded"]);
}

#[test]
fn holds_are_asked_for_side_by_side_once_nothing_else_is_waited_for() {
    let nodes = vec![
        action("slow", &[]),
        session("lock"),
        session("other"),
        during(&["lock", "other"], action("copy", &["slow"])),
    ];
    let (mut run, asked) = Run::of(graph(nodes));
    assert_eq!(asked, ["run slow 1"]);
    let asked = run.done("run slow 1");
    assert_eq!(asked, ["run lock 1", "run other 1", "wait 60000"]);
    assert_eq!(run.held("run other 1"), ["wait 3600000"]);
    assert_eq!(run.held("run lock 1"), ["run copy 1", "wait 3600000"]);
}

#[test]
fn holds_do_not_count_among_the_steps_that_run() {
    let mut spec = locked(action("copy", &[]));
    spec.policy.steps_max = 1;
    let (mut run, _) = Run::of(spec);
    assert_eq!(run.held("run lock 1"), ["run copy 1", "wait 3600000"]);
}

#[test]
fn a_hold_that_was_lost_has_the_unit_run_anew_once_what_it_did_is_taken_back() {
    let mut run = copying(undoable("copy", &[]));
    run.cut("run copy 1");
    assert_eq!(run.done("run copy 1"), [""; 0]);
    assert_eq!(run.hold_ends("run lock 1", lost()), ["undo copy 1"]);
    assert_eq!(run.undone("undo copy 1"), ["wait 100"]);
    assert_eq!(run.wait("wait 100"), ["run lock 2", "wait 60000"]);
    assert_eq!(run.held("run lock 2"), ["run copy 2", "wait 3600000"]);
    run.cut("run copy 2");
    run.done("run copy 2");
    let asked = run.hold_ends("run lock 2", HoldEnd::ToTheEnd);
    assert_eq!(asked, ["finish Succeeded"]);
}

/// Each step is over then, and the run is not.
#[test]
fn a_run_whose_unit_is_about_to_run_anew_is_not_over_and_can_be_cancelled() {
    let mut run = copying(undoable("copy", &[]));
    run.cut("run copy 1");
    run.done("run copy 1");
    assert_eq!(run.hold_ends("run lock 1", lost()), ["undo copy 1"]);
    assert!(!run.state.is_settled());
    assert_eq!(run.cancel(), [""; 0]);
    assert_eq!(run.undone("undo copy 1"), ["finish Failed"]);
    assert_eq!(run.failure(), "cancelled");
}

#[test]
fn a_stream_that_breaks_after_the_hold_was_let_go_has_the_unit_run_anew() {
    let mut run = copying(action("copy", &[]));
    run.cut("run copy 1");
    run.hold_ends("run lock 1", HoldEnd::ToTheEnd);
    assert_eq!(run.fail("run copy 1", busy()), ["wait 100"]);
    assert_eq!(run.wait("wait 100"), ["run lock 2", "wait 60000"]);
}

#[test]
fn a_crash_between_hold_and_cut_has_the_unit_run_anew_at_once() {
    let mut run = copying(action("copy", &[]));
    assert_eq!(run.resume(), ["run lock 2", "wait 60000"]);
}

/// The same twice, which is as often as the unit is tried.
fn given_up(copy: NodeSpec) -> (Run, Vec<String>) {
    let (mut run, _) = Run::of(locked(copy));
    run.fail("run lock 1", busy());
    run.wait("wait 100");
    let asked = run.fail("run lock 2", busy());
    (run, asked)
}

#[test]
fn a_hold_that_cannot_be_had_skips_its_steps() {
    let (run, asked) = given_up(action("copy", &[]));
    assert_eq!(asked, ["finish Failed"]);
    assert_eq!(run.failure(), "busy");
}

#[test]
fn a_step_may_go_on_without_its_hold_and_the_run_tells_of_it() {
    let copy = NodeSpec {
        or_without: true,
        ..action("copy", &[])
    };
    let (mut run, asked) = given_up(copy);
    assert_eq!(asked, ["run copy 1"]);
    assert_eq!(run.done("run copy 1"), ["finish Degraded"]);
    let reasons =
        vec!["steps copy went on without what they stand during: the thing is busy".to_owned()];
    assert_eq!(run.outcome(), Outcome::Degraded { reasons });
}

#[test]
fn a_fault_that_will_not_pass_gives_a_hold_up_at_once() {
    let (mut run, _) = Run::of(locked(action("copy", &[])));
    assert_eq!(run.fail("run lock 1", denied()), ["finish Failed"]);
}

#[test]
fn holds_have_to_stand_within_their_time() {
    let (mut run, _) = Run::of(locked(action("copy", &[])));
    assert_eq!(run.wait("wait 60000"), ["stop lock"]);
    assert_eq!(run.fail("run lock 1", stopped()), ["wait 100"]);
}

#[test]
fn a_hold_is_let_go_at_its_deadline_and_what_was_taken_does_not_count() {
    let mut run = copying(action("copy", &[]));
    assert_eq!(run.wait("wait 3600000"), ["let-go lock", "stop copy"]);
    run.hold_ends("run lock 1", HoldEnd::ToTheEnd);
    assert_eq!(run.fail("run copy 1", stopped()), ["wait 100"]);
}

/// Whether it stood to the end is not known, which another pass may change.
#[test]
fn a_hold_that_fails_while_it_is_let_go_has_the_unit_run_anew() {
    let mut run = copying(action("copy", &[]));
    assert_eq!(run.done("run copy 1"), ["let-go lock"]);
    assert_eq!(run.fail("run lock 1", stopped()), ["wait 100"]);
    run.wait("wait 100");
    run.held("run lock 2");
    run.done("run copy 2");
    assert_eq!(run.fail("run lock 2", stopped()), ["finish Failed"]);
    let Outcome::Failed { fault } = run.outcome() else {
        panic!("{:?}", run.outcome());
    };
    let told = "hold lock was lost, so that what was taken meanwhile does not count: stopped";
    assert_eq!(fault.message, told);
}

#[test]
fn a_run_that_ends_lets_go() {
    let mut run = copying(action("copy", &[]));
    assert_eq!(run.cancel(), ["let-go lock", "stop copy"]);
    run.hold_ends("run lock 1", HoldEnd::ToTheEnd);
    assert_eq!(run.fail("run copy 1", stopped()), ["finish Failed"]);
    assert_eq!(run.failure(), "cancelled");
}

/// A frozen state, during which the copy has just begun.
fn frozen() -> Run {
    let freeze = hold("freeze", HoldKind::State);
    let nodes = vec![freeze, during(&["freeze"], action("copy", &[]))];
    let (mut run, asked) = Run::of(graph(nodes));
    assert_eq!(asked, ["run freeze 1", "wait 60000"]);
    assert_eq!(run.done("run freeze 1"), ["run copy 1", "wait 3600000"]);
    run
}

#[test]
fn a_state_is_asked_whether_it_still_holds_before_it_is_taken_back() {
    let mut run = frozen();
    assert_eq!(run.cut("run copy 1"), ["probe freeze 1"]);
    assert_eq!(
        run.probed("probe freeze 1", Probed::Held),
        ["undo freeze 1"]
    );
    run.done("run copy 1");
    assert_eq!(run.undone("undo freeze 1"), ["finish Succeeded"]);
}

#[test]
fn a_state_that_did_not_hold_to_the_end_has_the_unit_run_anew() {
    let mut run = frozen();
    run.done("run copy 1");
    assert_eq!(
        run.probed("probe freeze 1", Probed::Lost),
        ["undo freeze 1"]
    );
    assert_eq!(run.undone("undo freeze 1"), ["wait 100"]);
}

#[test]
fn a_state_outlives_its_process_and_is_taken_back() {
    let mut run = frozen();
    assert_eq!(run.resume(), ["undo freeze 1"]);
    assert_eq!(run.undone("undo freeze 1"), ["run freeze 2", "wait 60000"]);
}

/// Nobody knows whether it stands, so that it is taken back all the same.
#[test]
fn a_state_whose_attempt_failed_is_taken_back() {
    let (mut run, _) = Run::of(graph(vec![
        hold("freeze", HoldKind::State),
        during(&["freeze"], action("copy", &[])),
    ]));
    assert_eq!(run.fail("run freeze 1", busy()), ["undo freeze 1"]);
    assert_eq!(phase_of(&run, "freeze"), HoldPhase::LettingGo);
    assert_eq!(run.undone("undo freeze 1"), ["wait 100"]);
}

/// The pass failed; what its step did is being taken back when the step's time is over.
#[test]
fn all_passes_of_a_unit_share_the_deadline_of_a_step() {
    let slow = NodeSpec {
        deadline_seconds: Some(90),
        ..undoable("copy", &[])
    };
    let (mut run, _) = Run::of(locked(slow));
    let asked = run.held("run lock 1");
    assert_eq!(asked, ["run copy 1", "wait 3600000", "wait 90000"]);
    assert_eq!(run.hold_ends("run lock 1", lost()), ["stop copy"]);
    assert_eq!(run.fail("run copy 1", busy()), ["undo copy 1"]);
    assert_eq!(run.wait("wait 90000"), [""; 0]);
    assert_eq!(run.undone("undo copy 1"), ["finish Failed"]);
    assert_eq!(run.failure(), "step-deadline");
}

#[test]
fn a_gate_asks_once_what_it_stands_during_stands() {
    let (mut run, asked) = Run::of(locked(gate("copy")));
    assert_eq!(asked, ["run lock 1", "wait 60000"]);
    assert_eq!(run.held("run lock 1"), ["ask copy", "wait 3600000"]);
    assert_eq!(run.decide("go"), ["let-go lock"]);
    let asked = run.hold_ends("run lock 1", HoldEnd::ToTheEnd);
    assert_eq!(asked, ["finish Succeeded"]);
}

#[test]
fn a_gate_whose_hold_was_lost_asks_anew() {
    let (mut run, _) = Run::of(locked(gate("copy")));
    run.held("run lock 1");
    assert_eq!(run.hold_ends("run lock 1", lost()), ["wait 100"]);
    assert_eq!(run.state.open_questions().count(), 0);
    run.wait("wait 100");
    assert_eq!(run.held("run lock 2"), ["ask copy", "wait 3600000"]);
    assert_eq!(run.state.open_questions().count(), 1);
}

/// A step went on without its hold, and an operator is asked whether it was done. Another
/// failure past a point of no return has its unit begin anew: what was asked is settled by
/// taking the step back.
#[test]
fn a_unit_that_begins_anew_asks_nothing_of_what_went_on_without_it() {
    let copy = NodeSpec {
        or_without: true,
        repeat: Repeat::AtMostOnce,
        ..undoable("copy", &["a"])
    };
    let no_return = NodeSpec {
        no_return: true,
        ..action("a", &[])
    };
    let nodes = vec![
        no_return,
        session("lock"),
        during(&["lock"], copy),
        action("b", &["a"]),
    ];
    let (mut run, _) = Run::of(graph(nodes));
    assert_eq!(run.done("run a 1"), ["run lock 1", "run b 1", "wait 60000"]);
    assert_eq!(run.fail("run lock 1", denied()), ["run copy 1"]);
    assert_eq!(run.fail("run copy 1", busy()), ["ask copy"]);
    assert_eq!(run.fail("run b 1", denied()), ["ask a"]);
    let asked = run.take(Event::Decided {
        question: QuestionId(2),
        choice: "retry".to_owned(),
        by: "ann".to_owned(),
    });
    assert_eq!(asked, ["undo copy 1", "run b 2"]);
    run.undone("undo copy 1");
    assert_eq!(run.state.open_questions().count(), 0);
}

#[test]
fn a_run_that_is_ended_at_a_gate_does_not_go_on_without_the_hold() {
    let asks = NodeSpec {
        or_without: true,
        ..gate("copy")
    };
    let (mut run, _) = Run::of(locked(asks));
    run.held("run lock 1");
    assert_eq!(run.decide("stop"), ["let-go lock"]);
    let asked = run.hold_ends("run lock 1", HoldEnd::ToTheEnd);
    assert_eq!(asked, ["finish Failed"]);
    assert_eq!(run.failure(), "gate-ended");
}
