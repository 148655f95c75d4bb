//! Several contributors, side by side: what becomes of one leaves the others alone.

use drydock_core::nature::{DamagedSnapshot, SnapshotDamage, SnapshotReport, Trailer};
use drydock_core::{Fault, Nature, OutputId};
use drydock_point::{
    OUTPUTS_PER_RUN_MAX, OutputEvent, PointEffect, Request, check_output_count, view,
};

use crate::kit::{
    End, Input, Run, aborted, attempt, began, cancelled, committed, completed, discarded_by,
    judged, judged_by, lost, opened, opened_by, sealed, sealed_by, signed, spec_of, spool_missing,
    step, stored, verify, whole,
};

/// Two contributors at one store, both running; the first one's output is verified and its
/// part is stored.
fn both_run() -> Run {
    let mut run = Run::of(spec_of(&["etcd", "pki"], &["s1"], 1));
    run.take_all([attempt("etcd"), attempt("pki"), opened_by("etcd", 1, "db")]);
    run.take_all([began("s1", 1, 10, 4), sealed_by("etcd", 1, 5)]);
    run.take_all([judged(1, true), stored("s1", 1, 1)]);
    run
}

/// The second one's output comes and is stored.
fn pki_comes(run: &mut Run, output: u32) {
    run.take_all([opened_by("pki", output, "pki.tar")]);
    run.take_all([began("s1", output, 10, 4), sealed_by("pki", output, 5)]);
    run.take_all([judged(output, true), stored("s1", output, 1)]);
}

/// From when both are whole to the end.
fn goes_on_to_the_end(run: &mut Run, asked: &[String], output: u32) {
    let both = ["1".to_owned(), output.to_string()];
    assert_eq!(
        asked,
        both.map(|output| format!("complete-upload s1/{output}"))
    );
    run.take(completed("s1", 1, 5, true));
    let asked = run.take(completed("s1", output, 5, true));
    assert_eq!(asked, ["sign-manifest"]);
    run.take_all([signed(), committed("s1")]);
    let reasons = Vec::new();
    assert_eq!(run.end(), End::Committed { reasons });
}

#[test]
fn outputs_of_several_are_open_at_once() {
    let mut run = Run::of(spec_of(&["etcd", "pki"], &["s1"], 1));
    run.take_all([attempt("etcd"), attempt("pki")]);
    assert_eq!(
        run.take(opened_by("pki", 1, "pki.tar")),
        ["begin-upload s1/1"]
    );
    assert_eq!(run.take(opened_by("etcd", 2, "db")), ["begin-upload s1/2"]);
    let steps = view::of(&run.point).outputs.into_iter().map(|o| o.step);
    assert_eq!(steps.collect::<Vec<_>>(), [step("pki"), step("etcd")]);
    assert_eq!(run.point.next_output(), OutputId(3));
}

#[test]
fn nothing_is_completed_before_the_last_one_is_done() {
    let mut run = both_run();
    assert_eq!(run.take(whole("etcd")), [""; 0]);
    pki_comes(&mut run, 2);
    let asked = run.take(whole("pki"));
    goes_on_to_the_end(&mut run, &asked, 2);
}

#[test]
fn one_that_is_lost_takes_only_its_own_outputs_with_it() {
    let mut run = both_run();
    run.take_all([opened_by("pki", 2, "pki.tar"), began("s1", 2, 10, 4)]);
    assert_eq!(run.take(lost("pki")), ["abort-upload s1/2"]);
    run.take_all([aborted("s1", 2), whole("etcd"), attempt("pki")]);
    // Its name is free again.
    pki_comes(&mut run, 3);
    let asked = run.take(whole("pki"));
    goes_on_to_the_end(&mut run, &asked, 3);
}

#[test]
fn one_that_begins_again_leaves_nothing_of_its_earlier_attempt() {
    let mut run = both_run();
    run.take(whole("etcd"));
    assert_eq!(run.take(attempt("etcd")), ["abort-upload s1/1"]);
    assert_eq!(run.point.live_outputs().count(), 0);
}

#[test]
fn a_crash_costs_only_what_ran() {
    let mut run = both_run();
    run.take(whole("etcd"));
    run.take_all([opened_by("pki", 2, "pki.tar"), began("s1", 2, 10, 4)]);
    assert_eq!(run.take(Input::Resumed), [""; 0]);
    assert_eq!(run.take(lost("pki")), ["abort-upload s1/2"]);
    run.take_all([aborted("s1", 2), attempt("pki")]);
    pki_comes(&mut run, 3);
    let asked = run.take(whole("pki"));
    goes_on_to_the_end(&mut run, &asked, 3);
}

#[test]
fn one_whose_spool_is_gone_runs_anew_beside_the_others() {
    let mut run = Run::of(spec_of(&["etcd", "pki"], &["s1"], 1));
    run.take_all([attempt("etcd"), attempt("pki"), opened_by("etcd", 1, "db")]);
    run.take_all([began("s1", 1, 10, 4), sealed_by("etcd", 1, 5)]);
    run.take_all([judged(1, true), whole("etcd")]);
    assert_eq!(run.take(spool_missing("put-part s1/1")), [""; 0]);
    assert!(matches!(&run.requests[..], [Request::Again { step: of, .. }] if *of == step("etcd")));
    assert_eq!(run.take(lost("etcd")), ["abort-upload s1/1"]);
    pki_comes(&mut run, 2);
    assert_eq!(run.take(whole("pki")), [""; 0]);
    assert!(!run.point.is_gathered());
}

