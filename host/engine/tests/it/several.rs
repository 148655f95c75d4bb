//! Several backup steps in one run, case by case: they run one after the other, and what
//! becomes of one leaves the others alone.

use drydock_core::{ErrorClass, ErrorCode, Fault, OutputId, RunPhase, StepName, UnixTime};
use drydock_engine::model::{Effect, Event, Outcome};
use drydock_engine::view::RunView;

use crate::kit::{
    began, committed, completed, failed_by, finished_by, judged, judged_by, opened_by, sealed,
    signed, spec_of, spool_missing, step, stored, verify,
};
use crate::tables::Run;

fn transient() -> Fault {
    Fault::transient(ErrorCode::of("busy"), "the folder is busy")
}

fn permanent() -> Fault {
    Fault::permanent(ErrorCode::of("denied-here"), "the folder is not granted")
}

fn resumed() -> Event {
    Event::RunResumed { at: UnixTime(5) }
}

/// Two backup steps at one store; the first is done and verified, its part is stored, and
/// the second has just been started.
fn second_began() -> Run {
    let mut run = Run::of(spec_of(&["etcd", "pki"], &["s1"], 1));
    run.take_all([opened_by("etcd", 1, "db"), began("s1", 1, 10, 4)]);
    run.take_all([sealed(1, 5), judged(1, true), stored("s1", 1, 1)]);
    let asked = run.take(finished_by("etcd", 1));
    assert_eq!(asked, ["start-backup pki 1 from 2"]);
    run
}

/// The second step's output comes, and the run goes to its end.
fn goes_on_to_the_end(run: &mut Run, attempt: u32, output: u32) {
    run.take_all([
        opened_by("pki", output, "pki.tar"),
        began("s1", output, 10, 4),
        sealed(output, 5),
        judged(output, true),
        stored("s1", output, 1),
    ]);
    let asked = run.take(finished_by("pki", attempt));
    let both = [
        "complete-upload s1/1".to_owned(),
        format!("complete-upload s1/{output}"),
    ];
    assert_eq!(asked, both);
    run.take(completed("s1", 1, 5, true));
    let asked = run.take(completed("s1", output, 5, true));
    assert_eq!(asked, ["sign-manifest"]);
    run.take_all([signed(), committed("s1")]);
    assert_eq!(run.end(), Outcome::Succeeded);
}

#[test]
fn steps_run_one_after_the_other_in_their_order() {
    let mut run = second_began();
    let view = RunView::of(&run.state);
    assert_eq!(view.phase, RunPhase::BackingUp);
    let states: Vec<_> = view
        .backups
        .iter()
        .map(|b| (b.step.as_str(), b.state.word()))
        .collect();
    assert_eq!(states, [("etcd", "done"), ("pki", "running")]);
    goes_on_to_the_end(&mut run, 1, 2);
}

#[test]
fn nothing_is_completed_before_the_last_step_is_done() {
    let mut run = second_began();
    run.take_all([opened_by("pki", 2, "pki.tar"), began("s1", 2, 10, 4)]);
    run.take_all([sealed(2, 5), stored("s1", 2, 1)]);
    assert_eq!(run.take(judged(2, true)), [""; 0]);
    let asked = run.take(finished_by("pki", 1));
    assert_eq!(asked, ["complete-upload s1/1", "complete-upload s1/2"]);
}

#[test]
fn a_step_that_fails_takes_only_its_own_outputs_with_it() {
    let mut run = second_began();
    run.take_all([opened_by("pki", 2, "pki.tar"), began("s1", 2, 10, 4)]);
    let asked = run.take(failed_by("pki", 1, transient()));
    assert_eq!(asked, ["abort-upload s1/2", "wait 100"]);
    let store = step("s1");
    let output = OutputId(2);
    run.take(Event::UploadAborted { store, output });
    let again = run.take(Event::WaitOver { timer: 1 });
    assert_eq!(again, ["start-backup pki 2 from 3"]);
    assert_eq!(run.state.backup(&step("etcd")).unwrap().task.attempts, 1);
    goes_on_to_the_end(&mut run, 2, 3);
}

#[test]
fn a_step_that_fails_for_good_ends_the_run_and_all_is_taken_back() {
    let mut run = second_began();
    let asked = run.take(failed_by("pki", 1, permanent()));
    assert_eq!(asked, ["abort-upload s1/1"]);
    let (store, output) = (step("s1"), OutputId(1));
    let asked = run.take(Event::UploadAborted { store, output });
    assert_eq!(asked, ["drop-spool"]);
    let fault = permanent().not_done();
    assert_eq!(run.end(), Outcome::Failed { fault });
    let kept = RunView::of(&run.state).faults;
    assert_eq!(kept[0].backup, Some(step("pki")));
}

#[test]
fn a_later_step_waits_for_one_that_waits_for_its_next_try() {
    let mut run = Run::of(spec_of(&["etcd", "pki"], &["s1"], 1));
    let asked = run.take(failed_by("etcd", 1, transient()));
    assert_eq!(asked, ["wait 100"]);
    let again = run.take(Event::WaitOver { timer: 1 });
    assert_eq!(again, ["start-backup etcd 2 from 1"]);
}

