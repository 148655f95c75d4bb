//! What plugins could reach, as an operator reads it.

use serde_json::{Value, json};

use super::*;

/// A run in which one plugin serves two targets.
fn details(attempts: Value) -> RunDetails {
    let pin = |step: &str, plugin: &str, grants: Value| {
        let digest = format!("sha256:{}", "0".repeat(64));
        json!({"step": step, "plugin": plugin, "version": "0.1.0", "digest": digest, "grants": grants, "verifies": []})
    };
    let store = |host: &str| {
        json!({
            "files": [{"directory": "/spool", "access": "write"}],
            "http": [{"scheme": "https", "host": host, "port": 9000, "methods": ["GET", "PUT"], "addresses": ["private"]}],
            "secret": [{"name": "key", "use": {"sign": {"algorithm": "hmac-sha256"}}}, {"name": "id", "reveal": true}],
        })
    };
    let details = json!({
        "run": {
            "run": "s1.1", "schedule": "s1", "cluster": "c1", "kind": "backup",
            "origin": "schedule", "due": "2026-01-02T03:04:05Z", "byHand": false,
            "created": "2026-01-02T03:04:06Z", "finished": null, "phase": "running",
            "outcome": null, "cause": null, "reasons": [], "fault": null,
            "recoveryPoint": null, "steps": [], "outputs": [], "stores": [], "holds": [],
            "questions": [], "faults": [],
            "pins": [
                pin("snapshot", "etcd-backup", json!({"etcd": ["status", "snapshot"]})),
                pin("verify", "etcd-verify", json!({})),
                pin("near", "store-s3", store("near.example")),
                pin("far", "store-s3", store("far.example")),
                // A later Drydock wrote this.
                pin("tell", "mail", json!({"smtp": [{"server": "mail.example"}]})),
            ],
        },
        "attempts": attempts,
    });
    serde_json::from_value(details).unwrap()
}

#[test]
fn each_step_tells_a_line_for_each_thing_that_it_could_reach() {
    let rows = plugin_rows(&details(json!([])).run);
    assert_eq!(
        print::table(&PLUGIN_HEADER, rows),
        "\
STEP      PLUGIN       VERSION  DIGEST               MAY
snapshot  etcd-backup  0.1.0    sha256:000000000000  etcd: status, snapshot
verify    etcd-verify  0.1.0    sha256:000000000000  nothing
near      store-s3     0.1.0    sha256:000000000000  files: write /spool
                                                     http: GET, PUT https://near.example:9000 (private addresses too)
                                                     secret: key to sign with hmac-sha256, id itself
far       store-s3     0.1.0    sha256:000000000000  files: write /spool
                                                     http: GET, PUT https://far.example:9000 (private addresses too)
                                                     secret: key to sign with hmac-sha256, id itself
tell      mail         0.1.0    sha256:000000000000  smtp: mail.example"
    );
}

#[test]
fn an_attempt_tells_what_it_could_reach_where_that_is_something_else() {
    let attempt = |step: &str, grants: Value| {
        json!({"step": step, "attempt": 1, "started": "2026-01-02T03:04:05Z", "ended": null,
            "result": null, "grants": grants, "log": ""})
    };
    let RunDetails { run, attempts } = details(json!([
        attempt("snapshot", json!({"etcd": ["status", "snapshot"]})),
        // The ceiling sank before the second one.
        attempt("snapshot", json!({"etcd": ["status"]})),
        attempt("snapshot/probe", json!({})),
        attempt("drill", Value::Null),
    ]));
    let told: Vec<_> = attempts
        .iter()
        .map(|attempt| other_reach(&run, attempt))
        .collect();
    let none: [&str; 0] = [];
    assert_eq!(told[0], none);
    assert_eq!(told[1], ["etcd: status"]);
    assert_eq!(told[2], ["nothing"]);
    assert_eq!(told[3], none);
}