#[test]
fn each_must_leave_an_output() {
    let mut run = both_run();
    run.take(whole("pki"));
    let told = "step pki ended without a finished output: there is nothing to store of it";
    assert_eq!(run.ending(), ("no-output", told));
    assert!(matches!(run.requests[..], [Request::End { .. }]));
}

#[test]
fn an_output_that_was_left_open_does_not_count() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), opened_by("snapshot", 2, "b"), sealed(2, 5)]);
    assert_eq!(run.take(began("s1", 1, 10, 4)), [""; 0]);
    assert_eq!(run.take(whole("snapshot")), ["abort-upload s1/1"]);
}

#[test]
fn an_output_under_a_name_that_another_took_does_not_count() {
    let mut run = both_run();
    run.take(opened_by("pki", 2, "db"));
    assert_eq!(view::of(&run.point).outputs.len(), 1);
    run.take_all([sealed_by("pki", 2, 5), whole("pki")]);
    assert_eq!(run.ending().0, "no-output");
}

#[test]
fn an_output_comes_from_a_step_that_runs() {
    let mut run = both_run();
    run.take(whole("etcd"));
    // A late word of a step that is done opens nothing.
    run.take(opened_by("etcd", 2, "late"));
    assert!(!run.point.outputs()[&OutputId(2)].is_live());
    // And one of a running step takes back or seals nothing of another, nor does a step that
    // does not belong to the recovery point.
    run.take(discarded_by("pki", 1));
    run.take_all([opened_by("pki", 3, "pki.tar"), sealed_by("etcd", 3, 5)]);
    run.take_all([opened_by("stranger", 4, "x"), attempt("stranger")]);
    assert!(run.point.outputs()[&OutputId(1)].is_live());
    assert!(run.point.outputs()[&OutputId(3)].sealed().is_none());
    assert!(!run.point.outputs().contains_key(&OutputId(4)));
}

#[test]
fn one_that_runs_ends_before_all_is_taken_back() {
    let mut run = both_run();
    assert_eq!(run.take(cancelled("enough")), ["abort-upload s1/1"]);
    run.take_all([lost("pki"), lost("etcd")]);
    assert_eq!(run.take(aborted("s1", 1)), ["drop-spool"]);
    assert_eq!(run.failure().message, "enough");
}

#[test]
fn a_verify_step_judges_what_it_was_told_to() {
    let mut spec = spec_of(&["etcd", "pki"], &["s1"], 1);
    spec.verify = vec![verify("v1", &["etcd"]), verify("v2", &["pki"])];
    let mut run = Run::of(spec);
    run.take_all([attempt("etcd"), attempt("pki"), opened_by("etcd", 1, "db")]);
    assert_eq!(run.take(sealed_by("etcd", 1, 5)), ["judge v1/1"]);
    run.take_all([judged_by("v1", 1, true), whole("etcd")]);
    run.take(opened_by("pki", 2, "pki.tar"));
    assert_eq!(run.take(sealed_by("pki", 2, 5)), ["judge v2/2"]);
    run.take_all([judged_by("v2", 2, true), whole("pki")]);
    assert!(run.point.is_verified());
}

/// Neither of two attempts that run side by side can know of the other's in time.
#[test]
fn a_second_snapshot_ends_it() {
    let nature = Nature::Snapshot(SnapshotReport::Damaged(DamagedSnapshot {
        member: None,
        damage: SnapshotDamage {
            trailer: Trailer::Match,
            problems_total: 0,
            problems: Vec::new(),
            not_etcd: Some("it has no buckets".to_owned()),
        },
    }));
    let mut run = both_run();
    for (contributor, output) in [("etcd", 3), ("pki", 4)] {
        run.take(opened_by(contributor, output, &format!("n{output}")));
        let Input::Told(step, OutputEvent::Sealed { mut sealed }) =
            sealed_by(contributor, output, 5)
        else {
            unreachable!("sealed_by makes no other event");
        };
        sealed.nature = nature.clone();
        run.take(Input::Told(step, OutputEvent::Sealed { sealed }));
    }
    assert_eq!(run.ending().0, "second-snapshot");
}

#[test]
fn the_last_output_that_fits_and_the_first_that_does_not() {
    let last = u32::try_from(OUTPUTS_PER_RUN_MAX).unwrap();
    check_output_count(&step("snapshot"), OutputId(last)).unwrap();
    let fault: Fault = check_output_count(&step("snapshot"), OutputId(last + 1)).unwrap_err();
    assert_eq!(fault.code.as_str(), "too-many-outputs");
    assert_eq!(
        fault.message,
        "step snapshot wants to open output 257, and a run has 256 at most in all its attempts, which no document raises: its plugin must make fewer"
    );
}

#[test]
fn the_runners_copy_has_no_receipts_and_the_effect_has() {
    let mut run = both_run();
    let copy = run.point.for_runner();
    let parts = |point: &drydock_point::Point| {
        let upload = point.upload(&step("s1"), OutputId(1)).unwrap();
        (upload.parts.len(), upload.stored_to)
    };
    assert_eq!((parts(&copy), parts(&run.point)), ((0, 1), (1, 1)));
    run.take(whole("etcd"));
    pki_comes(&mut run, 2);
    run.take(whole("pki"));
    let PointEffect::CompleteUpload { receipts, .. } = run.asked("complete-upload") else {
        panic!("not a completion");
    };
    assert_eq!(receipts.len(), 1);
}
