//! Azure's ways, judged by Azurite, with tokens from fakes of Entra and of a machine.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drydock_capability_identity::CredentialSource;
use drydock_capability_identity::exchange::{
    AccountKey, ManagedIdentity, ManagedIdentityChoice, PrincipalProof, Sas, ServicePrincipal,
};
use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use drydock_testkit::fake::azure_metadata::AzureMetadata;
use drydock_testkit::fake::entra::{self, CLIENT, Entra, TENANT, rsa_certificate_pem};
use drydock_testkit::fake::{FakeServer, rsa_key_pem};

use super::kit::{Sender, authority, sender, value};

const VERSION: (&str, &str) = ("x-ms-version", "2023-11-03");

/// Names that are easily signed in another way than they are sent.
const NAMES: [&str; 5] = [
    "plain",
    "with%20space",
    "plus%2Bplus",
    "%C3%A4%E2%82%AC%F0%9F%94%91",
    "a/b/c",
];

pub fn account_key(key: &str) -> AccountKey {
    AccountKey {
        account: ACCOUNT.to_owned(),
        key: value(key),
    }
}

pub fn sas(key: &str) -> String {
    drydock_testkit::azurite::sas(key).unwrap()
}

fn azure(azurite: &Azurite, source: impl CredentialSource + 'static, ca_pem: &str) -> Sender {
    sender(source, &[&azurite.url("")], &[azurite.ca_pem(), ca_pem])
}

async fn keeps_blobs(sender: &Sender, azurite: &Azurite, container: &str) {
    let base = azurite.url(&format!("/{ACCOUNT}/{container}"));
    let made = sender
        .send("PUT", &format!("{base}?restype=container"), &[VERSION], b"")
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    for name in NAMES {
        let url = format!("{base}/{name}");
        let headers = [
            VERSION,
            ("x-ms-blob-type", "BlockBlob"),
            ("content-type", "text/plain"),
            ("if-none-match", "*"),
            ("x-ms-meta-who", "two  words"),
        ];
        let put = sender.send("PUT", &url, &headers, name.as_bytes()).await;
        assert_eq!(put.status, 201, "{name}: {}", put.text);
        let again = sender.send("PUT", &url, &headers, name.as_bytes()).await;
        assert_eq!(again.status, 409, "{name}: {}", again.text);
        let got = sender
            .send("GET", &url, &[VERSION, ("range", "bytes=0-2")], b"")
            .await;
        assert_eq!((got.status, got.text.as_str()), (206, &name[..3]));
    }
    let list = format!("{base}?restype=container&comp=list&include=metadata&prefix=a%2Fb");
    let listed = sender.send("GET", &list, &[VERSION], b"").await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    assert!(
        listed.text.contains("<Name>a/b/c</Name>"),
        "{}",
        listed.text
    );
}

