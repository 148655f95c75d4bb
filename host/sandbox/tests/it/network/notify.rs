//! `notify-webhook` over a real server: what arrives, what is told of a server that says no,
//! and that the secret in a URL is told nowhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use drydock_capability_secret::SecretSource;
use drydock_core::{
    Certainty, ErrorClass, ErrorCode, Fault, RecoveryPointName, RunSoFar, ScheduleName, Secret,
    StepName, StepSoFar, StepState,
};
use drydock_sandbox::{ActionDone, Attempt, Occasion, Plugin, StepCall};
use drydock_testkit::web::{Seen, WebServer};
use serde_json::{Value, json};

use super::kit::{TOKEN, granted};
use crate::{admit, call, sandbox};

/// What a URL keeps secret.
const PATH_SECRET: &str = "T0123456789abcdefXYZ";

/// A call that hangs is over by then, on a busy machine too.
const SOON: Duration = Duration::from_secs(30);

/// URLs in secrets, and a token.
struct Urls(String);

impl SecretSource for Urls {
    fn read(&self, name: &str) -> Result<Secret, Fault> {
        let value = match name {
            "token" => TOKEN.to_owned(),
            path => format!("{}/{path}/{PATH_SECRET}\n", self.0),
        };
        Ok(Secret::new(value.into_bytes()))
    }
}

/// The plugin with the server at loopback, the token for it, and URLs in secrets.
fn notifier(server: &WebServer) -> Arc<Plugin> {
    let port = server.port();
    let reveals = ["hook", "cannot", "closed"].map(|name| json!({"name": name, "reveal": true}));
    let mut secrets = reveals.to_vec();
    secrets.push(json!({"name": "token", "use": {"header": {
        "scheme": "http", "host": "localhost", "port": port, "name": "Authorization", "prefix": "Bearer ",
    }}}));
    let grants = json!({
        "http": [{"scheme": "http", "host": "localhost", "port": port, "addresses": ["loopback"]}],
        "secret": secrets,
    });
    let plugin = admit(&sandbox(), "notify-webhook", &granted(&grants));
    plugin.with_secrets(Arc::new(Urls(server.url(""))))
}

fn failed_run() -> RunSoFar {
    let why = "no member of the cluster answers";
    let step = |name: &str, state, failed: bool| StepSoFar {
        step: StepName::new(name),
        kind: "backup".to_owned(),
        state,
        code: failed.then(|| ErrorCode::of("unreachable")),
        why: failed.then(|| why.to_owned()),
    };
    RunSoFar {
        schedule: ScheduleName::new("nightly"),
        failure: Some(Fault::transient(ErrorCode::of("unreachable"), why)),
        reasons: Vec::new(),
        recovery_point: None,
        steps: vec![
            step("snapshot", StepState::Failed, true),
            step("tell", StepState::Running, false),
        ],
    }
}

fn good_run() -> RunSoFar {
    RunSoFar {
        failure: None,
        recovery_point: Some(RecoveryPointName::new("20260102T030405Z-nightly")),
        steps: Vec::new(),
        ..failed_run()
    }
}

fn in_run(config: &Value, so_far: RunSoFar) -> StepCall {
    StepCall {
        occasion: Occasion {
            run: "nightly.20260102T030405Z".to_owned(),
            step: "tell".to_owned(),
            attempt: 1,
            key: "7ab0dad51e3c3761f4d07f2c954e6a67".to_owned(),
            so_far: Some(Arc::new(so_far)),
            ..Occasion::default()
        },
        ..call(&config.to_string())
    }
}

async fn tell(plugin: &Plugin, config: &Value, so_far: RunSoFar) -> Attempt<ActionDone> {
    plugin.run_action(in_run(config, so_far), None).await
}

async fn fault(plugin: &Plugin, config: &Value) -> Fault {
    tell(plugin, config, failed_run()).await.result.unwrap_err()
}

