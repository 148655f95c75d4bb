//! No secret stands in any sentence: neither raw, nor in hex, base64 or the escapes of URLs,
//! whatever goes wrong and however careless a server is.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use drydock_capability_identity::CredentialSource;
use drydock_capability_identity::exchange::{
    AccessKey, AccountKey, ContainerCredentials, PrincipalProof, Sas, WebIdentity,
};
use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY};
use drydock_testkit::fake::FakeServer;
use drydock_testkit::fake::entra::{Entra, SECRET, rsa_certificate_pem};
use drydock_testkit::fake::google::{FEDERATED_TOKEN, Google};
use drydock_testkit::fake::rsa_key_pem;
use drydock_testkit::fake::sts::{ROLE, Sts};
use drydock_testkit::versitygw::{REGION, WRITER};
use drydock_testkit::web::WebServer;

use super::aws::access_key;
use super::azure::{account_key, certificate, principal, sas};
use super::google::{federated, service_account};
use super::kit::{Sender, authority, sender, value};

/// All ways in which a secret could stand in a text.
fn spellings(secret: &str) -> Vec<String> {
    let escaped = |plain: &str| {
        let escape = |c: char| match c {
            c if c.is_ascii_alphanumeric() || plain.contains(c) => c.to_string(),
            c => c
                .to_string()
                .bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect(),
        };
        secret.chars().map(escape).collect::<String>()
    };
    let base64 = STANDARD.encode(secret);
    vec![
        secret.to_owned(),
        hex::encode(secret),
        hex::encode_upper(secret),
        base64.trim_end_matches('=').to_owned(),
        URL_SAFE_NO_PAD.encode(secret),
        escaped("-._~"),
        escaped("-._~").to_lowercase(),
        escaped("-._~ ").replace(' ', "+"),
        format!("{secret:?}").trim_matches('"').to_owned(),
    ]
}

fn holds_none(text: &str, secrets: &[&str]) {
    for secret in secrets {
        // Of a text of many lines each is one.
        for line in secret
            .lines()
            .filter(|line| line.len() > 8 && !line.starts_with("-----"))
        {
            for spelling in spellings(line) {
                assert!(!text.contains(&spelling), "{spelling} stands in {text}");
            }
        }
    }
}

/// Sends under this identity where it can and where it cannot; all that is said of it.
async fn said(source: impl CredentialSource + 'static, ca_pem: &str, web: &WebServer) -> String {
    let url = web.url("/reflect");
    let nobody = "https://localhost:1/";
    let sender = sender(source, &[&url, nobody], &[ca_pem]);
    let mut said = Vec::new();
    for (method, url) in [
        ("GET", url.as_str()),
        ("GET", nobody),
        ("PUT", &web.url("/status/403")),
        ("GET", &web.url("/short")),
        // It repeats the URL.
        ("GET", &web.url("/cannot/tell")),
    ] {
        let headers = [
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("x-amz-checksum-crc32c", "x"),
        ];
        let headers = if method == "PUT" { &headers[..] } else { &[] };
        match sender.try_send(method, url, headers, b"").await {
            // The body is the server's own affair; what is told of it goes through the redactor.
            Ok(answer) => said.push(format!(
                "{:?} {}",
                answer.headers,
                sender.redactor().text(&answer.text)
            )),
            Err(fault) => said.push(format!("{fault} {fault:?}")),
        }
    }
    said.push(of_sender(&sender));
    said.join("\n")
}