async fn is_refused(sender: &Sender, azurite: &Azurite) {
    let url = azurite.url(&format!("/{ACCOUNT}/any?restype=container"));
    let refused = sender.send("PUT", &url, &[VERSION], b"").await;
    assert!(refused.status == 403, "{} {}", refused.status, refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_an_account_opens_it_and_another_does_not() {
    let azurite = Azurite::start().await.unwrap();
    keeps_blobs(
        &azure(&azurite, account_key(ACCOUNT_KEY), ""),
        &azurite,
        "bykey",
    )
    .await;
    let other = STANDARD.encode("another key of the account");
    is_refused(&azure(&azurite, account_key(&other), ""), &azurite).await;
    let fault = azure(&azurite, account_key("no base64!"), "")
        .fault(&azurite.url("/"))
        .await;
    assert!(fault.message.contains("is not base64"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_access_signature_goes_at_the_end_of_the_query() {
    let azurite = Azurite::start().await.unwrap();
    let of = |text: &str| Sas { token: value(text) };
    keeps_blobs(
        &azure(&azurite, of(&sas(ACCOUNT_KEY)), ""),
        &azurite,
        "bysas",
    )
    .await;
    // As the portal shows it.
    let shown = format!("?{}\n", sas(ACCOUNT_KEY));
    keeps_blobs(&azure(&azurite, of(&shown), ""), &azurite, "bysastoo").await;
    let other = sas(&STANDARD.encode("another key of the account"));
    is_refused(&azure(&azurite, of(&other), ""), &azurite).await;
}

pub fn principal(entra: &FakeServer, proof: PrincipalProof) -> ServicePrincipal {
    ServicePrincipal {
        tenant: TENANT.to_owned(),
        client_id: CLIENT.to_owned(),
        proof,
        authority: entra.url(""),
        audience: "https://storage.azure.com".to_owned(),
    }
}

/// A certificate of this name and the key, one after the other.
pub fn certificate(name: &str) -> String {
    format!("{}{}", rsa_certificate_pem(name).unwrap(), rsa_key_pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_gets_a_token_in_three_ways() {
    let azurite = Azurite::with_oauth().await.unwrap();
    let (ca_pem, issued) = authority();
    let entra = Entra::new(
        &rsa_certificate_pem("backups").unwrap(),
        &["federated.token.1"],
    )
    .unwrap();
    let entra = FakeServer::start(entra, Some(&issued)).await.unwrap();
    let proofs = [
        ("secret", PrincipalProof::Secret(value(entra::SECRET))),
        (
            "certificate",
            PrincipalProof::Certificate(value(&certificate("backups"))),
        ),
        (
            "federated",
            PrincipalProof::Federated(value("federated.token.1\n")),
        ),
    ];
    for (name, proof) in proofs {
        let sender = azure(&azurite, principal(&entra, proof), &ca_pem);
        keeps_blobs(&sender, &azurite, name).await;
    }
    // One exchange each.
    assert_eq!(entra.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_token_is_told_with_how_to_mend_it() {
    let (ca_pem, issued) = authority();
    let own_certificate = rsa_certificate_pem("backups").unwrap();
    let entra = Entra::new(&own_certificate, &[]).unwrap();
    let entra = FakeServer::start(entra, Some(&issued)).await.unwrap();
    let secret = || PrincipalProof::Secret(value(entra::SECRET));
    let table = [
        (
            principal(&entra, PrincipalProof::Secret(value("wrong"))),
            "answers 401 (invalid_client, AADSTS7000215): the secret is another one's: put the secret's value, not its id, where the document leads",
        ),
        (
            ServicePrincipal {
                tenant: "other".to_owned(),
                ..principal(&entra, secret())
            },
            "answers 400 (invalid_request, AADSTS90002): there is no such tenant there: correct `tenant`, or `authority` for another cloud",
        ),
        (
            ServicePrincipal {
                client_id: "other".to_owned(),
                ..principal(&entra, secret())
            },
            "answers 400 (unauthorized_client, AADSTS700016): the tenant has no such application: correct `clientId`",
        ),
        (
            principal(
                &entra,
                PrincipalProof::Certificate(value(&certificate("another"))),
            ),
            "answers 401 (invalid_client, AADSTS700027): the certificate is not the application's, or has ended",
        ),
        (
            principal(&entra, PrincipalProof::Certificate(value(rsa_key_pem()))),
            "the identity's certificate holds no certificate in PEM: put certificate and private key, one after the other, where the document leads",
        ),
        (
            principal(&entra, PrincipalProof::Certificate(value(&own_certificate))),
            "the identity's key holds no RSA private key in PEM (PKCS#8 or PKCS#1) of 2048 bits or more: put the right one where the document leads",
        ),
    ];
    for (principal, expected) in table {
        let url = "https://localhost:1";
        let fault = sender(principal, &[url], &[&ca_pem]).fault(url).await;
        assert!(fault.message.ends_with(expected), "{fault}");
        assert!(!fault.may_be_done());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_has_an_identity_of_its_own() {
    let azurite = Azurite::with_oauth().await.unwrap();
    let metadata = FakeServer::start(AzureMetadata, None).await.unwrap();
    let of = |choice| ManagedIdentity {
        choice,
        endpoint: metadata.url(""),
        audience: "https://storage.azure.com".to_owned(),
    };
    let chosen = of(ManagedIdentityChoice::ClientId(CLIENT.to_owned()));
    keeps_blobs(&azure(&azurite, chosen, ""), &azurite, "chosen").await;
    keeps_blobs(
        &azure(&azurite, of(ManagedIdentityChoice::Only), ""),
        &azurite,
        "only",
    )
    .await;
    let other = of(ManagedIdentityChoice::ObjectId("another".to_owned()));
    let fault = azure(&azurite, other, "").fault(&azurite.url("/")).await;
    assert!(
        fault.message.ends_with("answers 400 (invalid_request): assign an identity to this machine, or correct which one is named"),
        "{fault}"
    );
}
