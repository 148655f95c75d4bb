//! What is asked for after which events, case by case.

use drydock_core::{
    ErrorClass, ErrorCode, Fault, Finding, Level, OutputId, RunPhase, StorePhase, UnixTime,
};
use drydock_engine::decide::decide;
use drydock_engine::model::{Effect, Event, Outcome, RunSpec};
use drydock_engine::state::{OUTPUTS_PER_RUN_MAX, RunState, check_output_count};
use drydock_engine::view::RunView;

use crate::kit::{
    advanced, began, committed, completed, discarded, failed, finished, judged, object, opened,
    sealed, signed, spec, spool_missing, step, stored, superseded,
};

/// A run that takes events as the driver does, and remembers what is in flight.
pub struct Run {
    pub state: RunState,
    pub asked: Vec<Effect>,
}

impl Run {
    fn new(stores: &[&str]) -> Self {
        Self::of(spec(stores, 1))
    }

    pub fn of(spec: RunSpec) -> Self {
        let mut run = Self {
            state: RunState::new(spec.clone(), UnixTime(0)),
            asked: Vec::new(),
        };
        let at = UnixTime(0);
        let spec = Box::new(spec);
        run.take(Event::RunCreated { spec, at });
        run
    }

    /// Takes one event and gives what it causes, in short.
    pub fn take(&mut self, event: Event) -> Vec<String> {
        self.state.apply(&event);
        self.asked = decide(&self.state, &event);
        for effect in &self.asked {
            self.state.started(effect);
        }
        self.asked.iter().map(short).collect()
    }

    pub fn take_all(&mut self, events: impl IntoIterator<Item = Event>) -> Vec<String> {
        events
            .into_iter()
            .fold(Vec::new(), |_, event| self.take(event))
    }

    /// Fails the one effect of the last answer whose short form begins like this.
    pub fn fail(&mut self, effect: &Effect, fault: &Fault) -> Vec<String> {
        self.take(Event::EffectFailed {
            effect: Box::new(effect.clone()),
            fault: fault.clone(),
        })
    }

    pub fn asked(&self, word: &str) -> Effect {
        let found = self.asked.iter().find(|effect| effect.word() == word);
        found
            .unwrap_or_else(|| panic!("no {word} in {:?}", self.asked))
            .clone()
    }

    pub fn outcome(&self) -> Outcome {
        match self.asked.as_slice() {
            [Effect::Finish { outcome }] => outcome.clone(),
            other => panic!("not the end: {other:?}"),
        }
    }

    pub fn end(&mut self) -> Outcome {
        self.take(Event::SpoolDropped);
        self.outcome()
    }
}

fn short(effect: &Effect) -> String {
    let place = match (effect.store(), effect.output()) {
        (Some(store), Some(output)) => format!(" {store}/{output}"),
        (Some(store), None) => format!(" {store}"),
        (None, Some(output)) => format!(" {output}"),
        (None, None) => String::new(),
    };
    let more = match effect {
        Effect::StartBackup {
            step,
            attempt,
            first_output,
        } => format!(" {step} {attempt} from {first_output}"),
        Effect::Drill { attempt } => format!(" {attempt}"),
        Effect::PutPart {
            number,
            offset,
            length,
            ..
        } => format!(" #{number} {offset}+{length}"),
        Effect::Wait { milliseconds, .. } => format!(" {milliseconds}"),
        _ => String::new(),
    };
    format!("{}{place}{more}", effect.word())
}

fn transient() -> Fault {
    Fault::transient(ErrorCode::of("busy"), "the target is busy")
}

fn permanent() -> Fault {
    Fault::permanent(ErrorCode::NoSpace, "the target is full").not_done()
}

/// A run at one store whose backup is finished and verified and whose two parts are
/// stored: the upload is about to be completed.
fn staged(stores: &[&str]) -> Run {
    let mut run = Run::new(stores);
    run.take(opened(1));
    run.take_all(stores.iter().map(|store| began(store, 1, 10, 4)));
    run.take_all([sealed(1, 15), finished(1)]);
    for store in stores {
        run.take_all([stored(store, 1, 1), stored(store, 1, 2)]);
    }
    run
}

