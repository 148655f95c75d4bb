//! `store-s3` over versitygw, which checks signatures, checksums and conditions as S3 does.

use std::time::Duration;

use drydock_core::store::{ChecksumAlgorithm, PartReceipt};
use drydock_core::{ErrorClass, ErrorCode, Level, UnixTime};
use drydock_repository::Target;
use drydock_sandbox::StoreTarget;
use drydock_testkit::proxy::{Accident, Proxy};
use drydock_testkit::versitygw::{BUCKET, ROOT, User, VERSIONED_BUCKET, Versitygw, WRITER};
use serde_json::{Value, json};

use super::kit::{Service, expect_place_missing, fetch, part, sample, store, whole};
use crate::network::identities::access_key;

const PART_BYTES: usize = 5 * 1024 * 1024;

/// How long an accident is waited for.
const ACCIDENT_MAX: Duration = Duration::from_secs(30);

fn target_at(server: &Versitygw, url: &str, user: User, more: Value) -> StoreTarget {
    let mut config = json!({"endpoint": url, "bucket": BUCKET});
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    Service {
        plugin: "store-s3",
        servers: &[url],
        ca_pem: server.ca_pem(),
        names: None,
        identity: Some(Box::new(access_key(user))),
    }
    .target(&config)
}

fn target(server: &Versitygw, user: User, more: Value) -> StoreTarget {
    target_at(server, &server.url(""), user, more)
}

#[tokio::test(flavor = "multi_thread")]
async fn store_s3_keeps_the_contract_of_a_target() {
    let server = Versitygw::http().await.unwrap();
    let target = target(&server, ROOT, json!({"prefix": "a b/\u{e4}+c"}));
    drydock_fakes::contract::run(&target).await.unwrap();
}

/// In a bucket that was made to lock. What is removed there is only hidden.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_locked_stays_and_its_lock_is_never_shortened() {
    let server = Versitygw::https().await.unwrap();
    let more = json!({"bucket": "locked", "objectLock": "compliance"});
    let target = target(&server, ROOT, more);
    target.make_place().await.unwrap();
    let findings = target.check().await.unwrap();
    assert!(
        findings.iter().all(|found| found.level == Level::Note),
        "{findings:?}"
    );
    let until = UnixTime(4_102_444_800);
    let earlier = UnixTime(until.0 - 86_400);
    store(&target, "c/one", b"bytes", PART_BYTES).await.unwrap();
    for wanted in [earlier, until, earlier] {
        target.retain("c/one", wanted).await.unwrap();
    }
    let put = target.put_object("c/two", part(b"bytes"), Some(until));
    assert_eq!(put.await.unwrap().retained_until, Some(until));
    // The same again is success, and locks no less.
    let put = target.put_object("c/two", part(b"bytes"), Some(earlier));
    assert_eq!(put.await.unwrap().retained_until, Some(until));
    for object in ["c/one", "c/two"] {
        let stat = target.stat(object).await.unwrap();
        assert_eq!(stat.retained_until, Some(until), "{object}");
        let path = format!("/locked/{object}?retention=");
        let shown = server.request(ROOT, "GET", &path, b"").await.unwrap();
        assert!(shown.text().contains("COMPLIANCE"), "{}", shown.text());
    }
}

