//! The servers that keep objects: each comes up and does one real thing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use drydock_testkit::client::{Answer, Client, Message};
use drydock_testkit::fake_gcs::FakeGcs;
use drydock_testkit::instant;
use drydock_testkit::versitygw::{BUCKET, ROOT, VERSIONED_BUCKET, Versitygw, WRITER};
use ring::hmac;

fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn now() -> i64 {
    let now = std::fs::metadata("/proc/self").unwrap().modified().unwrap();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Makes a container with this key.
async fn make_container(azurite: &Azurite, key: &str) -> Answer {
    let date = instant::http_date(now());
    let text = format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2023-11-03\n/{ACCOUNT}/{ACCOUNT}/backups\nrestype:container"
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).unwrap());
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let headers = [
        header("x-ms-date", &date),
        header("x-ms-version", "2023-11-03"),
        header("authorization", &format!("SharedKey {ACCOUNT}:{signature}")),
    ];
    let message = Message {
        method: "PUT",
        path: &format!("/{ACCOUNT}/backups?restype=container"),
        headers: &headers,
        body: b"",
    };
    let client = Client::tls(azurite.port(), azurite.ca_pem());
    client.send(&message).await.unwrap()
}

#[tokio::test]
async fn azurite_makes_a_container_for_who_has_the_key() {
    let azurite = Azurite::start().await.unwrap();
    let wrong = make_container(&azurite, &STANDARD.encode("another key")).await;
    assert_eq!(
        (wrong.status, wrong.header("x-ms-error-code")),
        (403, Some("AuthorizationFailure")),
        "{}",
        wrong.text()
    );
    let right = make_container(&azurite, ACCOUNT_KEY).await;
    assert_eq!(right.status, 201, "{}", right.text());
}

#[tokio::test]
async fn versitygw_lets_a_writer_write_and_not_delete() {
    for server in [
        Versitygw::http().await.unwrap(),
        Versitygw::https().await.unwrap(),
    ] {
        let key = format!("/{BUCKET}/a/key");
        let put = server.request(WRITER, "PUT", &key, b"bytes").await.unwrap();
        assert_eq!(put.status, 200, "{}", put.text());
        let got = server.request(WRITER, "GET", &key, b"").await.unwrap();
        assert_eq!((got.status, got.text().as_str()), (200, "bytes"));
        let deleted = server.request(WRITER, "DELETE", &key, b"").await.unwrap();
        assert_eq!(deleted.status, 403, "{}", deleted.text());
        let file = server.folder(BUCKET).join("a/key");
        assert_eq!(std::fs::read(file).unwrap(), b"bytes");
        let key = format!("/{VERSIONED_BUCKET}/key");
        let put = server.request(ROOT, "PUT", &key, b"one").await.unwrap();
        assert!(
            put.header("x-amz-version-id").is_some(),
            "{:?}",
            put.headers
        );
    }
}

#[tokio::test]
async fn fake_gcs_server_keeps_an_object() {
    let server = FakeGcs::start(&["backups"]).await.unwrap();
    let client = Client::tls(server.port(), server.ca_pem());
    let put = client
        .send(&Message {
            method: "POST",
            path: "/upload/storage/v1/b/backups/o?uploadType=media&name=a%2Fkey",
            headers: &[header("content-type", "application/octet-stream")],
            body: b"bytes",
        })
        .await
        .unwrap();
    assert_eq!(put.status, 200, "{}", put.text());
    let got = client
        .send(&Message {
            method: "GET",
            path: "/storage/v1/b/backups/o/a%2Fkey?alt=media",
            headers: &[],
            body: b"",
        })
        .await
        .unwrap();
    assert_eq!((got.status, got.text().as_str()), (200, "bytes"));
}