#[test]
fn a_backup_goes_its_way() {
    let mut run = Run::new(&["s1"]);
    let table = [
        (opened(1), vec!["begin-upload s1/1"]),
        (advanced(1, 9), vec![]),
        (began("s1", 1, 10, 2), vec![]),
        (advanced(1, 10), vec!["put-part s1/1 #1 0+10"]),
        (advanced(1, 39), vec!["put-part s1/1 #2 10+10"]),
        (stored("s1", 1, 2), vec!["put-part s1/1 #3 20+10"]),
        (sealed(1, 42), vec!["judge 1"]),
        (stored("s1", 1, 1), vec!["put-part s1/1 #4 30+10"]),
        (stored("s1", 1, 3), vec!["put-part s1/1 #5 40+2"]),
        (judged(1, true), vec![]),
        (finished(1), vec![]),
        (stored("s1", 1, 4), vec![]),
        (stored("s1", 1, 5), vec!["complete-upload s1/1"]),
        (completed("s1", 1, 42, false), vec!["read-back s1/1"]),
        (
            Event::ReadBackPassed {
                store: step("s1"),
                output: OutputId(1),
            },
            vec!["sign-manifest"],
        ),
        (signed(), vec!["commit-manifest s1"]),
        (committed("s1"), vec!["drop-spool"]),
        (Event::SpoolDropped, vec!["finish"]),
    ];
    for (event, expected) in table {
        assert_eq!(run.take(event.clone()), expected, "after {event:?}");
    }
    assert_eq!(run.outcome(), Outcome::Succeeded);
}

#[test]
fn the_first_effect_starts_the_backup() {
    let run = Run::new(&["s1"]);
    assert_eq!(short(&run.asked[0]), "start-backup snapshot 1 from 1");
    assert_eq!(run.asked.len(), 1);
}

#[test]
fn objects_are_named_after_cluster_run_and_output() {
    let mut run = Run::new(&["s1"]);
    run.take(opened(1));
    let Effect::BeginUpload { object, .. } = run.asked("begin-upload") else {
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
    let part = run.asked("put-part");
    assert_eq!(run.fail(&part, &transient()), ["wait 100"]);
    assert_eq!(run.take(advanced(1, 99)), [""; 0]);
    let again = run.take(Event::WaitOver { timer: 1 });
    assert_eq!(again, ["put-part s1/1 #1 0+10"]);
    assert!(matches!(run.asked[0], Effect::PutPart { attempt: 2, .. }));
}

#[test]
fn an_empty_output_has_one_empty_part() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4)]);
    let asked = run.take(sealed(1, 0));
    assert_eq!(asked, ["judge 1", "put-part s1/1 #1 0+0"]);
}

#[test]
fn nothing_is_completed_before_everything_is_verified_and_there() {
    let mut run = staged(&["s1"]);
    let view = RunView::of(&run.state);
    assert_eq!(view.phase, RunPhase::Storing);
    // All parts are there, and no verdict.
    assert_eq!(view.stores[0].parts, 2);
    assert_eq!(view.stores[0].parts_total, Some(2));
    assert_eq!(view.stores[0].bytes, 15);
    assert_eq!(view.stores[0].state, StorePhase::Staged);
    assert_eq!(run.take(judged(1, true)), ["complete-upload s1/1"]);
}

#[test]
fn a_failed_verdict_leaves_nothing_behind() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), began("s2", 1, 10, 4)]);
    run.take(sealed(1, 15));
    // Parts that are under way end first; then the uploads go, and the backup.
    assert_eq!(run.take(judged(1, false)), [""; 0]);
    let fault = Fault::new(ErrorClass::Cancelled, ErrorCode::Cancelled, "stopped");
    run.take(failed(1, fault));
    run.take(stored("s1", 1, 1));
    assert_eq!(run.take(stored("s1", 1, 2)), ["abort-upload s1/1"]);
    run.take(stored("s2", 1, 1));
    assert_eq!(run.take(stored("s2", 1, 2)), ["abort-upload s2/1"]);
    run.take(aborted("s1", 1));
    assert_eq!(run.take(aborted("s2", 1)), ["drop-spool"]);
    let Outcome::Failed { fault } = run.end() else {
        panic!("not failed");
    };
    assert_eq!(fault.code.as_str(), "verification-failed");
    assert_eq!(
        fault.message,
        "step verify did not pass db: it gave no reason"
    );
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
    let mut refused = judged(1, false);
    if let Event::Judged { verdict, .. } = &mut refused {
        let findings = found.map(|(level, told)| Finding::new(level, "c", told));
        verdict.findings = findings.to_vec();
    }
    run.take(refused);
    let ending = run.state.ending.expect("it ends by that");
    assert_eq!(
        ending.message,
        "step verify did not pass db: the trailer differs"
    );
}

