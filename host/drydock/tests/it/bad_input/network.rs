//! Servers and secrets: grants that do not fit, values that are not there, proxies and
//! authorities that are none.

use drydock_testkit::web::WebServer;
use serde_json::json;

use crate::bad_input::Case;
use crate::bad_input::plugin_files::{built, verified_by, verified_in};
use crate::world::World;

const CHECK: [&str; 2] = ["schedule", "check"];
const SCHEDULE: &str = "schedules/schedule.yaml";
const TARGET: &str = "schedules/target.yaml";

/// What the signer asks for.
const HTTP: &str = "http: [{scheme: https, host: a.example}]";
const SECRETS: &str =
    "secret: [{name: key, use: {sign: {algorithm: hmac-sha256}}}, {name: token, reveal: true}]";

/// A world that is verified by the signer, with these grants.
fn signer(name: &'static str, grants: &str) -> Case {
    verified_by(name, &built("signer"), grants)
}

/// The same with everything granted, and these secrets at its step.
fn with_secrets(name: &'static str, secrets: &str) -> Case {
    let case = signer(name, &format!("{HTTP}, {SECRETS}"));
    case.edit(
        SCHEDULE,
        "verify: etcd-verify,",
        &format!("verify: etcd-verify, secrets: {{{secrets}}},"),
    );
    case
}

/// HMAC-SHA256 of `hello` with the key `correct horse battery`, as openssl computes it.
const SIGNATURE: &str = "77a155d196d392f76735bad93a02820325a32cf8b71712035bd182e27bf9d5d0";

/// A whole run: what stands in the files that a schedule names signs and goes out with a
/// request, and stands nowhere afterwards, although the plugin shouts the one that it sees.
#[test]
fn secrets_of_a_schedule_reach_their_use_and_nothing_else() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(WebServer::http()).unwrap();
    let http = format!(
        "http: [{{scheme: http, host: localhost, port: {}, addresses: [loopback]}}]",
        server.port()
    );
    let secret = "secret: [{name: key, use: {sign: {algorithm: hmac-sha256}}}, {name: key, use: {header: {scheme: http, host: localhost, port: PORT, name: authorization}}}, {name: token, reveal: true}]";
    let secret = secret.replace("PORT", &server.port().to_string());
    let grants = format!("{http}, {secret}");
    let mut case = verified_in(World::new(), "secrets-used", &built("signer"), &grants);
    for (file, value) in [
        ("key", "correct horse battery"),
        ("token", "staple of the token"),
    ] {
        case.secret(file, value);
        case.put(file, format!("{value}\n"));
    }
    let acts = json!([
        {"do": "send-signed", "url": server.url("/"), "sign": {"secret": "key", "message": "hello"}},
        {"do": "send", "method": "GET", "url": server.url("/reflect"), "placeholder": "key",
         "headers": [["authorization", "PLACEHOLDER"]]},
        {"do": "reveal", "secret": "token"},
    ]);
    case.edit(
        SCHEDULE,
        "verify: etcd-verify, config: {}",
        &format!(
            "verify: etcd-verify, secrets: {{key: {{valueFrom: {{file: ../key}}}}, token: {{valueFrom: {{file: ../token}}}}}}, config: {{acts: {acts}}}"
        ),
    );
    let (answer, run) = case.world.run();
    let seen = server.seen();
    assert_eq!(seen.len(), 2, "{}", answer.stderr);
    assert_eq!(seen[0].headers["x-signature"], SIGNATURE);
    assert_eq!(seen[1].headers["authorization"], "correct horse battery");
    let shown = case.secrets_in(&answer);
    assert!(shown.is_empty(), "secrets were shown: {shown:?}");
    let id = run["run"].as_str().unwrap();
    let told = case
        .world
        .drydock(&["run", "show", id, "--output", "json"])
        .ok();
    assert!(told.stdout.contains("saw"), "{}", told.stdout);
    assert!(case.secrets_in(&told).is_empty(), "{}", told.stdout);
    answer.ok();
}

#[test]
fn powers_that_are_asked_for_and_not_granted() {
    let uses = "secret: [{name: key, use: {sign: {algorithm: hmac-sha256}}}]";
    let reveals = "secret: [{name: key, reveal: true}]";
    for (name, grants) in [
        ("http-not-granted", SECRETS.to_owned()),
        ("secret-use-not-granted", format!("{HTTP}, {reveals}")),
        ("secret-reveal-not-granted", format!("{HTTP}, {uses}")),
    ] {
        signer(name, &grants).refused(64, &CHECK);
    }
}

