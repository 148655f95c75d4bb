//! Store plugins as targets.

use std::path::Path;
use std::sync::{Arc, Mutex};

use drydock_capability_files::Access;
use drydock_core::{ClusterName, ErrorClass, ErrorCode, Fault, TargetName};
use drydock_repository::Target;
use drydock_repository::target::Part;
use drydock_sandbox::{StepCall, StoreContext, StoreTarget};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::{DUE, admit, all_grants, sandbox};

/// The calls that ended.
type Calls = Arc<Mutex<Vec<&'static str>>>;

fn target(plugin: &str, granted: &Path, config: &Value) -> (StoreTarget, Calls) {
    let plugin = admit(&sandbox(), plugin, &all_grants(granted, Access::Write));
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    let context = StoreContext {
        target: TargetName::new("local"),
        config: config.to_string(),
        step: StepCall::idle(ClusterName::new("quickstart"), DUE),
        observer: Arc::new(move |call, _log| seen.lock().unwrap().push(call)),
    };
    (StoreTarget::new(plugin, context), calls)
}

fn liar(lie: &str) -> (TempDir, StoreTarget) {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path(), "lie": lie});
    let (target, _) = target("store-lies", scratch.path(), &config);
    (scratch, target)
}

/// Stores `bytes` as `object` in one part.
async fn store(target: &StoreTarget, object: &str, bytes: &[u8]) -> Result<bool, Fault> {
    let size = bytes.len() as u64;
    let session = target.begin(object, Some(size), 65_536).await?;
    let part = Part {
        bytes: Arc::new(bytes.to_vec()),
        offset: 0,
        length: size,
    };
    let receipt = target.put_part(&session, 1, 0, part).await?;
    let receipts = [drydock_core::store::PartReceipt { number: 1, receipt }];
    let sha256 = Sha256::digest(bytes).into();
    let completion = target
        .complete(&session, &receipts, size, sha256, true)
        .await?;
    Ok(completion.verified)
}

async fn fetch(target: &StoreTarget, object: &str, length: u64) -> Result<Vec<u8>, Fault> {
    let (into, mut out) = mpsc::channel(64);
    target.get_range(object, 0, length, into).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = out.recv().await {
        bytes.extend(piece);
    }
    Ok(bytes)
}

#[tokio::test]
async fn store_file_keeps_the_contract_of_a_target() {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path()});
    let (target, calls) = target("store-file", scratch.path(), &config);
    drydock_fakes::contract::run(&target).await.unwrap();
    let calls = calls.lock().unwrap();
    for call in [
        "check",
        "layout",
        "begin",
        "put-part",
        "complete",
        "get-range",
        "abort",
    ] {
        assert!(calls.contains(&call), "{call} was not observed");
    }
}

/// A folder that is missing may be a mount that is: nobody who looks makes it, and nobody
/// takes it for an empty one.
#[tokio::test]
async fn only_what_begins_to_store_makes_the_folder() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("target");
    let (target, _) = target("store-file", scratch.path(), &json!({"folder": folder}));
    let session = target.begin("c/p/a", None, 65_536).await.unwrap();
    assert!(folder.exists());
    std::fs::remove_dir_all(&folder).unwrap();
    let part = Part {
        bytes: Arc::new(b"x".to_vec()),
        offset: 0,
        length: 1,
    };
    let calls = [
        ("check", target.check().await.err()),
        ("list", target.list("", None).await.err()),
        ("list of c", target.list("c/", None).await.err()),
        ("stat", target.stat("c/p/a").await.err()),
        ("get-range", fetch(&target, "c/p/a", 1).await.err()),
        (
            "put-part",
            target.put_part(&session, 1, 0, part).await.err(),
        ),
        ("list-sessions", target.list_sessions("", None).await.err()),
        (
            "complete",
            target.complete(&session, &[], 0, [0; 32], true).await.err(),
        ),
        ("abort", target.abort(&session).await.err()),
        ("delete", target.delete("c/p/a").await.err()),
    ];
    for (call, fault) in calls {
        let code = fault.map(|fault| fault.code);
        assert_eq!(code, Some(ErrorCode::PlaceMissing), "{call}");
    }
    target.layout().await.unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_folder_that_has_to_be_mounted_is_neither_made_nor_taken() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("target");
    let config = json!({"folder": folder, "requireMount": true});
    let plugin = admit(
        &sandbox().beside(vec![scratch.path().to_owned()]),
        "store-file",
        &all_grants(scratch.path(), Access::Write),
    );
    let context = StoreContext {
        target: TargetName::new("local"),
        config: config.to_string(),
        step: StepCall::idle(ClusterName::new("quickstart"), DUE),
        observer: Arc::new(|_, _| {}),
    };
    let target = StoreTarget::new(plugin, context);
    let fault = target.begin("c/p/a", None, 65_536).await.unwrap_err();
    assert_eq!(fault.code.as_str(), "place-missing");
    std::fs::create_dir(&folder).unwrap();
    for fault in [
        target.begin("c/p/a", None, 65_536).await.unwrap_err(),
        target.stat("c/p/a").await.unwrap_err(),
        target.list("", None).await.unwrap_err(),
        target.check().await.unwrap_err(),
    ] {
        assert_eq!(fault.code.as_str(), "not-mounted");
        assert!(fault.message.contains("is not on a mount of its own"));
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn an_object_is_a_plain_file_under_its_name() {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path()});
    let (target, _) = target("store-file", scratch.path(), &config);
    assert!(store(&target, "c/rp/a.zst", b"bytes").await.unwrap());
    assert_eq!(
        std::fs::read(scratch.path().join("c/rp/a.zst")).unwrap(),
        b"bytes"
    );
    assert_eq!(fetch(&target, "c/rp/a.zst", 5).await.unwrap(), b"bytes");
    assert_eq!(
        store(&target, "c/rp/a.zst", b"other")
            .await
            .unwrap_err()
            .code
            .as_str(),
        "exists"
    );
}

