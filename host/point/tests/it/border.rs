//! What passes over the border to the graph: the gathering, needs, the fate.

use drydock_core::UnixTime;
use drydock_point::{
    Fate, Gathered, KeptThing, NeedState, OutputEvent, Point, PointAnswer, PointEffect,
};

use crate::kit::{
    Input, Run, attempt, began, cancelled, committed, committing, completed, judged, judged_by,
    opened, opened_by, sealed, sealed_by, signed, spec, spec_of, staged, step, stored, verify,
    whole,
};

#[test]
fn nothing_is_completed_before_everything_is_gathered() {
    let mut run = Run::of(spec(&["s1"], 1));
    run.take_all([attempt("snapshot"), opened(1), began("s1", 1, 10, 4)]);
    run.take_all([sealed(1, 5), stored("s1", 1, 1), judged(1, true)]);
    // A gathering that does not fit changes nothing.
    run.point.gathered(Gathered::default());
    assert!(!run.point.is_gathered());
    let end = drydock_point::AttemptEnd::Whole(crate::kit::report());
    run.point.attempt_ended(&step("snapshot"), &end);
    assert_eq!(run.point.effects(), []);
    assert!(!run.point.is_verified());
    let gathered = Gathered {
        kept: vec![KeptThing {
            step: step("snapshot"),
            handle: "volume-7".to_owned(),
        }],
        cuts: [(step("snapshot"), UnixTime(7))].into(),
        holds: Vec::new(),
    };
    run.point.gathered(gathered.clone());
    assert_eq!(run.point.material(), Some(&gathered));
    let [effect] = &run.point.effects()[..] else {
        panic!("more than one");
    };
    assert_eq!(effect.word(), "complete-upload");
}

#[test]
fn nothing_is_signed_or_committed_once_it_is_ungathered() {
    let mut run = staged(&["s1"]);
    run.take(judged(1, true));
    run.point.ungather();
    assert_eq!(run.take(completed("s1", 1, 15, true)), [""; 0]);
    run.point.gathered(Gathered::default());
    assert_eq!(run.take(Input::Resumed), ["sign-manifest"]);
    run.take(signed());
    run.point.ungather();
    assert!(run.point.manifest().is_none());
}

#[test]
fn a_need_of_a_verify_step_is_met_when_all_that_it_judges_passed() {
    let mut spec = spec_of(&["etcd", "pki"], &["s1"], 1);
    spec.verify = vec![verify("v1", &["etcd"]), verify("v2", &["pki"])];
    let mut run = Run::of(spec);
    let need = |run: &Run, name| run.point.need(&step(name));
    run.take_all([attempt("etcd"), attempt("pki"), opened_by("etcd", 1, "db")]);
    run.take_all([sealed_by("etcd", 1, 5), judged_by("v1", 1, true)]);
    run.take_all([whole("etcd"), opened_by("pki", 2, "pki.tar")]);
    assert_eq!(need(&run, "v1"), Some(NeedState::Open));
    run.take_all([sealed_by("pki", 2, 5), whole("pki")]);
    assert_eq!(need(&run, "v1"), Some(NeedState::Met));
    assert_eq!(need(&run, "v2"), Some(NeedState::Open));
    assert_eq!((need(&run, "etcd"), need(&run, "nobody")), (None, None));
    run.take(judged_by("v2", 2, false));
    assert_eq!(need(&run, "v1"), Some(NeedState::Met));
    assert_eq!(need(&run, "v2"), Some(NeedState::Failed));
    assert_eq!(need(&run, "s1"), Some(NeedState::Failed));
}

#[test]
fn a_need_of_a_store_step_is_met_when_it_committed() {
    let mut run = committing();
    let need = |run: &Run| run.point.need(&step("s1"));
    assert_eq!(need(&run), Some(NeedState::Open));
    run.take(cancelled("stop"));
    // It may still come.
    assert_eq!(need(&run), Some(NeedState::Open));
    run.take(committed("s1"));
    assert_eq!(need(&run), Some(NeedState::Met));
    assert!(run.point.is_committed() && run.point.is_settled());
}

#[test]
fn the_fate_is_open_until_it_is_decided() {
    let mut run = Run::new(&["s1"]);
    assert_eq!(run.point.fate(), Fate::Open);
    run.take(cancelled("stop"));
    assert_eq!(run.point.fate(), Fate::Not);
    let mut run = committing();
    assert_eq!(run.point.fate(), Fate::Open);
    run.take(committed("s1"));
    assert_eq!(run.point.fate(), Fate::Committed);
}

#[test]
fn one_that_goes_on_has_not_failed() {
    let run = Run::new(&["s1"]);
    assert_eq!(run.point.failure(), None);
    assert_eq!(run.point.last_effect(), None);
}

#[test]
fn what_is_slow_is_named_by_its_place() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), sealed(1, 5)]);
    let slow = |word: &str| run.point.slow(&run.asked(word));
    assert_eq!(slow("judge").unwrap(), "judge of step verify");
    assert_eq!(slow("put-part").unwrap(), "put-part at target t-s1");
    let (timer, milliseconds) = (1, 1);
    let wait = PointEffect::Wait {
        timer,
        milliseconds,
    };
    assert_eq!(run.point.slow(&wait), None);
    assert_eq!(
        run.point.slow(&PointEffect::DropSpool).unwrap(),
        "drop-spool"
    );
}

/// Only what matters to another process than this one is kept.
#[test]
fn what_is_volatile_is_not_recorded() {
    let advanced = OutputEvent::Advanced {
        output: drydock_core::OutputId(1),
        sealed_bytes: 5,
    };
    assert!(!advanced.is_recorded() && !PointAnswer::WaitOver.is_recorded());
    assert!(PointAnswer::SpoolDropped.is_recorded());
}

#[test]
fn objects_lie_under_the_prefix_of_the_run() {
    let point = Point::new(spec(&["s1"], 1));
    assert_eq!(point.spec().prefix(), "c1/nightly.20260102T030405Z/");
    let pins: Vec<_> = point.spec().pins().map(|pin| pin.step.as_str()).collect();
    assert_eq!(pins, ["verify", "s1"]);
}
