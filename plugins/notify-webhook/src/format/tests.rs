//! Each format as it goes out, for a run that failed, one that is degraded and one that is
//! good.

use drydock_plugin_sdk::configuration::{RunState, RunStep, StepState};
use drydock_plugin_sdk::{Error, Value, config};
use serde_json::{Value as Json, json};

use super::*;
use crate::notice::Call;

/// 2026-01-02T03:04:05Z.
const DUE: u64 = 1_767_323_045;

const KEY: &str = "7ab0dad51e3c3761f4d07f2c954e6a67";

fn config(json: &Json) -> Config {
    let config: Config = config::parse("the step's config", &json.to_string()).unwrap();
    config.check().unwrap();
    config
}

fn step(name: &str, kind: &str, state: StepState, failed: Option<(&str, &str)>) -> RunStep {
    RunStep {
        name: name.to_owned(),
        kind: kind.to_owned(),
        state,
        code: failed.map(|(code, _)| code.to_owned()),
        why: failed.map(|(_, why)| why.to_owned()),
    }
}

fn good() -> RunState {
    RunState {
        schedule: "nightly".to_owned(),
        failure: None,
        reasons: Vec::new(),
        recovery_point: Some("20260102T030405Z-nightly".to_owned()),
        steps: vec![
            step("snapshot", "backup", StepState::Done, None),
            step("tell", "action", StepState::Running, None),
            step("store", "target", StepState::Done, None),
        ],
    }
}

fn degraded() -> RunState {
    RunState {
        reasons: vec![
            "member m3 was down".to_owned(),
            "the disk is slow".to_owned(),
        ],
        ..good()
    }
}

fn failed() -> RunState {
    let why = "no member answers: look at <etcd> & its network";
    let mut skipped = step("store", "target", StepState::Skipped, None);
    skipped.why = Some("nothing came".to_owned());
    RunState {
        failure: Some(Error::transient("unreachable", why)),
        recovery_point: None,
        steps: vec![
            step(
                "snapshot",
                "backup",
                StepState::Failed,
                Some(("unreachable", why)),
            ),
            step("tell", "action", StepState::Running, None),
            skipped,
        ],
        ..good()
    }
}

