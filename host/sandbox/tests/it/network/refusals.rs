//! Requests that are refused: each is a near miss of one that is granted.

use std::sync::atomic::Ordering;

use drydock_core::ErrorClass;
use serde_json::json;

use super::kit::{World, acts, fault, get, saw};

#[tokio::test(flavor = "multi_thread")]
async fn near_misses_of_a_grant_are_refused_with_the_line_to_add() {
    let world = World::start().await;
    let signer = world.signer();
    let port = world.server.port();
    saw(&signer, get(&world.server.url("/"))).await;
    let table = [
        (
            "GET",
            world.server.url_by("store.example", "/"),
            format!("add `http: [{{scheme: https, host: store.example, port: {port}}}]`"),
        ),
        (
            "GET",
            world.server.url_by("127.0.0.1", "/"),
            format!("add `http: [{{scheme: https, host: 127.0.0.1, port: {port}}}]`"),
        ),
        (
            "GET",
            "https://localhost/".to_owned(),
            "add `http: [{scheme: https, host: localhost}]`".to_owned(),
        ),
        (
            "GET",
            world.server.url("/").replace("https:", "http:"),
            format!("add `http: [{{scheme: http, host: localhost, port: {port}}}]`"),
        ),
        (
            "DELETE",
            world.server.url("/"),
            "add DELETE to `methods:`".to_owned(),
        ),
        (
            "CONNECT",
            world.server.url("/"),
            "add CONNECT to `methods:`".to_owned(),
        ),
    ];
    for (method, url, expected) in table {
        let act = json!({"do": "send", "method": method, "url": url});
        let attempt = acts(&signer, &[act]).await;
        let fault = attempt.result.unwrap_err();
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, "not-granted"),
            "{method} {url}"
        );
        assert!(fault.message.contains(&expected), "{method} {url}: {fault}");
        // An operator finds it in the log, whatever the plugin makes of it.
        assert!(
            attempt.log.to_string().contains(&expected),
            "{}",
            attempt.log
        );
    }
    assert_eq!(world.server.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_inside_need_a_grant_and_metadata_none_can_give() {
    let world = World::start().await;
    let port = world.server.port();
    world.names.set("inside.example", &["127.0.0.1"]);
    world.names.set("cloud.example", &["169.254.169.254"]);
    world.names.set("mapped.example", &["::ffff:127.0.0.1"]);
    let all = ["loopback", "link-local", "private", "shared"];
    let rules = json!({"secret": world.grants()["secret"], "http": [
        {"scheme": "https", "host": "*.example", "port": port, "addresses": ["private"]},
        {"scheme": "https", "host": "127.0.0.1", "port": port, "addresses": ["private"]},
        {"scheme": "http", "host": "169.254.169.254", "addresses": all},
        {"scheme": "http", "host": "cloud.example", "addresses": all},
        {"scheme": "http", "host": "metadata.google.internal", "addresses": all},
    ]});
    let signer = world.signer_with(&rules, world.config());
    let table = [
        (
            format!("https://inside.example:{port}/"),
            "the host inside.example leads to 127.0.0.1, a loopback address: add `addresses: [loopback]`",
        ),
        (
            format!("https://mapped.example:{port}/"),
            "a loopback address: add `addresses: [loopback]`",
        ),
        (
            format!("https://127.0.0.1:{port}/"),
            "the request goes to 127.0.0.1, a loopback address",
        ),
        (
            format!("https://0x7f.1:{port}/"),
            "the request goes to 127.0.0.1, a loopback address",
        ),
        (
            format!("https://2130706433:{port}/"),
            "the request goes to 127.0.0.1, a loopback address",
        ),
        (
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "a metadata address of a cloud",
        ),
        (
            "http://2852039166/".to_owned(),
            "a metadata address of a cloud",
        ),
        (
            "http://cloud.example/".to_owned(),
            "the host cloud.example leads to 169.254.169.254, a metadata address",
        ),
        (
            "http://metadata.google.internal/".to_owned(),
            "is a metadata service of a cloud",
        ),
    ];
    for (url, expected) in table {
        let fault = fault(&signer, get(&url)).await;
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, "address-prohibited"),
            "{url}: {fault}"
        );
        assert!(fault.message.contains(expected), "{url}: {fault}");
    }
    assert_eq!(world.server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_its_mind_is_asked_once_a_connection() {
    let world = World::start().await;
    let rule = json!({"scheme": "https", "host": "store.example", "port": world.server.port(), "addresses": ["loopback"]});
    let signer = world.signer_with(&world.granted(rule), world.config());
    let url = world.server.url_by("store.example", "/");
    world
        .names
        .set("store.example", &["127.0.0.1", "169.254.169.254"]);
    saw(&signer, get(&url)).await;
    assert_eq!(world.names.asked.load(Ordering::SeqCst), 1);
    // The other way round, nothing is connected to.
    let other = World::start().await;
    let rule = json!({"scheme": "https", "host": "store.example", "port": other.server.port(), "addresses": ["loopback"]});
    let signer = other.signer_with(&other.granted(rule), other.config());
    other
        .names
        .set("store.example", &["169.254.169.254", "127.0.0.1"]);
    let url = other.server.url_by("store.example", "/");
    assert_eq!(
        fault(&signer, get(&url)).await.code.as_str(),
        "address-prohibited"
    );
    assert_eq!(
        (
            other.names.asked.load(Ordering::SeqCst),
            other.server.connections()
        ),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_host_cannot_be_set_or_smuggled() {
    let world = World::start().await;
    let signer = world.signer();
    let url = world.server.url("/");
    for (name, value) in [
        ("Host", "evil.example"),
        ("Transfer-Encoding", "chunked"),
        ("Proxy-Authorization", "x"),
        ("Proxy-Anything", "x"),
        ("Connection", "close"),
        ("TE", "trailers"),
        ("Expect", "100-continue"),
        ("X-Ok", "a\r\nHost: evil"),
        ("X-Ok\r\nHost", "evil"),
        ("X Bad", "x"),
    ] {
        let act = json!({"do": "send", "method": "GET", "url": url, "headers": [[name, value]]});
        let fault = fault(&signer, act).await;
        assert_eq!(fault.code.as_str(), "bad-request", "{name}: {fault}");
    }
    // Two lengths would let one request hide in another.
    let act = json!({"do": "send", "method": "PUT", "url": url, "body": "abc", "headers": [["content-length", "1"]]});
    assert_eq!(fault(&signer, act).await.code.as_str(), "bad-request");
    assert!(world.server.seen().is_empty());
}