fn aborted(store: &str, output: u32) -> Event {
    Event::UploadAborted {
        store: step(store),
        output: OutputId(output),
    }
}

fn deleted(store: &str, output: u32) -> Event {
    Event::ObjectDeleted {
        store: step(store),
        output: OutputId(output),
    }
}

#[test]
fn a_discarded_output_is_aborted_and_its_successor_takes_its_place() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4)]);
    assert_eq!(run.take(discarded(1)), ["abort-upload s1/1"]);
    assert_eq!(run.take(opened(2)), ["begin-upload s1/2"]);
    run.take_all([aborted("s1", 1), began("s1", 2, 10, 4), sealed(2, 5)]);
    run.take_all([judged(2, true), stored("s1", 2, 1)]);
    assert_eq!(run.take(finished(1)), ["complete-upload s1/2"]);
}

#[test]
fn a_session_that_comes_after_its_output_was_discarded_is_aborted() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), discarded(1)]);
    assert_eq!(run.take(began("s1", 1, 10, 4)), ["abort-upload s1/1"]);
}

#[test]
fn a_failed_backup_is_tried_again_with_new_outputs() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4)]);
    let failed = |attempt| failed(attempt, transient());
    assert_eq!(run.take(failed(1)), ["abort-upload s1/1", "wait 100"]);
    assert_eq!(run.take(aborted("s1", 1)), [""; 0]);
    let again = run.take(Event::WaitOver { timer: 1 });
    assert_eq!(again, ["start-backup snapshot 2 from 2"]);
    // The limit is one retry.
    assert_eq!(run.take(failed(2)), ["drop-spool"]);
    let Outcome::Failed { fault } = run.end() else {
        panic!("not failed");
    };
    // Nothing of the run can be anywhere.
    assert_eq!(fault, transient().not_done());
}

#[test]
fn a_permanent_failure_is_not_tried_again() {
    let mut run = Run::new(&["s1"]);
    assert_eq!(run.take(failed(1, permanent())), ["drop-spool"]);
    assert_eq!(run.end(), Outcome::Failed { fault: permanent() });
}

#[test]
fn a_backup_without_an_output_is_none() {
    let mut run = Run::new(&["s1"]);
    run.take(finished(1));
    let Outcome::Failed { fault } = run.end() else {
        panic!("not failed");
    };
    assert_eq!(fault.code.as_str(), "no-output");
}

#[test]
fn an_output_that_was_left_open_does_not_count() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), opened(2), sealed(2, 5)]);
    assert_eq!(run.take(began("s1", 1, 10, 4)), [""; 0]);
    assert_eq!(run.take(finished(1)), ["abort-upload s1/1"]);
}

#[test]
fn waits_double_up_to_their_limit() {
    let mut run = Run::of(spec(&["s1"], 6));
    run.take(opened(1));
    let mut waits = Vec::new();
    for timer in 1..=6 {
        let begin = run.asked("begin-upload");
        waits.extend(run.fail(&begin, &transient()));
        let swept = Event::UploadsSwept {
            store: step("s1"),
            aborted: 0,
        };
        run.take(swept);
        run.take(Event::WaitOver { timer });
    }
    waits.retain(|wait| wait.starts_with("wait"));
    let expected = [100, 200, 400, 800, 1000, 1000].map(|ms| format!("wait {ms}"));
    assert_eq!(waits, expected);
}

#[test]
fn a_throttled_effect_waits_longer() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), advanced(1, 10), began("s1", 1, 10, 4)]);
    let part = run.asked("put-part");
    let fault = Fault::new(
        ErrorClass::Throttled,
        ErrorCode::of("slow-down"),
        "slow down",
    );
    assert_eq!(run.fail(&part, &fault), ["wait 200"]);
}

#[test]
fn one_store_that_fails_leaves_the_other_to_commit() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), began("s2", 1, 10, 4)]);
    run.take(sealed(1, 5));
    let part = run.asked("put-part");
    assert_eq!(run.fail(&part, &permanent()), ["abort-upload s1/1"]);
    run.take_all([aborted("s1", 1), judged(1, true), stored("s2", 1, 1)]);
    assert_eq!(run.take(finished(1)), ["complete-upload s2/1"]);
    assert_eq!(run.take(completed("s2", 1, 5, true)), ["sign-manifest"]);
    run.take_all([signed(), committed("s2")]);
    let reasons = vec!["target t-s1 was given up: the target is full".to_owned()];
    assert_eq!(run.end(), Outcome::Degraded { reasons });
}

