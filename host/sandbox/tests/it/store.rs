//! Store plugins as targets.

use std::path::Path;
use std::sync::{Arc, Mutex};

use drydock_capability_files::Access;
use drydock_core::store::{ChecksumAlgorithm, PartReceipt};
use drydock_core::{ClusterName, ErrorClass, ErrorCode, Fault, TargetName};
use drydock_repository::Target;
use drydock_repository::target::{Part, Whole};
use drydock_sandbox::{StepCall, StoreContext, StoreTarget, Throttle, Turns};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

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
        throttle: Throttle::default(),
    };
    (StoreTarget::new(plugin, context), calls)
}

/// A call waits for its turn; one that reaches nothing, and one that takes back, for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_its_turn_at_the_target() {
    let scratch = tempfile::tempdir().unwrap();
    let plugin = admit(
        &sandbox(),
        "store-file",
        &all_grants(scratch.path(), Access::Write),
    );
    let turns = Turns::new(Some(1), None);
    let step = StepCall::idle(ClusterName::new("quickstart"), DUE);
    let (_running, stop) = watch::channel(None);
    let context = StoreContext {
        target: TargetName::new("local"),
        config: json!({"folder": scratch.path()}).to_string(),
        step,
        observer: Arc::new(|_, _| {}),
        throttle: Throttle {
            turns: turns.clone(),
            ..Throttle::default()
        },
    };
    let target = StoreTarget::new(plugin, context);
    let held = turns.take(&stop).await.unwrap();
    let mut listing = Box::pin(target.list("c/", None));
    let others = async {
        target.layout().await.unwrap();
        target.for_cleanup().list("c/", None).await.unwrap();
    };
    tokio::select! {
        biased;
        _ = &mut listing => panic!("it did not wait"),
        () = others => {}
    }
    drop(held);
    listing.await.unwrap();
}

fn liar(lie: &str) -> (TempDir, StoreTarget) {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path(), "lie": lie});
    let (target, _) = target("store-lies", scratch.path(), &config);
    (scratch, target)
}

/// Stores `bytes` as `object` in one part.
async fn store(target: &StoreTarget, object: &str, bytes: &[u8]) -> Result<bool, Fault> {
    store_as(target, object, bytes, whole(bytes)).await
}

/// The same, completed as something that may be another.
async fn store_as(
    target: &StoreTarget,
    object: &str,
    bytes: &[u8],
    whole: Whole,
) -> Result<bool, Fault> {
    let size = bytes.len() as u64;
    let session = target.begin(object, Some(size), 65_536).await?;
    let taken = target.put_part(&session, 1, 0, part(bytes), None).await?;
    let receipt = taken.receipt;
    let receipts = [PartReceipt { number: 1, receipt }];
    let completion = target.complete(&session, &receipts, whole).await?;
    Ok(completion.verified)
}

fn part(bytes: &[u8]) -> Part {
    Part {
        bytes: Arc::new(bytes.to_vec()),
        offset: 0,
        length: bytes.len() as u64,
    }
}

fn whole(bytes: &[u8]) -> Whole {
    Whole {
        size: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
        bytes: Some(Arc::new(bytes.to_vec())),
    }
}

/// The bytes at hand can be wrong, gone, or the store's file: the digest decides, and a
/// difference is told with its place.
#[tokio::test]
async fn store_file_compares_with_the_bytes_at_hand_and_hashes_in_doubt() {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path()});
    let (target, _) = target("store-file", scratch.path(), &config);
    let (good, bad) = (b"0123456789", b"01234x6789");
    for (object, at_hand) in [("a", Some(&good[..])), ("b", Some(bad)), ("c", None)] {
        let whole = Whole {
            bytes: at_hand.map(|bytes| Arc::new(bytes.to_vec()) as Arc<dyn drydock_core::ReadAt>),
            ..whole(good)
        };
        assert!(store_as(&target, object, good, whole).await.unwrap());
        assert_eq!(fetch(&target, object, 10).await.unwrap(), good);
    }
    for (object, at_hand, place) in [("d", Some(&good[..]), ", from byte 5 on"), ("e", None, "")] {
        let whole = Whole {
            bytes: at_hand.map(|bytes| Arc::new(bytes.to_vec()) as Arc<dyn drydock_core::ReadAt>),
            ..whole(good)
        };
        let fault = store_as(&target, object, bad, whole).await.unwrap_err();
        assert_eq!(fault.code.as_str(), "digest-mismatch");
        let sentence = format!(
            "the file system gives back other bytes of {object} than were written{place}: check the disk, then upload it again"
        );
        assert_eq!(fault.message, sentence);
        assert!(!scratch.path().join(object).exists());
    }
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
        "make-place",
        "put-object",
        "begin",
        "put-part",
        "complete",
        "get-range",
        "abort",
    ] {
        assert!(calls.contains(&call), "{call} was not observed");
    }
}

