//! The same search where the host speaks for the plugin.

use drydock_capability_http::HostClient;
use drydock_capability_identity::exchange::{AccessKey, ServiceAccountKey};
use drydock_capability_identity::{CredentialSource, Identity, IdentityParts, ReadSecret};
use drydock_core::{Endpoint, HostPattern, Scheme};
use drydock_testkit::fake::google::{Google, access_token_of, key_file};
use drydock_testkit::fake::{FakeServer, rsa_key_pem};
use drydock_testkit::instant;
use drydock_testkit::versitygw::{BUCKET, REGION, Versitygw, WRITER};

use super::*;

struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> UnixTime {
        #[expect(clippy::disallowed_methods, reason = "the servers have the real time")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        UnixTime(i64::try_from(since.as_secs()).unwrap())
    }
}

fn value(text: String) -> ReadSecret {
    Arc::new(move || Ok(Secret::new(text.clone().into_bytes())))
}

fn identity(
    source: impl CredentialSource + 'static,
    port: u16,
    config: &HttpConfig,
) -> Arc<Identity> {
    Arc::new(Identity::new(IdentityParts {
        subject: "target t".to_owned(),
        kind: "tested",
        servers: vec![Endpoint {
            scheme: Scheme::Https,
            host: HostPattern::parse("localhost").unwrap(),
            port,
        }],
        source: Box::new(source),
        client: Arc::new(HostClient::new(Arc::new(config.clone()))),
        clock: Arc::new(RealClock),
    }))
}

/// The key, and everything between it and a signature of today.
fn chain_of_today() -> Vec<(String, Vec<u8>)> {
    let today = instant::basic(RealClock.now().0)[..8].to_owned();
    let mut key = format!("AWS4{}", WRITER.secret).into_bytes();
    let mut all = vec![("the key".to_owned(), WRITER.secret.as_bytes().to_vec())];
    for step in [today.as_str(), REGION, "s3", "aws4_request"] {
        key = hmac(&key, step.as_bytes());
        all.push((format!("the key after {step}"), key.clone()));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_signs_for_a_plugin_is_in_no_memory_of_it() {
    let server = Versitygw::https().await.unwrap();
    let config = HttpConfig {
        ca_pem: server.ca_pem().map(|pem| pem.as_bytes().to_vec()),
        ..HttpConfig::default()
    };
    let key = AccessKey {
        id: value(WRITER.id.to_owned()),
        secret: value(WRITER.secret.to_owned()),
        session_token: None,
        region: REGION.to_owned(),
        service: "s3".to_owned(),
    };
    let identity = identity(key, server.port(), &config);
    let spy = Spy::new(&chain_of_today());
    let url = server.url(&format!("/{BUCKET}/by%20plugin"));
    // CRC32C of `123456789`.
    let checksum = json!([["x-amz-checksum-crc32c", "4waSgw=="]]);
    let acts = json!([
        {"do": "send", "method": "PUT", "url": url, "headers": checksum, "body": "123456789"},
        {"do": "send", "method": "GET", "url": url},
        {"do": "send", "method": "DELETE", "url": url},
    ]);
    let plugin = watched_plugin(&spy, config, server.port());
    let attempt = plugin.with_identity(identity).judge(call(&acts)).await;
    let verdict = attempt.result.unwrap();
    let told: Vec<&str> = verdict
        .findings
        .iter()
        .map(|finding| finding.message.as_str())
        .collect();
    assert!(told[0].starts_with("200 "), "{told:?}");
    assert!(
        told[1].starts_with("200 ") && told[1].ends_with("123456789"),
        "{told:?}"
    );
    assert!(
        told[2].starts_with("403 ") && told[2].contains("AccessDenied"),
        "{told:?}"
    );
    assert_eq!(spy.found(), BTreeSet::new());
    assert!(spy.looks.load(Ordering::SeqCst) > 50);
    let log = attempt.log.to_string();
    assert!(!log.contains(WRITER.secret), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_added_for_a_plugin_is_in_no_memory_of_it() {
    let authority = Authority::new("web").unwrap();
    let issued = authority.issue("web", Purpose::Server, Validity::Now);
    let issued = issued.unwrap();
    let config = HttpConfig {
        ca_pem: Some(authority.pem().into_bytes()),
        ..HttpConfig::default()
    };
    let server = WebServer::https(&issued).await.unwrap();
    let google = FakeServer::start(Google, Some(&issued)).await.unwrap();
    let url = google.url("/token");
    let key = ServiceAccountKey {
        key: value(key_file(&url)),
        token_endpoint: url,
    };
    // What the fake hands out first.
    let token = access_token_of(1);
    let second_line = rsa_key_pem().lines().nth(1).unwrap();
    let secrets = [
        ("the token".to_owned(), token.clone().into_bytes()),
        ("the key".to_owned(), second_line.as_bytes().to_vec()),
    ];
    let spy = Spy::new(&secrets);
    let identity = identity(key, server.port(), &config);
    let acts = json!([
        {"do": "send", "method": "GET", "url": server.url("/")},
        {"do": "send", "method": "GET", "url": server.url("/status/403")},
    ]);
    let plugin = watched_plugin(&spy, config, server.port());
    let attempt = plugin.with_identity(identity).judge(call(&acts)).await;
    attempt.result.unwrap();
    for seen in server.seen() {
        assert_eq!(seen.headers["authorization"], format!("Bearer {token}"));
    }
    assert_eq!(spy.found(), BTreeSet::new());
}