#[test]
fn the_run_fails_when_no_store_is_left() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take(opened(1));
    let begins = run.asked.clone();
    assert_eq!(run.fail(&begins[0], &permanent()), [""; 0]);
    assert_eq!(run.fail(&begins[1], &permanent()), [""; 0]);
    let fault = transient();
    run.take(failed(1, fault));
    let Outcome::Failed { fault } = run.end() else {
        panic!("not failed");
    };
    assert_eq!(fault.code.as_str(), "no-space");
    assert_eq!(
        fault.message,
        "target t-s1 was given up: the target is full; target t-s2 was given up: the target is full"
    );
}

#[test]
fn what_was_completed_where_the_run_cannot_commit_is_deleted() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    let commit = run.asked("commit-manifest");
    assert_eq!(run.fail(&commit, &permanent()), ["delete-object s1/1"]);
    assert_eq!(run.take(deleted("s1", 1)), ["drop-spool"]);
    assert!(matches!(run.end(), Outcome::Failed { .. }));
}

#[test]
fn objects_stay_where_a_manifest_may_name_them() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    let unknown = Fault::new(
        ErrorClass::Indeterminate,
        ErrorCode::Timeout,
        "no answer in time",
    );
    let commit = run.asked("commit-manifest");
    assert_eq!(run.fail(&commit, &unknown), ["wait 100"]);
    let timer = run.asked("wait");
    let Effect::Wait { timer, .. } = timer else {
        panic!("not a wait");
    };
    assert_eq!(run.take(Event::WaitOver { timer }), ["commit-manifest s1"]);
    let commit = run.asked("commit-manifest");
    assert_eq!(run.fail(&commit, &unknown), ["drop-spool"]);
    let Outcome::Failed { fault } = run.end() else {
        panic!("not failed");
    };
    assert_eq!(
        fault.details,
        [(
            "left-behind".to_owned(),
            "c1/nightly.20260102T030405Z/db.0000000000000001.zst.age stays at target t-s1, since a manifest there may name it".to_owned()
        )]
    );
}

#[test]
fn objects_stay_whatever_fault_a_commit_of_unknown_outcome_ends_with() {
    for class in ErrorClass::ALL {
        let mut run = Run::of(spec(&["s1"], 0));
        run.take_all([opened(1), began("s1", 1, 10, 4), sealed(1, 5), finished(1)]);
        run.take_all([stored("s1", 1, 1), judged(1, true)]);
        run.take_all([completed("s1", 1, 5, true), signed()]);
        let commit = run.asked("commit-manifest");
        let fault = Fault::new(class, ErrorCode::Over, "it is over");
        assert_eq!(run.fail(&commit, &fault), ["drop-spool"], "{class:?}");
        let store = &RunView::of(&run.state).stores[0];
        assert_eq!(store.state, StorePhase::Indeterminate);
        let Outcome::Failed { fault } = run.end() else {
            panic!("not failed");
        };
        assert_eq!((fault.class, fault.may_be_done()), (class, true));
        assert_eq!(
            fault.message,
            "target t-s1 was given up: it is over; it is not known whether target t-s1 has this recovery point, so everything that its manifest names stays there: look with `drydock recovery-point list --target t-s1`"
        );
    }
}

/// The answer of the first store's commit is lost for good, and what the second one still
/// lacks is lost as well: the backup is made anew, and what the first one may have
/// committed stays.
#[test]
fn objects_stay_where_a_manifest_of_an_earlier_attempt_may_name_them() {
    let mut run = Run::of(spec(&["s1", "s2"], 0));
    run.take_all([opened(1), began("s1", 1, 10, 4), began("s2", 1, 10, 4)]);
    run.take_all([sealed(1, 5), judged(1, true), finished(1)]);
    run.take_all([stored("s1", 1, 1), completed("s1", 1, 5, true), signed()]);
    let commit = run.asked("commit-manifest");
    let lost = Fault::new(
        ErrorClass::Indeterminate,
        ErrorCode::of("lost"),
        "no answer",
    );
    run.fail(&commit, &lost);
    run.take(Event::RunResumed { at: UnixTime(5) });
    let part = run.asked("put-part");
    let asked = run.take(spool_missing(&part));
    assert_eq!(
        asked,
        ["abort-upload s2/1", "start-backup snapshot 2 from 2"]
    );
    run.take_all([aborted("s2", 1), opened(2), began("s2", 2, 10, 4)]);
    run.take_all([sealed(2, 5), judged(2, true), finished(2)]);
    run.take_all([stored("s2", 2, 1), completed("s2", 2, 5, true), signed()]);
    assert_eq!(run.take(committed("s2")), ["drop-spool"]);
    let Outcome::Degraded { reasons } = run.end() else {
        panic!("not degraded");
    };
    assert_eq!(
        reasons,
        [
            "it is not known whether target t-s1 has this recovery point, so everything that its manifest names stays there: look with `drydock recovery-point list --target t-s1`: no answer",
            "c1/nightly.20260102T030405Z/db.0000000000000001.zst.age stays at target t-s1, since a manifest there may name it",
        ]
    );
}

