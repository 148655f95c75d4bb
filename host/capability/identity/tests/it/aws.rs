//! Signatures of AWS, judged by versitygw, and where their keys come from.

use std::collections::BTreeSet;
use std::time::Duration;

use drydock_capability_identity::exchange::{
    AccessKey, ContainerCredentials, InstanceRole, WebIdentity,
};
use drydock_testkit::fake::FakeServer;
use drydock_testkit::fake::container_credentials::ContainerCredentials as FakeContainer;
use drydock_testkit::fake::ec2_metadata::Ec2Metadata;
use drydock_testkit::fake::sts::{ROLE, Sts};
use drydock_testkit::versitygw::{BUCKET, REGION, User, Versitygw, WRITER};
use drydock_testkit::web::WebServer;
use drydock_testkit::{Scratch, s3_signature, wait_until};
use ring::digest;

use super::kit::{Sender, authority, file, sender, value};

pub fn access_key(user: User) -> AccessKey {
    AccessKey {
        id: value(user.id),
        secret: value(user.secret),
        session_token: None,
        region: REGION.to_owned(),
        service: "s3".to_owned(),
    }
}

fn hash(body: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, body))
}

/// Paths and queries that are easily signed in another way than they are sent.
const PATHS: [&str; 8] = [
    "plain",
    "with%20space",
    "plus%2Bplus",
    "%C3%A4%E2%82%AC%F0%9F%94%91",
    "a/b/c",
    "tilde~.-_",
    "%21%2A%27%28%29%3D%26%3F%40",
    "dots...and%2e",
];

