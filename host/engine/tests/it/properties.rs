//! Properties of the pure parts, for any input.

use drydock_core::store::Session;
use drydock_core::{ErrorClass, ErrorCode, Fault, OutputId, UnixTime};
use drydock_engine::decide::decide;
use drydock_engine::model::{Effect, Event};
use drydock_engine::replay::{effect_record, event_record};
use drydock_engine::state::{OpenUpload, RunState};
use proptest::prelude::*;

use crate::kit;

fn open_upload(part_size: u64) -> OpenUpload {
    let Event::UploadBegan { layout, .. } = kit::began("s1", 1, part_size, 4) else {
        unreachable!("began makes no other event");
    };
    OpenUpload {
        session: Session(Vec::new()),
        layout,
        part_size,
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::transient(ErrorCode::of("busy"), "busy")),
        Just(Fault::permanent(ErrorCode::NoSpace, "no space")),
        Just(Fault::permanent(ErrorCode::NoSpace, "no space").not_done()),
        Just(Fault::new(
            ErrorClass::Indeterminate,
            ErrorCode::of("lost"),
            "lost"
        )),
    ]
}

/// Any event about a run with up to three backup steps, two verify steps, two stores and a
/// few outputs, sensible or not.
fn event() -> impl Strategy<Value = Event> {
    let output = 1..4u32;
    let store = prop_oneof![Just("s1"), Just("s2"), Just("s9")];
    let backup = prop_oneof![Just("b1"), Just("b2"), Just("b3"), Just("b9")];
    let artifact = prop_oneof![Just("db"), Just("pki")];
    let verify = prop_oneof![Just("verify"), Just("verify-2")];
    let at = UnixTime(1);
    prop_oneof![
        Just(Event::RunResumed { at }),
        (backup.clone(), output.clone(), artifact).prop_map(|(b, o, n)| kit::opened_by(b, o, n)),
        (output.clone(), 0..50u64).prop_map(|(o, n)| kit::advanced(o, n)),
        output.clone().prop_map(kit::discarded),
        (output.clone(), 0..50u64).prop_map(|(o, n)| kit::sealed(o, n)),
        (backup.clone(), 1..3u32).prop_map(|(b, attempt)| kit::finished_by(b, attempt)),
        (backup, 1..3u32, fault()).prop_map(|(b, n, fault)| kit::failed_by(b, n, fault)),
        (verify, output.clone(), any::<bool>()).prop_map(|(v, o, pass)| kit::judged_by(v, o, pass)),
        (store.clone(), output.clone(), 0..20u64, 0..9u32)
            .prop_map(|(s, o, size, parallel)| kit::began(s, o, size, parallel)),
        (store.clone(), output.clone(), 1..6u32).prop_map(|(s, o, n)| kit::stored(s, o, n)),
        (store.clone(), output.clone(), 0..50u64, any::<bool>())
            .prop_map(|(s, o, size, verified)| kit::completed(s, o, size, verified)),
        Just(kit::signed()),
        store.clone().prop_map(kit::committed),
        store.prop_map(|s| kit::superseded(s, &[])),
        (0..9u64).prop_map(|timer| Event::WaitOver { timer }),
        Just(Event::CancelRequested {
            reason: String::new()
        }),
        Just(Event::CleanupGivenUp { seconds: 1 }),
        Just(Event::SpoolDropped),
    ]
}

/// An event, or the failure of something that is in flight.
fn input() -> impl Strategy<Value = (Option<Event>, prop::sample::Index, Fault, bool)> {
    (
        prop::option::weighted(0.7, event()),
        any::<prop::sample::Index>(),
        fault(),
        any::<bool>(),
    )
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

    /// Whatever comes in whichever order, nothing panics, and once everything that was
    /// asked for is started nothing more is asked for. Records read back as written.
    #[test]
    fn any_events_in_any_order_are_survived(
        backups in 1..4usize, inputs in prop::collection::vec(input(), 0..60),
    ) {
        let mut spec = kit::spec_of(&["b1", "b2", "b3"][..backups], &["s1", "s2"], 1);
        spec.verify.push(kit::verify("verify-2", &["b1"]));
        let mut state = RunState::new(spec, UnixTime(0));
        let mut in_flight: Vec<Effect> = Vec::new();
        for (event, index, fault, missing) in inputs {
            let event = match event {
                Some(event) => event,
                None if in_flight.is_empty() => continue,
                None => {
                    let effect = in_flight.swap_remove(index.index(in_flight.len()));
                    if missing {
                        Event::SpoolMissing { effect: Box::new(effect), fault }
                    } else {
                        Event::EffectFailed { effect: Box::new(effect), fault }
                    }
                }
            };
            state.apply(&event);
            let effects = decide(&state, &event);
            for effect in &effects {
                state.started(effect);
                let record = effect_record(effect, UnixTime(1));
                let read: Effect = serde_json::from_str(&record.body).unwrap();
                prop_assert_eq!(read.word(), effect.word());
                prop_assert_eq!(effect_record(&read, UnixTime(1)).body, record.body);
            }
            let record = event_record(&event, UnixTime(1));
            let read: Event = serde_json::from_str(&record.body).unwrap();
            prop_assert_eq!(event_record(&read, UnixTime(1)).body, record.body);
            in_flight.extend(effects);
            let running = state.backups.iter().filter(|b| b.task.is_in_flight()).count();
            prop_assert!(running <= 1, "{} backup steps run at once", running);
            // What is asked for at once after everything was started would be asked for
            // twice.
            let again = decide(&state, &event);
            prop_assert!(again.is_empty(), "after {:?}: {:?}", event, again);
        }
    }
}

#[test]
fn a_session_never_shows_in_debug_output() {
    let effect = Effect::AbortUpload {
        store: kit::step("s1"),
        output: OutputId(1),
        session: Session(b"bearer-secret".to_vec()),
        attempt: 1,
    };
    let shown = format!("{effect:?}");
    assert!(
        !shown.contains("bearer") && !shown.contains(&hex_of("bearer")),
        "{shown}"
    );
}

fn hex_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