#[test]
fn grants_that_say_nothing_clear() {
    for (name, grants) in [
        (
            "http-scheme-unknown",
            "http: [{scheme: htps, host: a.example}]",
        ),
        (
            "http-host-with-a-path",
            "http: [{scheme: https, host: a.example/x}]",
        ),
        (
            "http-star-inside",
            "http: [{scheme: https, host: a.*.example}]",
        ),
        (
            "http-method-in-small-letters",
            "http: [{scheme: https, host: a, methods: [get]}]",
        ),
        (
            "http-address-unknown",
            "http: [{scheme: https, host: a, addresses: [loopbak]}]",
        ),
        ("http-host-missing", "http: [{scheme: https}]"),
        ("http-key-unknown", "http: [{scheme: https, hots: a}]"),
        ("http-target-unknown", "http: [{target: loca}]"),
        ("http-target-without-endpoints", "http: [{target: local}]"),
        (
            "secret-algorithm-unknown",
            "secret: [{name: key, use: {sign: {algorithm: hmac}}}]",
        ),
        ("secret-without-power", "secret: [{name: key}]"),
        (
            "secret-in-the-host-header",
            "secret: [{name: key, use: {header: {host: a, name: Host}}}]",
        ),
        (
            "secret-signs-twice",
            "secret: [{name: key, use: {sign: {algorithm: hmac-sha256}}}, {name: key, use: {sign: {algorithm: rs256}}}]",
        ),
    ] {
        signer(name, grants).refused(64, &CHECK);
    }
}

#[test]
fn secrets_that_are_granted_and_have_no_value() {
    let place = "{valueFrom: {file: ../key}}";
    for (name, secrets) in [
        ("secret-has-no-place", String::new()),
        ("secret-is-misspelt", format!("key: {place}, tokn: {place}")),
        (
            "secret-file-missing",
            format!("key: {place}, token: {{valueFrom: {{file: ../nope}}}}"),
        ),
        (
            "secret-variable-not-set",
            format!("key: {place}, token: {{valueFrom: {{env: NO_SUCH}}}}"),
        ),
    ] {
        let mut case = with_secrets(name, &secrets);
        case.secret("the key", "correct horse battery");
        case.put("key", "correct horse battery\n");
        case.refused(64, &CHECK);
    }
    let mut case = with_secrets("secret-in-the-document", "token: correct horse battery");
    case.secret("the token", "correct horse battery");
    case.refused(64, &CHECK);
}

#[test]
fn secrets_of_a_store_step_stand_at_its_target() {
    let case = Case::new("secret-at-a-store-step", World::alone());
    let secrets = "target: local, secrets: {key: {valueFrom: {file: ../key}}}}";
    case.edit(SCHEDULE, "target: local}", secrets);
    case.refused(64, &CHECK);
}

#[test]
fn endpoints_that_are_no_servers() {
    let case = Case::new("endpoint-of-a-target-with-a-path", World::alone());
    case.edit(
        TARGET,
        "spec:\n",
        "spec:\n  endpoints: [\"https://a.example/bucket\"]\n",
    );
    case.refused(64, &CHECK);
}

#[test]
fn a_node_that_misleads_about_the_network() {
    let rows = [
        (
            "ceiling-names-a-target",
            "  ceiling: {http: [{target: local}]}\n",
        ),
        ("proxy-is-no-url", "  http: {proxy: proxy.example}\n"),
        ("ca-file-of-http-missing", "  http: {caFile: nope.crt}\n"),
        (
            "ca-file-of-http-holds-no-certificate",
            "  http: {caFile: drydock.yaml}\n",
        ),
        ("ca-file-of-http-cut-off", "  http: {caFile: half.crt}\n"),
    ];
    for (name, lines) in rows {
        let mut world = World::alone();
        world.extra_node = lines.to_owned();
        world.write();
        let half = world.scratch.join("half.crt");
        std::fs::write(half, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
        Case::new(name, world).refused(64, &CHECK);
    }
    let mut world = World::alone();
    world.extra_node = "  http: {proxy: \"http://me:hunter2-hunter2@proxy:1\"}\n".to_owned();
    world.write();
    let mut case = Case::new("proxy-with-a-password", world);
    case.secret("the password", "hunter2-hunter2");
    case.refused(64, &CHECK);
}
