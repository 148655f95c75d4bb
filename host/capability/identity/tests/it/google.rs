//! Google's ways to a token, by the fake; an object at fake-gcs-server, which asks for none.

use drydock_capability_identity::CredentialSource;
use drydock_capability_identity::exchange::{Federation, ServiceAccountKey, WorkloadIdentity};
use drydock_testkit::fake::FakeServer;
use drydock_testkit::fake::google::{ACCOUNT, AUDIENCE, FEDERATED_TOKEN, Google, key_file};
use drydock_testkit::fake_gcs::FakeGcs;
use drydock_testkit::web::WebServer;

use super::kit::{authority, sender, value};

pub fn service_account(google: &FakeServer) -> ServiceAccountKey {
    let url = google.url("/token");
    ServiceAccountKey {
        key: value(&key_file(&url)),
        token_endpoint: url,
    }
}

pub fn federated(google: &FakeServer, token: &str, impersonated: bool) -> WorkloadIdentity {
    let impersonated = impersonated.then(|| (ACCOUNT.to_owned(), google.url("")));
    WorkloadIdentity::Federated(Federation {
        audience: AUDIENCE.to_owned(),
        token: value(token),
        endpoint: google.url(""),
        impersonated,
    })
}

/// The token arrives where it belongs, and nothing of it comes back.
async fn arrives(source: impl CredentialSource + 'static, ca_pem: &str, web: &WebServer) {
    let url = web.url("/reflect");
    let sender = sender(source, &[&url], &[ca_pem]);
    let answer = sender.get(&url).await;
    let seen = web.seen().pop().unwrap();
    let authorization = seen.headers["authorization"].to_str().unwrap();
    assert!(
        authorization.starts_with("Bearer ya29.fake-"),
        "{authorization}"
    );
    assert_eq!(
        answer.header("x-reflected"),
        "Bearer [redacted secret identity.token]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_gives_a_token() {
    let (ca_pem, issued) = authority();
    let google = FakeServer::start(Google, Some(&issued)).await.unwrap();
    let metadata = FakeServer::start(Google, None).await.unwrap();
    let web = WebServer::https(&issued).await.unwrap();
    let endpoint = metadata.url("");
    arrives(service_account(&google), &ca_pem, &web).await;
    arrives(WorkloadIdentity::Metadata { endpoint }, &ca_pem, &web).await;
    arrives(federated(&google, FEDERATED_TOKEN, false), &ca_pem, &web).await;
    arrives(federated(&google, FEDERATED_TOKEN, true), &ca_pem, &web).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_kept_under_a_token() {
    let server = FakeGcs::start(&["backups"]).await.unwrap();
    let (ca_pem, issued) = authority();
    let google = FakeServer::start(Google, Some(&issued)).await.unwrap();
    let url = server.url("");
    let sender = sender(
        service_account(&google),
        &[&url],
        &[&ca_pem, server.ca_pem()],
    );
    let put = server
        .url("/upload/storage/v1/b/backups/o?uploadType=media&name=a%2Fb&ifGenerationMatch=0");
    assert_eq!(sender.send("POST", &put, &[], b"bytes").await.status, 200);
    assert_eq!(sender.send("POST", &put, &[], b"bytes").await.status, 412);
    let got = sender
        .get(&server.url("/storage/v1/b/backups/o/a%2Fb?alt=media"))
        .await;
    assert_eq!(got.text, "bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_leads_elsewhere_and_a_token_that_is_not_taken_are_told() {
    let (ca_pem, issued) = authority();
    let google = FakeServer::start(Google, Some(&issued)).await.unwrap();
    let url = "https://localhost:1";
    let elsewhere = ServiceAccountKey {
        key: value(&key_file("https://evil.example/token")),
        ..service_account(&google)
    };
    let fault = sender(elsewhere, &[url], &[&ca_pem]).fault(url).await;
    assert!(
        fault
            .message
            .contains("wants tokens from another server than https://localhost:"),
        "{fault}"
    );
    let nothing = ServiceAccountKey {
        key: value("{\"private_key\": 1}"),
        ..service_account(&google)
    };
    let fault = sender(nothing, &[url], &[&ca_pem]).fault(url).await;
    assert!(
        fault
            .message
            .contains("is no JSON of a service account's key"),
        "{fault}"
    );
    let fault = sender(
        federated(&google, "another.token", false),
        &[url],
        &[&ca_pem],
    )
    .fault(url)
    .await;
    assert!(
        fault
            .message
            .contains("answers 400 (invalid_request): compare `audience`"),
        "{fault}"
    );
    // Whoever is no metadata server of Google's is told from one.
    let web = WebServer::http().await.unwrap();
    let endpoint = web.url("");
    let fault = sender(WorkloadIdentity::Metadata { endpoint }, &[url], &[&ca_pem])
        .fault(url)
        .await;
    assert!(
        fault.message.contains("is no metadata server of Google's"),
        "{fault}"
    );
}
