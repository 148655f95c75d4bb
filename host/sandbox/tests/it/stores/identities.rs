//! Store plugins under identities that no other test of them has, and what leaves the node with
//! a request.

use std::sync::Arc;

use drydock_capability_identity::CredentialSource;
use drydock_capability_identity::exchange::{
    AccountKey, PrincipalProof, Sas, ServiceAccountKey, ServicePrincipal,
};
use drydock_core::Clock as _;
use drydock_repository::Target;
use drydock_sandbox::StoreTarget;
use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite, sas};
use drydock_testkit::fake::FakeServer;
use drydock_testkit::fake::cloud_storage::CloudStorage;
use drydock_testkit::fake::entra::{self, CLIENT, Entra, TENANT, rsa_certificate_pem};
use drydock_testkit::fake::google::{Google, key_file};
use drydock_testkit::fault_proxy::{Fault, FaultProxy, Made, Order, Requests, Stage};
use drydock_testkit::instant;
use drydock_testkit::pki::{Authority, Issued, Purpose, Validity};
use drydock_testkit::versitygw::{BUCKET, ROOT, Versitygw};
use drydock_testkit::web::Seen;
use serde_json::{Value, json};

use super::kit::{Service, fetch, part, sample, store};
use crate::network::identities::{Ahead, access_key, value};
use crate::network::kit::Names;

/// The name under which buckets of S3 are asked for.
const DOMAIN: &str = "s3.example";

fn authority() -> (String, Issued) {
    let authority = Authority::new("fakes").unwrap();
    let issued = authority.issue("fake", Purpose::Server, Validity::Now);
    (authority.pem(), issued.unwrap())
}

fn azure(
    server: &Azurite,
    more_ca_pem: &str,
    identity: impl CredentialSource + 'static,
) -> StoreTarget {
    let url = server.url("");
    let config = json!({"endpoint": format!("{url}/{ACCOUNT}"), "container": "backups"});
    Service {
        plugin: "store-azure-blob",
        servers: &[&url],
        ca_pem: Some(&format!("{}{more_ca_pem}", server.ca_pem())),
        names: None,
        identity: Some(Box::new(identity)),
    }
    .target(&config)
}