#[test]
fn a_commit_that_is_known_not_to_have_taken_place_does_not_clear_an_earlier_doubt() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    let commit = run.asked("commit-manifest");
    run.fail(&commit, &transient());
    let Effect::Wait { timer, .. } = run.asked("wait") else {
        panic!("not a wait");
    };
    run.take(Event::WaitOver { timer });
    let commit = run.asked("commit-manifest");
    assert_eq!(run.fail(&commit, &permanent()), ["drop-spool"]);
}

/// Another manifest that was read and believed is the only proof that ours is not there.
#[test]
fn coming_second_after_a_doubt_takes_the_objects_away() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    run.take(Event::RunResumed { at: UnixTime(5) });
    let superseded = superseded("s1", &[]);
    assert_eq!(run.take(superseded), ["delete-object s1/1"]);
}

/// After a journal was put back, a run finds what it committed itself, in other words.
#[test]
fn objects_stay_where_the_other_manifest_names_them() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    let superseded = superseded("s1", &[object(1)]);
    assert_eq!(run.take(superseded), ["drop-spool"]);
    let reasons = Vec::new();
    assert_eq!(run.end(), Outcome::Superseded { reasons });
}

#[test]
fn a_run_that_is_cancelled_in_doubt_says_so() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    let commit = run.asked("commit-manifest");
    run.fail(&commit, &transient());
    let reason = "enough".to_owned();
    let asked = run.take(Event::CancelRequested { reason });
    assert_eq!(asked, ["drop-spool"]);
    let Outcome::Failed { fault } = run.end() else {
        panic!("not failed");
    };
    assert_eq!(
        fault.message,
        "the run was cancelled: enough; it is not known whether target t-s1 has this recovery point, so everything that its manifest names stays there: look with `drydock recovery-point list --target t-s1`"
    );
}

#[test]
fn a_store_that_failed_in_a_commit_that_stands_degrades_the_run() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    let committed = Event::Committed {
        store: step("s1"),
        despite: Some(Fault::permanent(
            ErrorCode::CpuLimit,
            "it computed for too long",
        )),
    };
    assert_eq!(run.take(committed), ["drop-spool"]);
    let reasons = vec![
        "target t-s1 has this recovery point, read back byte for byte, although its plugin failed while the manifest was written, so have an eye on that plugin: it computed for too long".to_owned(),
    ];
    assert_eq!(run.end(), Outcome::Degraded { reasons });
}

#[test]
fn objects_stay_when_a_commit_was_lost_with_its_process() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    run.take(Event::RunResumed { at: UnixTime(5) });
    let commit = run.asked("commit-manifest");
    assert_eq!(run.fail(&commit, &permanent()), ["drop-spool"]);
    assert!(matches!(run.end(), Outcome::Failed { .. }));
}

#[test]
fn a_backup_that_is_made_anew_gets_a_manifest_of_its_own() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), began("s2", 1, 10, 4)]);
    run.take_all([
        sealed(1, 5),
        judged(1, true),
        finished(1),
        stored("s1", 1, 1),
    ]);
    run.take_all([completed("s1", 1, 5, true), signed()]);
    let commit = run.asked("commit-manifest");
    run.fail(&commit, &permanent());
    run.take_all([deleted("s1", 1), Event::RunResumed { at: UnixTime(5) }]);
    let part = run.asked("put-part");
    let asked = run.take(spool_missing(&part));
    assert_eq!(
        asked,
        ["abort-upload s2/1", "start-backup snapshot 2 from 2"]
    );
    run.take_all([
        aborted("s2", 1),
        opened(2),
        began("s2", 2, 10, 4),
        sealed(2, 5),
    ]);
    run.take_all([judged(2, true), finished(2), stored("s2", 2, 1)]);
    assert_eq!(run.take(completed("s2", 2, 5, true)), ["sign-manifest"]);
}

