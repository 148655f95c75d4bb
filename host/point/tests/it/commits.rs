//! Commits, and what stays because a manifest may name it.

use drydock_core::store::Checksum;
use drydock_core::{ErrorClass, ErrorCode, Fault, Level, OutputId, StorePhase};
use drydock_point::{Fate, NeedState, PointAnswer, view};

use crate::kit::{
    End, Input, Run, aborted, answer, attempt, began, cancelled, committed, committing, completed,
    completion, deleted, failed, judged, lost, object, opened, permanent, sealed, signed, spec,
    spool_missing, staged, step, stored, superseded, transient, wait_over, whole,
};

fn in_doubt(message: &str) -> Fault {
    Fault::transient(ErrorCode::Timeout, message)
}

#[test]
fn what_was_completed_where_the_run_cannot_commit_is_deleted() {
    let mut run = committing();
    let asked = run.take(failed("commit-manifest", permanent()));
    assert_eq!(asked, ["delete-object s1/1"]);
    assert_eq!(run.point.fate(), Fate::Not);
    assert_eq!(run.take(deleted("s1", 1)), ["drop-spool"]);
    assert!(run.failure().message.contains("the target is full"));
}

#[test]
fn objects_stay_where_a_manifest_may_name_them() {
    let mut run = committing();
    let unknown = in_doubt("no answer in time");
    let asked = run.take(failed("commit-manifest", unknown.clone()));
    assert_eq!(asked, ["wait 100"]);
    assert_eq!(run.point.fate(), Fate::Open);
    assert_eq!(run.take(wait_over()), ["commit-manifest s1"]);
    let asked = run.take(failed("commit-manifest", unknown));
    assert_eq!(asked, ["drop-spool"]);
    assert_eq!(run.point.fate(), Fate::Unknown);
    let left = (
        "left-behind".to_owned(),
        "c1/nightly.20260102T030405Z/db.0000000000000001.zst.age stays at target t-s1, since a manifest there may name it".to_owned(),
    );
    assert_eq!(run.failure().details, [left]);
}

#[test]
fn objects_stay_whatever_fault_a_commit_of_unknown_outcome_ends_with() {
    for class in ErrorClass::ALL {
        let mut run = Run::of(spec(&["s1"], 0));
        run.take_all([attempt("snapshot"), opened(1), began("s1", 1, 10, 4)]);
        run.take_all([sealed(1, 5), whole("snapshot"), stored("s1", 1, 1)]);
        run.take_all([judged(1, true), completed("s1", 1, 5, true), signed()]);
        let fault = Fault::new(class, ErrorCode::Over, "it is over");
        let asked = run.take(failed("commit-manifest", fault));
        assert_eq!(asked, ["drop-spool"], "{class:?}");
        let store = &view::of(&run.point).stores[0];
        assert_eq!(store.state, StorePhase::Indeterminate);
        let fault = run.failure();
        assert_eq!((fault.class, fault.may_be_done()), (class, true));
        assert_eq!(
            fault.message,
            "target t-s1 was given up: it is over; it is not known whether target t-s1 has this recovery point, so everything that its manifest names stays there: look with `drydock recovery-point list --target t-s1`"
        );
    }
}

/// The answer of the first store's commit is lost for good, and what the second one still
/// lacks is lost as well: the contributor runs anew, and what the first one may have
/// committed stays.
#[test]
fn objects_stay_where_a_manifest_of_an_earlier_attempt_may_name_them() {
    let mut run = Run::of(spec(&["s1", "s2"], 0));
    run.take_all([attempt("snapshot"), opened(1)]);
    run.take_all([began("s1", 1, 10, 4), began("s2", 1, 10, 4), sealed(1, 5)]);
    run.take_all([judged(1, true), whole("snapshot"), stored("s1", 1, 1)]);
    run.take_all([completed("s1", 1, 5, true), signed()]);
    run.take(failed("commit-manifest", in_doubt("no answer")));
    run.take(Input::Resumed);
    assert_eq!(run.take(spool_missing("put-part s2/1")), [""; 0]);
    assert_eq!(run.requests.len(), 1);
    assert_eq!(run.take(lost("snapshot")), ["abort-upload s2/1"]);
    run.take_all([aborted("s2", 1), attempt("snapshot"), opened(2)]);
    run.take_all([began("s2", 2, 10, 4), sealed(2, 5), judged(2, true)]);
    run.take_all([whole("snapshot"), stored("s2", 2, 1)]);
    run.take_all([completed("s2", 2, 5, true), signed()]);
    assert_eq!(run.take(committed("s2")), ["drop-spool"]);
    let reasons = [
        "it is not known whether target t-s1 has this recovery point, so everything that its manifest names stays there: look with `drydock recovery-point list --target t-s1`: no answer",
        "c1/nightly.20260102T030405Z/db.0000000000000001.zst.age stays at target t-s1, since a manifest there may name it",
    ];
    let reasons = reasons.map(str::to_owned).to_vec();
    assert_eq!(run.end(), End::Committed { reasons });
}

