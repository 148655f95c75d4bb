//! `store-azure-blob` over Azurite, which checks keys, MD5 and conditions as the service does.

use drydock_capability_identity::exchange::AccountKey;
use drydock_core::store::{ChecksumAlgorithm, Sessions};
use drydock_core::{ErrorClass, Level};
use drydock_repository::Target;
use drydock_sandbox::StoreTarget;
use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use serde_json::{Value, json};

use super::kit::{Service, expect_place_missing, fetch, part, sample, store};
use crate::network::identities::value;

const PART_BYTES: usize = 256 * 1024;

fn target_at(server: &Azurite, url: &str, key: &str, more: Value) -> StoreTarget {
    let mut config = json!({"endpoint": format!("{url}/{ACCOUNT}"), "container": "backups"});
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    Service {
        plugin: "store-azure-blob",
        servers: &[url],
        ca_pem: Some(server.ca_pem()),
        names: None,
        identity: Some(Box::new(AccountKey {
            account: ACCOUNT.to_owned(),
            key: value(key),
        })),
    }
    .target(&config)
}

fn target(server: &Azurite, more: Value) -> StoreTarget {
    target_at(server, &server.url(""), ACCOUNT_KEY, more)
}

#[tokio::test(flavor = "multi_thread")]
async fn store_azure_blob_keeps_the_contract_of_a_target() {
    let server = Azurite::start().await.unwrap();
    let target = target(&server, json!({"prefix": "a b/\u{e4}+c"}));
    target.make_place().await.unwrap();
    drydock_fakes::contract::run(&target).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_checksum_that_the_service_compares_counts() {
    let server = Azurite::loose().await.unwrap();
    let bytes = sample(PART_BYTES + 1000);
    for (checksum, algorithm, is_compared) in [
        ("md5", ChecksumAlgorithm::Md5, true),
        // It passes over it, and answers none.
        ("crc64-nvme", ChecksumAlgorithm::Crc64Nvme, false),
    ] {
        let target = target(&server, json!({"checksum": checksum}));
        target.make_place().await.unwrap();
        assert_eq!(
            target.layout().await.unwrap().part_checksum,
            Some(algorithm)
        );
        let object = format!("c/{checksum}");
        let stored = store(&target, &object, &bytes, PART_BYTES).await.unwrap();
        assert_eq!(stored.parts_verified, is_compared, "{checksum}");
        let got = fetch(&target, &object, 0, bytes.len() as u64).await;
        assert!(got.unwrap() == bytes, "{checksum}");
        let small = format!("c/{checksum}-small");
        let stat = target.put_object(&small, part(b"small"), None).await;
        assert_eq!(stat.unwrap().checksum.is_some(), is_compared, "{checksum}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_know_a_checksum_says_so() {
    let server = Azurite::start().await.unwrap();
    let target = target(&server, json!({"checksum": "crc64-nvme"}));
    target.make_place().await.unwrap();
    let fault = target
        .put_object("c/a", part(b"x"), None)
        .await
        .unwrap_err();
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Permanent, "unsupported"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_missing_is_told_and_only_made_when_asked_for() {
    let server = Azurite::start().await.unwrap();
    let target = target(&server, json!({}));
    expect_place_missing(&target).await;
    for _ in 0..2 {
        target.make_place().await.unwrap();
    }
    target.put_object("c/a", part(b"x"), None).await.unwrap();
    let findings = target.check().await.unwrap();
    let failed = findings.iter().find(|found| found.level != Level::Note);
    assert_eq!(failed, None, "{findings:?}");
    let rights = findings.iter().find(|found| found.code == "rights");
    assert_eq!(
        rights.unwrap().message,
        "of the Target's identity: it may create, read, list, delete; what was not tried is whether it may overwrite, lock"
    );
    let week = Sessions::Expire { seconds: 604_800 };
    assert_eq!(target.layout().await.unwrap().sessions, week);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_told_without_a_word_of_it() {
    let server = Azurite::start().await.unwrap();
    let wrong = "bm90IHRoZSBrZXkgb2YgdGhlIGFjY291bnQgYXQgYWxs";
    let target = target_at(&server, &server.url(""), wrong, json!({}));
    for fault in [
        target.list("", None).await.unwrap_err(),
        target.put_object("a", part(b"x"), None).await.unwrap_err(),
    ] {
        assert_eq!(fault.class, ErrorClass::Denied, "{fault}");
        assert_eq!(fault.code.as_str(), "permission-denied");
        let told = format!("{fault:?}");
        assert!(
            !told.contains(wrong) && !told.contains("SharedKey"),
            "{told}"
        );
    }
}
