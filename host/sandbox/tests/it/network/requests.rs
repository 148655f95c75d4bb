//! Requests that are allowed, and how they fare.

use std::sync::atomic::Ordering;
use std::time::Duration;

use drydock_capability_http::{HttpConfig, Proxies, Waits};
use drydock_core::ErrorClass;
use drydock_testkit::web::WebServer;
use serde_json::json;

use super::kit::{World, acts, fault, get, saw};

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_request_arrives_as_it_was_made() {
    let world = World::start().await;
    let act = json!({
        "do": "send", "method": "PUT", "url": world.server.url("/a%2Fb//c?x=1&y=%20"),
        "headers": [["X-One", "1"], ["x-many", "a"], ["x-many", "b"]], "body": "abc",
    });
    assert_eq!(saw(&world.signer(), act).await, "200  3 bytes, sum 294");
    let seen = world.server.seen();
    let [request] = seen.as_slice() else {
        panic!("one request: {seen:?}")
    };
    assert_eq!(request.method, "PUT");
    assert_eq!(request.path, "/a%2Fb//c?x=1&y=%20");
    assert_eq!(
        request.headers["host"],
        format!("localhost:{}", world.server.port())
    );
    assert_eq!(request.headers["x-one"], "1");
    assert_eq!(request.headers.get_all("x-many").iter().count(), 2);
    assert_eq!(
        (
            request.headers["content-length"].as_bytes(),
            request.body.as_slice()
        ),
        (&b"3"[..], &b"abc"[..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_outlive_an_attempt() {
    let world = World::start().await;
    let signer = world.signer();
    for _ in 0..3 {
        saw(&signer, get(&world.server.url("/"))).await;
    }
    assert_eq!(
        (world.server.seen().len(), world.server.connections()),
        (3, 1)
    );
    assert_eq!(world.names.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_the_plugins_to_follow_and_is_checked_anew() {
    let world = World::start().await;
    let signer = world.signer();
    let follow = |to: &str| {
        let url = world.server.url(&format!("/redirect?{to}"));
        json!({"do": "send", "method": "GET", "url": url, "follow": 2})
    };
    let not_followed = saw(&signer, get(&world.server.url("/redirect?/there"))).await;
    assert!(not_followed.starts_with("302 "), "{not_followed}");
    let there = world.server.url("/there");
    assert_eq!(saw(&signer, follow(&there)).await, "200  0 bytes, sum 0");
    for elsewhere in [
        "https://elsewhere.example/".to_owned(),
        world.server.url_by("store.example", "/"),
        there.replace("https:", "http:"),
        "https://localhost/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let fault = fault(&signer, follow(&elsewhere)).await;
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, "not-granted"),
            "{elsewhere}"
        );
    }
}

fn impatient(config: HttpConfig) -> HttpConfig {
    let wait = Duration::from_millis(400);
    HttpConfig {
        waits: Waits {
            connect: wait,
            first_byte: wait,
            between_bytes: wait,
            whole: Duration::from_secs(60),
        },
        ..config
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_answers_end_as_what_they_are() {
    let world = World::start().await;
    let signer = world.signer_with(&world.grants(), impatient(world.config()));
    let port = world.server.port();
    let table = [
        (
            "/silent",
            "timeout",
            format!("GET https://localhost:{port} was given up after "),
        ),
        (
            "/stall",
            "timeout",
            format!("no byte of the response to GET https://localhost:{port} came for 400ms"),
        ),
        (
            "/short",
            "body-incomplete",
            format!("the response to GET https://localhost:{port} ended after 5 of 10 bytes"),
        ),
        (
            "/heavy",
            "headers-too-large",
            "bytes of headers, more than the 65536 allowed".to_owned(),
        ),
    ];
    for (path, code, expected) in table {
        let fault = fault(&signer, get(&world.server.url(path))).await;
        assert_eq!(fault.code.as_str(), code, "{path}: {fault}");
        assert!(fault.message.contains(&expected), "{path}: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_request_has_an_end() {
    let world = World::start().await;
    let mut config = world.config();
    config.waits.whole = Duration::from_millis(300);
    let signer = world.signer_with(&world.grants(), config);
    let fault = fault(&signer, get(&world.server.url("/stall"))).await;
    assert_eq!(fault.code.as_str(), "timeout");
    assert!(
        fault
            .message
            .contains("took longer than a request may take"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_stranger_is_not_trusted() {
    let (world, stranger) = (World::start().await, World::start().await);
    let config = HttpConfig {
        ca_pem: stranger.config().ca_pem,
        ..world.config()
    };
    let signer = world.signer_with(&world.grants(), config);
    let fault = fault(&signer, get(&world.server.url("/"))).await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Permanent, "bad-certificate")
    );
    assert!(
        fault
            .message
            .contains("name the authority that issued it by `http: {caFile: ...}`"),
        "{fault}"
    );
    assert!(world.server.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_named() {
    let world = World::start().await;
    let port = drydock_testkit::free_port();
    let rule =
        json!({"scheme": "https", "host": "localhost", "port": port, "addresses": ["loopback"]});
    let signer = world.signer_with(&world.granted(rule), world.config());
    let gone = fault(
        &signer,
        get(&format!("https://localhost:{port}/secret-path?secret=1")),
    )
    .await;
    assert_eq!(
        (gone.class, gone.code.as_str()),
        (ErrorClass::Transient, "unreachable")
    );
    assert!(
        gone.message
            .starts_with(&format!("GET https://localhost:{port} failed: ")),
        "{gone}"
    );
    assert!(!gone.message.contains("secret"), "{gone}");
    let rule = json!({"scheme": "https", "host": "nowhere.example"});
    let signer = world.signer_with(&world.granted(rule), world.config());
    let unknown = fault(&signer, get("https://nowhere.example/")).await;
    assert!(
        unknown
            .message
            .contains("the name nowhere.example cannot be resolved"),
        "{unknown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_are_bounded() {
    let world = World::start().await;
    let signer = world.signer();
    let hold =
        |count: u32| json!({"do": "hold", "url": world.server.url("/stall"), "count": count});
    assert_eq!(saw(&signer, hold(64)).await, "holds 64");
    let many = fault(&signer, hold(65)).await;
    assert_eq!(
        (many.class, many.code.as_str()),
        (ErrorClass::Throttled, "too-many-requests")
    );
    // What an attempt held is free again.
    assert_eq!(saw(&signer, hold(64)).await, "holds 64");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_used_where_it_is_configured() {
    let world = World::start().await;
    let proxy = WebServer::http().await.unwrap();
    let rules = json!({"http": [
        {"scheme": "http", "host": "far.example"},
        {"scheme": "http", "host": "near.example", "port": proxy.port(), "addresses": ["loopback"]},
    ], "secret": world.grants()["secret"]});
    let direct = ["near.example".to_owned()];
    let config = HttpConfig {
        proxies: Proxies::new(Some(proxy.url_by("127.0.0.1", "")), None, &direct).unwrap(),
        ..world.config()
    };
    world.names.set("near.example", &["127.0.0.1"]);
    let signer = world.signer_with(&rules, config);
    let near = proxy.url_by("near.example", "/near");
    let attempt = acts(&signer, &[get("http://far.example/far"), get(&near)]).await;
    attempt.result.unwrap();
    let seen = proxy.seen();
    assert_eq!(seen[0].headers["host"], "far.example");
    assert_eq!(
        seen[1].headers["host"],
        format!("near.example:{}", proxy.port())
    );
    // The grants hold all the same, and so do addresses that are written out.
    for (url, code) in [
        ("http://other.example/", "not-granted"),
        ("http://127.0.0.1/", "not-granted"),
    ] {
        assert_eq!(fault(&signer, get(url)).await.code.as_str(), code, "{url}");
    }
}