#[tokio::test]
async fn a_folder_without_grant_is_refused_with_the_line_to_add() {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path().join("beside")});
    let (target, _) = target("store-file", &scratch.path().join("granted"), &config);
    let fault = target.begin("a", None, 65_536).await.unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Denied, "not-granted")
    );
    assert!(
        fault.message.contains("add `files: [{directory: "),
        "{}",
        fault.message
    );
}

#[tokio::test]
async fn a_wrong_configuration_is_found_without_touching_anything() {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path().join("new"), "fodler": 1});
    let (target, _) = target("store-file", scratch.path(), &config);
    let fault = target.check_config().await.unwrap_err();
    assert_eq!(fault.code.as_str(), "bad-configuration", "{fault:?}");
    assert!(fault.message.contains("fodler"), "{}", fault.message);
    assert!(!scratch.path().join("new").exists());
}

#[tokio::test]
async fn answers_that_break_the_contract_are_not_believed() {
    let table = [
        ("wrong-size", "bad-answer"),
        ("wrong-digest", "bad-answer"),
        ("large-receipt", "bad-answer"),
        ("large-session", "bad-answer"),
    ];
    for (lie, code) in table {
        let (_scratch, target) = liar(lie);
        assert_eq!(
            store(&target, "a/b", b"bytes")
                .await
                .unwrap_err()
                .code
                .as_str(),
            code,
            "{lie}"
        );
    }
    let (_scratch, target) = liar("bad-layout");
    assert_eq!(
        target.layout().await.unwrap_err().code.as_str(),
        "bad-answer"
    );
    let (_scratch, target) = liar("bad-name");
    assert_eq!(
        target.list("", None).await.unwrap_err().code.as_str(),
        "bad-answer"
    );
}

#[tokio::test]
async fn a_range_is_exact_or_an_error() {
    let (_scratch, target) = liar("short-range");
    store(&target, "a/b", b"bytes").await.unwrap();
    assert_eq!(
        fetch(&target, "a/b", 4).await.unwrap_err().code.as_str(),
        "short"
    );
    let (_scratch, target) = liar("long-range");
    store(&target, "a/b", b"bytes").await.unwrap();
    assert_eq!(
        fetch(&target, "a/b", 4).await.unwrap_err().code.as_str(),
        "out-of-range"
    );
}

#[tokio::test]
async fn parts_are_stored_side_by_side() {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path()});
    let (target, _) = target("store-file", scratch.path(), &config);
    let bytes: Arc<Vec<u8>> = Arc::new((0..8 * 65_536).map(|n| (n % 251) as u8).collect());
    let session = target.begin("a", None, 65_536).await.unwrap();
    let parts = (0..8u32).map(|n| {
        let (target, session) = (target.clone(), session.clone());
        let offset = u64::from(n) * 65_536;
        let part = Part {
            bytes: bytes.clone(),
            offset,
            length: 65_536,
        };
        tokio::spawn(async move { target.put_part(&session, n + 1, offset, part).await })
    });
    let mut receipts = Vec::new();
    for (number, part) in (1..).zip(parts.collect::<Vec<_>>()) {
        let receipt = part.await.unwrap().unwrap();
        receipts.push(drydock_core::store::PartReceipt { number, receipt });
    }
    let sha256 = Sha256::digest(&*bytes).into();
    let size = bytes.len() as u64;
    target
        .complete(&session, &receipts, size, sha256, true)
        .await
        .unwrap();
    assert_eq!(std::fs::read(scratch.path().join("a")).unwrap(), *bytes);
}
