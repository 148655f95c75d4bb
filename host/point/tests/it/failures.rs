//! What fails, and what is taken back.

use drydock_core::{ErrorClass, ErrorCode, Fault, Finding, Level, Verdict};
use drydock_point::model::PointSpec;
use drydock_point::{Fate, Point, PointAnswer, Request};

use crate::kit::{
    End, Input, Run, aborted, advanced, answer, began, cancelled, committed, completed, failed,
    judged, lost, opened, permanent, sealed, signed, spec, staged, staged_of, stored, transient,
    wait_over, whole,
};

#[test]
fn a_failed_verdict_leaves_nothing_behind() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), began("s2", 1, 10, 4)]);
    run.take(sealed(1, 15));
    // Parts that are under way end first; then the uploads go.
    assert_eq!(run.take(judged(1, false)), [""; 0]);
    assert!(matches!(run.requests[..], [Request::End { .. }]));
    run.take_all([lost("snapshot"), stored("s1", 1, 1)]);
    assert_eq!(run.take(stored("s1", 1, 2)), ["abort-upload s1/1"]);
    run.take(stored("s2", 1, 1));
    assert_eq!(run.take(stored("s2", 1, 2)), ["abort-upload s2/1"]);
    run.take(aborted("s1", 1));
    assert_eq!(run.take(aborted("s2", 1)), ["drop-spool"]);
    assert_eq!(run.point.fate(), Fate::Not);
    let fault = run.failure();
    assert_eq!(fault.code.as_str(), "verification-failed");
    let told = "step verify did not pass db: it gave no reason";
    assert_eq!((fault.message.as_str(), fault.may_be_done()), (told, false));
}

/// The cause is what was found first, not what followed from it.
#[test]
fn a_failed_verdict_is_told_by_its_first_failure() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), sealed(1, 15)]);
    let found = [
        (Level::Warning, "a page is odd"),
        (Level::Failure, "the trailer differs"),
        (Level::Failure, "no figure could be read"),
    ];
    let findings = found.map(|(level, told)| Finding::new(level, "c", told));
    let verdict = Verdict {
        pass: false,
        findings: findings.to_vec(),
    };
    run.take(answer("judge verify/1", PointAnswer::Judged { verdict }));
    let told = "step verify did not pass db: the trailer differs";
    assert_eq!(run.ending().1, told);
}

#[test]
fn one_store_that_fails_leaves_the_other_to_commit() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), began("s2", 1, 10, 4)]);
    run.take(sealed(1, 5));
    let asked = run.take(failed("put-part s1/1", permanent()));
    assert_eq!(asked, ["abort-upload s1/1"]);
    assert_eq!(run.requests, []);
    run.take_all([aborted("s1", 1), judged(1, true), stored("s2", 1, 1)]);
    assert_eq!(run.take(whole("snapshot")), ["complete-upload s2/1"]);
    assert_eq!(run.take(completed("s2", 1, 5, true)), ["sign-manifest"]);
    run.take_all([signed(), committed("s2")]);
    let reasons = vec!["target t-s1 was given up: the target is full".to_owned()];
    assert_eq!(run.end(), End::Committed { reasons });
}

/// How it ends at two stores, of which the first gives up for good.
fn ended_at_one_of_two(adapt: impl FnOnce(&mut PointSpec)) -> Point {
    let mut spec = spec(&["s1", "s2"], 0);
    adapt(&mut spec);
    let mut run = staged_of(spec, &["s1", "s2"]);
    run.take(judged(1, true));
    run.take(failed("complete-upload s1/1", permanent()));
    run.take(completed("s2", 1, 15, true));
    run.take(signed());
    assert_eq!(run.point.shortfall(), None, "it may still get there");
    run.take(committed("s2"));
    run.point
}

#[test]
fn one_that_is_at_too_few_targets_is_there_and_not_enough() {
    let enough = ended_at_one_of_two(|_| {});
    assert_eq!(enough.shortfall(), None);
    let few = ended_at_one_of_two(|spec| spec.minimum_targets = 2);
    let other = ended_at_one_of_two(|spec| spec.stores[1].required = true);
    let required = ended_at_one_of_two(|spec| spec.stores[0].required = true);
    assert_eq!(other.shortfall(), None);
    let told = |point: &Point| {
        let fault = point.shortfall().unwrap();
        assert_eq!(
            (fault.code.as_str(), fault.may_be_done()),
            ("targets-missing", false)
        );
        assert!(point.is_committed());
        fault.message
    };
    assert_eq!(
        told(&few),
        "the recovery point is at 1 of the 2 targets that it has to be at; it is committed at t-s2, from where it can be restored: target t-s1 was given up: the target is full"
    );
    assert_eq!(
        told(&required),
        "the recovery point is not at target t-s1, which is required; it is committed at t-s2, from where it can be restored: target t-s1 was given up: the target is full"
    );
}

