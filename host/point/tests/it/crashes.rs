//! What is done after the process ended, and after the spool was lost with it.

use drydock_point::{Fate, PointEffect, Request};

use crate::kit::{
    End, Input, Run, advanced, attempt, began, committed, completed, judged, lost, opened,
    read_back, sealed, signed, spec, spool_missing, staged, step, stored, swept, whole,
};

fn resumed() -> Input {
    Input::Resumed
}

#[test]
fn a_cut_off_stream_is_taken_back_after_a_crash() {
    let mut run = Run::new(&["s1", "s2"]);
    // The begin at s2 was never answered.
    run.take_all([opened(1), began("s1", 1, 10, 4), advanced(1, 30)]);
    run.take(stored("s1", 1, 1));
    // The parts that are asked for again are as good as lost: their attempt is told next.
    run.point.resumed();
    let asked = run.take(lost("snapshot"));
    assert_eq!(asked, ["abort-upload s1/1", "sweep-uploads s2"]);
    let PointEffect::SweepUploads {
        prefix, objects, ..
    } = run.asked("sweep-uploads")
    else {
        panic!("not a sweep");
    };
    assert_eq!(prefix, "c1/nightly.20260102T030405Z/");
    let object = "c1/nightly.20260102T030405Z/db.0000000000000001.zst.age";
    assert_eq!(objects, [object]);
    // Nothing is begun at s2 until the lost upload was looked for.
    run.take(attempt("snapshot"));
    assert_eq!(run.take(opened(2)), ["begin-upload s1/2"]);
    assert_eq!(run.take(swept("s2")), ["begin-upload s2/2"]);
}

#[test]
fn what_is_sealed_goes_on_after_a_crash_without_sending_parts_again() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), sealed(1, 35)]);
    run.take_all([judged(1, true), whole("snapshot")]);
    run.take_all([stored("s1", 1, 1), stored("s1", 1, 3)]);
    let asked = run.take(resumed());
    assert_eq!(asked, ["put-part s1/1 #2 10+10", "put-part s1/1 #4 30+5"]);
    assert!(matches!(
        run.asked[0],
        PointEffect::PutPart { attempt: 2, .. }
    ));
}

#[test]
fn a_verdict_that_was_not_recorded_is_asked_for_again_after_a_crash() {
    let mut run = staged(&["s1"]);
    assert_eq!(run.take(resumed()), ["judge verify/1"]);
}

#[test]
fn completing_and_committing_are_repeated_after_a_crash() {
    let mut run = staged(&["s1"]);
    run.take(judged(1, true));
    assert_eq!(run.take(resumed()), ["complete-upload s1/1"]);
    run.take(completed("s1", 1, 15, false));
    assert_eq!(run.take(resumed()), ["read-back s1/1"]);
    run.take(read_back("s1", 1));
    assert_eq!(run.take(resumed()), ["sign-manifest"]);
    run.take(signed());
    assert_eq!(run.take(resumed()), ["commit-manifest s1"]);
    run.take(committed("s1"));
    assert_eq!(run.take(resumed()), ["drop-spool"]);
    let reasons = Vec::new();
    assert_eq!(run.end(), End::Committed { reasons });
    assert_eq!(run.take(resumed()), [""; 0]);
    assert!(run.point.is_over());
}

#[test]
fn a_missing_spool_asks_for_the_contributor_anew_and_changes_nothing_before() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), sealed(1, 15)]);
    run.take_all([judged(1, true), whole("snapshot"), resumed()]);
    assert_eq!(run.take(spool_missing("put-part s1/1 #1")), [""; 0]);
    let [Request::Again { step: of, reason }] = &run.requests[..] else {
        panic!("not asked again: {:?}", run.requests);
    };
    assert_eq!(*of, step("snapshot"));
    assert_eq!(reason.code.as_str(), "spool-missing");
    assert!(run.point.is_verified());
    assert_eq!(run.point.live_outputs().count(), 1);
    // Its other part is still under way.
    assert_eq!(run.take(lost("snapshot")), [""; 0]);
    assert_eq!(run.point.live_outputs().count(), 0);
    let asked = run.take(spool_missing("put-part s1/1 #2"));
    assert_eq!(asked, ["abort-upload s1/1"]);
    assert_eq!(run.requests, []);
    run.take(attempt("snapshot"));
    assert_eq!(run.take(opened(2)), ["begin-upload s1/2"]);
}

#[test]
fn a_contributor_that_may_not_run_anew_ends_it() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), sealed(1, 5)]);
    run.take_all([judged(1, true), whole("snapshot"), resumed()]);
    run.take(spool_missing("put-part s1/1"));
    let [Request::Again { reason, .. }] = &run.requests[..] else {
        panic!("not asked again");
    };
    let reason = reason.clone();
    let asked = run.take(Input::Refused(step("snapshot"), reason.clone()));
    assert_eq!(asked, ["abort-upload s1/1"]);
    assert_eq!(run.requests, [Request::End { fault: reason }]);
    assert_eq!(run.point.fate(), Fate::Not);
}

#[test]
fn a_missing_spool_gives_up_one_store_when_another_has_everything() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), began("s2", 1, 10, 4)]);
    run.take_all([sealed(1, 5), whole("snapshot"), stored("s1", 1, 1)]);
    run.take(resumed());
    let asked = run.take(spool_missing("put-part s2/1"));
    assert_eq!(asked, ["abort-upload s2/1"]);
    assert_eq!(run.requests, []);
    assert_eq!(run.take(judged(1, true)), ["complete-upload s1/1"]);
}

#[test]
fn a_missing_spool_of_a_step_that_runs_costs_that_output() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), sealed(1, 5)]);
    let asked = run.take(spool_missing("put-part s1/1"));
    assert_eq!(asked, ["abort-upload s1/1"]);
    assert_eq!(run.requests, []);
    run.take(whole("snapshot"));
    assert_eq!(run.ending().0, "no-output");
}

#[test]
fn one_that_ends_asks_for_nothing_anew() {
    let mut run = Run::of(spec(&["s1"], 0));
    run.take_all([attempt("snapshot"), opened(1), began("s1", 1, 10, 4)]);
    run.take_all([sealed(1, 5), whole("snapshot"), judged(1, false)]);
    assert_eq!(
        run.take(spool_missing("put-part s1/1")),
        ["abort-upload s1/1"]
    );
    assert_eq!(run.requests, []);
}