#[test]
fn a_commit_that_is_known_not_to_have_taken_place_does_not_clear_an_earlier_doubt() {
    let mut run = committing();
    run.take_all([failed("commit-manifest", transient()), wait_over()]);
    let asked = run.take(failed("commit-manifest", permanent()));
    assert_eq!(asked, ["drop-spool"]);
}

/// Another manifest that was read and believed is the only proof that ours is not there.
#[test]
fn coming_second_after_a_doubt_takes_the_objects_away() {
    let mut run = committing();
    run.take(Input::Resumed);
    let superseded = superseded("s1", &[]);
    assert_eq!(run.take(superseded), ["delete-object s1/1"]);
    assert_eq!(run.point.fate(), Fate::Not);
}

/// After a journal was put back, a run finds what it committed itself, in other words.
#[test]
fn objects_stay_where_the_other_manifest_names_them() {
    let mut run = committing();
    let superseded = superseded("s1", &[object(1)]);
    assert_eq!(run.take(superseded), ["drop-spool"]);
    assert_eq!(run.point.fate(), Fate::Committed);
    assert_eq!(run.point.need(&step("s1")), Some(NeedState::Met));
    let left_behind = Vec::new();
    assert_eq!(run.end(), End::Superseded { left_behind });
}

#[test]
fn one_that_is_cancelled_in_doubt_says_so() {
    let mut run = committing();
    run.take(failed("commit-manifest", transient()));
    let asked = run.take(cancelled("the run was cancelled: enough"));
    assert_eq!(asked, ["drop-spool"]);
    assert_eq!(
        run.failure().message,
        "the run was cancelled: enough; it is not known whether target t-s1 has this recovery point, so everything that its manifest names stays there: look with `drydock recovery-point list --target t-s1`"
    );
}

#[test]
fn a_store_that_failed_in_a_commit_that_stands_degrades_it() {
    let mut run = committing();
    let message = "it computed for too long";
    let despite = Some(Fault::permanent(ErrorCode::CpuLimit, message));
    let committed = PointAnswer::Committed { despite };
    let asked = run.take(answer("commit-manifest", committed));
    assert_eq!(asked, ["drop-spool"]);
    let reasons = vec![
        "target t-s1 has this recovery point, read back byte for byte, although its plugin failed while the manifest was written, so have an eye on that plugin: it computed for too long".to_owned(),
    ];
    assert_eq!(run.end(), End::Committed { reasons });
}

#[test]
fn objects_stay_when_a_commit_was_lost_with_its_process() {
    let mut run = committing();
    assert_eq!(run.take(Input::Resumed), ["commit-manifest s1"]);
    let asked = run.take(failed("commit-manifest", permanent()));
    assert_eq!(asked, ["drop-spool"]);
    assert!(run.failure().may_be_done());
}

#[test]
fn a_contributor_that_runs_anew_gets_a_manifest_of_its_own() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), began("s2", 1, 10, 4)]);
    run.take_all([sealed(1, 5), judged(1, true), whole("snapshot")]);
    run.take_all([stored("s1", 1, 1), completed("s1", 1, 5, true), signed()]);
    run.take(failed("commit-manifest", permanent()));
    run.take_all([deleted("s1", 1), Input::Resumed]);
    run.take(spool_missing("put-part s2/1"));
    assert_eq!(run.take(lost("snapshot")), ["abort-upload s2/1"]);
    assert!(run.point.manifest().is_none());
    run.take_all([aborted("s2", 1), attempt("snapshot"), opened(2)]);
    run.take_all([began("s2", 2, 10, 4), sealed(2, 5), judged(2, true)]);
    run.take_all([whole("snapshot"), stored("s2", 2, 1)]);
    assert_eq!(run.take(completed("s2", 2, 5, true)), ["sign-manifest"]);
}