async fn keeps_the_contract(target: &StoreTarget) {
    target.make_place().await.unwrap();
    drydock_fakes::contract::run(target).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn store_azure_blob_keeps_the_contract_under_a_shared_access_signature() {
    let server = Azurite::start().await.unwrap();
    let token = sas(ACCOUNT_KEY).unwrap();
    let identity = Sas {
        token: value(&token),
    };
    let target = azure(&server, "", identity);
    keeps_the_contract(&target).await;
    let fault = target.stat("c/none").await.unwrap_err();
    assert!(!format!("{fault:?}").contains("sig="), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn store_azure_blob_keeps_the_contract_as_a_service_principal() {
    let server = Azurite::with_oauth().await.unwrap();
    let (ca_pem, issued) = authority();
    let entra = Entra::new(&rsa_certificate_pem("backups").unwrap(), &[]).unwrap();
    let entra = FakeServer::start(entra, Some(&issued)).await.unwrap();
    let identity = ServicePrincipal {
        tenant: TENANT.to_owned(),
        client_id: CLIENT.to_owned(),
        proof: PrincipalProof::Secret(value(entra::SECRET)),
        authority: entra.url(""),
        audience: "https://storage.azure.com".to_owned(),
    };
    keeps_the_contract(&azure(&server, &ca_pem, identity)).await;
    assert_eq!(entra.asked().len(), 1, "one token does for all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn store_gcs_keeps_the_contract_as_a_service_account() {
    let (ca_pem, issued) = authority();
    let server = CloudStorage::https(&["backups"], &issued).await.unwrap();
    let google = FakeServer::start(Google, Some(&issued)).await.unwrap();
    let tokens = google.url("/token");
    let url = server.url();
    let config = json!({"endpoint": url, "bucket": "backups", "partMebibytes": 1});
    let with = |identity: Option<Box<dyn CredentialSource>>| {
        Service {
            plugin: "store-gcs",
            servers: &[&url],
            ca_pem: Some(&ca_pem),
            names: None,
            identity,
        }
        .target(&config)
    };
    let fault = with(None).stat("c/a").await.unwrap_err();
    assert_eq!(fault.code.as_str(), "permission-denied", "{fault}");
    let account = ServiceAccountKey {
        key: value(&key_file(&tokens)),
        token_endpoint: tokens,
    };
    let target = with(Some(Box::new(account)));
    drydock_fakes::contract::run(&target).await.unwrap();
    assert_eq!(google.asked().len(), 1, "one token does for all of it");
}

/// The proxy before a versitygw that knows buckets by their hosts, and the plugin that goes
/// through it.
struct Bucket {
    proxy: FaultProxy,
    target: StoreTarget,
    _server: Versitygw,
}

async fn bucket(style: &str, more: Value) -> Bucket {
    let host = format!("{BUCKET}.{DOMAIN}");
    let server = Versitygw::with_domain(DOMAIN).await.unwrap();
    let hosts = [DOMAIN, host.as_str()];
    let proxy = FaultProxy::named(server.port(), server.ca_pem(), &hosts);
    let proxy = proxy.await.unwrap();
    let names = Names::default();
    for name in hosts {
        names.set(name, &["127.0.0.1"]);
    }
    let mut config =
        json!({"endpoint": proxy.url_by(DOMAIN, ""), "bucket": BUCKET, "style": style});
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let servers = [proxy.url_by(DOMAIN, ""), proxy.url_by(&host, "")];
    let target = Service {
        plugin: "store-s3",
        servers: &[&servers[0], &servers[1]],
        ca_pem: proxy.ca_pem(),
        names: Some(Arc::new(names)),
        identity: Some(Box::new(access_key(ROOT))),
    }
    .target(&config);
    Bucket {
        proxy,
        target,
        _server: server,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_s3_is_asked_for_by_its_host_or_by_a_path() {
    let host = format!("{BUCKET}.{DOMAIN}:");
    for (style, starts) in [("virtual-host", host.as_str()), ("path", "s3.example:")] {
        let Bucket { proxy, target, .. } = &bucket(style, json!({"prefix": "a b/+"})).await;
        store(target, "c/a", b"bytes", 5 * 1024 * 1024)
            .await
            .unwrap();
        target.put_object("c/b", part(b"x"), None).await.unwrap();
        assert_eq!(fetch(target, "c/a", 1, 3).await.unwrap(), b"yte");
        let page = target.list("c/", None).await.unwrap();
        let names: Vec<_> = page.objects.iter().map(|stat| &stat.object).collect();
        assert_eq!(names, ["c/a", "c/b"]);
        for seen in proxy.seen() {
            let host = seen.headers["host"].to_str().unwrap();
            assert!(host.starts_with(starts), "{style}: {host}");
        }
    }
}

fn header<'s>(seen: &'s Seen, name: &str) -> Option<&'s str> {
    seen.headers.get(name).map(|value| value.to_str().unwrap())
}

/// versitygw passes over both; that they are sent, and where, is what counts.
#[tokio::test(flavor = "multi_thread")]
async fn storage_class_and_encryption_are_said_where_an_object_begins() {
    let more = json!({
        "storageClass": "STANDARD_IA",
        "sse": {"type": "kms", "key": "arn:aws:kms:us-east-1:1:key/a"},
    });
    let Bucket { proxy, target, .. } = &bucket("path", more).await;
    store(target, "c/a", b"bytes", 5 * 1024 * 1024)
        .await
        .unwrap();
    target.put_object("c/b", part(b"x"), None).await.unwrap();
    let begins = Requests::of("POST").with(&["?uploads"]);
    let puts = Requests::of("PUT").without(&["?partNumber"]);
    let (mut said, mut unsaid) = (0, 0);
    for seen in proxy.seen() {
        let told = [
            header(&seen, "x-amz-storage-class"),
            header(&seen, "x-amz-server-side-encryption"),
            header(&seen, "x-amz-server-side-encryption-aws-kms-key-id"),
        ];
        let begins = [begins, puts]
            .iter()
            .any(|r| r.cover(&seen.method, &seen.path));
        let wanted = if begins {
            said += 1;
            let key = "arn:aws:kms:us-east-1:1:key/a";
            [Some("STANDARD_IA"), Some("aws:kms"), Some(key)]
        } else {
            unsaid += 1;
            [None; 3]
        };
        assert_eq!(told, wanted, "{} {}", seen.method, seen.path);
    }
    assert!(said == 2 && unsaid >= 2, "{said}, {unsaid}");
}

/// Services refuse a PUT or POST that says nothing of its length.
#[tokio::test(flavor = "multi_thread")]
async fn who_sends_nothing_says_so() {
    let Bucket { proxy, target, .. } = &bucket("path", json!({})).await;
    target.put_object("c/none", part(b""), None).await.unwrap();
    let session = target.begin("c/a", None, 5).await.unwrap();
    target.abort(&session).await.unwrap();
    let mut carrying = 0;
    for seen in proxy.seen() {
        if ["PUT", "POST"].contains(&seen.method.as_str()) {
            carrying += 1;
            let length = header(&seen, "content-length");
            assert_eq!(length, Some("0"), "{} {}", seen.method, seen.path);
        }
    }
    assert_eq!(carrying, 2);
}

/// Somebody else writes at the same moment: a PUT asks again, and the end of an upload as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_passes() {
    let Bucket { proxy, target, .. } = &bucket("path", json!({})).await;
    let conflict = || Fault::Answer(Made::of(409, "ConditionalRequestConflict"));
    let put = Requests::of("PUT").without(&["?partNumber"]);
    proxy.order(Order::first(put, conflict(), Stage::Before));
    target.put_object("c/a", part(b"x"), None).await.unwrap();
    let complete = Requests::of("POST").with(&["?uploadId"]);
    proxy.order(Order::first(complete, conflict(), Stage::Before));
    let bytes = sample(1000);
    store(target, "c/b", &bytes, 5 * 1024 * 1024).await.unwrap();
    assert_eq!(proxy.happened(), 2);
    assert!(fetch(target, "c/b", 0, 1000).await.unwrap() == bytes);
}

async fn expect_clock_differs(target: &StoreTarget) {
    let fault = target.stat("drydock-target.json").await.unwrap_err();
    assert_eq!(fault.code.as_str(), "clock-differs", "{fault}");
    assert!(fault.message.contains("let NTP keep it"), "{fault}");
}

/// An answer to HEAD has no body that says it.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_told_as_such() {
    let server = Versitygw::https().await.unwrap();
    let url = server.url("");
    let service = Service {
        plugin: "store-s3",
        servers: &[&url],
        ca_pem: server.ca_pem(),
        names: None,
        identity: Some(Box::new(access_key(ROOT))),
    };
    let config = json!({"endpoint": url, "bucket": BUCKET});
    expect_clock_differs(&service.at(&config, 3000).0).await;
}

/// Azurite takes requests of any time, so that the proxy answers as Azure does.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_told_at_azure() {
    let server = Azurite::start().await.unwrap();
    let proxy = FaultProxy::before(server.port(), Some(server.ca_pem()));
    let proxy = proxy.await.unwrap();
    let mut refused = Made::of(403, "AuthenticationFailed");
    let theirs = Ahead(-3000).now().0;
    refused.headers.push(("date", instant::http_date(theirs)));
    let fault = Fault::Answer(refused);
    proxy.order(Order::first(Requests::of("HEAD"), fault, Stage::Before));
    let url = proxy.url("");
    let service = Service {
        plugin: "store-azure-blob",
        servers: &[&url],
        ca_pem: proxy.ca_pem(),
        names: None,
        identity: Some(Box::new(AccountKey {
            account: ACCOUNT.to_owned(),
            key: value(ACCOUNT_KEY),
        })),
    };
    let config = json!({"endpoint": format!("{url}/{ACCOUNT}"), "container": "backups"});
    expect_clock_differs(&service.target(&config)).await;
}
