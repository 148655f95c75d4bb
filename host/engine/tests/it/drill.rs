//! Runs that drill: one effect, tried again for the machine's sake and never for the
//! data's, and taken up after a crash.

use drydock_core::{
    ErrorCode, Fault, RecoveryPointName, RunPhase, StepState, TargetName, UnixTime,
};
use drydock_engine::decide::decide;
use drydock_engine::model::{DrillPin, DrillResult, DrillVerdict, Effect, Event, Outcome, RunSpec};
use drydock_engine::replay::{effect_record, event_record, replay};
use drydock_engine::state::RunState;
use drydock_engine::view::RunView;
use drydock_journal::Record;

use crate::kit;
use crate::tables::Run;

fn spec() -> RunSpec {
    RunSpec {
        backups: Vec::new(),
        verify: Vec::new(),
        stores: Vec::new(),
        drill: Some(DrillPin {
            target: TargetName::new("local"),
            api_server: false,
        }),
        ..kit::spec(&[], 1)
    }
}

fn result(passed: bool) -> DrillResult {
    DrillResult {
        recovery_point: RecoveryPointName::new("nightly.1"),
        verdict: if passed {
            DrillVerdict::Passed
        } else {
            DrillVerdict::Failed
        },
        reason: (!passed).then(|| "keys in etcd: expected 5, found 4".to_owned()),
        checks: 12,
        recovery_milliseconds: Some(4210),
        data_age_seconds: 60,
        report: None,
        warnings: Vec::new(),
    }
}

fn drilled(attempt: u32, result: DrillResult) -> Event {
    Event::Drilled {
        attempt,
        result: Box::new(result),
    }
}

fn busy() -> Fault {
    Fault::transient(ErrorCode::NoSpace, "the scratch folder is full")
}

#[test]
fn a_drill_that_passes_ends_the_run_well() {
    let mut run = Run::of(spec());
    assert_eq!(RunView::of(&run.state).phase, RunPhase::Drilling);
    assert_eq!(run.asked, [Effect::Drill { attempt: 1 }]);
    assert_eq!(run.take(drilled(1, result(true))), ["drop-spool"]);
    assert_eq!(run.end(), Outcome::Succeeded);
    let view = RunView::of(&run.state).drill.unwrap();
    assert_eq!((view.state, view.attempts), (StepState::Done, 1));
    assert_eq!(view.result, Some(result(true)));
}

#[test]
fn a_recovery_point_that_does_not_pass_fails_the_run_and_is_not_tried_again() {
    let mut run = Run::of(spec());
    run.take(drilled(1, result(false)));
    let Outcome::Failed { fault } = run.end() else {
        panic!("{:?}", run.asked);
    };
    assert_eq!(fault.code.as_str(), "drill-failed");
    assert_eq!(
        fault.message,
        "recovery point nightly.1 failed its drill: keys in etcd: expected 5, found 4"
    );
}

#[test]
fn a_drill_of_nothing_degrades_the_run_and_says_why() {
    let mut run = Run::of(spec());
    let mut skipped = result(true);
    skipped.verdict = DrillVerdict::Skipped;
    skipped.reason = Some("nothing to compare".to_owned());
    run.take(drilled(1, skipped));
    let reasons =
        vec!["the drill of recovery point nightly.1 was skipped: nothing to compare".to_owned()];
    assert_eq!(run.end(), Outcome::Degraded { reasons });
}

#[test]
fn what_could_not_be_written_beside_it_degrades_the_run() {
    let mut run = Run::of(spec());
    let mut passed = result(true);
    passed.warnings = vec!["the mark could not be put there".to_owned()];
    run.take(drilled(1, passed.clone()));
    let reasons = passed.warnings;
    assert_eq!(run.end(), Outcome::Degraded { reasons });
}

#[test]
fn a_machine_that_fails_is_given_another_try_and_then_fails_the_run() {
    let mut run = Run::of(spec());
    assert_eq!(
        run.fail(&Effect::Drill { attempt: 1 }, &busy()),
        ["wait 100"]
    );
    assert_eq!(run.take(Event::WaitOver { timer: 1 }), ["drill 2"]);
    // What the first try says after all is about a folder that is gone.
    assert_eq!(run.take(drilled(1, result(true))), [""; 0]);
    let gave_up = run.fail(&Effect::Drill { attempt: 2 }, &busy());
    assert_eq!(gave_up, ["drop-spool"]);
    assert!(matches!(run.end(), Outcome::Failed { fault } if fault.code.as_str() == "no-space"));
}

#[test]
fn a_cancelled_drill_is_dropped() {
    let mut run = Run::of(spec());
    let effect = run.asked("drill");
    assert!(effect.may_be_abandoned());
    let reason = "the operator".to_owned();
    assert_eq!(run.take(Event::CancelRequested { reason }), [""; 0]);
    let abandoned = Fault::new(
        drydock_core::ErrorClass::Cancelled,
        ErrorCode::Abandoned,
        "gone",
    );
    assert_eq!(run.fail(&effect, &abandoned), ["drop-spool"]);
    assert!(matches!(run.end(), Outcome::Failed { fault } if fault.code.as_str() == "cancelled"));
}

/// The records of a run that was killed at any place lead to the same end.
#[test]
fn a_drill_that_was_cut_off_begins_anew() {
    let at = UnixTime(0);
    let created = Event::RunCreated {
        spec: Box::new(spec()),
        at,
    };
    let mut records = vec![event_record(&created, at)];
    records.push(effect_record(&Effect::Drill { attempt: 1 }, at));
    let records: Vec<Record> = records
        .into_iter()
        .enumerate()
        .map(|(index, record)| Record {
            sequence: index as u64 + 1,
            kind: record.kind,
            body: record.body,
            at,
        })
        .collect();
    let run = spec().run;
    for written in 1..=records.len() {
        let mut state: RunState = replay(&run, &records[..written]).unwrap();
        let resumed = Event::RunResumed { at };
        state.apply(&resumed);
        let attempt = u32::try_from(written).unwrap();
        assert_eq!(decide(&state, &resumed), [Effect::Drill { attempt }]);
    }
}
