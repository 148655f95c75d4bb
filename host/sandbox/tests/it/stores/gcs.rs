//! `store-gcs` over fake-gcs-server, and over a fake of the testkit's where that one does not do
//! as the service: it appends bytes of an upload wherever they belong, and ends an upload whose
//! status is asked for.

use drydock_core::store::PartReceipt;
use drydock_core::{ErrorCode, Level, UnixTime};
use drydock_repository::Target;
use drydock_sandbox::StoreTarget;
use drydock_testkit::fake::cloud_storage::CloudStorage;
use drydock_testkit::fake_gcs::FakeGcs;
use serde_json::{Value, json};

use super::kit::{Service, expect_place_missing, fetch, part, sample, store, whole};

const PART_BYTES: usize = 1024 * 1024;

fn target_of(url: &str, ca_pem: Option<&str>, more: Value) -> StoreTarget {
    let mut config = json!({"endpoint": url, "bucket": "backups", "partMebibytes": 1});
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    Service {
        plugin: "store-gcs",
        servers: &[url],
        ca_pem,
        names: None,
        identity: None,
    }
    .target(&config)
}

fn target(server: &CloudStorage, more: Value) -> StoreTarget {
    target_of(&server.url(), None, more)
}

/// Locks included, which come last.
#[tokio::test(flavor = "multi_thread")]
async fn store_gcs_keeps_the_contract_of_a_target_over_the_fake() {
    let server = CloudStorage::start(&["backups"]).await.unwrap();
    let target = target(
        &server,
        json!({"prefix": "a b/\u{e4}+c", "objectRetention": "locked"}),
    );
    drydock_fakes::contract::run(&target).await.unwrap();
}

