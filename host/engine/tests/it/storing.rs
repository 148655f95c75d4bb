//! The border between the graph and its recovery point: when it has everything, what runs
//! again for it, and what may still be taken back.

use drydock_core::store::{
    Acknowledgement, Completion, Layout, ObjectStat, Receipt, Session, Sessions,
};
use drydock_core::{ErrorCode, Fault, HoldEnd, HoldKind, OutputId, Verdict};
use drydock_engine::model::{Emission, NodeSpec, Outcome, RunSpec};
use drydock_engine::state::UndoPhase;
use drydock_point::model::{OutputEvent, PointAnswer};

use crate::actions::stopped;
use crate::graph::{backup, hold, need, sealed_output, spec_of, step, verify};
use crate::kit::{Run, action, denied};

/// These nodes, of which the backup steps are judged by one step and stored at one target.
fn spec(nodes: Vec<NodeSpec>) -> RunSpec {
    let mut spec = spec_of(nodes, vec![verify("verify", &[])], &["s1"], 1);
    spec.policy.steps_max = 8;
    spec
}

fn keeper(name: &str) -> NodeSpec {
    NodeSpec {
        contributes: true,
        undo: true,
        ..action(name, &[])
    }
}

fn opened(run: &mut Run, told: &str, output: u32) -> Vec<String> {
    run.emit(
        told,
        Emission::Output(OutputEvent::Opened {
            output: OutputId(output),
            name: "db".to_owned(),
            secret: true,
            object_suffix: format!("{output:016x}"),
            extension: "zst.age".to_owned(),
        }),
    )
}

fn sealed(run: &mut Run, told: &str, output: u32) -> Vec<String> {
    let sealed = Box::new(sealed_output(OutputId(output), 5));
    run.emit(told, Emission::Output(OutputEvent::Sealed { sealed }))
}

fn began() -> PointAnswer {
    PointAnswer::Began {
        session: Session(b"session".to_vec()),
        layout: Layout {
            part_bytes_min: 1,
            part_bytes_max: 1000,
            parts_max: 1000,
            parallel_max: 4,
            equal_parts: false,
            object_bytes_max: 1 << 20,
            part_checksum: None,
            sessions: Sessions::Listed,
            retain: true,
        },
        part_size: 10,
    }
}

fn judged(pass: bool) -> PointAnswer {
    let findings = Vec::new();
    PointAnswer::Judged {
        verdict: Verdict { pass, findings },
    }
}

fn completed() -> PointAnswer {
    PointAnswer::Completed {
        completion: Completion {
            stat: ObjectStat {
                object: "object".to_owned(),
                size: 5,
                checksum: None,
                retained_until: None,
            },
            verified: true,
        },
    }
}

fn stored() -> PointAnswer {
    PointAnswer::PartStored {
        part: Acknowledgement {
            receipt: Receipt(vec![1]),
            verified: false,
        },
    }
}

fn missing() -> PointAnswer {
    PointAnswer::SpoolMissing {
        fault: Fault::permanent(ErrorCode::SpoolMissing, "the sealed spool is gone"),
    }
}

/// The backup step's one output is sealed and judged, and its only part is about to leave.
fn sending(nodes: Vec<NodeSpec>) -> Run {
    let (mut run, _) = Run::of(spec(nodes));
    assert_eq!(opened(&mut run, "run b1 1", 1), ["begin-upload s1 1"]);
    run.point("begin-upload s1 1", began());
    let asked = sealed(&mut run, "run b1 1", 1);
    assert!(asked.contains(&"put-part s1 1".to_owned()), "{asked:?}");
    run.point("judge 1", judged(true));
    run
}

/// Everything is stored, and the manifest is about to be written.
fn committing(nodes: Vec<NodeSpec>) -> Run {
    let mut run = sending(nodes);
    run.done("run b1 1");
    let asked = run.point("put-part s1 1", stored());
    assert_eq!(asked, ["complete-upload s1 1"]);
    assert_eq!(
        run.point("complete-upload s1 1", completed()),
        ["sign-manifest"]
    );
    let asked = run.point(
        "sign-manifest",
        PointAnswer::Signed {
            manifest: "manifest".to_owned(),
            signature: "signature".to_owned(),
        },
    );
    assert_eq!(asked, ["commit-manifest s1"]);
    run
}