#[test]
fn it_fails_when_no_store_is_left() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take(opened(1));
    let begin = |store| failed(&format!("begin-upload {store}/1"), permanent());
    assert_eq!(run.take(begin("s1")), [""; 0]);
    assert_eq!(run.requests, []);
    assert_eq!(run.take(begin("s2")), [""; 0]);
    let [Request::End { fault }] = &run.requests[..] else {
        panic!("no end in {:?}", run.requests);
    };
    let told = "target t-s1 was given up: the target is full; target t-s2 was given up: the target is full";
    assert_eq!(fault.message, told);
    // The spool stays while somebody writes into it.
    assert_eq!(run.take(lost("snapshot")), ["drop-spool"]);
    let fault = run.failure();
    assert_eq!(
        (fault.code.as_str(), fault.message.as_str()),
        ("no-space", told)
    );
}

#[test]
fn one_that_ends_stops_and_takes_everything_back() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), advanced(1, 10)]);
    assert_eq!(run.take(cancelled("the run was cancelled")), [""; 0]);
    assert_eq!(run.take(lost("snapshot")), [""; 0]);
    assert_eq!(run.take(stored("s1", 1, 1)), ["abort-upload s1/1"]);
    run.take(aborted("s1", 1));
    let fault = run.failure();
    assert_eq!(fault.code.as_str(), "cancelled");
    assert_eq!(fault.message, "the run was cancelled");
}

#[test]
fn the_first_reason_to_end_counts() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), sealed(1, 5)]);
    run.take(cancelled("the first"));
    run.take(judged(1, false));
    assert_eq!(run.requests, []);
    assert_eq!(run.ending().1, "the first");
}

#[test]
fn an_upload_that_cannot_be_aborted_is_tried_patiently_and_told() {
    let mut run = staged(&["s1"]);
    run.take(judged(1, false));
    let mut tries = 1;
    while run.take(failed("abort-upload", transient())) != ["drop-spool"] {
        run.take(wait_over());
        tries += 1;
    }
    // The limit is one retry, cleaning up takes six.
    assert_eq!(tries, 7);
    let fault = run.failure();
    assert_eq!(fault.code.as_str(), "verification-failed");
    let left = (
        "left-behind".to_owned(),
        "an unfinished upload of c1/nightly.20260102T030405Z/db.0000000000000001.zst.age may still be at target t-s1, since removing it failed: the target is busy".to_owned(),
    );
    assert_eq!(fault.details, [left]);
}

#[test]
fn a_cleanup_that_was_given_up_is_told_and_it_ends() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 1), advanced(1, 10)]);
    run.take_all([cancelled("the plugin broke"), lost("snapshot")]);
    // The part that is under way is dropped, and what was begun is taken back.
    let dropped = Fault::new(ErrorClass::Cancelled, ErrorCode::Abandoned, "dropped");
    let asked = run.take(failed("put-part", dropped.clone()));
    assert_eq!(asked, ["abort-upload s1/1"]);
    assert_eq!(run.point.faults().len(), 1);
    let late = Fault::new(ErrorClass::Cancelled, ErrorCode::CleanupGivenUp, "too long");
    assert_eq!(run.take(Input::CleanupGivenUp(late)), [""; 0]);
    assert_eq!(run.take(failed("abort-upload", dropped)), ["drop-spool"]);
    let fault = run.failure();
    assert_eq!(fault.message, "the plugin broke");
    let left = (
        "left-behind".to_owned(),
        "an unfinished upload of c1/nightly.20260102T030405Z/db.0000000000000001.zst.age may still be at target t-s1, since removing it failed: dropped".to_owned(),
    );
    assert_eq!(fault.details, [left]);
}

#[test]
fn a_spool_that_stays_is_told() {
    let mut run = Run::new(&["s1"]);
    assert_eq!(run.take(cancelled("stop")), [""; 0]);
    assert_eq!(run.take(lost("snapshot")), ["drop-spool"]);
    run.take(failed("drop-spool", permanent()));
    assert!(run.point.is_over());
    let left = ["the sealed spool of the run could not be removed: the target is full"];
    assert_eq!(run.point.left_behind(), left);
}