#[test]
fn a_crash_costs_only_the_step_that_ran() {
    let mut run = second_began();
    run.take_all([opened_by("pki", 2, "pki.tar"), began("s1", 2, 10, 4)]);
    let asked = run.take(resumed());
    assert_eq!(asked, ["abort-upload s1/2", "start-backup pki 2 from 3"]);
    let (store, output) = (step("s1"), OutputId(2));
    run.take(Event::UploadAborted { store, output });
    goes_on_to_the_end(&mut run, 2, 3);
    let lost: Vec<_> = run.state.backups.iter().map(|b| b.lost).collect();
    assert_eq!(lost, [0, 1]);
}

#[test]
fn a_finished_step_whose_spool_is_gone_runs_anew_once_the_other_is_done() {
    let mut run = Run::of(spec_of(&["etcd", "pki"], &["s1"], 1));
    run.take_all([opened_by("etcd", 1, "db"), began("s1", 1, 10, 4)]);
    let part = run.take(sealed(1, 5));
    assert_eq!(part, ["judge 1", "put-part s1/1 #1 0+5"]);
    let part = run.asked("put-part");
    run.take_all([judged(1, true), finished_by("etcd", 1)]);
    assert_eq!(run.take(spool_missing(&part)), ["abort-upload s1/1"]);
    run.take_all([opened_by("pki", 2, "pki.tar"), began("s1", 2, 10, 4)]);
    run.take_all([sealed(2, 5), judged(2, true), stored("s1", 2, 1)]);
    let asked = run.take(finished_by("pki", 1));
    assert_eq!(asked, ["start-backup etcd 2 from 3"]);
    assert_eq!(run.state.backup(&step("pki")).unwrap().task.attempts, 1);
}

#[test]
fn every_step_must_leave_an_output() {
    let mut run = second_began();
    run.take(finished_by("pki", 1));
    let ending = run.state.ending.unwrap();
    assert_eq!(ending.code.as_str(), "no-output");
    assert_eq!(
        ending.message,
        "step pki ended without a finished output: there is nothing to store of it"
    );
}

#[test]
fn an_output_under_a_name_that_another_step_took_does_not_count() {
    let mut run = second_began();
    run.take(opened_by("pki", 2, "db"));
    let view = RunView::of(&run.state);
    assert_eq!(view.outputs.len(), 1);
    run.take_all([sealed(2, 5), finished_by("pki", 1)]);
    assert_eq!(run.state.ending.unwrap().code.as_str(), "no-output");
}

#[test]
fn a_name_is_free_again_once_its_output_was_discarded() {
    let mut run = second_began();
    run.take_all([opened_by("pki", 2, "pki.tar"), began("s1", 2, 10, 4)]);
    run.take(failed_by("pki", 1, transient()));
    run.take(Event::UploadAborted {
        store: step("s1"),
        output: OutputId(2),
    });
    run.take(Event::WaitOver { timer: 1 });
    goes_on_to_the_end(&mut run, 2, 3);
}

#[test]
fn an_output_comes_from_the_step_that_runs() {
    let mut run = second_began();
    // A late word of a step that is done opens nothing.
    run.take(opened_by("etcd", 2, "late"));
    assert!(!run.state.outputs[&OutputId(2)].is_live());
    // And one of the running step takes back nothing of another.
    let reason = transient();
    let output = OutputId(1);
    run.take(Event::OutputDiscarded { output, reason });
    assert!(run.state.outputs[&OutputId(1)].is_live());
}

#[test]
fn a_step_that_runs_ends_before_its_run() {
    let mut run = second_began();
    let reason = "enough".to_owned();
    let asked = run.take(Event::CancelRequested { reason });
    assert_eq!(asked, ["abort-upload s1/1"]);
    let fault = Fault::new(ErrorClass::Cancelled, ErrorCode::Cancelled, "stopped");
    run.take(failed_by("pki", 1, fault));
    let (store, output) = (step("s1"), OutputId(1));
    run.take(Event::UploadAborted { store, output });
    assert!(matches!(run.end(), Outcome::Failed { .. }));
}

#[test]
fn a_verify_step_judges_what_it_was_told_to() {
    let mut spec = spec_of(&["etcd", "pki"], &["s1"], 1);
    spec.verify = vec![verify("v1", &["etcd"]), verify("v2", &["pki"])];
    let mut run = Run::of(spec);
    run.take(opened_by("etcd", 1, "db"));
    run.take(sealed(1, 5));
    assert_eq!(asked_of(&run), ["v1"]);
    run.take_all([judged_by("v1", 1, true), finished_by("etcd", 1)]);
    run.take(opened_by("pki", 2, "pki.tar"));
    run.take(sealed(2, 5));
    assert_eq!(asked_of(&run), ["v2"]);
    run.take_all([judged_by("v2", 2, true), finished_by("pki", 1)]);
    assert!(run.state.is_verified());
    let judges: Vec<Vec<StepName>> = RunView::of(&run.state)
        .pins
        .into_iter()
        .map(|pin| pin.judges)
        .collect();
    let [etcd, pki] = ["etcd", "pki"].map(|name| vec![step(name)]);
    assert_eq!(judges, [vec![], vec![], etcd, pki, vec![]]);
}

/// The verify steps that the last answer asks.
fn asked_of(run: &Run) -> Vec<&str> {
    run.asked
        .iter()
        .filter_map(|effect| match effect {
            Effect::Judge { step, .. } => Some(step.as_str()),
            _ => None,
        })
        .collect()
}
