use std::os::unix::fs::PermissionsExt as _;

use drydock_testkit::Scratch;
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::pki::{Authority, Issued, Purpose, Validity};
use drydock_testkit::program::run;

/// Whether a cluster answers a client with that certificate.
fn is_welcome(cluster: &Cluster, scratch: &Scratch, issued: &Issued) -> bool {
    let files = issued
        .write(scratch.path(), "stranger")
        .expect("the scratch folder is writable");
    let mut command = std::process::Command::new(cluster.programs().join("etcdctl"));
    command
        .args([
            "--endpoints",
            &cluster.endpoints()[0],
            "--command-timeout=2s",
        ])
        .arg("--cacert")
        .arg(cluster.ca().expect("the cluster has TLS"))
        .arg("--cert")
        .arg(&files.certificate)
        .arg("--key")
        .arg(&files.key);
    run(command.args(["get", "key"])).is_ok()
}

#[tokio::test]
async fn every_wrong_certificate_is_refused_by_a_real_server() {
    let options = EtcdOptions {
        tls: true,
        ..EtcdOptions::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    let scratch = Scratch::new().unwrap();
    let ours = cluster.authority().unwrap();
    let theirs = Authority::new("somebody else").unwrap();
    let issue = |authority: &Authority, purpose, validity| {
        authority.issue("drydock", purpose, validity).unwrap()
    };
    let good = issue(ours, Purpose::Client, Validity::Now);
    assert!(is_welcome(&cluster, &scratch, &good));
    let wrong = [
        (
            "of another authority",
            issue(&theirs, Purpose::Client, Validity::Now),
        ),
        ("expired", issue(ours, Purpose::Client, Validity::Expired)),
        (
            "not valid yet",
            issue(ours, Purpose::Client, Validity::NotYet),
        ),
        ("for servers", issue(ours, Purpose::Server, Validity::Now)),
        (
            "with another key",
            good.with_key_of(&issue(ours, Purpose::Client, Validity::Now)),
        ),
    ];
    for (what, certificate) in &wrong {
        assert!(!is_welcome(&cluster, &scratch, certificate), "{what}");
    }
}

#[tokio::test]
async fn certificates_of_one_authority_differ_in_what_is_wrong_with_them() {
    let authority = Authority::new("ours").unwrap();
    let scratch = Scratch::new().unwrap();
    let good = authority
        .issue("a", Purpose::Client, Validity::Now)
        .unwrap();
    let expired = authority
        .issue("b", Purpose::Client, Validity::Expired)
        .unwrap();
    let mismatched = good.with_key_of(&expired);
    let files = mismatched.write(scratch.path(), "mismatched").unwrap();
    let others = expired.write(scratch.path(), "expired").unwrap();
    let read = |path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&files.certificate), good.certificate_pem);
    assert_eq!(read(&files.key), read(&others.key));
    let mode = std::fs::metadata(&files.key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!format!("{good:?}").contains("PRIVATE"));
}
