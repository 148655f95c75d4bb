//! A failed call reads as what went wrong.

use std::net::TcpListener;
use std::time::Duration;

use drydock_capability_etcd::EtcdConfig;
use drydock_core::Fault;
use drydock_testkit::etcd::{Auth, Cluster, EtcdOptions};
use drydock_testkit::free_port;
use drydock_testkit::pki::{Authority, Purpose, Validity};
use tokio::sync::OnceCell;

use crate::{access, bytes, config, shared};

/// One member without TLS.
async fn plain() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER
        .get_or_init(async || Cluster::start(EtcdOptions::default()).await.unwrap())
        .await
}

async fn failure(config: EtcdConfig) -> Fault {
    let access = access(config);
    let endpoint = access.endpoints()[0].clone();
    access.status(&endpoint).await.unwrap_err()
}

#[track_caller]
fn assert_reads(fault: &Fault, code: &str, words: &str) {
    assert_eq!(fault.code.as_str(), code, "{fault:?}");
    assert!(fault.message.contains(words), "{}", fault.message);
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let mut config = config(shared().await);
    let other = Authority::new("another authority").unwrap();
    config.ca = Some(other.pem().into_bytes());
    assert_reads(
        &failure(config).await,
        "tls-untrusted",
        "not issued by the authority in `ca:`",
    );
}

#[tokio::test]
async fn a_missing_or_foreign_client_certificate_is_refused() {
    let cluster = shared().await;
    let mut without = config(cluster);
    (without.certificate, without.key) = (None, None);
    assert_reads(&failure(without).await, "tls-client-refused", "certificate");
    let other = Authority::new("another authority").unwrap();
    let foreign = other
        .issue("drydock", Purpose::Client, Validity::Now)
        .unwrap();
    let files = foreign.write(cluster.folder(), "foreign").unwrap();
    let mut config = config(cluster);
    config.certificate = Some(bytes(&files.certificate));
    config.key = Some(bytes(&files.key));
    assert_reads(
        &failure(config).await,
        "tls-client-refused",
        "refuses the client certificate",
    );
}

#[tokio::test]
async fn files_that_do_not_belong_together_are_named() {
    let cluster = shared().await;
    let other = Authority::new("another authority").unwrap();
    let foreign = other
        .issue("other", Purpose::Client, Validity::Now)
        .unwrap();
    let files = foreign.write(cluster.folder(), "other").unwrap();
    let mut mixed = config(cluster);
    mixed.key = Some(bytes(&files.key));
    assert_reads(
        &failure(mixed).await,
        "tls-bad-files",
        "is not the private key of the certificate beside it",
    );
    let mut half = config(cluster);
    half.key = None;
    assert_reads(&failure(half).await, "tls-bad-files", "set both");
    let mut no_authority = config(cluster);
    no_authority.ca = None;
    assert_reads(&failure(no_authority).await, "tls-bad-files", "set `ca:`");
    let mut garbage = config(cluster);
    garbage.ca = Some(b"hello".to_vec());
    assert_reads(
        &failure(garbage).await,
        "tls-bad-files",
        "holds no certificate",
    );
}

#[tokio::test]
async fn http_and_https_mixed_up_are_told_apart() {
    let mut tls = config(shared().await);
    tls.endpoints = vec![plain().await.endpoints()[0].replace("http://", "https://")];
    let fault = failure(tls.clone()).await;
    assert_reads(
        &fault,
        "tls-not-spoken",
        "write http:// instead of https://",
    );
    let peer = plain().await.member(0).peer_url();
    tls.endpoints = vec![peer.replace("http://", "https://")];
    assert_reads(
        &failure(tls).await,
        "not-etcd",
        "a web server answers there",
    );
    let mut no_tls = config(plain().await);
    no_tls.endpoints = vec![shared().await.endpoints()[0].replace("https://", "http://")];
    assert_reads(
        &failure(no_tls).await,
        "tls-spoken",
        "write https:// instead of http://",
    );
}

#[tokio::test]
async fn a_server_that_is_no_etcd_is_named() {
    let mut config = config(plain().await);
    config.endpoints = vec![plain().await.member(0).peer_url().to_owned()];
    let fault = failure(config).await;
    // The server answers in HTTP/1 and closes; which of the two is noticed first is chance,
    // and a closer look tells what it is in either case.
    assert_reads(&fault, "not-etcd", "a web server answers there");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let config = EtcdConfig {
        endpoints: vec![format!("http://127.0.0.1:{}", free_port())],
        ..EtcdConfig::default()
    };
    assert_reads(
        &failure(config).await,
        "unreachable",
        "nothing listens there",
    );
    let nowhere = EtcdConfig {
        endpoints: vec!["http://no-such-host.invalid:2379".to_owned()],
        ..EtcdConfig::default()
    };
    assert_reads(&failure(nowhere).await, "unreachable", "cannot be resolved");
}

#[tokio::test]
async fn silence_ends_at_the_time_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = EtcdConfig {
        endpoints: vec![format!("http://{}", silent.local_addr().unwrap())],
        ..EtcdConfig::default()
    };
    config.timeouts.request = Duration::from_millis(200);
    assert_reads(
        &failure(config).await,
        "timeout",
        "no answer came within 200ms",
    );
}

#[tokio::test]
async fn a_wrong_log_in_is_told_apart() {
    let options = EtcdOptions {
        auth: Some(Auth {
            root_password: "correct".to_owned(),
        }),
        ..EtcdOptions::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let mut wrong = config(&cluster);
    wrong.username = Some("root".to_owned());
    wrong.password = Some("wrong-secret".to_owned());
    let fault = failure(wrong.clone()).await;
    assert_reads(
        &fault,
        "unauthenticated",
        "correct `username:` and `password:`",
    );
    assert!(!format!("{fault:?}").contains("wrong-secret"));
    assert_reads(
        &failure(config(&cluster)).await,
        "unauthenticated",
        "username",
    );
    wrong.password = Some("correct".to_owned());
    let access = access(wrong);
    access.status(&access.endpoints()[0]).await.unwrap();
}
