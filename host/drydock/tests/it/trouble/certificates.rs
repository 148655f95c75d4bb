//! Certificates that one side does not accept.

use std::path::Path;
use std::sync::Arc;

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::pki::{Authority, Issued, Purpose, Validity};

use super::{assert_nothing_stored, ends, hide_endpoints, impatient};
use crate::bad_input::Case;
use crate::world::{World, new_cluster, shared_cluster};

/// One member with TLS, whose certificate the tests here exchange.
fn one_with_tls() -> Arc<Cluster> {
    let options = EtcdOptions {
        tls: true,
        ..EtcdOptions::default()
    };
    Arc::new(new_cluster(options, 20))
}

/// A case on one endpoint: what is wrong with a certificate is wrong everywhere.
fn case(name: &'static str, cluster: &Arc<Cluster>) -> Case {
    let mut world = World::of(Arc::clone(cluster));
    world.endpoints.truncate(1);
    world.write();
    let mut case = impatient(name, world);
    hide_endpoints(&mut case, cluster);
    case
}

/// Lets the node show another client certificate.
fn show(case: &Case, issued: &Issued) {
    let files = issued.write(case.world.scratch.path(), "other").unwrap();
    let client = case.world.cluster.as_ref().unwrap();
    let client = client.client_certificate().unwrap();
    for (from, to) in [
        (&client.certificate, &files.certificate),
        (&client.key, &files.key),
    ] {
        let text = |path: &Path| path.display().to_string();
        case.edit("schedules/cluster.yaml", &text(from), &text(to));
    }
}

fn fails(case: &Case) {
    ends(case, 1);
    assert_nothing_stored(case);
}

/// What this node itself can see is told before anybody is asked, by the check and by the
/// run alike, and nothing is tried again.
fn refused(case: &Case) {
    case.refused(64, &["schedule", "check"]);
    case.refused(64, &["run", "s1"]);
    assert_nothing_stored(case);
}

#[test]
fn a_client_certificate_that_has_expired() {
    let cluster = shared_cluster();
    let authority = cluster.authority().unwrap();
    let case = case("client-certificate-expired", &cluster);
    let issued = authority.issue("drydock", Purpose::Client, Validity::Expired);
    show(&case, &issued.unwrap());
    refused(&case);
}

#[test]
fn a_client_certificate_that_is_not_valid_yet() {
    let cluster = shared_cluster();
    let authority = cluster.authority().unwrap();
    let case = case("client-certificate-not-yet-valid", &cluster);
    let issued = authority.issue("drydock", Purpose::Client, Validity::NotYet);
    show(&case, &issued.unwrap());
    refused(&case);
}

#[test]
fn a_certificate_that_is_for_servers_alone() {
    let cluster = shared_cluster();
    let authority = cluster.authority().unwrap();
    let case = case("client-certificate-for-servers", &cluster);
    let issued = authority.issue("drydock", Purpose::Server, Validity::Now);
    show(&case, &issued.unwrap());
    refused(&case);
}

#[test]
fn a_client_certificate_of_another_cluster() {
    let case = case("client-certificate-of-another-cluster", &shared_cluster());
    let other = Authority::new("another authority").unwrap();
    let issued = other.issue("drydock", Purpose::Client, Validity::Now);
    show(&case, &issued.unwrap());
    fails(&case);
}

#[test]
fn no_client_certificate_where_one_is_wanted() {
    let cluster = shared_cluster();
    let case = case("client-certificate-missing", &cluster);
    let path = case.world.scratch.join("schedules/cluster.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let without = |line: &&str| {
        let line = line.trim_start();
        !line.starts_with("certificate:") && !line.starts_with("key:")
    };
    let text: Vec<&str> = text.lines().filter(without).collect();
    std::fs::write(path, text.join("\n")).unwrap();
    fails(&case);
}

#[test]
fn an_authority_of_another_cluster() {
    let cluster = shared_cluster();
    let case = case("ca-of-another-cluster", &cluster);
    let other = Authority::new("another authority").unwrap();
    let file = other.write(case.world.scratch.path(), "other").unwrap();
    let own = cluster.ca().unwrap().display().to_string();
    case.edit("schedules/cluster.yaml", &own, &file.display().to_string());
    fails(&case);
}

/// etcd reads its certificate anew at each handshake, so that one member shows them all.
#[test]
fn a_servers_certificate_that_is_no_good() {
    let cluster = one_with_tls();
    let show = |issued: Issued| {
        let pki = cluster.folder().join("pki");
        issued.write(&pki, "member").unwrap();
    };
    let authority = cluster.authority().unwrap();
    let of = |validity| authority.issue("etcd-member", Purpose::Peer, validity);

    show(of(Validity::Expired).unwrap());
    fails(&case("server-certificate-expired", &cluster));

    show(of(Validity::NotYet).unwrap());
    fails(&case("server-certificate-not-yet-valid", &cluster));

    let names = ["etcd-0.example.net".to_owned(), "10.1.2.3".to_owned()];
    let elsewhere = authority.issue_for("etcd-member", &names, Purpose::Peer, Validity::Now);
    show(elsewhere.unwrap());
    fails(&case("server-certificate-names-another-host", &cluster));
}