#[test]
fn an_object_that_differs_from_what_was_sent_is_deleted() {
    let mut run = staged(&["s1"]);
    run.take(judged(1, true));
    let asked = run.take(completed("s1", 1, 14, true));
    assert_eq!(asked, ["delete-object s1/1"]);
    let mut run = staged(&["s1"]);
    run.take(judged(1, true));
    let mut completion = completed("s1", 1, 15, true);
    if let Event::UploadCompleted { completion, .. } = &mut completion {
        completion.stat.sha256 = Some(vec![2; 32]);
    }
    assert_eq!(run.take(completion), ["delete-object s1/1"]);
    let mut run = staged(&["s1"]);
    run.take(judged(1, true));
    let mut completion = completed("s1", 1, 15, true);
    if let Event::UploadCompleted { completion, .. } = &mut completion {
        completion.stat.sha256 = Some(vec![1; 32]);
    }
    assert_eq!(run.take(completion), ["sign-manifest"]);
}

#[test]
fn a_run_that_came_second_takes_its_objects_away() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    let superseded = superseded("s1", &[]);
    assert_eq!(run.take(superseded), ["delete-object s1/1"]);
    run.take(deleted("s1", 1));
    let reasons = Vec::new();
    assert_eq!(run.end(), Outcome::Superseded { reasons });
}

#[test]
fn coming_second_at_one_of_two_stores_is_told() {
    let mut run = staged(&["s1", "s2"]);
    run.take(judged(1, true));
    run.take_all([
        completed("s1", 1, 15, true),
        completed("s2", 1, 15, true),
        signed(),
    ]);
    run.take(superseded("s1", &[]));
    assert_eq!(run.take(committed("s2")), [""; 0]);
    assert_eq!(run.take(deleted("s1", 1)), ["drop-spool"]);
    let reasons = vec!["target t-s1 already had this recovery point from another run".to_owned()];
    assert_eq!(run.end(), Outcome::Degraded { reasons });
}

#[test]
fn warnings_degrade_a_run_and_notes_do_not() {
    for (level, degraded) in [(Level::Note, false), (Level::Warning, true)] {
        let mut run = Run::new(&["s1"]);
        run.take_all([
            opened(1),
            began("s1", 1, 10, 4),
            sealed(1, 5),
            judged(1, true),
        ]);
        let findings = vec![Finding::new(level, "few-members", "one member is down")];
        run.take(Event::BackupFinished {
            step: step("snapshot"),
            attempt: 1,
            degraded: false,
            findings,
        });
        run.take_all([stored("s1", 1, 1), completed("s1", 1, 5, true), signed()]);
        run.take(committed("s1"));
        let reasons = vec!["one member is down".to_owned()];
        let expected = if degraded {
            Outcome::Degraded { reasons }
        } else {
            Outcome::Succeeded
        };
        assert_eq!(run.end(), expected);
    }
}

#[test]
fn a_cancelled_run_stops_and_takes_everything_back() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), advanced(1, 10)]);
    let cancel = Event::CancelRequested {
        reason: "the operator said so".to_owned(),
    };
    assert_eq!(run.take(cancel), [""; 0]);
    let fault = Fault::new(ErrorClass::Cancelled, ErrorCode::Cancelled, "stopped");
    assert_eq!(run.take(failed(1, fault)), [""; 0]);
    assert_eq!(run.take(stored("s1", 1, 1)), ["abort-upload s1/1"]);
    run.take(aborted("s1", 1));
    let Outcome::Failed { fault } = run.end() else {
        panic!("not failed");
    };
    assert_eq!(fault.code.as_str(), "cancelled");
    assert_eq!(fault.message, "the run was cancelled: the operator said so");
}

#[test]
fn cancelling_a_run_that_has_committed_everywhere_changes_nothing() {
    let mut run = staged(&["s1"]);
    run.take_all([judged(1, true), completed("s1", 1, 15, true), signed()]);
    run.take(committed("s1"));
    let reason = "late".to_owned();
    assert_eq!(run.take(Event::CancelRequested { reason }), [""; 0]);
    assert_eq!(run.end(), Outcome::Succeeded);
}