/// versitygw takes the mark of a removed version for an object: nobody is told that there is one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_be_there_and_is_not_shown_does_not_exist() {
    let server = Versitygw::https().await.unwrap();
    let target = target(&server, ROOT, json!({"bucket": VERSIONED_BUCKET}));
    store(&target, "c/a", b"first", PART_BYTES).await.unwrap();
    target.delete("c/a").await.unwrap();
    let Err(fault) = store(&target, "c/a", b"second", PART_BYTES).await else {
        panic!("versitygw has learned it: let the contract run over a bucket with versions");
    };
    assert_eq!(fault.code.as_str(), "changed-meanwhile", "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_checksum_is_compared_by_the_server() {
    let server = Versitygw::https().await.unwrap();
    let bytes = sample(PART_BYTES + 1000);
    // Where none is said that S3 keeps, it keeps its own.
    for (checksum, algorithm, of_whole) in [
        (
            "crc64-nvme",
            ChecksumAlgorithm::Crc64Nvme,
            Some(ChecksumAlgorithm::Crc64Nvme),
        ),
        (
            "crc32c",
            ChecksumAlgorithm::Crc32c,
            Some(ChecksumAlgorithm::Crc32c),
        ),
        ("sha256", ChecksumAlgorithm::Sha256, None),
        (
            "md5",
            ChecksumAlgorithm::Md5,
            Some(ChecksumAlgorithm::Crc64Nvme),
        ),
    ] {
        let target = target(&server, WRITER, json!({"checksum": checksum}));
        assert_eq!(
            target.layout().await.unwrap().part_checksum,
            Some(algorithm)
        );
        let object = format!("c/{checksum}");
        let stored = store(&target, &object, &bytes, PART_BYTES).await.unwrap();
        assert!(stored.parts_verified, "{checksum}");
        assert_eq!(stored.verified, of_whole.is_some(), "{checksum}");
        let told = target.stat(&object).await.unwrap().checksum;
        let told = told.map(|told| told.algorithm);
        assert_eq!(told, of_whole, "{checksum}");
        let got = fetch(&target, &object, 0, bytes.len() as u64)
            .await
            .unwrap();
        assert!(got == bytes, "{checksum}");
        let small = format!("c/{checksum}-small");
        target
            .put_object(&small, part(b"small"), None)
            .await
            .unwrap();
        let file = server.folder(BUCKET).join(&small);
        assert_eq!(std::fs::read(file).unwrap(), b"small");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_missing_is_told_and_only_made_when_asked_for() {
    let server = Versitygw::http().await.unwrap();
    let target = target(&server, ROOT, json!({"bucket": "made"}));
    expect_place_missing(&target).await;
    let fault = target.list_sessions("", None).await.unwrap_err();
    assert_eq!(fault.code, ErrorCode::PlaceMissing);
    assert!(!server.folder("made").exists());
    for _ in 0..2 {
        target.make_place().await.unwrap();
    }
    assert!(server.folder("made").is_dir());
    target.put_object("c/a", part(b"x"), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_remove_can_store_and_read() {
    let server = Versitygw::https().await.unwrap();
    for bucket in [BUCKET, VERSIONED_BUCKET] {
        let target = target(&server, WRITER, json!({ "bucket": bucket }));
        let findings = target.check().await.unwrap();
        let codes: Vec<_> = findings.iter().map(|found| found.code.as_str()).collect();
        // In a bucket with versions nobody tries to remove anything.
        let (expected, rights) = if bucket == BUCKET {
            let told = "it may create, read, list; it may not delete; what was not tried is whether it may overwrite, lock";
            ("no-versions", told)
        } else {
            let told = "it may create, read, list; what was not tried is whether it may delete, overwrite, lock";
            ("versions-kept", told)
        };
        assert_eq!(codes, ["rights", expected], "{findings:?}");
        assert_eq!(
            findings[0].message,
            format!("of the Target's identity: {rights}")
        );
        assert!(findings.iter().all(|found| found.level == Level::Note));
        store(&target, "c/rp/a", b"bytes", PART_BYTES)
            .await
            .unwrap();
        assert_eq!(fetch(&target, "c/rp/a", 1, 3).await.unwrap(), b"yte");
        let fault = target.delete("c/rp/a").await.unwrap_err();
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, "permission-denied")
        );
        assert!(!fault.may_be_done());
        let start = format!(
            "{} refused to remove c/rp/a with status 403 (AccessDenied): give the identity of the Target that right",
            server.url("")
        );
        assert!(fault.message.starts_with(&start), "{fault}");
        assert_eq!(fetch(&target, "c/rp/a", 0, 5).await.unwrap(), b"bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_told_without_a_word_of_it() {
    let server = Versitygw::https().await.unwrap();
    let wrong = User {
        secret: "notTheSecret/0123456789+abcdefghijklmnop",
        ..WRITER
    };
    let target = target(&server, wrong, json!({}));
    for fault in [
        target.list("", None).await.unwrap_err(),
        target.put_object("a", part(b"x"), None).await.unwrap_err(),
        target.begin("a", None, 1).await.unwrap_err(),
    ] {
        assert_eq!(fault.class, ErrorClass::Denied, "{fault}");
        assert_eq!(fault.code.as_str(), "permission-denied");
        let told = format!("{fault:?}");
        assert!(
            !told.contains(wrong.secret) && !told.contains("Signature="),
            "{told}"
        );
    }
}

/// Objects that somebody put there by hand are files in the server's folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_listing_comes_page_by_page_and_in_order() {
    let server = Versitygw::http().await.unwrap();
    let folder = server.folder(BUCKET).join("x/c");
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..1100 {
        std::fs::write(folder.join(format!("{number:04} +%")), b"x").unwrap();
    }
    let target = target(&server, WRITER, json!({"prefix": "x"}));
    let first = target.list("c/", None).await.unwrap();
    assert_eq!(first.objects.len(), 1000);
    let rest = target.list("c/", first.next.as_deref()).await.unwrap();
    assert_eq!((rest.objects.len(), rest.next.as_deref()), (100, None));
    let all: Vec<_> = first.objects.iter().chain(&rest.objects).collect();
    let expected: Vec<_> = (0..1100).map(|n| format!("c/{n:04} +%")).collect();
    assert!(all.iter().map(|stat| &stat.object).eq(&expected));
}

/// What reached the server counts, whether or not its answer came back.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_no_mistake() {
    let server = Versitygw::http().await.unwrap();
    let proxy = Proxy::before(&format!("127.0.0.1:{}", server.port()))
        .await
        .unwrap();
    let url = proxy.url("http");
    let target = target_at(&server, &url, WRITER, json!({}));
    proxy.order(Accident::Cut, 1, 1);
    target
        .put_object("c/a", part(b"bytes"), None)
        .await
        .unwrap();
    proxy.wait_for_accidents(1, ACCIDENT_MAX).await.unwrap();
    let session = target.begin("c/b", Some(5), 5).await.unwrap();
    let checksum = target.layout().await.unwrap().part_checksum;
    proxy.order(Accident::Cut, 1, 1);
    let taken = target
        .put_part(&session, 1, 0, part(b"bytes"), checksum)
        .await
        .unwrap();
    assert!(taken.verified);
    proxy.wait_for_accidents(2, ACCIDENT_MAX).await.unwrap();
    let receipts = [PartReceipt {
        number: 1,
        receipt: taken.receipt,
    }];
    proxy.order(Accident::Cut, 1, 1);
    let completion = target.complete(&session, &receipts, whole(b"bytes")).await;
    assert!(completion.unwrap().verified);
    proxy.wait_for_accidents(3, ACCIDENT_MAX).await.unwrap();
    for object in ["c/a", "c/b"] {
        assert_eq!(fetch(&target, object, 0, 5).await.unwrap(), b"bytes");
    }
    assert_eq!(target.list_sessions("", None).await.unwrap().sessions, []);
}

/// A body that breaks off is asked for again from where it broke.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_goes_on_where_it_broke() {
    let server = Versitygw::http().await.unwrap();
    let proxy = Proxy::before(&format!("127.0.0.1:{}", server.port()))
        .await
        .unwrap();
    let target = target_at(&server, &proxy.url("http"), WRITER, json!({}));
    let bytes = sample(2 * 1024 * 1024);
    target.put_object("c/a", part(&bytes), None).await.unwrap();
    proxy.order(Accident::Cut, 1024 * 1024, 1);
    let got = fetch(&target, "c/a", 7, bytes.len() as u64 - 7)
        .await
        .unwrap();
    proxy.wait_for_accidents(1, ACCIDENT_MAX).await.unwrap();
    assert!(got == bytes[7..]);
}

/// versitygw passes over a lock where the bucket has none: what is told is what it shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_needs_a_bucket_that_locks() {
    let server = Versitygw::http().await.unwrap();
    let target = target(&server, ROOT, json!({"objectLock": "compliance"}));
    assert!(target.layout().await.unwrap().retain);
    let findings = target.check().await.unwrap();
    let failed = findings.iter().find(|found| found.level == Level::Failure);
    assert_eq!(failed.unwrap().code, "no-object-lock", "{findings:?}");
    let put = target.put_object("c/a", part(b"x"), Some(UnixTime(4_102_444_800)));
    if let Ok(stat) = put.await {
        assert_eq!(stat.retained_until, None);
    }
}
