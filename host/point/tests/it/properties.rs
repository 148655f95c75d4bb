//! Properties of the machine, for any input.

use drydock_core::store::Session;
use drydock_core::{ErrorCode, Fault, OutputId, StepName, UnixTime, Verdict};
use drydock_point::state::{OpenUpload, Store};
use drydock_point::{AttemptEnd, Gathered, OutputEvent, Point, PointAnswer, PointEffect, Request};
use proptest::prelude::*;

use crate::kit::{
    Input, attempt, cancelled, completion, discarded_by, layout, lost, opened_by, part_stored,
    sealed_by, spec_of, step, verify, whole,
};

fn open_upload(part_size: u64) -> OpenUpload {
    OpenUpload {
        session: Session(Vec::new()),
        layout: layout(4),
        part_size,
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::transient(ErrorCode::of("busy"), "busy")),
        Just(Fault::permanent(ErrorCode::NoSpace, "no space")),
        Just(Fault::permanent(ErrorCode::NoSpace, "no space").not_done()),
        Just(Fault::transient(ErrorCode::of("lost"), "lost")),
    ]
}

/// How an effect in flight is answered.
#[derive(Debug, Clone)]
enum How {
    Fits(bool),
    Failed(Fault),
    SpoolMissing(Fault),
    Other,
}

#[derive(Debug, Clone)]
enum Step {
    Input(Input),
    Gathered,
    Ungathered,
    /// To whichever effect is in flight.
    Answered(prop::sample::Index, How),
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        12 => prop::bool::weighted(0.9).prop_map(How::Fits),
        2 => fault().prop_map(How::Failed),
        1 => fault().prop_map(How::SpoolMissing),
        1 => Just(How::Other),
    ]
}

/// Any input about a recovery point with up to three contributors, sensible or not.
fn input() -> impl Strategy<Value = Input> {
    let output = 1..5u32;
    let by = prop_oneof![Just("b1"), Just("b2"), Just("b3"), Just("b9")];
    let name = prop_oneof![Just("db"), Just("pki"), Just("x")];
    prop_oneof![
        Just(Input::Resumed),
        by.clone().prop_map(attempt),
        by.clone().prop_map(attempt),
        (by.clone(), output.clone(), name).prop_map(|(b, o, n)| opened_by(b, o, n)),
        (by.clone(), output.clone(), 0..50u64).prop_map(|(b, o, n)| {
            let output = OutputId(o);
            let event = OutputEvent::Advanced {
                output,
                sealed_bytes: n,
            };
            Input::Told(step(b), event)
        }),
        (by.clone(), output.clone()).prop_map(|(b, o)| discarded_by(b, o)),
        (by.clone(), output.clone(), 0..50u64).prop_map(|(b, o, n)| sealed_by(b, o, n)),
        (by.clone(), output, 0..50u64).prop_map(|(b, o, n)| sealed_by(b, o, n)),
        by.clone().prop_map(whole),
        by.clone().prop_map(whole),
        by.clone().prop_map(lost),
        (by, fault()).prop_map(|(b, fault)| Input::Refused(step(b), fault)),
        Just(cancelled("stop")),
        fault().prop_map(Input::CleanupGivenUp),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => input().prop_map(Step::Input),
        1 => Just(Step::Gathered),
        1 => prop::bool::weighted(0.2).prop_map(|ungather| if ungather {
            Step::Ungathered
        } else {
            Step::Gathered
        }),
        8 => (any::<prop::sample::Index>(), how()).prop_map(|(index, how)| Step::Answered(index, how)),
    ]
}