async fn puts_and_gets(sender: &Sender, server: &Versitygw, path: &str, body: &[u8]) {
    let url = server.url(&format!("/{BUCKET}/{path}"));
    let put = sender
        .send("PUT", &url, &[("x-amz-content-sha256", &hash(body))], body)
        .await;
    assert_eq!(put.status, 200, "{path}: {}", put.text);
    let got = sender.get(&url).await;
    assert_eq!((got.status, got.text.as_bytes()), (200, body), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_goes_and_a_wrong_key_is_refused() {
    let server = Versitygw::http().await.unwrap();
    let url = server.url("");
    let writer = sender(access_key(WRITER), &[&url], &[]);
    for path in PATHS {
        puts_and_gets(&writer, &server, path, path.as_bytes()).await;
    }
    let list = server.url(&format!("/{BUCKET}?list-type=2&prefix=with%20"));
    let listed = writer.get(&list).await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    assert!(
        listed.text.contains("<Key>with space</Key>"),
        "{}",
        listed.text
    );
    let wrong = User {
        secret: "another-secret",
        ..WRITER
    };
    let wrong = sender(access_key(wrong), &[&url], &[]);
    let refused = wrong.get(&server.url(&format!("/{BUCKET}/plain"))).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(
        refused.text.contains("SignatureDoesNotMatch"),
        "{}",
        refused.text
    );
}

/// What S3 takes as a name of its own, `//`, is sent as it stands; this server makes one `/` of
/// it when it looks for the file, after it has judged the signature.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_part_of_a_path_is_signed_as_it_is_sent() {
    let server = Versitygw::http().await.unwrap();
    let writer = sender(access_key(WRITER), &[&server.url("")], &[]);
    let url = server.url(&format!("/{BUCKET}/a//b"));
    let body = b"x";
    let put = writer
        .send("PUT", &url, &[("x-amz-content-sha256", &hash(body))], body)
        .await;
    assert!(!put.text.contains("SignatureDoesNotMatch"), "{}", put.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_a_checksum_stands_for_the_body() {
    let server = Versitygw::https().await.unwrap();
    let url = server.url(&format!("/{BUCKET}/checked"));
    let trusted = [server.ca_pem().unwrap()];
    let writer = sender(access_key(WRITER), &[&url], &trusted);
    // CRC32C of `123456789` is e3069283.
    let right = [("x-amz-checksum-crc32c", "4waSgw==")];
    let put = writer.send("PUT", &url, &right, b"123456789").await;
    assert_eq!(put.status, 200, "{}", put.text);
    let put = writer.send("PUT", &url, &right, b"123456780").await;
    assert_eq!(put.status, 400, "{}", put.text);
    let why = writer.try_send("PUT", &url, &[], b"123").await.unwrap_err();
    assert!(why.message.contains("nobody can change the body"), "{why}");
    assert!(!why.may_be_done());
    assert_eq!(writer.get(&url).await.text, "123456789");
}

/// A key that ends by itself signs, with its session token among what is signed. versitygw takes
/// such tokens from its own issuer alone, so the testkit judges.
async fn signs_with_a_token(sender: &Sender, web: &WebServer) -> String {
    let answer = sender
        .get(&web.url("/bucket/key?list-type=2&prefix=a%2Fb"))
        .await;
    assert_eq!(answer.status, 200);
    let seen = web.seen().pop().unwrap();
    s3_signature::judge(&seen, WRITER).unwrap();
    seen.headers["x-amz-security-token"]
        .to_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_testkit_judges_as_a_real_server_does() {
    let web = WebServer::http().await.unwrap();
    let url = web.url("/bucket/key");
    sender(access_key(WRITER), &[&url], &[]).get(&url).await;
    let seen = web.seen().pop().unwrap();
    s3_signature::judge(&seen, WRITER).unwrap();
    let other = User {
        secret: "another-secret",
        ..WRITER
    };
    s3_signature::judge(&seen, other).unwrap_err();
    let mut changed = seen.clone();
    changed.path.push('x');
    s3_signature::judge(&changed, WRITER).unwrap_err();
    let mut unsigned = seen;
    let token = "x".parse().unwrap();
    unsigned.headers.insert("x-amz-security-token", token);
    s3_signature::judge(&unsigned, WRITER).unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_taken_by_a_token_in_a_file_that_is_read_each_time() {
    let (ca_pem, issued) = authority();
    let web = WebServer::https(&issued).await.unwrap();
    let sts = FakeServer::start(Sts::new(WRITER, &["second.token"]), Some(&issued))
        .await
        .unwrap();
    let scratch = Scratch::new().unwrap();
    let path = scratch.join("token");
    std::fs::write(&path, "first.token\n").unwrap();
    let role = WebIdentity {
        role: ROLE.to_owned(),
        token: file(path.clone()),
        session_name: "drydock".to_owned(),
        endpoint: sts.url(""),
        duration_seconds: Some(3600),
        region: REGION.to_owned(),
        service: "s3".to_owned(),
    };
    let url = web.url("/");
    let sender = sender(role, &[&url], &[&ca_pem]);
    let fault = sender.fault(&url).await;
    assert!(
        fault.message.starts_with(
            "the identity testKind of target offsite has no credential: https://localhost:"
        ) && fault.message.ends_with(
            " answers 400 (ExpiredTokenException): the token in the file has ended, so see that whoever writes it renews it"
        ),
        "{fault}"
    );
    std::fs::write(&path, "second.token\n").unwrap();
    let limit = Duration::from_secs(30);
    wait_until("the new token is taken", limit, async || {
        sender.try_send("GET", &url, &[], b"").await.is_ok()
    })
    .await
    .unwrap();
    signs_with_a_token(&sender, &web).await;
    let last = sts.asked().pop().unwrap();
    assert!(last.query.is_empty() && last.body.contains("WebIdentityToken=second.token"));
}

/// A key that lives for seconds is replaced while requests go on, and no request ever has the
/// token of one key and the signature of another.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_lived_key_is_replaced_midway() {
    let (ca_pem, issued) = authority();
    let web = WebServer::https(&issued).await.unwrap();
    let sts = Sts::new(WRITER, &["a.token"]);
    let sts = FakeServer::start(sts, Some(&issued)).await.unwrap();
    sts.levers().set_lifetime(4);
    let role = WebIdentity {
        role: ROLE.to_owned(),
        token: value("a.token"),
        session_name: "drydock".to_owned(),
        endpoint: sts.url(""),
        duration_seconds: None,
        region: REGION.to_owned(),
        service: "s3".to_owned(),
    };
    let sender = sender(role, &[&web.url("/")], &[&ca_pem]);
    let mut tokens = BTreeSet::new();
    let limit = Duration::from_secs(60);
    wait_until("three keys were used", limit, async || {
        tokens.insert(signs_with_a_token(&sender, &web).await);
        tokens.len() >= 3
    })
    .await
    .unwrap();
    // No more than one exchange for each.
    assert!(sts.asked().len() <= tokens.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_and_a_container_have_keys_of_their_own() {
    let web = WebServer::http().await.unwrap();
    let url = web.url("/");
    let place = (REGION.to_owned(), "s3".to_owned());
    let metadata = Ec2Metadata {
        user: WRITER,
        has_role: true,
    };
    let metadata = FakeServer::start(metadata, None).await.unwrap();
    let role = InstanceRole {
        endpoint: metadata.url(""),
        region: place.0.clone(),
        service: place.1.clone(),
    };
    signs_with_a_token(&sender(role, &[&url], &[]), &web).await;

    let container = FakeContainer {
        user: WRITER,
        authorization: Some("pod-token".to_owned()),
    };
    let container = FakeServer::start(container, None).await.unwrap();
    let of = |token: &str| ContainerCredentials {
        endpoint: container.url("/v1/credentials"),
        authorization: Some(value(token)),
        region: place.0.clone(),
        service: place.1.clone(),
    };
    signs_with_a_token(&sender(of("pod-token\n"), &[&url], &[]), &web).await;
    let fault = sender(of("another"), &[&url], &[]).fault(&url).await;
    assert!(
        fault
            .message
            .contains("answers 401: see that the token in the file is this container's"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_a_role_is_told_so() {
    let metadata = Ec2Metadata {
        user: WRITER,
        has_role: false,
    };
    let metadata = FakeServer::start(metadata, None).await.unwrap();
    let role = InstanceRole {
        endpoint: metadata.url(""),
        region: REGION.to_owned(),
        service: "s3".to_owned(),
    };
    let url = "http://localhost:1";
    let fault = sender(role, &[url], &[]).fault(url).await;
    assert!(
        fault
            .message
            .contains("answers 404: give this machine an instance profile with a role"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_without_tls_come_from_this_machine_alone() {
    for endpoint in [
        "http://10.0.0.1/v1",
        "http://198.51.100.7/v1",
        "http://[2606:4700::1]/v1",
    ] {
        let container = ContainerCredentials {
            endpoint: endpoint.to_owned(),
            authorization: Some(value("pod-token")),
            region: REGION.to_owned(),
            service: "s3".to_owned(),
        };
        let url = "http://localhost:1";
        let fault = sender(container, &[url], &[]).fault(url).await;
        assert_eq!(fault.code.as_str(), "address-prohibited", "{fault}");
    }
}
