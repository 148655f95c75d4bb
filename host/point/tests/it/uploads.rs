//! The way of one output to the stores, part by part.

use drydock_core::store::Session;
use drydock_core::{ErrorClass, ErrorCode, Fault, OutputId, StorePhase};
use drydock_point::{PointEffect, view};

use crate::kit::{
    End, Run, aborted, advanced, answer, attempt, began, committed, completed, discarded, failed,
    judged, lost, opened, permanent, read_back, sealed, signed, spec, staged, step, stored, swept,
    transient, wait_over, whole,
};

#[test]
fn an_output_goes_its_way() {
    let mut run = Run::new(&["s1"]);
    let table = [
        (opened(1), vec!["begin-upload s1/1"]),
        (advanced(1, 9), vec![]),
        (began("s1", 1, 10, 2), vec![]),
        (advanced(1, 10), vec!["put-part s1/1 #1 0+10"]),
        (advanced(1, 39), vec!["put-part s1/1 #2 10+10"]),
        (stored("s1", 1, 2), vec!["put-part s1/1 #3 20+10"]),
        (sealed(1, 42), vec!["judge verify/1"]),
        (stored("s1", 1, 1), vec!["put-part s1/1 #4 30+10"]),
        (stored("s1", 1, 3), vec!["put-part s1/1 #5 40+2"]),
        (judged(1, true), vec![]),
        (whole("snapshot"), vec![]),
        (stored("s1", 1, 4), vec![]),
        (stored("s1", 1, 5), vec!["complete-upload s1/1"]),
        (completed("s1", 1, 42, false), vec!["read-back s1/1"]),
        (read_back("s1", 1), vec!["sign-manifest"]),
        (signed(), vec!["commit-manifest s1"]),
        (committed("s1"), vec!["drop-spool"]),
    ];
    for (input, expected) in table {
        assert_eq!(run.take(input.clone()), expected, "after {input:?}");
    }
    let reasons = Vec::new();
    assert_eq!(run.end(), End::Committed { reasons });
}

#[test]
fn objects_are_named_after_cluster_run_and_output() {
    let mut run = Run::new(&["s1"]);
    run.take(opened(1));
    let PointEffect::BeginUpload { object, .. } = run.asked("begin-upload") else {
        panic!("not a begin");
    };
    let name = "c1/nightly.20260102T030405Z/db.0000000000000001.zst.age";
    assert_eq!(object, name);
}

#[test]
fn at_most_four_parts_of_an_object_are_in_flight() {
    for (parallel_max, expected) in [(0, 1), (1, 1), (3, 3), (100, 4)] {
        let mut run = Run::new(&["s1"]);
        run.take_all([opened(1), advanced(1, 90)]);
        let parts = run.take(began("s1", 1, 10, parallel_max)).len();
        assert_eq!(parts, expected, "parallel_max {parallel_max}");
    }
}

#[test]
fn a_part_that_waits_holds_back_later_ones_of_an_append_only_store() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), advanced(1, 90), began("s1", 1, 10, 1)]);
    assert_eq!(run.take(failed("put-part", transient())), ["wait 100"]);
    assert_eq!(run.take(advanced(1, 99)), [""; 0]);
    assert_eq!(run.take(wait_over()), ["put-part s1/1 #1 0+10"]);
    assert!(matches!(
        run.asked[0],
        PointEffect::PutPart { attempt: 2, .. }
    ));
}

#[test]
fn an_empty_output_has_one_empty_part() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4)]);
    let asked = run.take(sealed(1, 0));
    assert_eq!(asked, ["judge verify/1", "put-part s1/1 #1 0+0"]);
}

#[test]
fn nothing_is_completed_before_everything_is_verified_and_there() {
    let mut run = staged(&["s1"]);
    let store = &view::of(&run.point).stores[0];
    // All parts are there, and no verdict.
    assert_eq!((store.parts, store.parts_total), (2, Some(2)));
    assert_eq!((store.bytes, store.bytes_total), (15, Some(15)));
    assert_eq!(store.state, StorePhase::Staged);
    assert_eq!(run.take(judged(1, true)), ["complete-upload s1/1"]);
    assert_eq!(view::of(&run.point).recovery_point, None);
    run.take_all([completed("s1", 1, 15, true), signed(), committed("s1")]);
    let view = view::of(&run.point);
    assert_eq!(
        view.recovery_point,
        Some(run.point.spec().run.recovery_point())
    );
}

