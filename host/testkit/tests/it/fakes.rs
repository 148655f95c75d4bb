//! The fakes refuse what the vendors refuse.

use drydock_testkit::client::{Answer, Client, Message};
use drydock_testkit::fake::azure_metadata::AzureMetadata;
use drydock_testkit::fake::container_credentials::ContainerCredentials;
use drydock_testkit::fake::ec2_metadata::Ec2Metadata;
use drydock_testkit::fake::entra::{CLIENT, Entra, SECRET, TENANT, rsa_certificate_pem};
use drydock_testkit::fake::google::Google;
use drydock_testkit::fake::sts::{ROLE, Sts};
use drydock_testkit::fake::{Behaviour, FakeServer};
use drydock_testkit::versitygw::WRITER;

async fn ask(
    server: &FakeServer,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let message = Message {
        method,
        path,
        headers: &headers,
        body: body.as_bytes(),
    };
    Client::clear(server.port()).send(&message).await.unwrap()
}

async fn start(behaviour: impl Behaviour) -> FakeServer {
    FakeServer::start(behaviour, None).await.unwrap()
}

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

#[tokio::test]
async fn entra_wants_tenant_client_and_secret() {
    let entra = Entra::new(&rsa_certificate_pem("backups").unwrap(), &[]).unwrap();
    let server = start(entra).await;
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let secret = SECRET.replace('+', "%2B").replace('&', "%26");
    let form = |client: &str, secret: &str| {
        format!(
            "grant_type=client_credentials&client_id={client}&client_secret={secret}&scope=https%3A%2F%2Fstorage.azure.com%2F.default"
        )
    };
    let right = ask(&server, ("POST", &path), &FORM, &form(CLIENT, &secret)).await;
    assert!(right.text().contains("access_token"), "{}", right.text());
    for (path, form, number) in [
        (path.as_str(), form(CLIENT, "wrong"), "AADSTS7000215"),
        (&path, form("other", &secret), "AADSTS700016"),
        (
            "/other/oauth2/v2.0/token",
            form(CLIENT, &secret),
            "AADSTS90002",
        ),
    ] {
        let wrong = ask(&server, ("POST", path), &FORM, &form).await;
        assert!(
            wrong.status >= 400 && wrong.text().contains(number),
            "{}",
            wrong.text()
        );
    }
}

#[tokio::test]
async fn metadata_is_given_to_nobody_who_was_led_there() {
    let path =
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://storage.azure.com";
    let server = start(AzureMetadata).await;
    let right = [("metadata", "true")];
    assert_eq!(ask(&server, ("GET", path), &right, "").await.status, 200);
    assert_eq!(ask(&server, ("GET", path), &[], "").await.status, 400);
    let led = [("metadata", "true"), ("x-forwarded-for", "10.0.0.1")];
    assert_eq!(ask(&server, ("GET", path), &led, "").await.status, 400);

    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    let server = start(Google).await;
    let right = [("metadata-flavor", "Google")];
    let answer = ask(&server, ("GET", path), &right, "").await;
    assert_eq!(answer.header("metadata-flavor"), Some("Google"));
    assert_eq!(ask(&server, ("GET", path), &[], "").await.status, 403);
}

#[tokio::test]
async fn ec2_answers_to_its_own_session_alone() {
    let server = start(Ec2Metadata {
        user: WRITER,
        has_role: true,
    })
    .await;
    let roles = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(ask(&server, ("GET", roles), &[], "").await.status, 401);
    let life = [("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
    let session = ask(&server, ("PUT", "/latest/api/token"), &life, "")
        .await
        .text();
    let known = [("x-aws-ec2-metadata-token", session.as_str())];
    let role = ask(&server, ("GET", roles), &known, "").await.text();
    let credentials = ask(&server, ("GET", &format!("{roles}{role}")), &known, "").await;
    assert!(
        credentials.text().contains(WRITER.id),
        "{}",
        credentials.text()
    );
}

#[tokio::test]
async fn sts_and_containers_want_their_token() {
    let server = start(Sts::new(WRITER, &["the-token"])).await;
    let form = |token: &str| {
        format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=drydock&WebIdentityToken={token}"
        )
    };
    let right = ask(&server, ("POST", "/"), &FORM, &form("the-token")).await;
    assert!(right.text().contains("<SessionToken>"), "{}", right.text());
    let wrong = ask(&server, ("POST", "/"), &FORM, &form("another")).await;
    assert!(
        wrong.text().contains("ExpiredTokenException"),
        "{}",
        wrong.text()
    );

    let authorization = Some("pod token".to_owned());
    let server = start(ContainerCredentials {
        user: WRITER,
        authorization,
    })
    .await;
    let get = ("GET", "/v1/credentials");
    assert_eq!(ask(&server, get, &[], "").await.status, 401);
    let known = [("authorization", "pod token")];
    assert_eq!(ask(&server, get, &known, "").await.status, 200);
    server.levers().fail(1);
    assert_eq!(ask(&server, get, &known, "").await.status, 503);
    assert_eq!(ask(&server, get, &known, "").await.status, 200);
}