/// The manifest that is being signed then is about outputs that count no more.
#[test]
fn a_signing_that_was_under_way_when_a_contributor_was_lost_signs_nothing() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true)]);
    assert_eq!(run.take(lost("snapshot")), ["delete-object s1/1"]);
    run.take_all([deleted("s1", 1), attempt("snapshot"), opened(2)]);
    run.take_all([began("s1", 2, 10, 4), sealed(2, 5), judged(2, true)]);
    run.take_all([whole("snapshot"), stored("s1", 2, 1)]);
    // Another one waits until the first is answered.
    assert_eq!(run.take(completed("s1", 2, 5, true)), [""; 0]);
    assert!(run.point.is_busy());
    assert_eq!(run.take(signed()), ["sign-manifest"]);
    assert!(run.point.manifest().is_none());
    assert_eq!(run.take(signed()), ["commit-manifest s1"]);
}

#[test]
fn an_object_that_differs_from_what_was_sent_is_deleted() {
    let expected = [
        (14, None, "delete-object s1/1"),
        (15, Some([2; 32]), "delete-object s1/1"),
        (15, Some([1; 32]), "sign-manifest"),
    ];
    for (size, sha256, asked) in expected {
        let mut run = staged(&["s1"]);
        run.take(judged(1, true));
        let mut completion = completion(1, size, true);
        completion.stat.checksum = sha256.map(Checksum::sha256);
        let completed = PointAnswer::Completed { completion };
        assert_eq!(run.take(answer("complete-upload", completed)), [asked]);
    }
}

#[test]
fn one_that_came_second_takes_its_objects_away() {
    let mut run = committing();
    let superseded = superseded("s1", &[]);
    assert_eq!(run.take(superseded), ["delete-object s1/1"]);
    assert_eq!(run.point.need(&step("s1")), Some(NeedState::Failed));
    run.take(deleted("s1", 1));
    let left_behind = Vec::new();
    assert_eq!(run.end(), End::Superseded { left_behind });
}

#[test]
fn coming_second_at_one_of_two_stores_is_told() {
    let mut run = staged(&["s1", "s2"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true)]);
    run.take_all([completed("s2", 1, 15, true), signed()]);
    run.take(superseded("s1", &[]));
    assert_eq!(run.take(committed("s2")), [""; 0]);
    assert_eq!(run.take(deleted("s1", 1)), ["drop-spool"]);
    let reasons = vec!["target t-s1 already had this recovery point from another run".to_owned()];
    assert_eq!(run.end(), End::Committed { reasons });
}

#[test]
fn warnings_degrade_it_and_notes_do_not() {
    for (level, reasons) in [
        (Level::Note, Vec::new()),
        (Level::Warning, vec!["one member is down".to_owned()]),
    ] {
        let mut run = Run::new(&["s1"]);
        run.take_all([opened(1), began("s1", 1, 10, 4), sealed(1, 5)]);
        run.take(judged(1, true));
        let mut report = crate::kit::report();
        let told = "one member is down";
        let found = drydock_core::Finding::new(level, "few-members", told);
        report.findings.push(found);
        let whole = drydock_point::AttemptEnd::Whole(report);
        run.take(Input::Ended(step("snapshot"), whole));
        run.take_all([stored("s1", 1, 1), completed("s1", 1, 5, true), signed()]);
        run.take(committed("s1"));
        assert_eq!(run.end(), End::Committed { reasons });
    }
}

#[test]
fn ending_one_that_has_committed_everywhere_changes_nothing() {
    let mut run = committing();
    run.take(committed("s1"));
    assert_eq!(run.take(cancelled("late")), [""; 0]);
    let reasons = Vec::new();
    assert_eq!(run.end(), End::Committed { reasons });
}

#[test]
fn what_is_offered_may_be_named_while_the_commit_is_under_way() {
    let mut run = committing();
    let store = |run: &Run| run.point.stores()[0].clone();
    assert!(store(&run).may_be_named(OutputId(1)));
    assert!(!store(&run).is_in_doubt());
    // Nothing is deleted either when it ends meanwhile.
    assert_eq!(run.take(cancelled("stop")), [""; 0]);
    assert_eq!(run.point.fate(), Fate::Open);
    assert_eq!(run.take(committed("s1")), ["drop-spool"]);
    assert_eq!(run.point.fate(), Fate::Committed);
}