fn of_sender(sender: &Sender) -> String {
    format!(
        "{:?} {:?} {:?}",
        sender.identity,
        sender.redactor(),
        sender.told()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_files_are_never_said() {
    let (ca_pem, issued) = authority();
    let web = WebServer::https(&issued).await.unwrap();
    let session = "session/token+with=all&that";
    let key = AccessKey {
        session_token: Some(value(session)),
        ..access_key(WRITER)
    };
    holds_none(&said(key, &ca_pem, &web).await, &[WRITER.secret, session]);
    holds_none(
        &said(account_key(ACCOUNT_KEY), &ca_pem, &web).await,
        &[ACCOUNT_KEY],
    );
    let text = sas(ACCOUNT_KEY);
    let sas = Sas {
        token: value(&text),
    };
    let (_, signature) = text.split_once("sig=").unwrap();
    holds_none(&said(sas, &ca_pem, &web).await, &[&text, signature]);
    // What is wrong with a secret is told without it.
    for bad in ["AccountKey=not base64 at all", "two\nlines of a key"] {
        let key = AccountKey {
            account: ACCOUNT.to_owned(),
            key: value(bad),
        };
        holds_none(&said(key, &ca_pem, &web).await, &[bad]);
        let sas = Sas { token: value(bad) };
        holds_none(&said(sas, &ca_pem, &web).await, &[bad]);
        let key = AccessKey {
            session_token: Some(value(bad)),
            ..access_key(WRITER)
        };
        holds_none(&said(key, &ca_pem, &web).await, &[bad, WRITER.secret]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_careless_endpoint_repeats_is_never_said() {
    let (ca_pem, issued) = authority();
    let web = WebServer::https(&issued).await.unwrap();
    // It knows neither secret nor certificate nor token, and repeats what it was sent.
    let entra = Entra::new(&rsa_certificate_pem("backups").unwrap(), &[])
        .unwrap()
        .that_echoes();
    let entra = FakeServer::start(entra, Some(&issued)).await.unwrap();
    let wrong = "wrong+secret/with=odd&characters";
    let proofs = [
        PrincipalProof::Secret(value(wrong)),
        PrincipalProof::Certificate(value(&certificate("another"))),
        PrincipalProof::Federated(value("header.claims.signature-0123456789")),
    ];
    for proof in proofs {
        let said = said(principal(&entra, proof), &ca_pem, &web).await;
        let form = entra.asked().pop().unwrap();
        let assertion = form
            .field("client_assertion")
            .unwrap_or_else(|| "none of these".to_owned());
        assert!(said.contains("answers 401"), "{said}");
        holds_none(
            &said,
            &[
                wrong,
                rsa_key_pem(),
                "header.claims.signature-0123456789",
                &assertion,
                &form.body,
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_out_is_never_said() {
    let (ca_pem, issued) = authority();
    let web = WebServer::https(&issued).await.unwrap();
    let entra = Entra::new(&rsa_certificate_pem("backups").unwrap(), &[]).unwrap();
    let entra = FakeServer::start(entra, Some(&issued)).await.unwrap();
    let proof = PrincipalProof::Secret(value(SECRET));
    let entra_said = said(principal(&entra, proof), &ca_pem, &web).await;
    let google = FakeServer::start(Google, Some(&issued)).await.unwrap();
    let google_said = said(service_account(&google), &ca_pem, &web).await;
    let federated_said = said(federated(&google, FEDERATED_TOKEN, true), &ca_pem, &web).await;
    let sts = FakeServer::start(Sts::new(WRITER, &["web.identity.token"]), Some(&issued));
    let sts = sts.await.unwrap();
    let role = WebIdentity {
        role: ROLE.to_owned(),
        token: value("web.identity.token"),
        session_name: "drydock".to_owned(),
        endpoint: sts.url(""),
        duration_seconds: None,
        region: REGION.to_owned(),
        service: "s3".to_owned(),
    };
    let sts_said = said(role, &ca_pem, &web).await;
    // Every token that arrived somewhere.
    let mut tokens = Vec::new();
    for seen in web.seen() {
        for name in ["authorization", "x-amz-security-token"] {
            let value = seen.headers.get(name).and_then(|value| value.to_str().ok());
            tokens.extend(value.map(|value| value.trim_start_matches("Bearer ").to_owned()));
        }
    }
    assert!(
        tokens.iter().any(|token| token.starts_with("ya29")),
        "{tokens:?}"
    );
    assert!(
        tokens.iter().any(|token| token.starts_with("IQoJ")),
        "{tokens:?}"
    );
    let mut secrets = vec![
        SECRET,
        rsa_key_pem(),
        FEDERATED_TOKEN,
        WRITER.secret,
        "web.identity.token",
    ];
    let is_token = |token: &&String| !token.starts_with("AWS4");
    secrets.extend(tokens.iter().filter(is_token).map(String::as_str));
    for said in [entra_said, google_said, federated_said, sts_said] {
        holds_none(&said, &secrets);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_no_header_holds_is_told_without_it() {
    let (ca_pem, issued) = authority();
    let web = WebServer::https(&issued).await.unwrap();
    let bad = "pod\u{7f}token-0123456789";
    let container = ContainerCredentials {
        endpoint: web.url("/"),
        authorization: Some(value(bad)),
        region: REGION.to_owned(),
        service: "s3".to_owned(),
    };
    let said = said(container, &ca_pem, &web).await;
    holds_none(&said, &[bad, "token-0123456789"]);
}
