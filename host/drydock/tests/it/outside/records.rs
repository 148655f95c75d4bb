//! `drydock plugin run --record` and `--replay`: what a plugin and the host said to each other,
//! against real servers, and again without them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use drydock_testkit::Scratch;
use drydock_testkit::web::WebServer;
use serde_json::{Value, json};

use crate::world::{Answer, DRYDOCK, World, checkout, runtime};

/// What the URL of a hook keeps secret, and a token.
const PATH_SECRET: &str = "T0123456789abcdefXYZ";
const TOKEN: &str = "token-0123456789-abcdef";

fn shipped(name: &str) -> PathBuf {
    checkout().join(format!("plugins/dist/{name}.wasm"))
}

/// `drydock plugin run`, with no node anywhere.
fn run(folder: &Scratch, plugin: &Path, arguments: &[&str]) -> Answer {
    let mut command = Command::new(DRYDOCK);
    command
        .args(["--config", "/nonexistent", "plugin", "run"])
        .arg(plugin)
        .args(arguments)
        .args(["--output", "json"])
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .current_dir(folder.path());
    Answer::of(command.output().unwrap())
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn replay(folder: &Scratch, plugin: &str, record: &str) -> Answer {
    run(folder, &shipped(plugin), &["--replay", record])
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{}", answer.stderr))
}

/// The lines of a record, and the calls among them.
fn lines(folder: &Scratch, record: &str) -> (Vec<String>, Vec<Value>) {
    let text = fs::read_to_string(folder.join(record)).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let values = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let calls = values.filter_map(|line: Value| line.get("call").cloned());
    let calls = calls.collect();
    (lines, calls)
}

/// A backup of a real cluster, recorded. The folder holds nothing of the cluster.
fn recorded_backup() -> (Scratch, Value) {
    let (world, folder) = (World::new(), Scratch::new().unwrap());
    let (grants, cluster) = (
        world.path("grants/grants.yaml"),
        world.path("schedules/cluster.yaml"),
    );
    let ran = run(
        &folder,
        &shipped("etcd-backup"),
        &[
            "--grant",
            &grants,
            "--cluster",
            &cluster,
            "--record",
            "backup.jsonl",
        ],
    );
    let told = json_of(&ran.ok());
    assert_eq!(told["end"], "done", "{told}");
    (folder, told)
}

#[test]
fn a_backup_of_etcd_runs_again_without_etcd() {
    let (folder, told) = recorded_backup();
    let mode = fs::metadata(folder.join("backup.jsonl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (lines, calls) = lines(&folder, "backup.jsonl");
    assert!(
        lines[0].starts_with("{\"record\":{\"contract\":\"drydock:plugin@"),
        "{}",
        lines[0]
    );
    let called = |function: &str| {
        let mut calls = calls.iter();
        let found = calls.find(|call| call["function"].as_str().unwrap().ends_with(function));
        found.unwrap_or_else(|| panic!("{function}")).clone()
    };
    let size = &called("etcd@0.1.0#snapshot")["answer"]["Ok"]["size"];
    assert_eq!(size, &told["artifacts"][0]["bytes"]);
    assert!(called("#status")["answer"]["Ok"]["version"].is_string());

    let again = replay(&folder, "etcd-backup", "backup.jsonl").ok();
    assert_eq!(
        again.stderr.matches("warning: ").count(),
        0,
        "{}",
        again.stderr
    );
    let again = json_of(&again);
    assert_eq!(again["log"], told["log"]);
    assert_eq!(again["findings"], told["findings"]);
    assert_eq!(again["end"], "done");
    // The bytes of the snapshot never crossed the plugin's border.
    assert_eq!(again["artifacts"], json!([]));

    // A record is never written over.
    let twice = run(
        &folder,
        &shipped("etcd-backup"),
        &["--record", "backup.jsonl"],
    )
    .code(1);
    assert!(
        twice
            .stderr
            .contains("the record backup.jsonl cannot be written: "),
        "{}",
        twice.stderr
    );
}

#[test]
fn a_call_that_differs_from_its_record_is_told_with_both() {
    let (folder, _) = recorded_backup();
    let (lines, _) = lines(&folder, "backup.jsonl");
    let at = lines
        .iter()
        .position(|line| line.contains("#status\""))
        .unwrap();
    let mut other = lines.clone();
    other[at] = other[at].replacen("https://127.0.0.1:", "https://192.0.2.7:", 1);
    let write = |name: &str, lines: &[String]| {
        fs::write(folder.join(name), lines.join("\n") + "\n").unwrap();
    };
    write("other.jsonl", &other);
    let told = replay(&folder, "etcd-backup", "other.jsonl").code(1).stderr;
    let begin = format!(
        "error: other.jsonl:{}: recorded was drydock:plugin/etcd@0.1.0#status(\"https://192.0.2.7:",
        at + 1
    );
    assert!(told.contains(&begin), "{told}");
    assert!(
        told.contains(
            ", and the plugin asks for drydock:plugin/etcd@0.1.0#status(\"https://127.0.0.1:"
        ),
        "{told}"
    );

    // Another build is no fault of itself: it may do the same.
    let mut built = lines.clone();
    let digest = lines[0]
        .split("sha256:")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    built[0] = built[0].replace(digest, &"0".repeat(64));
    write("built.jsonl", &built);
    let told = replay(&folder, "etcd-backup", "built.jsonl").ok().stderr;
    assert!(told.contains("warning: etcd-backup "), "{told}");
    assert!(told.contains("was recorded, and this is sha256:"), "{told}");

    // Another plugin does something else.
    let told = replay(&folder, "files-backup", "backup.jsonl")
        .code(1)
        .stderr;
    assert!(told.contains("backup.jsonl:"), "{told}");

    assert_broken_records_are_told(&folder, &lines);
}

fn assert_broken_records_are_told(folder: &Scratch, lines: &[String]) {
    for (name, text, wanted) in [
        (
            "cut",
            lines[..lines.len() - 1].join("\n"),
            "cut: this record is cut off behind line ",
        ),
        (
            "half",
            lines.join("\n")[..1000].to_owned(),
            ": this is no line of a record: ",
        ),
        (
            "garbage",
            "\u{1}\u{2}".to_owned(),
            "garbage:1: this is no line of a record: ",
        ),
        (
            "empty",
            String::new(),
            "empty:1: this record does not say what was recorded",
        ),
    ] {
        fs::write(folder.join(name), text).unwrap();
        let told = replay(folder, "etcd-backup", name).code(64).stderr;
        assert!(told.contains(wanted), "{name}: {told}");
    }
    let told = replay(folder, "etcd-backup", "nowhere.jsonl")
        .code(64)
        .stderr;
    assert!(
        told.contains("the record nowhere.jsonl cannot be read: "),
        "{told}"
    );
    let both = ["--replay", "backup.jsonl", "--record", "x.jsonl"];
    run(folder, &shipped("etcd-backup"), &both).code(64);
}

/// A grant for one server on loopback, with a secret that is seen and one that is used.
fn notify_grant(port: u16) -> Value {
    json!({
        "apiVersion": "drydock.dev/v1",
        "kind": "PluginGrant",
        "metadata": {"name": "notify-webhook"},
        "spec": {"builtin": "notify-webhook", "grants": {
            "http": [{"scheme": "http", "host": "localhost", "port": port, "addresses": ["loopback"]}],
            "secret": [
                {"name": "hook", "reveal": true},
                {"name": "token", "use": {"header": {
                    "scheme": "http", "host": "localhost", "port": port,
                    "name": "Authorization", "prefix": "Bearer ",
                }}},
            ],
        }},
    })
}

#[test]
fn a_notification_runs_again_without_its_server_and_its_record_holds_no_secret() {
    let folder = Scratch::new().unwrap();
    let server = runtime().block_on(WebServer::http()).unwrap();
    let port = server.port();
    let grant = notify_grant(port);
    fs::write(folder.join("grant.yaml"), grant.to_string()).unwrap();
    let url = server.url(&format!("/reflect/{PATH_SECRET}"));
    fs::write(folder.join("hook"), format!("{url}\n")).unwrap();
    fs::write(folder.join("token"), TOKEN).unwrap();
    let config = json!({
        "format": "json", "urlSecret": "hook",
        "headers": {"Authorization": {"secret": "token"}},
    });
    let config = config.to_string();
    let arguments = [
        "--grant",
        "grant.yaml",
        "--secret",
        "hook=hook",
        "--secret",
        "token=token",
        "--plugin-config",
        &config,
    ];
    let recorded = [&arguments[..], &["--record", "told.jsonl"]].concat();
    let plugin = shipped("notify-webhook");
    let told = json_of(&run(&folder, &plugin, &recorded).ok());
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    let sent = seen[0].headers.get("authorization").unwrap();
    assert_eq!(sent, &format!("Bearer {TOKEN}"));
    let text = fs::read_to_string(folder.join("told.jsonl")).unwrap();
    for secret in [PATH_SECRET, TOKEN, &hex(TOKEN), &hex(PATH_SECRET)] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let (_, calls) = lines(&folder, "told.jsonl");
    let sent = calls
        .iter()
        .find(|call| call["function"] == "wasi:http/outgoing-handler#handle");
    let sent = sent.unwrap();
    assert_eq!(sent["arguments"][0], "POST");
    assert_eq!(sent["arguments"][1], "[redacted secret hook]");
    assert!(sent["answer"]["Ok"]["status"].is_number(), "{sent}");

    drop(server);
    let again = run(&folder, &plugin, &["--replay", "told.jsonl"]).ok();
    assert_eq!(
        again.stderr.matches("warning: ").count(),
        0,
        "{}",
        again.stderr
    );
    let again = json_of(&again);
    assert_eq!(
        (&again["end"], &again["findings"]),
        (&told["end"], &told["findings"])
    );

    // A body that differs is a request that differs.
    let other = text.replacen("\"$utf8\":\"{\\\"", "\"$utf8\":\"{ \\\"", 1);
    assert_ne!(other, text, "{text}");
    fs::write(folder.join("other.jsonl"), other).unwrap();
    let told = run(&folder, &plugin, &["--replay", "other.jsonl"])
        .code(1)
        .stderr;
    assert!(
        told.contains("the request has another body than the recorded one"),
        "{told}"
    );
    assert_short_secrets_are_refused(&folder, &arguments);
}

/// What could not be taken out of a record is not used while one is made.
fn assert_short_secrets_are_refused(folder: &Scratch, arguments: &[&str]) {
    let plugin = shipped("notify-webhook");
    fs::write(folder.join("token"), "abc").unwrap();
    let short = [arguments, &["--record", "short.jsonl"]].concat();
    let told = json_of(&run(folder, &plugin, &short).code(1));
    let message = told["fault"]["message"].as_str().unwrap();
    assert!(
        message.contains(
            "secret token has 3 bytes, and one of fewer than 4 cannot be taken out of a record"
        ),
        "{message}"
    );
}