/// The answer that fits; where there are two, `is_good` says which.
fn fitting(effect: &PointEffect, is_good: bool) -> PointAnswer {
    match effect {
        PointEffect::BeginUpload { .. } => PointAnswer::Began {
            session: Session(vec![1]),
            layout: layout(2),
            part_size: 10,
        },
        PointEffect::PutPart { .. } => part_stored(is_good),
        PointEffect::Judge { .. } => PointAnswer::Judged {
            verdict: Verdict {
                pass: is_good,
                findings: Vec::new(),
            },
        },
        PointEffect::CompleteUpload { size, .. } => PointAnswer::Completed {
            completion: completion(1, *size, is_good),
        },
        PointEffect::ReadBack { .. } => PointAnswer::ReadBack,
        PointEffect::RetainObject { .. } => PointAnswer::Retained { until: UnixTime(9) },
        PointEffect::SignManifest => PointAnswer::Signed {
            manifest: String::new(),
            signature: String::new(),
        },
        PointEffect::CommitManifest { .. } if is_good => PointAnswer::Committed { despite: None },
        PointEffect::CommitManifest { .. } => PointAnswer::Superseded { names: Vec::new() },
        PointEffect::AbortUpload { .. } => PointAnswer::Aborted {
            room_until: (!is_good).then_some(UnixTime(5)),
        },
        PointEffect::DeleteObject { .. } => PointAnswer::Deleted,
        PointEffect::SweepUploads { .. } => PointAnswer::Swept {
            aborted: 0,
            room_until: (!is_good).then_some(UnixTime(7)),
        },
        PointEffect::DropSpool => PointAnswer::SpoolDropped,
        PointEffect::Wait { .. } => PointAnswer::WaitOver,
    }
}

fn answer_of(effect: &PointEffect, how: How) -> PointAnswer {
    match how {
        How::Fits(is_good) => fitting(effect, is_good),
        How::Failed(fault) => PointAnswer::Failed { fault },
        How::SpoolMissing(fault) => PointAnswer::SpoolMissing { fault },
        How::Other => PointAnswer::Swept {
            aborted: 9,
            room_until: None,
        },
    }
}

fn apply(point: &mut Point, input: Input) {
    match input {
        Input::Attempt(step) => point.attempt_began(&step),
        Input::Told(step, event) => point.emitted(&step, &event),
        Input::Ended(step, end) => point.attempt_ended(&step, &end),
        Input::Refused(step, reason) => point.again_refused(&step, &reason),
        Input::Ending(fault) => point.ending(&fault),
        Input::CleanupGivenUp(fault) => point.cleanup_given_up(&fault),
        Input::Resumed => point.resumed(),
        Input::Answer(..) => unreachable!("answers are made from what is in flight"),
    }
}

/// What may not be asked for in this state.
fn forbidden(point: &Point, effect: &PointEffect) -> bool {
    match effect {
        PointEffect::CompleteUpload { .. } | PointEffect::SignManifest => {
            !point.is_verified() || point.is_ending()
        }
        PointEffect::CommitManifest { store, .. } => {
            let is_locked = |store| point.live_outputs().all(|o| Store::has_retained(store, o));
            let may_be = point.is_verified() && !point.is_ending();
            !may_be || !point.store(store).is_some_and(is_locked)
        }
        PointEffect::RetainObject { store, .. } => {
            let has_everything = |store| point.has_everything(store);
            let may_be = point.manifest().is_some() && !point.is_ending();
            !may_be || !point.store(store).is_some_and(has_everything)
        }
        PointEffect::DeleteObject { store, output, .. } => {
            let store = point.store(store);
            store.is_none_or(|store| store.may_be_named(*output))
        }
        _ => false,
    }
}

