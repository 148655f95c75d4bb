//! A plugin whose target has an identity: the host completes its requests to the target's
//! servers, and to no others.

use std::sync::Arc;

use drydock_capability_http::{HostClient, HttpConfig};
use drydock_capability_identity::exchange::{AccessKey, AccountKey};
use drydock_capability_identity::{CredentialSource, Identity, IdentityParts, ReadSecret};
use drydock_core::{Clock, Endpoint, Secret, UnixTime};
use drydock_sandbox::Plugin;
use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use drydock_testkit::versitygw::{BUCKET, REGION, User, Versitygw, WRITER};
use drydock_testkit::web::WebServer;
use serde_json::{Value, json};

use super::kit::{acts, fault, get, granted, saw};
use crate::{admit, call, sandbox};

/// The real time, so many seconds ahead.
pub struct Ahead(pub i64);

impl Clock for Ahead {
    fn now(&self) -> UnixTime {
        #[expect(clippy::disallowed_methods, reason = "the servers have the real time")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        UnixTime(i64::try_from(since.as_secs()).unwrap() + self.0)
    }
}

pub fn value(text: &str) -> ReadSecret {
    let text = text.to_owned();
    Arc::new(move || Ok(Secret::new(text.clone().into_bytes())))
}

pub fn access_key(user: User) -> AccessKey {
    AccessKey {
        id: value(user.id),
        secret: value(user.secret),
        session_token: None,
        region: REGION.to_owned(),
        service: "s3".to_owned(),
    }
}

/// The signer, which may send to these URLs' servers, with an identity for the first one.
fn signer(
    urls: &[&str],
    ca_pem: &str,
    source: impl CredentialSource + 'static,
    ahead: i64,
) -> Arc<Plugin> {
    let config = HttpConfig {
        ca_pem: Some(ca_pem.as_bytes().to_vec()),
        ..HttpConfig::default()
    };
    let endpoints: Vec<Endpoint> = urls.iter().map(|url| url.parse().unwrap()).collect();
    let rules = endpoints.iter().map(|endpoint| {
        json!({
            "scheme": endpoint.scheme.to_string(), "host": endpoint.host.to_string(),
            "port": endpoint.port, "addresses": ["loopback"],
        })
    });
    let grants = granted(&json!({
        "http": rules.collect::<Vec<_>>(),
        "secret": [
            {"name": "token", "use": {"header": {"host": "localhost", "name": "Authorization"}}},
            {"name": "shown", "reveal": true},
        ],
    }));
    let identity = Identity::new(IdentityParts {
        subject: "target offsite".to_owned(),
        kind: "accessKey",
        servers: endpoints[..1].to_vec(),
        source: Box::new(source),
        client: Arc::new(HostClient::new(Arc::new(config.clone()))),
        clock: Arc::new(Ahead(ahead)),
    });
    let plugin = admit(&sandbox().with_http(config), "signer", &grants);
    plugin.with_identity(Arc::new(identity))
}

fn put(url: &str, headers: Value, body: &str) -> Value {
    json!({"do": "send", "method": "PUT", "url": url, "headers": headers, "body": body})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_knows_no_key_stores_at_s3() {
    let server = Versitygw::https().await.unwrap();
    let signer = signer(
        &[&server.url("")],
        server.ca_pem().unwrap(),
        access_key(WRITER),
        0,
    );
    let url = server.url(&format!("/{BUCKET}/a%20b%2Bc/%C3%A4"));
    // CRC32C of `123456789`.
    let checksum = json!([
        ["x-amz-checksum-crc32c", "4waSgw=="],
        ["if-none-match", "*"]
    ]);
    let told = saw(&signer, put(&url, checksum.clone(), "123456789")).await;
    assert!(told.starts_with("200 "), "{told}");
    let told = saw(&signer, put(&url, checksum, "123456789")).await;
    assert!(told.starts_with("412 "), "{told}");
    let told = saw(&signer, get(&url)).await;
    assert!(
        told.starts_with("200 ") && told.ends_with("123456789"),
        "{told}"
    );
    // Neither hash nor checksum: nothing is sent.
    let fault = fault(&signer, put(&url, json!([]), "other")).await;
    assert!(
        fault.message.contains("so that nobody can change the body"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_knows_no_key_stores_at_azure() {
    let azurite = Azurite::start().await.unwrap();
    let key = AccountKey {
        account: ACCOUNT.to_owned(),
        key: value(ACCOUNT_KEY),
    };
    let signer = signer(&[&azurite.url("")], azurite.ca_pem(), key, 0);
    let version = ["x-ms-version", "2023-11-03"];
    let container = azurite.url(&format!("/{ACCOUNT}/backups"));
    let act = put(
        &format!("{container}?restype=container"),
        json!([version]),
        "",
    );
    let told = saw(&signer, act).await;
    assert!(told.starts_with("201 "), "{told}");
    let blob = format!("{container}/a%20b");
    let headers = json!([version, ["x-ms-blob-type", "BlockBlob"]]);
    let told = saw(&signer, put(&blob, headers, "bytes")).await;
    assert!(told.starts_with("201 "), "{told}");
    let mut act = get(&blob);
    act["headers"] = json!([version]);
    let told = saw(&signer, act).await;
    assert!(
        told.starts_with("200 ") && told.ends_with("bytes"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_server_that_is_not_the_identity_s_gets_nothing_of_it() {
    let own = Versitygw::http().await.unwrap();
    let other = WebServer::http().await.unwrap();
    let urls = [own.url(""), other.url("")];
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let server = Versitygw::https().await.unwrap();
    let signer = signer(&urls, server.ca_pem().unwrap(), access_key(WRITER), 0);
    let told = saw(&signer, get(&own.url(&format!("/{BUCKET}")))).await;
    assert!(told.starts_with("200 "), "{told}");
    saw(&signer, get(&other.url("/"))).await;
    let seen = &other.seen()[0].headers;
    assert!(
        !seen.contains_key("authorization") && !seen.contains_key("x-amz-date"),
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_the_server_s_answer_and_a_wrong_clock_stands_in_the_log() {
    let server = Versitygw::https().await.unwrap();
    let (url, ca_pem) = (server.url(""), server.ca_pem().unwrap());
    let bucket = server.url(&format!("/{BUCKET}"));
    let wrong = User {
        secret: "another-secret",
        ..WRITER
    };
    let told = saw(&signer(&[&url], ca_pem, access_key(wrong), 0), get(&bucket)).await;
    assert!(
        told.starts_with("403 ") && told.contains("SignatureDoesNotMatch"),
        "{told}"
    );

    let late = signer(&[&url], ca_pem, access_key(WRITER), 3600);
    let attempt = acts(&late, &[get(&bucket)]).await;
    let log = attempt.log.to_string();
    assert!(
        log.contains("warn: a server refuses the identity accessKey of target offsite with 403: the clock of this node ("),
        "{log}"
    );
    assert!(!log.contains(WRITER.secret), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_judged_without_the_identity() {
    let server = Versitygw::https().await.unwrap();
    let url = server.url("");
    let signer = signer(&[&url], server.ca_pem().unwrap(), access_key(WRITER), 0);
    let config = json!({"acts": [], "check": [get(&server.url(&format!("/{BUCKET}")))]});
    let attempt = signer.check_config(call(&config.to_string()), None).await;
    attempt.result.unwrap_err();
}