#[test]
fn a_discarded_output_is_aborted_and_its_successor_takes_its_place() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4)]);
    assert_eq!(run.take(discarded(1)), ["abort-upload s1/1"]);
    assert_eq!(run.take(opened(2)), ["begin-upload s1/2"]);
    run.take_all([aborted("s1", 1), began("s1", 2, 10, 4), sealed(2, 5)]);
    run.take_all([judged(2, true), stored("s1", 2, 1)]);
    assert_eq!(run.take(whole("snapshot")), ["complete-upload s1/2"]);
}

#[test]
fn a_session_that_comes_after_its_output_was_discarded_is_aborted() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), discarded(1)]);
    assert_eq!(run.take(began("s1", 1, 10, 4)), ["abort-upload s1/1"]);
}

#[test]
fn an_attempt_that_is_lost_takes_its_outputs_with_it() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4)]);
    assert_eq!(run.take(lost("snapshot")), ["abort-upload s1/1"]);
    run.take_all([aborted("s1", 1), attempt("snapshot")]);
    assert_eq!(run.take(opened(2)), ["begin-upload s1/2"]);
}

#[test]
fn waits_double_up_to_their_limit() {
    let mut run = Run::of(spec(&["s1"], 6));
    run.take_all([attempt("snapshot"), opened(1)]);
    let mut waits = Vec::new();
    for _ in 1..=6 {
        waits.extend(run.take(failed("begin-upload", transient())));
        run.take_all([swept("s1"), wait_over()]);
    }
    waits.retain(|wait| wait.starts_with("wait"));
    let expected = [100, 200, 400, 800, 1000, 1000].map(|ms| format!("wait {ms}"));
    assert_eq!(waits, expected);
}

#[test]
fn a_throttled_effect_waits_longer() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), advanced(1, 10), began("s1", 1, 10, 4)]);
    let code = ErrorCode::of("slow-down");
    let fault = Fault::new(ErrorClass::Throttled, code, "slow down");
    assert_eq!(run.take(failed("put-part", fault)), ["wait 200"]);
}

#[test]
fn a_wait_that_fails_is_over() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), advanced(1, 10), began("s1", 1, 10, 4)]);
    run.take(failed("put-part", transient()));
    let asked = run.take(failed("wait", permanent()));
    assert_eq!(asked, ["put-part s1/1 #1 0+10"]);
    assert_eq!(run.point.faults().len(), 2);
}

#[test]
fn an_answer_of_another_kind_is_a_failure() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), advanced(1, 10), began("s1", 1, 10, 4)]);
    run.take(answer("put-part", drydock_point::PointAnswer::ReadBack));
    let kept = &run.point.faults()[0];
    assert_eq!(
        (kept.effect, kept.store.as_ref()),
        ("put-part", Some(&step("s1")))
    );
    assert_eq!(
        (kept.output, kept.fault.code.as_str()),
        (Some(OutputId(1)), "wrong-answer")
    );
    assert!(run.point.stores()[0].fault().is_some());
}

#[test]
fn a_part_size_that_is_too_small_gives_up_the_store() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 1, 4), sealed(1, 1001)]);
    assert_eq!(
        run.ending().1,
        "target t-s1 was given up: 1001 bytes in parts of 1 are more than the 1000 parts that the target takes: raise the part size in the target's config"
    );
}

#[test]
fn a_session_never_shows_in_debug_output() {
    let effect = PointEffect::AbortUpload {
        store: step("s1"),
        output: OutputId(1),
        session: Session(b"bearer-secret".to_vec()),
        attempt: 1,
    };
    let shown = format!("{effect:?}");
    let hex: String = "bearer".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        !shown.contains("bearer") && !shown.contains(&hex),
        "{shown}"
    );
}
