//! Clocks that are wrong, servers that are away, and requests that are none of the identity's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use drydock_capability_identity::exchange::{AccessKey, PrincipalProof, Sas, ServiceAccountKey};
use drydock_testkit::fake::FakeServer;
use drydock_testkit::fake::entra::{Entra, SECRET, rsa_certificate_pem};
use drydock_testkit::fake::google::Google;
use drydock_testkit::versitygw::{BUCKET, Versitygw, WRITER};
use drydock_testkit::web::WebServer;

use super::aws::access_key;
use super::azure::principal;
use super::google::service_account;
use super::kit::{MovedClock, Setting, authority, sender, value};

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_told_where_a_signature_is_refused() {
    let server = Versitygw::http().await.unwrap();
    let clock = Arc::new(MovedClock::default());
    let url = server.url("");
    let sender = Setting {
        source: Box::new(access_key(WRITER)),
        servers: &[&url],
        others: &[],
        trusted: &[],
        clock: Arc::clone(&clock),
    }
    .sender();
    let bucket = server.url(&format!("/{BUCKET}"));
    assert_eq!(sender.get(&bucket).await.status, 200);
    assert!(sender.told().is_empty());
    clock.0.store(3600, Ordering::SeqCst);
    assert_eq!(sender.get(&bucket).await.status, 403);
    let told = sender.told().pop().unwrap();
    assert!(
        told.starts_with("a server refuses the identity testKind of target offsite with 403: the clock of this node (")
            && told.contains(" s ahead of that of the server ("),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_told_where_a_token_is_refused() {
    let (ca_pem, issued) = authority();
    let google = FakeServer::start(Google, Some(&issued)).await.unwrap();
    let clock = Arc::new(MovedClock::default());
    clock.0.store(-7200, Ordering::SeqCst);
    let url = "https://localhost:1";
    let sender = Setting {
        source: Box::new(service_account(&google)),
        servers: &[url],
        others: &[],
        trusted: &[&ca_pem],
        clock,
    }
    .sender();
    let fault = sender.fault(url).await;
    assert!(
        fault.message.contains("answers 400 (invalid_grant)"),
        "{fault}"
    );
    assert!(
        fault.message.contains(" s behind that of the server ("),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_away_for_a_moment_is_asked_again() {
    let (ca_pem, issued) = authority();
    let entra = Entra::new(&rsa_certificate_pem("backups").unwrap(), &[]).unwrap();
    let entra = FakeServer::start(entra, Some(&issued)).await.unwrap();
    let web = WebServer::https(&issued).await.unwrap();
    let url = web.url("/");
    entra.levers().fail(2);
    let proof = PrincipalProof::Secret(value(SECRET));
    let there = sender(principal(&entra, proof), &[&url], &[&ca_pem]);
    assert_eq!(there.get(&url).await.status, 200);
    assert_eq!(entra.asked().len(), 3);

    entra.levers().fail(9);
    let proof = PrincipalProof::Secret(value(SECRET));
    let away = sender(principal(&entra, proof), &[&url], &[&ca_pem]);
    let fault = away.fault(&url).await;
    assert!(
        fault.class.is_retryable() && fault.message.ends_with("answers 503"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_another_server_goes_as_it_is() {
    let (ca_pem, issued) = authority();
    let google = FakeServer::start(Google, Some(&issued)).await.unwrap();
    let own = WebServer::https(&issued).await.unwrap();
    let other = WebServer::https(&issued).await.unwrap();
    let (own_url, other_url) = (own.url("/"), other.url("/"));
    let sender = Setting {
        source: Box::new(service_account(&google)),
        servers: &[&own_url],
        others: &[&other_url],
        trusted: &[&ca_pem],
        clock: Arc::default(),
    }
    .sender();
    sender.get(&other_url).await;
    assert!(!other.seen()[0].headers.contains_key("authorization"));
    assert!(google.asked().is_empty());
    sender.get(&own_url).await;
    assert!(own.seen()[0].headers.contains_key("authorization"));
    // A redirect is an answer: nothing is sent to where it leads.
    let redirected = sender
        .get(&own.url(&format!("/redirect?{other_url}")))
        .await;
    assert_eq!(redirected.status, 302);
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_does_not_speak_for_itself_beside_an_identity() {
    let (ca_pem, issued) = authority();
    let web = WebServer::https(&issued).await.unwrap();
    let url = web.url("/");
    let sender = sender(access_key(WRITER), &[&url], &[&ca_pem]);
    for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
        let sent = sender.try_send("GET", &url, &[(name, "mine")], b"").await;
        let fault = sent.unwrap_err();
        assert_eq!(fault.code.as_str(), "header-refused", "{fault}");
    }
    assert!(web.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_anybody_could_use_does_not_go_in_the_clear() {
    let web = WebServer::http().await.unwrap();
    let url = web.url("/");
    let sas = Sas {
        token: value("sv=2023-11-03&sig=c2VjcmV0"),
    };
    let fault = sender(sas, &[&url], &[]).fault(&url).await;
    assert!(
        fault
            .message
            .contains("so it does not go in the clear: write https://"),
        "{fault}"
    );
    assert!(web.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_authority_leads_to_a_metadata_address() {
    for endpoint in [
        "https://169.254.169.254/token",
        "https://metadata.google.internal/token",
    ] {
        let (ca_pem, issued) = authority();
        let google = FakeServer::start(Google, Some(&issued)).await.unwrap();
        let key = ServiceAccountKey {
            key: value(&drydock_testkit::fake::google::key_file(endpoint)),
            token_endpoint: endpoint.to_owned(),
        };
        drop(google);
        let url = "https://localhost:1";
        let fault = sender(key, &[url], &[&ca_pem]).fault(url).await;
        assert_eq!(fault.code.as_str(), "address-prohibited", "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_no_header_holds_is_told_before_anything_is_sent() {
    let key = AccessKey {
        id: value("two\nlines"),
        ..access_key(WRITER)
    };
    let url = "http://localhost:1";
    let fault = sender(key, &[url], &[]).fault(url).await;
    assert!(
        fault
            .message
            .contains("holds other characters than an access key's id has"),
        "{fault}"
    );
}