#[test]
fn a_cut_off_stream_is_made_anew_after_a_crash() {
    let mut run = Run::new(&["s1", "s2"]);
    // The begin at s2 was never answered.
    run.take_all([
        opened(1),
        began("s1", 1, 10, 4),
        advanced(1, 30),
        stored("s1", 1, 1),
    ]);
    let asked = run.take(Event::RunResumed { at: UnixTime(5) });
    let expected = [
        "abort-upload s1/1",
        "sweep-uploads s2",
        "start-backup snapshot 2 from 2",
    ];
    assert_eq!(asked, expected);
    let Effect::SweepUploads {
        prefix, objects, ..
    } = run.asked("sweep-uploads")
    else {
        panic!("not a sweep");
    };
    assert_eq!(prefix, "c1/nightly.20260102T030405Z/");
    assert_eq!(
        objects,
        ["c1/nightly.20260102T030405Z/db.0000000000000001.zst.age"]
    );
    // Nothing is begun at s2 until the lost upload was looked for.
    assert_eq!(run.take(opened(2)), ["begin-upload s1/2"]);
    let swept = Event::UploadsSwept {
        store: step("s2"),
        aborted: 1,
    };
    assert_eq!(run.take(swept), ["begin-upload s2/2"]);
}

#[test]
fn a_sealed_backup_goes_on_after_a_crash_without_sending_parts_again() {
    let mut run = Run::new(&["s1"]);
    run.take_all([
        opened(1),
        began("s1", 1, 10, 4),
        sealed(1, 35),
        judged(1, true),
    ]);
    run.take_all([finished(1), stored("s1", 1, 1), stored("s1", 1, 3)]);
    let asked = run.take(Event::RunResumed { at: UnixTime(5) });
    assert_eq!(asked, ["put-part s1/1 #2 10+10", "put-part s1/1 #4 30+5"]);
    assert!(matches!(run.asked[0], Effect::PutPart { attempt: 2, .. }));
}

#[test]
fn a_verdict_that_was_not_recorded_is_asked_for_again_after_a_crash() {
    let mut run = staged(&["s1"]);
    let asked = run.take(Event::RunResumed { at: UnixTime(5) });
    assert_eq!(asked, ["judge 1"]);
}

#[test]
fn completing_and_committing_are_repeated_after_a_crash() {
    let resumed = || Event::RunResumed { at: UnixTime(5) };
    let mut run = staged(&["s1"]);
    run.take(judged(1, true));
    assert_eq!(run.take(resumed()), ["complete-upload s1/1"]);
    run.take(completed("s1", 1, 15, false));
    assert_eq!(run.take(resumed()), ["read-back s1/1"]);
    let (store, output) = (step("s1"), OutputId(1));
    run.take(Event::ReadBackPassed { store, output });
    assert_eq!(run.take(resumed()), ["sign-manifest"]);
    run.take(signed());
    assert_eq!(run.take(resumed()), ["commit-manifest s1"]);
    run.take(committed("s1"));
    assert_eq!(run.take(resumed()), ["drop-spool"]);
    run.take(Event::SpoolDropped);
    assert_eq!(run.take(resumed()), ["finish"]);
}

#[test]
fn a_missing_spool_makes_the_backup_anew() {
    let mut run = Run::new(&["s1"]);
    run.take_all([
        opened(1),
        began("s1", 1, 10, 4),
        sealed(1, 15),
        judged(1, true),
    ]);
    run.take_all([finished(1), Event::RunResumed { at: UnixTime(5) }]);
    let parts = run.asked.clone();
    assert_eq!(
        run.take(spool_missing(&parts[0])),
        ["start-backup snapshot 2 from 2"]
    );
    assert_eq!(run.take(spool_missing(&parts[1])), ["abort-upload s1/1"]);
}

#[test]
fn a_missing_spool_gives_up_one_store_when_another_has_everything() {
    let mut run = Run::new(&["s1", "s2"]);
    run.take_all([opened(1), began("s1", 1, 10, 4), began("s2", 1, 10, 4)]);
    run.take_all([sealed(1, 5), finished(1), stored("s1", 1, 1)]);
    run.take(Event::RunResumed { at: UnixTime(5) });
    let part = run.asked("put-part");
    assert_eq!(run.take(spool_missing(&part)), ["abort-upload s2/1"]);
    assert_eq!(run.take(judged(1, true)), ["complete-upload s1/1"]);
}