fn json_of(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_format_arrives() {
    let server = WebServer::http().await.unwrap();
    let plugin = notifier(&server);
    for config in [
        json!({"format": "json", "url": server.url("/json"), "headers": {
            "Authorization": {"secret": "token"}, "X-Scope-OrgID": {"value": "team"},
        }}),
        json!({"format": "slack", "urlSecret": "hook"}),
        json!({"format": "alertmanager", "url": server.url("")}),
        json!({"format": "ping", "urlSecret": "hook"}),
        json!({"format": "ping", "urlSecret": "hook", "signal": "start", "method": "GET"}),
    ] {
        let told = tell(&plugin, &config, failed_run()).await;
        told.result.unwrap();
    }
    let seen = server.seen();
    let asked: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect();
    let hook = format!("/hook/{PATH_SECRET}");
    assert_eq!(
        asked,
        [
            "POST /json".to_owned(),
            format!("POST {hook}"),
            "POST /api/v2/alerts".to_owned(),
            format!("POST {hook}/fail"),
            format!("GET {hook}/start"),
        ]
    );
    let summary = "Schedule nightly of cluster quickstart failed: no member of the cluster answers (unreachable)";
    let notice = json_of(&seen[0]);
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(seen[0].headers["x-scope-orgid"], "team");
    assert_eq!(seen[0].headers["content-type"], "application/json");
    assert_eq!(
        (&notice["status"], &notice["summary"]),
        (&json!("failed"), &json!(summary))
    );
    assert_eq!(notice["dedupKey"], "7ab0dad51e3c3761f4d07f2c954e6a67");
    assert_eq!(notice["steps"].as_array().unwrap().len(), 1, "{notice}");
    let text = json_of(&seen[1])["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with(summary), "{text}");
    let alerts = json_of(&seen[2]);
    assert_eq!(alerts[0]["labels"]["alertname"], "DrydockRunFailed");
    // A second after it was due by the tests' clock, and 25 hours later.
    assert_eq!(alerts[0]["endsAt"], "2026-01-03T04:04:06Z");
    assert_eq!(alerts[1]["endsAt"], "2026-01-02T03:04:06Z");
    let body = String::from_utf8(seen[3].body.clone()).unwrap();
    assert!(body.starts_with(summary), "{body}");
    assert_eq!(seen[4].size, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_run_is_told_with_its_recovery_point() {
    let server = WebServer::http().await.unwrap();
    let config = json!({"format": "json", "url": server.url("/")});
    let told = tell(&notifier(&server), &config, good_run()).await;
    told.result.unwrap();
    let notice = json_of(&server.seen()[0]);
    assert_eq!(notice["status"], "good");
    assert_eq!(notice["recoveryPoint"], "20260102T030405Z-nightly");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_no_is_told_and_says_when_to_come_again() {
    let server = WebServer::http().await.unwrap();
    let plugin = notifier(&server);
    for (path, class, certainty, retry_after) in [
        (
            "/status/429?7",
            ErrorClass::Throttled,
            Certainty::NotDone,
            Some(7),
        ),
        (
            "/status/503?9",
            ErrorClass::Throttled,
            Certainty::Unknown,
            Some(9),
        ),
        (
            "/status/500",
            ErrorClass::Transient,
            Certainty::Unknown,
            None,
        ),
        ("/status/403", ErrorClass::Denied, Certainty::NotDone, None),
        (
            "/status/404",
            ErrorClass::Permanent,
            Certainty::NotDone,
            None,
        ),
        (
            "/redirect?/elsewhere",
            ErrorClass::Permanent,
            Certainty::NotDone,
            None,
        ),
    ] {
        let fault = fault(
            &plugin,
            &json!({"format": "slack", "url": server.url(path)}),
        )
        .await;
        assert_eq!(
            (fault.class, fault.certainty),
            (class, certainty),
            "{path}: {fault}"
        );
        assert_eq!(fault.retry_after_seconds, retry_after, "{path}");
        assert_eq!(fault.code.as_str(), "http-status");
        let said = path
            .starts_with("/status")
            .then_some("saying \"no_service\"");
        assert!(
            fault
                .message
                .contains(said.unwrap_or("redirects are not followed")),
            "{fault}"
        );
    }
    // A redirect was followed nowhere.
    assert!(server.seen().iter().all(|seen| seen.path != "/elsewhere"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_url_keeps_secret_stands_in_no_error_and_no_log() {
    let server = WebServer::http().await.unwrap();
    let elsewhere = WebServer::http().await.unwrap();
    let plugin = notifier(&server);
    // Its URLs lead where no grant does.
    let denied = plugin.with_secrets(Arc::new(Urls(elsewhere.url(""))));
    let dead = notifier(&server);
    for (plugin, secret, says) in [
        (
            &plugin,
            "cannot",
            "was answered by status 404: correct the URL",
        ),
        (&denied, "hook", "http: ["),
    ] {
        let config = json!({"format": "slack", "urlSecret": secret});
        let attempt = tell(plugin, &config, failed_run()).await;
        let log = attempt.log.to_string();
        let fault = attempt.result.unwrap_err();
        let told = format!("{fault:?} {log}");
        assert!(told.contains(says), "{told}");
        assert!(!told.contains(PATH_SECRET), "{told}");
    }
    assert!(elsewhere.seen().is_empty());
    drop(server);
    let fault = fault(&dead, &json!({"format": "ping", "urlSecret": "closed"})).await;
    assert_eq!(fault.class, ErrorClass::Transient, "{fault}");
    assert!(!format!("{fault:?}").contains(PATH_SECRET), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_left_in_time() {
    let server = WebServer::http().await.unwrap();
    let plugin = notifier(&server);
    for path in ["/silent", "/stall"] {
        let begun = Instant::now();
        let url = server.url(path);
        let config = json!({"format": "json", "url": url, "timeoutSeconds": 1});
        let told = tell(&plugin, &config, failed_run()).await;
        assert!(begun.elapsed() < SOON, "{path}");
        if path == "/silent" {
            let fault = told.result.unwrap_err();
            assert_eq!(
                (fault.class, fault.certainty),
                (ErrorClass::Transient, Certainty::Unknown)
            );
            assert_eq!(fault.code.as_str(), "timeout", "{fault}");
        } else {
            // The head said yes, and the body is of no interest.
            told.result.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_a_judged_configuration_send_nothing() {
    let server = WebServer::http().await.unwrap();
    let plugin = notifier(&server);
    for config in [
        json!({"format": "ping", "urlSecret": "hook", "method": "GET"}),
        json!({"format": "slack", "urlSecret": "hook"}),
    ] {
        let planned = plugin.plan_action(in_run(&config, failed_run())).await;
        let told = planned.log.to_string();
        let lines = planned.result.unwrap().join("\n");
        let to = format!("http://localhost:{}", server.port());
        assert!(lines.contains(&to), "{lines}");
        assert!(
            lines.contains("tells now: Schedule nightly of cluster quickstart failed"),
            "{lines}"
        );
        assert!(
            !lines.contains(PATH_SECRET) && !told.contains(PATH_SECRET),
            "{lines}"
        );
        let judged = plugin.check_config(call(&config.to_string()), None).await;
        assert_eq!(judged.result.unwrap(), []);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_do_without_secrets_and_says_which_grant_is_missing() {
    let server = WebServer::http().await.unwrap();
    let grants = json!({"http": [{
        "scheme": "http", "host": "localhost", "port": server.port(), "addresses": ["loopback"],
    }]});
    let plugin = admit(&sandbox(), "notify-webhook", &granted(&grants));
    let config = json!({"format": "alertmanager", "url": server.url("")});
    tell(&plugin, &config, good_run()).await.result.unwrap();
    assert_eq!(server.seen().len(), 1);
    let config = json!({"format": "slack", "urlSecret": "hook"});
    let fault = fault(&plugin, &config).await;
    assert_eq!(
        (fault.class, fault.code.as_str()),
        (ErrorClass::Denied, "not-granted")
    );
    assert!(
        fault.message.contains("name: hook, reveal: true"),
        "{fault}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_of_a_run_it_does_not_know_how_one_goes() {
    let server = WebServer::http().await.unwrap();
    let config = json!({"format": "json", "url": server.url("/")});
    let planned = notifier(&server)
        .plan_action(call(&config.to_string()))
        .await;
    let lines = planned.result.unwrap();
    assert_eq!(lines.last().unwrap(), "tells how the run goes by then");
}