fn committed() -> PointAnswer {
    PointAnswer::Committed { despite: None }
}

#[test]
fn a_recovery_point_comes_of_its_backup_step() {
    let mut run = committing(vec![backup("b1")]);
    assert_eq!(run.point("commit-manifest s1", committed()), ["drop-spool"]);
    let asked = run.point("drop-spool", PointAnswer::SpoolDropped);
    assert_eq!(asked, ["finish Succeeded"]);
}

#[test]
fn a_step_may_need_a_verdict_or_a_target() {
    let mut seen = action("seen", &["verify"]);
    let after = action("after", &["s1"]);
    seen.needs.push(need(&step("b1")));
    let mut run = sending(vec![backup("b1"), seen, after]);
    let asked = run.done("run b1 1");
    assert!(asked.contains(&"run seen 1".to_owned()), "{asked:?}");
    run.done("run seen 1");
    run.point("put-part s1 1", stored());
    run.point("complete-upload s1 1", completed());
    run.point(
        "sign-manifest",
        PointAnswer::Signed {
            manifest: "manifest".to_owned(),
            signature: "signature".to_owned(),
        },
    );
    let asked = run.point("commit-manifest s1", committed());
    assert_eq!(asked, ["run after 1"]);
}

#[test]
fn a_backup_step_whose_bytes_are_gone_runs_again() {
    let mut run = sending(vec![backup("b1")]);
    run.done("run b1 1");
    let asked = run.point("put-part s1 1", missing());
    assert!(asked.contains(&"run b1 2".to_owned()), "{asked:?}");
}

#[test]
fn a_backup_step_that_another_step_took_something_of_does_not_run_again() {
    let mut run = sending(vec![backup("b1"), action("taker", &["b1"])]);
    assert_eq!(run.done("run b1 1"), ["run taker 1"]);
    let asked = run.point("put-part s1 1", missing());
    assert!(!asked.contains(&"run b1 2".to_owned()), "{asked:?}");
    assert_eq!(
        run.state.ending.as_ref().unwrap().code.as_str(),
        "spool-missing"
    );
}

#[test]
fn a_backup_step_that_only_came_first_runs_again() {
    let mut next = action("next", &["b1"]);
    next.needs[0].is_order = true;
    let mut run = sending(vec![backup("b1"), next]);
    assert_eq!(run.done("run b1 1"), ["run next 1"]);
    let asked = run.point("put-part s1 1", missing());
    assert!(asked.contains(&"run b1 2".to_owned()), "{asked:?}");
}

#[test]
fn nothing_is_completed_before_the_holds_were_let_go() {
    let lock = hold("lock", HoldKind::Session);
    let held = NodeSpec {
        during: vec![step("lock")],
        ..backup("b1")
    };
    let (mut run, _) = Run::of(spec(vec![lock, held]));
    run.held("run lock 1");
    opened(&mut run, "run b1 1", 1);
    run.point("begin-upload s1 1", began());
    sealed(&mut run, "run b1 1", 1);
    run.point("judge 1", judged(true));
    run.point("put-part s1 1", stored());
    assert_eq!(run.done("run b1 1"), ["let-go lock"]);
    let asked = run.hold_ends("run lock 1", HoldEnd::ToTheEnd);
    assert_eq!(asked, ["complete-upload s1 1"]);
}

#[test]
fn a_kept_thing_is_taken_back_only_when_no_manifest_can_name_it() {
    let mut run = sending(vec![backup("b1"), keeper("keep")]);
    let handle = "volume-1".to_owned();
    run.emit("run keep 1", Emission::Kept { handle });
    run.done("run keep 1");
    // No manifest was ever written, so that none can name it.
    assert_eq!(run.cancel(), ["undo keep 1"]);
    run.undone("undo keep 1");
    run.fail("run b1 1", stopped());
    run.point("put-part s1 1", stored());
    assert_eq!(
        run.point(
            "abort-upload s1 1",
            PointAnswer::Aborted { room_until: None }
        ),
        ["drop-spool"]
    );
}