/// What fake-gcs-server does as the service does.
#[tokio::test(flavor = "multi_thread")]
async fn store_gcs_keeps_objects_in_fake_gcs_server() {
    let server = FakeGcs::start(&["backups"]).await.unwrap();
    let url = server.url("");
    let target = target_of(&url, Some(server.ca_pem()), json!({"prefix": "x"}));
    let bytes = sample(2 * PART_BYTES + 1000);
    for size in [0, 5, PART_BYTES, bytes.len()] {
        let object = format!("c/{size}");
        let stored = store(&target, &object, &bytes[..size], PART_BYTES)
            .await
            .unwrap();
        assert!(stored.verified, "{size}");
        let got = fetch(&target, &object, 0, size as u64).await.unwrap();
        assert!(got == bytes[..size], "{size}");
    }
    let stat = target
        .put_object("c/a", part(b"bytes"), None)
        .await
        .unwrap();
    assert_eq!((stat.size, stat.checksum.is_some()), (5, true));
    target
        .put_object("c/a", part(b"bytes"), None)
        .await
        .unwrap();
    let fault = target
        .put_object("c/a", part(b"other"), None)
        .await
        .unwrap_err();
    assert_eq!(fault.code, ErrorCode::Exists);
    let Err(fault) = store(&target, "c/a", b"other", PART_BYTES).await else {
        panic!("it was overwritten");
    };
    assert_eq!(fault.code, ErrorCode::Exists);
    let page = target.list("c/", None).await.unwrap();
    let keys: Vec<_> = page
        .objects
        .iter()
        .map(|stat| stat.object.as_str())
        .collect();
    assert_eq!(keys, ["c/0", "c/1048576", "c/2098152", "c/5", "c/a"]);
    assert_eq!(fetch(&target, "c/a", 1, 3).await.unwrap(), b"yte");
    for _ in 0..2 {
        target.delete("c/a").await.unwrap();
    }
    assert_eq!(
        target.stat("c/a").await.unwrap_err().code,
        ErrorCode::NotFound
    );
    let elsewhere = target_of(&url, Some(server.ca_pem()), json!({"bucket": "none"}));
    assert_eq!(
        elsewhere.stat("c/a").await.unwrap_err().code,
        ErrorCode::PlaceMissing
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_missing_is_told_and_only_made_when_asked_for() {
    let server = CloudStorage::start(&[]).await.unwrap();
    expect_place_missing(&target(&server, json!({}))).await;
    let fault = target(&server, json!({})).make_place().await.unwrap_err();
    assert!(fault.message.contains("add `project: ID`"), "{fault}");
    let target = target(&server, json!({"project": "p", "location": "EU"}));
    for _ in 0..2 {
        target.make_place().await.unwrap();
    }
    target.put_object("c/a", part(b"x"), None).await.unwrap();
    let findings = target.check().await.unwrap();
    let failed = findings.iter().find(|found| found.level != Level::Note);
    assert_eq!(failed, None, "{findings:?}");
    let codes: Vec<_> = findings.iter().map(|found| found.code.as_str()).collect();
    assert!(codes.contains(&"soft-delete"), "{codes:?}");
}

/// After an answer that was lost, or bytes that were kept in part, the rest is sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_where_the_service_is() {
    let server = CloudStorage::start(&["backups"]).await.unwrap();
    let target = target(&server, json!({}));
    let bytes = sample(2 * PART_BYTES + 1000);
    let session = target.begin("c/a", None, PART_BYTES as u64).await.unwrap();
    let mut receipts = Vec::new();
    for (number, piece) in (1..).zip(bytes.chunks(PART_BYTES)) {
        let offset = (number as usize - 1) * PART_BYTES;
        for accident in 0..3 {
            match accident {
                0 => server.lose_answers(1),
                1 => server.keep_half(1),
                _ => {}
            }
            let taken = target
                .put_part(&session, number, offset as u64, part(piece), None)
                .await
                .unwrap();
            receipts.retain(|other: &PartReceipt| other.number != number);
            receipts.push(PartReceipt {
                number,
                receipt: taken.receipt,
            });
        }
    }
    assert_eq!(
        target.stat("c/a").await.unwrap_err().code,
        ErrorCode::NotFound
    );
    server.lose_answers(1);
    let completion = target.complete(&session, &receipts, whole(&bytes)).await;
    assert!(completion.unwrap().verified);
    let got = fetch(&target, "c/a", 0, bytes.len() as u64).await.unwrap();
    assert!(got == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_were_kept_in_part_are_sent_from_there() {
    let server = CloudStorage::start(&["backups"]).await.unwrap();
    let target = target(&server, json!({}));
    let bytes = sample(2 * PART_BYTES);
    server.keep_half(2);
    let stored = store(&target, "c/a", &bytes, PART_BYTES).await.unwrap();
    assert!(stored.verified);
    let got = fetch(&target, "c/a", 0, bytes.len() as u64).await.unwrap();
    assert!(got == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_gone_is_told_without_its_uri() {
    let server = CloudStorage::start(&["backups"]).await.unwrap();
    let target = target(&server, json!({}));
    let session = target.begin("c/a", None, PART_BYTES as u64).await.unwrap();
    server.forget_uploads();
    let bytes = sample(PART_BYTES);
    let taken = target.put_part(&session, 1, 0, part(&bytes), None).await;
    let fault = taken.unwrap_err();
    assert_eq!(fault.code.as_str(), "gone");
    assert!(!format!("{fault:?}").contains("upload_id"), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_locked_cannot_be_removed() {
    let server = CloudStorage::start(&["backups"]).await.unwrap();
    let target = target(&server, json!({"objectRetention": "locked"}));
    let until = UnixTime(4_102_444_800);
    target
        .put_object("c/a", part(b"x"), Some(until))
        .await
        .unwrap();
    assert_eq!(
        target.stat("c/a").await.unwrap().retained_until,
        Some(until)
    );
    let fault = target.delete("c/a").await.unwrap_err();
    assert_eq!(fault.code.as_str(), "locked");
}
