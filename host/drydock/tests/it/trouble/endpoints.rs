//! Endpoints behind which no etcd answers.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};

use drydock_testkit::etcd::{Cluster, EtcdOptions};

use super::{assert_nothing_stored, ends, hide_endpoints, impatient};
use crate::bad_input::Case;
use crate::world::{World, new_cluster, shared_cluster};

/// One member without TLS that no test here harms.
pub fn plain_cluster() -> Arc<Cluster> {
    static PLAIN: OnceLock<Arc<Cluster>> = OnceLock::new();
    let start = || Arc::new(new_cluster(EtcdOptions::default(), 1_000));
    Arc::clone(PLAIN.get_or_init(start))
}

/// A node whose only endpoint is `url`, with the certificates of `cluster`.
fn at(name: &'static str, cluster: Arc<Cluster>, url: &str) -> Case {
    let mut world = World::of(Arc::clone(&cluster));
    world.endpoints = vec![url.to_owned()];
    world.write();
    let mut case = impatient(name, world);
    hide_endpoints(&mut case, &cluster);
    case
}

/// The same for an endpoint that takes time: one second, as the document says.
fn at_for_a_second(name: &'static str, url: &str) -> Case {
    let case = at(name, plain_cluster(), url);
    limit_to_a_second(&case);
    case
}

fn limit_to_a_second(case: &Case) {
    case.edit(
        "schedules/cluster.yaml",
        "  etcd:\n",
        "  etcd:\n    requestTimeoutSeconds: 1\n",
    );
}

fn fails(case: &Case) {
    ends(case, 1);
    assert_nothing_stored(case);
}

#[test]
fn nothing_listens() {
    let port = drydock_testkit::free_port();
    let url = format!("http://127.0.0.1:{port}");
    fails(&at("endpoint-refuses-connections", plain_cluster(), &url));
}

#[test]
fn a_name_that_does_not_resolve() {
    let url = "https://etcd-0.no-such-host.invalid:2379";
    fails(&at("endpoint-name-does-not-resolve", shared_cluster(), url));
}

#[test]
fn a_server_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    fails(&at_for_a_second("endpoint-says-nothing", &url));
}

#[test]
fn a_server_that_says_nothing_and_should_speak_tls() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let case = at("endpoint-says-nothing-tls", shared_cluster(), &url);
    limit_to_a_second(&case);
    fails(&case);
}

/// A web server, such as a proxy that stands in the way.
fn web_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked);
            let body = "<html>no gRPC here</html>";
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}")
}

#[test]
fn a_web_server() {
    let case = at("endpoint-is-a-web-server", plain_cluster(), &web_server());
    fails(&case);
}

#[test]
fn tls_where_the_url_says_none() {
    let url = shared_cluster().endpoints()[0].replace("https://", "http://");
    fails(&at("endpoint-speaks-tls", plain_cluster(), &url));
}

#[test]
fn no_tls_where_the_url_says_so() {
    let url = plain_cluster().endpoints()[0].replace("http://", "https://");
    fails(&at("endpoint-speaks-no-tls", shared_cluster(), &url));
}

#[test]
fn an_https_endpoint_without_an_authority() {
    let url = plain_cluster().endpoints()[0].replace("http://", "https://");
    fails(&at("ca-missing", plain_cluster(), &url));
}

#[test]
fn endpoints_that_are_no_addresses() {
    let mut world = World::alone();
    let wrong = [
        "127.0.0.1:2379",
        "https://etcd-0",
        "https://etcd-0:2379/v3",
        "ftp://etcd-0:2379",
        "https://etcd-0:99999",
        "https://root:secret@etcd-0:2379",
    ];
    world.endpoints = wrong.map(str::to_owned).to_vec();
    world.write();
    let mut case = Case::new("endpoints-malformed", world);
    case.secret("the password in the endpoint", "root:secret");
    case.refused(64, &["run", "s1"]);
}