fn notice(config: &Config, so_far: RunState) -> Notice {
    let call = Call {
        key: KEY.to_owned(),
        cluster: "production".to_owned(),
        run: "nightly.20260102T030405Z".to_owned(),
        due: DUE,
        step: "tell".to_owned(),
        attempt: 2,
        inputs: vec![
            ("freed".to_owned(), Value::Integer(7)),
            ("report".to_owned(), Value::Json(r#"{"a":[1]}"#.to_owned())),
        ],
    };
    Notice::of(config, call, Some(so_far))
}

fn rendered(json: &Json, so_far: RunState) -> Message {
    let config = config(json);
    render(&config, &notice(&config, so_far), DUE + 60)
}

fn body_of(message: &Message) -> Json {
    serde_json::from_slice(&message.body).unwrap()
}

#[test]
fn json_is_the_notice_as_it_is() {
    let config = json!({
        "format": "json", "url": "https://a/hook", "labels": {"team": "infra"},
        "text": "see https://runbooks/etcd",
    });
    let message = rendered(&config, failed());
    assert_eq!((message.method, message.path), ("POST", ""));
    assert_eq!(message.content_type, "application/json");
    let why = "no member answers: look at <etcd> & its network";
    assert_eq!(
        body_of(&message),
        json!({
            "dedupKey": KEY,
            "status": "failed",
            "summary": format!("Schedule nightly of cluster production failed: {why} (unreachable)"),
            "cluster": "production",
            "schedule": "nightly",
            "run": "nightly.20260102T030405Z",
            "due": "2026-01-02T03:04:05Z",
            "step": "tell",
            "attempt": 2,
            "recoveryPoint": null,
            "failure": {"code": "unreachable", "message": why},
            "reasons": [],
            "steps": [
                {"name": "snapshot", "kind": "backup", "state": "failed", "code": "unreachable", "why": why},
                {"name": "store", "kind": "target", "state": "skipped", "code": null, "why": "nothing came"},
            ],
            "inputs": {"freed": 7, "report": {"a": [1]}},
            "labels": {"team": "infra"},
            "text": "see https://runbooks/etcd",
        })
    );
    let body = body_of(&rendered(&config, degraded()));
    assert_eq!(body["status"], "degraded");
    assert_eq!(
        body["summary"],
        "Schedule nightly of cluster production is degraded: member m3 was down (and 1 more)"
    );
    let body = body_of(&rendered(&config, good()));
    assert_eq!(body["status"], "good");
    assert_eq!(body["recoveryPoint"], "20260102T030405Z-nightly");
    assert_eq!(
        body["summary"],
        "Schedule nightly of cluster production is good: recovery point 20260102T030405Z-nightly is committed"
    );
    let mut open = good();
    open.recovery_point = None;
    open.steps[2].state = StepState::Running;
    assert_eq!(
        body_of(&rendered(&config, open))["summary"],
        "Schedule nightly of cluster production is good so far"
    );
}

#[test]
fn slack_has_a_text_in_which_nothing_is_markup() {
    let config =
        json!({"format": "slack", "urlSecret": "slack-url", "text": "<!channel> look, @here"});
    let message = rendered(&config, failed());
    assert_eq!((message.method, message.path), ("POST", ""));
    let why = "no member answers: look at &lt;etcd&gt; &amp; its network";
    let text = [
        &format!("Schedule nightly of cluster production failed: {why} (unreachable)"),
        "&lt;!channel&gt; look, @\u{200b}here",
        "run nightly.20260102T030405Z, due 2026-01-02T03:04:05Z",
        "no recovery point of this run",
        &format!("failed: step snapshot (backup): {why} (unreachable)"),
        "skipped: step store (target): nothing came",
        "freed: 7",
    ];
    assert_eq!(
        body_of(&message),
        json!({"text": text.join("\n"), "mrkdwn": false})
    );
}

#[test]
fn alertmanager_has_one_alert_that_fires_and_one_that_is_resolved() {
    let config = json!({
        "format": "alertmanager", "url": "http://a:9093",
        "labels": {"team": "infra"}, "annotations": {"runbook_url": "https://r"},
        "expiresAfterSeconds": 600,
    });
    let message = rendered(&config, degraded());
    assert_eq!((message.method, message.path), ("POST", "/api/v2/alerts"));
    let summary =
        "Schedule nightly of cluster production is degraded: member m3 was down (and 1 more)";
    let description = [
        "run nightly.20260102T030405Z, due 2026-01-02T03:04:05Z",
        "recovery point 20260102T030405Z-nightly",
        "degraded: member m3 was down",
        "degraded: the disk is slow",
        "freed: 7",
    ];
    let alert = |name: &str, severity: &str, ends: &str| {
        json!({
            "labels": {
                "alertname": name, "severity": severity, "cluster": "production",
                "schedule": "nightly", "team": "infra",
            },
            "annotations": {
                "summary": summary, "description": description.join("\n"), "dedupKey": KEY,
                "runbook_url": "https://r",
            },
            "startsAt": "2026-01-02T03:04:05Z",
            "endsAt": ends,
        })
    };
    assert_eq!(
        body_of(&message),
        json!([
            alert("DrydockRunFailed", "critical", "2026-01-02T03:05:05Z"),
            alert("DrydockRunDegraded", "warning", "2026-01-02T03:15:05Z"),
        ])
    );
    let ends = |so_far| {
        let body = body_of(&rendered(&config, so_far));
        [body[0]["endsAt"].clone(), body[1]["endsAt"].clone()]
    };
    let (resolved, fires) = ("2026-01-02T03:05:05Z", "2026-01-02T03:15:05Z");
    assert_eq!(ends(failed()), [fires, resolved]);
    assert_eq!(ends(good()), [resolved, resolved]);
}

/// What makes an alert one and the same is the same in each run.
#[test]
fn the_labels_of_an_alert_do_not_depend_on_the_run() {
    let config = json!({"format": "alertmanager", "url": "http://a:9093"});
    let labels = |so_far| body_of(&rendered(&config, so_far))[0]["labels"].clone();
    assert_eq!(labels(failed()), labels(good()));
}

#[test]
fn a_ping_says_by_its_path_how_it_went() {
    let path = |more: Json, so_far| {
        let mut config = json!({"format": "ping", "urlSecret": "ping"});
        let more = more.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(more);
        rendered(&config, so_far).path
    };
    for (more, so_far, expected) in [
        (json!({}), good(), ""),
        (json!({}), degraded(), ""),
        (json!({}), failed(), "/fail"),
        (json!({"signal": "outcome"}), failed(), "/fail"),
        (json!({"signal": "start"}), good(), "/start"),
        (json!({"signal": "success"}), failed(), ""),
        (json!({"signal": "fail"}), good(), "/fail"),
        (json!({"signal": "log"}), failed(), "/log"),
    ] {
        assert_eq!(path(more.clone(), so_far), expected, "{more}");
    }
    let config = json!({"format": "ping", "urlSecret": "ping"});
    let message = rendered(&config, degraded());
    assert_eq!(message.method, "POST");
    let body = String::from_utf8(message.body).unwrap();
    assert!(body.starts_with("Schedule nightly of cluster production is degraded: member m3"));
    assert!(body.contains("\ndegraded: the disk is slow\n"), "{body}");
    let get = json!({"format": "ping", "urlSecret": "ping", "method": "GET"});
    let message = rendered(&get, failed());
    assert_eq!((message.method, message.body.len()), ("GET", 0));
}

/// However much there is to tell, what goes out has its size.
#[test]
fn nothing_that_is_sent_grows_with_the_run() {
    let long = "\u{e4}<\n".repeat(4000);
    let mut run = failed();
    run.failure = Some(Error::permanent("long", long.clone()));
    run.reasons = vec![long.clone(); 500];
    run.steps = (0..500)
        .map(|number| {
            step(
                &format!("s{number}"),
                "action",
                StepState::Failed,
                Some(("long", &long)),
            )
        })
        .collect();
    for (format, bytes_max) in [
        ("json", 400_000),
        ("slack", 40_000),
        ("alertmanager", 40_000),
        ("ping", 10_000),
    ] {
        let message = rendered(&json!({"format": format, "url": "https://a"}), run.clone());
        let bytes = message.body.len();
        assert!(bytes <= bytes_max, "{format}: {bytes}");
        assert!(String::from_utf8(message.body).is_ok(), "{format}");
    }
}

#[test]
fn a_plan_names_the_server_and_never_the_rest_of_its_url() {
    let lines = |json: Json, so_far: Option<RunState>| {
        let config = config(&json);
        let url = Url::parse("https://hooks.example/services/T0/B0/XXXX")
            .ok()
            .unwrap();
        let mut notice = notice(&config, so_far.clone().unwrap_or_else(good));
        if so_far.is_none() {
            notice.schedule = None;
        }
        plan(&config, &url, &notice)
    };
    assert_eq!(
        lines(
            json!({"format": "slack", "urlSecret": "slack-url"}),
            Some(degraded())
        ),
        [
            "sends a Slack message to https://hooks.example by POST, to the URL in the secret slack-url",
            "tells now: Schedule nightly of cluster production is degraded: member m3 was down (and 1 more)",
        ]
    );
    let config = json!({
        "format": "alertmanager", "url": "https://a",
        "headers": {"Authorization": {"secret": "token"}, "X-Scope-OrgID": {"value": "a"}},
    });
    assert_eq!(
        lines(config, None),
        [
            "sends alerts to https://hooks.example by POST",
            "has the host fill the secret token into the header Authorization",
            "tells how the run goes by then",
        ]
    );
    let config = json!({"format": "ping", "urlSecret": "ping", "signal": "start", "method": "GET"});
    assert_eq!(
        lines(config, None)[0],
        "sends a ping of the start to https://hooks.example by GET, to the URL in the secret ping"
    );
}