/// A folder that is missing may be a mount that is: nobody makes it but who is told to, and
/// nobody takes it for an empty one.
#[tokio::test]
async fn only_make_place_makes_the_folder() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("target");
    let (target, _) = target("store-file", scratch.path(), &json!({"folder": folder}));
    target.make_place().await.unwrap();
    let session = target.begin("c/p/a", None, 65_536).await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let calls = [
        ("check", target.check().await.err()),
        ("begin", target.begin("c/p/b", None, 65_536).await.err()),
        (
            "put-object",
            target.put_object("c/p/b", part(b"x"), None).await.err(),
        ),
        ("list", target.list("", None).await.err()),
        ("list of c", target.list("c/", None).await.err()),
        ("stat", target.stat("c/p/a").await.err()),
        ("get-range", fetch(&target, "c/p/a", 1).await.err()),
        (
            "put-part",
            target
                .put_part(&session, 1, 0, part(b"x"), None)
                .await
                .err(),
        ),
        ("list-sessions", target.list_sessions("", None).await.err()),
        (
            "complete",
            target.complete(&session, &[], whole(b"")).await.err(),
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
    for _ in 0..2 {
        target.make_place().await.unwrap();
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
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
        throttle: Throttle::default(),
    };
    let target = StoreTarget::new(plugin, context);
    let fault = target.make_place().await.unwrap_err();
    assert_eq!(fault.code.as_str(), "place-missing");
    std::fs::create_dir(&folder).unwrap();
    for fault in [
        target.make_place().await.unwrap_err(),
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
async fn a_folder_locks_nothing_and_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path()});
    let (target, _) = target("store-file", scratch.path(), &config);
    assert!(!target.layout().await.unwrap().retain);
    target.put_object("a", part(b"x"), None).await.unwrap();
    let locked = target.put_object("b", part(b"x"), Some(DUE)).await;
    for fault in [
        target.retain("a", DUE).await.unwrap_err(),
        locked.unwrap_err(),
    ] {
        assert_eq!(fault.code, ErrorCode::NoRetention);
        assert!(!fault.may_be_done());
    }
    assert_eq!(
        target.stat("b").await.unwrap_err().code.as_str(),
        "not-found"
    );
}

/// What a call that was cut off leaves is removed by a later one, and never one that may still
/// be under way.
#[tokio::test]
async fn what_was_cut_off_is_removed_after_a_day() {
    let scratch = tempfile::tempdir().unwrap();
    let config = json!({"folder": scratch.path()});
    let (target, _) = target("store-file", scratch.path(), &config);
    let puts = scratch.path().join(".drydock-puts");
    std::fs::create_dir(&puts).unwrap();
    for name in ["1-00ff", "99999999999-00ff", "notes"] {
        std::fs::write(puts.join(name), b"half").unwrap();
    }
    target.put_object("c/a", part(b"x"), None).await.unwrap();
    let mut left: Vec<_> = std::fs::read_dir(&puts)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["99999999999-00ff", "notes"]);
    let listed = target.list("", None).await.unwrap();
    let keys: Vec<_> = listed.objects.iter().map(|stat| &stat.object).collect();
    assert_eq!(keys, ["c/a"]);
    assert_eq!(listed.passed_over, []);
}

/// A checksum counts only by the algorithm that was promised, and only where it is that of the
/// bytes.
#[tokio::test]
async fn a_part_is_verified_under_the_promised_checksum_alone() {
    let taken = async |act: &str, asked| {
        let scratch = tempfile::tempdir().unwrap();
        let config = json!({"folder": scratch.path(), "do": act});
        let (target, _) = target("hostile-store", scratch.path(), &config);
        let session = target.begin("a", None, 65_536).await.unwrap();
        target.put_part(&session, 1, 0, part(b"bytes"), asked).await
    };
    let crc32c = Some(ChecksumAlgorithm::Crc32c);
    // One that tells of none is taken, and verified nowhere.
    let none = taken("other-receipt", crc32c).await.unwrap();
    assert!(!none.verified);
    for (act, code) in [
        ("other-algorithm", "bad-answer"),
        ("short-checksum", "bad-answer"),
        ("other-checksum", "checksum-differs"),
    ] {
        assert_eq!(taken(act, crc32c).await.unwrap_err().code.as_str(), code);
    }
    let unasked = taken("other-checksum", None).await.unwrap_err();
    assert_eq!(unasked.code.as_str(), "bad-answer");
}

#[tokio::test]
async fn a_place_that_is_only_said_to_be_made_is_not_there() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("target");
    let config = json!({"folder": folder, "do": "place-not-made"});
    let (target, _) = target("hostile-store", scratch.path(), &config);
    target.make_place().await.unwrap();
    assert_eq!(
        target.stat("a").await.unwrap_err().code,
        ErrorCode::PlaceMissing
    );
    assert!(!folder.exists());
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
        tokio::spawn(async move { target.put_part(&session, n + 1, offset, part, None).await })
    });
    let mut receipts = Vec::new();
    for (number, part) in (1..).zip(parts.collect::<Vec<_>>()) {
        let receipt = part.await.unwrap().unwrap().receipt;
        receipts.push(PartReceipt { number, receipt });
    }
    target
        .complete(&session, &receipts, whole(&bytes))
        .await
        .unwrap();
    assert_eq!(std::fs::read(scratch.path().join("a")).unwrap(), *bytes);
}
