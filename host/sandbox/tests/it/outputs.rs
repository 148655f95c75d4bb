//! Outputs, used as they should be and otherwise.

use std::path::Path;

use drydock_capability_artifact::OutputUse;
use drydock_capability_files::Access;
use drydock_core::Fault;
use drydock_sandbox::{BackupCall, Plugin};

use crate::{Item, Shelf, admit, all_grants, call, probe, sandbox};

/// What became of the outputs, and of the call. What the probe calls public is public.
async fn made(config: &str) -> (Vec<Item>, Result<(), Fault>) {
    let grants = all_grants(Path::new("/nowhere"), Access::Write).with([OutputUse::Public]);
    made_by(&admit(&sandbox(), "probe", &grants), config).await
}

async fn made_by(plugin: &Plugin, config: &str) -> (Vec<Item>, Result<(), Fault>) {
    let shelf = Shelf::default();
    let outputs = Box::new(shelf.clone());
    let context = call(config);
    let attempt = plugin.run_backup(BackupCall { context, outputs }).await;
    (shelf.items(), attempt.result.map(drop))
}

fn item(name: &str, secret: bool, bytes: &[u8], state: &str) -> Item {
    Item {
        name: name.to_owned(),
        secret,
        bytes: bytes.to_vec(),
        state: state.to_owned(),
    }
}

#[tokio::test]
async fn a_finished_output_is_whole() {
    let (items, result) =
        made(r#"{"do":"output","name":"a.db","text":"xyz","repeat":3,"secret":true}"#).await;
    result.unwrap();
    assert_eq!(items, [item("a.db", true, b"xyzxyzxyz", "finished")]);
}

/// What a plugin could have read is in its memory, where nobody can follow it.
#[tokio::test]
async fn what_a_plugin_with_powers_calls_public_is_secret() {
    let config = r#"{"do":"output","name":"a","text":"x","repeat":1,"secret":false}"#;
    let (items, result) = made_by(&probe(&sandbox()), config).await;
    result.unwrap();
    assert_eq!(items, [item("a", true, b"x", "finished")]);
    let (items, result) = made(config).await;
    result.unwrap();
    assert_eq!(items, [item("a", false, b"x", "finished")]);
}

#[tokio::test]
async fn one_after_the_other_is_fine() {
    let (items, result) = made(r#"{"do":"output-two","first":"a","second":"b","text":"x"}"#).await;
    result.unwrap();
    assert_eq!(
        items,
        [
            item("a", true, b"x", "finished"),
            item("b", true, b"x", "finished")
        ]
    );
}

#[tokio::test]
async fn a_dropped_output_is_discarded() {
    let (items, result) = made(r#"{"do":"output-unfinished","name":"a","text":"x"}"#).await;
    result.unwrap();
    assert_eq!(items, [item("a", false, b"x", "given-up")]);
}

#[tokio::test]
async fn a_step_that_fails_leaves_no_output() {
    let (items, result) = made(r#"{"do":"output-then-fail","name":"a","text":"x"}"#).await;
    assert_eq!(result.unwrap_err().code.as_str(), "asked-to");
    assert_eq!(items, [item("a", false, b"x", "given-up")]);
}

#[tokio::test]
async fn a_finished_output_is_closed() {
    for config in [
        r#"{"do":"output-after-finish","name":"a","text":"x"}"#,
        r#"{"do":"output-finish-twice","name":"a"}"#,
    ] {
        let (items, result) = made(config).await;
        assert_eq!(result.unwrap_err().code.as_str(), "output-closed");
        assert_eq!(items, [item("a", false, b"x", "finished")]);
    }
}

#[tokio::test]
async fn names_and_sizes_are_held_to_the_contract() {
    let (items, result) =
        made(r#"{"do":"output","name":"../a","text":"x","repeat":1,"secret":true}"#).await;
    assert_eq!(
        (items.len(), result.unwrap_err().code.as_str()),
        (0, "bad-name")
    );
    let (_, result) = made(r#"{"do":"output-large","name":"a","bytes":1048577}"#).await;
    assert_eq!(result.unwrap_err().code.as_str(), "too-large");
    let (items, result) = made(r#"{"do":"output-large","name":"a","bytes":1048576}"#).await;
    result.unwrap();
    assert_eq!(items[0].bytes.len(), 1_048_576);
}
