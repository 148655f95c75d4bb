//! Records that were made when a run had exactly one backup step, and said neither which
//! nor what plugins may do. They stay readable: a run that was under way when Drydock was
//! renewed is taken up, and old runs can be looked at.

use drydock_core::{RunId, UnixTime};
use drydock_engine::decide::decide;
use drydock_engine::model::{Effect, Event};
use drydock_engine::replay::replay;
use drydock_engine::state::RunState;
use drydock_engine::view::RunView;
use drydock_journal::{Record, RecordKind};

use crate::kit;

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The records of a run up to a backup that failed and began again.
fn records() -> Vec<Record> {
    let pin = |step: &str, plugin: &str| {
        format!(r#"{{"step":"{step}","plugin":"{plugin}","digest":"{DIGEST}","config":"{{}}"}}"#)
    };
    let created = format!(
        r#"{{"event":"run-created","spec":{{"run":"{run}","schedule":"nightly","cluster":"c1","due":1767323045,"by_hand":false,"backup":{backup},"verify":[{verify}],"stores":[{{"pin":{store},"target":"t-s1"}}],"policy":{{"backoff_limit":1,"backoff_ms":100,"backoff_ms_max":1000,"active_deadline_seconds":null}},"workflow_digest":"sha256:00"}},"at":1767323045}}"#,
        run = kit::RUN,
        backup = pin("snapshot", "etcd-backup"),
        verify = pin("verify", "etcd-verify"),
        store = pin("s1", "store-file"),
    );
    let events_and_effects = [
        created.as_str(),
        r#"{"effect":"start-backup","attempt":1,"first_output":1}"#,
        r#"{"event":"output-opened","output":1,"name":"db","secret":true,"object_suffix":"0000000000000001","extension":"zst.age"}"#,
        r#"{"event":"backup-failed","attempt":1,"fault":{"class":"transient","code":"busy","message":"busy"}}"#,
        r#"{"effect":"wait","timer":1,"milliseconds":100}"#,
        r#"{"effect":"start-backup","attempt":2,"first_output":2}"#,
        r#"{"event":"output-opened","output":2,"name":"db","secret":true,"object_suffix":"0000000000000002","extension":"zst.age"}"#,
    ];
    let record = |(index, body): (usize, &str)| Record {
        sequence: index as u64 + 1,
        kind: match body.starts_with(r#"{"event""#) {
            true => RecordKind::Event,
            false => RecordKind::Effect,
        },
        body: body.to_owned(),
        at: UnixTime(1),
    };
    events_and_effects
        .into_iter()
        .enumerate()
        .map(record)
        .collect()
}

fn replayed(more: &[(RecordKind, &str)]) -> RunState {
    let mut records = records();
    for (kind, body) in more {
        records.push(Record {
            sequence: records.len() as u64 + 1,
            kind: *kind,
            body: (*body).to_owned(),
            at: UnixTime(1),
        });
    }
    replay(&RunId::new(kit::RUN), &records).unwrap()
}

#[test]
fn such_a_run_is_taken_up_at_the_point_where_it_was() {
    let mut state = replayed(&[]);
    assert_eq!(state.backups.len(), 1);
    assert_eq!(state.backups[0].task.attempts, 2);
    assert_eq!(
        state.live_outputs().next().unwrap().step,
        kit::step("snapshot")
    );
    let resumed = Event::RunResumed { at: UnixTime(2) };
    state.apply(&resumed);
    let effects = decide(&state, &resumed);
    let [Effect::StartBackup { step, attempt, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!((step, *attempt), (&kit::step("snapshot"), 3));
}

#[test]
fn such_a_run_is_judged_by_every_verify_step_when_it_was_finished() {
    let state = replayed(&[
        (
            RecordKind::Event,
            r#"{"event":"output-sealed","sealed":{"output":2,"name":"db","secret":true,"plain_size":9,"plain_sha256":"","sealed_size":5,"sealed_sha256":"","facts":{}}}"#,
        ),
        (
            RecordKind::Event,
            r#"{"event":"backup-finished","attempt":2,"degraded":false,"findings":[]}"#,
        ),
    ]);
    assert!(state.is_backed_up());
    let output = state.live_outputs().next().unwrap();
    assert_eq!(
        output.judging.keys().collect::<Vec<_>>(),
        [&kit::step("verify")]
    );
}

#[test]
fn such_a_run_is_stopped_like_any_other() {
    let state = replayed(&[
        (
            RecordKind::Event,
            r#"{"event":"cancel-requested","reason":"enough"}"#,
        ),
        (RecordKind::Effect, r#"{"effect":"stop-backup"}"#),
        (RecordKind::Event, r#"{"event":"backup-stopping"}"#),
        (
            RecordKind::Event,
            r#"{"event":"backup-failed","attempt":2,"fault":{"class":"cancelled","code":"cancelled","message":"stopped"}}"#,
        ),
    ]);
    assert!(state.backups[0].stop.is_done());
    assert!(state.live_outputs().next().is_none());
}

#[test]
fn what_was_not_kept_is_not_made_up() {
    let view = RunView::of(&replayed(&[]));
    assert!(
        view.pins
            .iter()
            .all(|pin| pin.grants.is_none() && pin.version.is_empty())
    );
    assert_eq!(view.pins[1].judges, [kit::step("snapshot")]);
}