#[test]
fn an_upload_that_cannot_be_aborted_is_tried_patiently_and_told() {
    let mut run = staged(&["s1"]);
    run.take(judged(1, false));
    let mut tries = 1;
    loop {
        let abort = run.asked("abort-upload");
        let asked = run.fail(&abort, &transient());
        if asked == ["drop-spool"] {
            break;
        }
        let Effect::Wait { timer, .. } = run.asked("wait") else {
            panic!("not a wait");
        };
        run.take(Event::WaitOver { timer });
        tries += 1;
    }
    // The schedule's limit is one retry, cleaning up takes six.
    assert_eq!(tries, 7);
    let Outcome::Failed { fault } = run.end() else {
        panic!("not failed");
    };
    assert_eq!(fault.code.as_str(), "verification-failed");
    assert_eq!(
        fault.details,
        [(
            "left-behind".to_owned(),
            "an unfinished upload of c1/nightly.20260102T030405Z/db.0000000000000001.zst.age may still be at target t-s1, since removing it failed: the target is busy".to_owned()
        )]
    );
}

#[test]
fn a_part_size_that_is_too_small_gives_up_the_store() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 1, 4)]);
    run.take(sealed(1, 1001));
    let ending = run.state.ending.clone().unwrap();
    assert_eq!(
        ending.message,
        "target t-s1 was given up: 1001 bytes in parts of 1 are more than the 1000 parts that the target takes: raise the part size in the target's config"
    );
}

#[test]
fn the_last_output_that_fits_and_the_first_that_does_not() {
    let last = u32::try_from(OUTPUTS_PER_RUN_MAX).unwrap();
    check_output_count(&step("snapshot"), OutputId(last)).unwrap();
    let fault = check_output_count(&step("snapshot"), OutputId(last + 1)).unwrap_err();
    assert_eq!(fault.code.as_str(), "too-many-outputs");
    assert_eq!(
        fault.message,
        "step snapshot wants to open output 257, and a run has 256 at most in all its attempts, which no document raises: its plugin must make fewer"
    );
}

#[test]
fn a_cleanup_that_was_given_up_is_told_and_the_run_ends() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), began("s1", 1, 10, 1), advanced(1, 10)]);
    run.take(failed(
        1,
        Fault::permanent(ErrorCode::of("broken"), "the plugin broke"),
    ));
    // The part that is under way is dropped, and what was begun is taken back.
    let part = run.state.faults.len();
    let put = Effect::PutPart {
        store: step("s1"),
        output: OutputId(1),
        session: drydock_core::store::Session(b"s1/1".to_vec()),
        number: 1,
        offset: 0,
        length: 10,
        attempt: 1,
    };
    let cancelled = Fault::new(ErrorClass::Cancelled, ErrorCode::Abandoned, "dropped");
    assert_eq!(run.fail(&put, &cancelled), ["abort-upload s1/1"]);
    assert_eq!(run.state.faults.len(), part + 1);
    let abort = run.asked("abort-upload");
    assert_eq!(
        run.take(Event::CleanupGivenUp { seconds: 120 }),
        Vec::<String>::new()
    );
    assert_eq!(run.fail(&abort, &cancelled), ["drop-spool"]);
    assert_eq!(run.take(Event::SpoolDropped), ["finish"]);
    let Outcome::Failed { fault } = drydock_engine::decide::outcome(&run.state) else {
        panic!("not failed");
    };
    assert_eq!(fault.message, "the plugin broke");
    assert_eq!(
        fault.details,
        [(
            "left-behind".to_owned(),
            "an unfinished upload of c1/nightly.20260102T030405Z/db.0000000000000001.zst.age may still be at target t-s1, since removing it failed: dropped".to_owned()
        )]
    );
}

#[test]
fn a_backup_that_ends_its_process_each_time_ends_some_day() {
    let mut run = Run::new(&["s1"]);
    let resumes = (1..100).take_while(|_| {
        run.take(Event::RunResumed { at: UnixTime(5) });
        run.state.ending.is_none()
    });
    assert_eq!(resumes.count(), 32);
    assert_eq!(run.state.ending.unwrap().code.as_str(), "lost-too-often");
}

#[test]
fn late_answers_change_nothing() {
    let mut run = Run::new(&["s1"]);
    run.take_all([opened(1), discarded(1)]);
    for event in [
        judged(1, false),
        sealed(1, 5),
        advanced(1, 50),
        finished(7),
        signed(),
        stored("s9", 1, 1),
        judged(9, false),
    ] {
        assert_eq!(run.take(event.clone()), [""; 0], "after {event:?}");
    }
    assert!(run.state.ending.is_none() && run.state.manifest.is_none());
}