#[test]
fn a_kept_thing_stays_while_nobody_knows_whether_a_manifest_names_it() {
    let mut run = sending(vec![backup("b1"), keeper("keep")]);
    run.emit(
        "run keep 1",
        Emission::Kept {
            handle: "volume-1".to_owned(),
        },
    );
    run.done("run keep 1");
    run.done("run b1 1");
    run.point("put-part s1 1", stored());
    run.point("complete-upload s1 1", completed());
    run.point(
        "sign-manifest",
        PointAnswer::Signed {
            manifest: "manifest".to_owned(),
            signature: "signature".to_owned(),
        },
    );
    let fault = Fault::permanent(ErrorCode::of("lost"), "the answer got lost");
    let asked = run.point("commit-manifest s1", PointAnswer::Failed { fault });
    assert!(!asked.contains(&"undo keep 1".to_owned()), "{asked:?}");
    assert_eq!(*run.undo_phase("keep"), UndoPhase::Unwanted);
}

#[test]
fn what_a_manifest_names_stays_whatever_fails_afterwards() {
    let after = action("after", &["s1"]);
    let (keep, b1) = (keeper("keep"), backup("b1"));
    let (mut run, _) = Run::of(spec(vec![b1, keep, after]));
    run.emit(
        "run keep 1",
        Emission::Kept {
            handle: "volume-1".to_owned(),
        },
    );
    run.done("run keep 1");
    opened(&mut run, "run b1 1", 1);
    run.point("begin-upload s1 1", began());
    sealed(&mut run, "run b1 1", 1);
    run.point("judge 1", judged(true));
    run.done("run b1 1");
    run.point("put-part s1 1", stored());
    run.point("complete-upload s1 1", completed());
    let kept = run.state.point.as_ref().unwrap().material().unwrap();
    assert_eq!(kept.kept[0].handle, "volume-1");
    run.point(
        "sign-manifest",
        PointAnswer::Signed {
            manifest: "manifest".to_owned(),
            signature: "signature".to_owned(),
        },
    );
    run.point("commit-manifest s1", committed());
    assert_eq!(run.fail("run after 1", denied()), ["drop-spool"]);
    run.point("drop-spool", PointAnswer::SpoolDropped);
    let reasons = vec!["step after failed: the thing is not granted".to_owned()];
    assert_eq!(run.outcome(), Outcome::Degraded { reasons });
    assert_eq!(*run.undo_phase("keep"), UndoPhase::Unwanted);
}

#[test]
fn a_drill_that_fails_disproves_what_was_stored() {
    let drill = NodeSpec {
        proves: true,
        ..action("drill", &["s1"])
    };
    let mut run = committing(vec![backup("b1"), drill]);
    assert_eq!(
        run.point("commit-manifest s1", committed()),
        ["run drill 1"]
    );
    run.fail("run drill 1", denied());
    run.point("drop-spool", PointAnswer::SpoolDropped);
    assert_eq!(run.failure(), "denied-here");
}

/// Trying again mends no recovery point that has failed meanwhile: the operator is asked what
/// else is to be done.
#[test]
fn a_recovery_point_that_failed_past_no_return_is_not_tried_again() {
    let no_return = NodeSpec {
        no_return: true,
        ..action("gone", &[])
    };
    let mut run = committing(vec![backup("b1"), no_return, action("work", &[])]);
    run.done("run gone 1");
    run.fail("run work 1", denied());
    assert_eq!(run.choices(), ["retry", "undo", "leave"]);
    let fault = Fault::permanent(ErrorCode::NoSpace, "no space").not_done();
    run.point("commit-manifest s1", PointAnswer::Failed { fault });
    run.decide("retry");
    assert_eq!(run.choices(), ["undo", "leave"]);
}