/// Requests are answered at once, as a graph does.
fn answer_requests(point: &mut Point, refuses: bool) -> Result<(), TestCaseError> {
    for request in point.take_requests() {
        match request {
            Request::Again { step, reason } if refuses => point.again_refused(&step, &reason),
            Request::Again { step, reason } => {
                point.attempt_ended(&step, &AttemptEnd::Lost(reason));
                prop_assert!(!point.is_gathered());
            }
            Request::End { fault } => {
                prop_assert!(point.is_ending());
                point.ending(&fault);
            }
        }
    }
    point.take_requests();
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn parts_tile_the_object(size in 0..5000u64, part_size in 1..300u64) {
        let open = open_upload(part_size);
        let mut end = 0;
        for number in 1..=u32::try_from(open.parts_of(size)).unwrap() {
            let (offset, length) = open.part(number, size, true).unwrap();
            prop_assert_eq!(offset, end);
            prop_assert!(length <= part_size && (length > 0 || size == 0));
            end += length;
        }
        prop_assert_eq!(end, size);
        let beyond = u32::try_from(open.parts_of(size)).unwrap() + 1;
        prop_assert_eq!(open.part(beyond, size, true), None);
    }

    #[test]
    fn a_part_that_leaves_early_is_the_one_that_leaves_late(
        size in 1..5000u64, early in 0..5000u64, part_size in 1..300u64, number in 1..50u32,
    ) {
        let open = open_upload(part_size);
        let part = open.part(number, early.min(size), false);
        prop_assert!(part.is_none() || part == open.part(number, size, true));
    }

    /// Whatever comes in whichever order, nothing panics, nothing is asked for twice, nothing
    /// that a manifest may name is deleted, nothing is completed before everything is
    /// verified, nothing is locked before it counts or committed before it is locked; and effects read back from their records give the same state.
    #[test]
    fn any_inputs_in_any_order_are_survived(
        contributors in 1..4usize, refuses in any::<bool>(), locks in any::<bool>(),
        steps in prop::collection::vec(any_step(), 0..80),
    ) {
        let mut spec = spec_of(&["b1", "b2", "b3"][..contributors], &["s1", "s2"], 1);
        spec.stores[0].retain_days = locks.then_some(30);
        spec.verify.push(verify("verify-2", &["b1"]));
        let mut point = Point::new(spec);
        let mut in_flight: Vec<PointEffect> = Vec::new();
        for next in steps {
            match next {
                Step::Input(input) => {
                    if matches!(input, Input::Resumed) {
                        in_flight.clear();
                    }
                    apply(&mut point, input);
                }
                Step::Gathered => point.gathered(Gathered::default()),
                Step::Ungathered => point.ungather(),
                Step::Answered(_, _) if in_flight.is_empty() => continue,
                Step::Answered(index, how) => {
                    let effect = in_flight.swap_remove(index.index(in_flight.len()));
                    let answer = answer_of(&effect, how);
                    let mut replayed = point.clone();
                    point.answered(&effect, &answer);
                    replayed.answered(&again(&effect), &again(&answer));
                    prop_assert_eq!(&point, &replayed);
                }
            }
            answer_requests(&mut point, refuses)?;
            let mut effects = point.effects();
            if effects.is_empty() {
                effects.extend(point.last_effect());
            }
            for effect in &effects {
                prop_assert!(!forbidden(&point, effect), "{:?}", effect);
            }
            for effect in &effects {
                point.started(&again(effect));
            }
            in_flight.extend(effects);
            prop_assert_eq!(point.effects(), [], "asked for twice");
        }
    }
}

/// What comes back from a record.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_words_read_back_as_they_were_written() {
    let spec = spec_of(&["b1"], &["s1"], 1);
    assert_eq!(again(&spec), spec);
    let events = [
        opened_by("b1", 1, "db"),
        sealed_by("b1", 1, 5),
        discarded_by("b1", 1),
    ];
    for event in events {
        let Input::Told(_, event) = event else {
            panic!("not an event");
        };
        assert_eq!(again(&event), event);
    }
    let store: StepName = step("s1");
    let effect = PointEffect::CommitManifest {
        store,
        manifest: "long".to_owned(),
        signature: "long".to_owned(),
        attempt: 1,
    };
    let record = serde_json::to_value(&effect).unwrap();
    let expected = serde_json::json!({"point": "commit-manifest", "store": "s1", "attempt": 1});
    assert_eq!(record, expected);
}
