//! Properties of the pure machine, for any events in any order.

use std::collections::BTreeMap;

use drydock_core::{ErrorCode, Fault, HoldEnd, OutputId, Probed, QuestionId, UnixTime};
use drydock_engine::check::check;
use drydock_engine::decide::{decide, decide_and_start};
use drydock_engine::model::{Answer, Done, Effect, EffectId, Emission, Event};
use drydock_engine::replay::{EffectRecord, effect_record, event_record};
use drydock_engine::state::RunState;
use drydock_point::model::{OutputEvent, PointAnswer};
use proptest::prelude::*;

use crate::actions::done;
use crate::chaos::GRAPH;
use crate::graph::{self, Shape};
use crate::random::Random;

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::transient(ErrorCode::of("busy"), "busy")),
        Just(Fault::permanent(ErrorCode::NoSpace, "no space")),
        Just(Fault::permanent(ErrorCode::NoSpace, "no space").not_done()),
        Just(Fault::transient(ErrorCode::of("lost"), "lost")),
    ]
}

fn hold_end() -> impl Strategy<Value = Option<HoldEnd>> {
    let why = "closed".to_owned();
    prop_oneof![
        Just(None),
        Just(Some(HoldEnd::ToTheEnd)),
        Just(Some(HoldEnd::Lost { why })),
    ]
}

/// An answer, whatever was asked.
fn answer() -> impl Strategy<Value = Answer> {
    let probed = prop_oneof![
        Just(Probed::NotBegun),
        Just(Probed::Begun),
        Just(Probed::Undone),
        Just(Probed::Held),
        Just(Probed::Lost),
    ];
    prop_oneof![
        4 => (any::<bool>(), hold_end()).prop_map(|(degraded, hold)| {
            done(Done { degraded, hold, ..Done::default() })
        }),
        2 => fault().prop_map(Answer::failed),
        1 => probed.prop_map(|state| Answer::Probed { state }),
        2 => Just(Answer::Undone),
        1 => Just(Answer::WaitOver),
        1 => Just(Answer::Point { point: PointAnswer::Aborted { room_until: None } }),
        1 => fault().prop_map(|fault| Answer::Point { point: PointAnswer::SpoolMissing { fault } }),
    ]
}

fn emission() -> impl Strategy<Value = Emission> {
    let output = (1..4u32).prop_map(OutputId);
    let opened = output.clone().prop_map(|output| OutputEvent::Opened {
        output,
        name: format!("db-{output}"),
        secret: true,
        object_suffix: format!("{:016x}", output.0),
        extension: "zst.age".to_owned(),
    });
    let advanced =
        (output.clone(), 0..50u64).prop_map(|(output, sealed_bytes)| OutputEvent::Advanced {
            output,
            sealed_bytes,
        });
    let sealed = (output, 0..50u64).prop_map(|(output, size)| OutputEvent::Sealed {
        sealed: Box::new(graph::sealed_output(output, size)),
    });
    let evidence = "it stands".to_owned();
    let handle = "volume-1".to_owned();
    prop_oneof![
        opened.prop_map(Emission::Output),
        advanced.prop_map(Emission::Output),
        sealed.prop_map(Emission::Output),
        Just(Emission::Cut),
        Just(Emission::Held { evidence }),
        Just(Emission::Kept { handle }),
    ]
}

/// An event, sensible or not. The effect is one of those in flight, counted round, or none.
#[derive(Debug, Clone)]
enum Input {
    Answer(prop::sample::Index, Answer),
    Emission(prop::sample::Index, Emission),
    Event(Event),
}

fn input() -> impl Strategy<Value = Input> {
    let at = UnixTime(1);
    let words = [
        "go", "stop", "done", "not-done", "retry", "undo", "leave", "perhaps",
    ];
    let decided =
        (0..6u32, prop::sample::select(words.to_vec())).prop_map(|(id, word)| Event::Decided {
            question: QuestionId(id),
            choice: word.to_owned(),
            by: String::new(),
        });
    let stray = (0..60u64, answer()).prop_map(|(effect, answer)| Event::Answered {
        effect: EffectId(effect),
        answer,
    });
    let reason = String::new();
    let event = prop_oneof![
        2 => Just(Event::Resumed { at }),
        4 => decided,
        2 => stray,
        1 => Just(Event::Cancelled { reason }),
        1 => Just(Event::CleanupGivenUp { seconds: 1 }),
    ];
    prop_oneof![
        6 => (any::<prop::sample::Index>(), answer()).prop_map(|(i, a)| Input::Answer(i, a)),
        3 => (any::<prop::sample::Index>(), emission()).prop_map(|(i, e)| Input::Emission(i, e)),
        1 => event.prop_map(Input::Event),
    ]
}

/// The event of an input, where something is in flight.
fn event_of(input: Input, in_flight: &mut BTreeMap<EffectId, Effect>) -> Option<Event> {
    let pick = |index: prop::sample::Index, in_flight: &BTreeMap<EffectId, Effect>| {
        let ids: Vec<_> = in_flight.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[index.index(ids.len())])
    };
    match input {
        Input::Event(event) => Some(event),
        Input::Emission(index, emission) => {
            let effect = pick(index, in_flight)?;
            Some(Event::Emitted { effect, emission })
        }
        Input::Answer(index, answer) => {
            let effect = pick(index, in_flight)?;
            in_flight.remove(&effect);
            Some(Event::Answered { effect, answer })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever comes in whichever order, nothing panics, and once everything that was asked
    /// for is started nothing more is asked for. Records read back as written.
    #[test]
    fn any_events_in_any_order_are_survived(
        seed in any::<u64>(), inputs in prop::collection::vec(input(), 0..60),
    ) {
        let mut spec = graph::spec(&mut Random::new(seed), Shape::Graph, &GRAPH);
        spec.policy.steps_max = 2;
        prop_assert!(check(&spec).is_ok());
        let at = UnixTime(1);
        let mut state = RunState::new(spec.clone(), at);
        let mut in_flight = BTreeMap::new();
        let created = Input::Event(Event::Created { spec: Box::new(spec), at });
        for input in std::iter::once(created).chain(inputs) {
            let Some(event) = event_of(input, &mut in_flight) else {
                continue;
            };
            state.apply(&event, at);
            let record = event_record(&event, at);
            let read: Event = serde_json::from_str(&record.body).unwrap();
            prop_assert_eq!(event_record(&read, at).body, record.body);
            for record in decide_and_start(&mut state, &event, at) {
                let written = effect_record(&record, at).body;
                let read: EffectRecord = serde_json::from_str(&written).unwrap();
                prop_assert_eq!(effect_record(&read, at).body, written);
                if record.effect.is_answered() {
                    in_flight.insert(record.id, record.effect);
                }
            }
            if matches!(event, Event::Resumed { .. }) {
                in_flight.retain(|id, _| state.in_flight.contains_key(id));
            }
            // What is asked for at once after everything was started would be asked for
            // twice.
            let again = decide(&state, &event);
            prop_assert!(again.is_empty(), "after {:?}: {:?}", event, again);
        }
    }
}
