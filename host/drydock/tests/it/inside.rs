//! Looking inside snapshots: the tables and sentences of the verbs on committed files, and
//! what a cluster's changes look like.

mod kube;
mod watch;

use std::path::Path;
use std::process::Command;

use drydock_testkit::Scratch;
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use serde_json::{Value, json};

use crate::world::{Answer, DRYDOCK, assert_golden, runtime};

/// A snapshot of `host/snapshot/fixtures`, whose script says what is in it.
fn fixture(server: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshot/fixtures");
    format!("{folder}/{server}.db")
}

fn drydock(arguments: &[&str]) -> Answer {
    Answer::of(Command::new(DRYDOCK).args(arguments).output().unwrap())
}

/// The snapshot of a cluster, in a file.
fn save(cluster: &Cluster, path: &Path) -> String {
    let path = path.display().to_string();
    cluster.etcdctl_of(0, &["snapshot", "save", &path]).unwrap();
    path
}

/// Every call with what it printed and how it ended, for a golden file.
fn transcript(calls: &[&[&str]], names: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for arguments in calls {
        let answer = drydock(&[&["snapshot"], *arguments].concat());
        text += &format!("$ drydock snapshot {}\n", arguments.join(" "));
        text += &format!(
            "{}{}[{}]\n\n",
            answer.stdout,
            answer.stderr,
            answer.code.unwrap()
        );
    }
    for (value, name) in names {
        text = text.replace(value, name);
    }
    text
}

#[test]
fn a_file_is_listed_summed_up_and_looked_into() {
    let file = fixture("etcd-3.6.16");
    let file = file.as_str();
    let text = transcript(
        &[
            &["ls", file, "--by", "resource"],
            &["ls", file, "--by", "namespace"],
            &["ls", file, "--by", "key", "--resource", "configmaps"],
            &["ls", file, "--resource", "secret", "--namespace", "b"],
            &["ls", file, "--resource", "ev", "--output", "json"],
            &["ls", file, "--resource", "secrats"],
            &["history", file, "po", "pod-2"],
            &["history", file, "secrets", "a/s-1"],
            &["history", file, "pods", "nothing"],
            &["get", file, "pods", "default/pod-2", "-o", "raw"],
            &["get", file, "pods", "default/pod-2"],
            &["get", file, "secrets", "a/s-1"],
            &["get", file, "secrets", "a/s-1", "--revision", "91"],
            &["get", file, "pods", "pod-2", "--revision", "7"],
            &["get", file, "nodes", "pod-2", "--revision", "94"],
        ],
        &[(file, "FILE")],
    );
    assert_golden("inside.txt", &text);
}

#[test]
fn a_comparison_ends_as_diff_does() {
    let (a, b) = (fixture("etcd-3.5.35"), fixture("etcd-3.6.16"));
    drydock(&["snapshot", "diff", &a, &b]).ok();
    let missing = drydock(&["snapshot", "diff", &a, "/nonexistent/b.db"]).code(70);
    assert_eq!(
        missing.stderr.trim_end(),
        "error: there is no file /nonexistent/b.db, and no recovery point can have that name"
    );
    drydock(&["snapshot", "diff", &a, &b, "pods"]).code(64);
}

/// A prefix that nothing in the store speaks for has to be named.
#[test]
fn a_prefix_is_found_or_named() {
    let scratch = Scratch::new().unwrap();
    let cluster = runtime()
        .block_on(Cluster::start(EtcdOptions::default()))
        .unwrap();
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget"}).to_string();
    for key in ["/own/example.com/widgets/a/b", "/odd/gizmos/a/b", "/odd/x"] {
        runtime().block_on(cluster.put(key, &widget)).unwrap();
    }
    let file = save(&cluster, &scratch.join("file.db"));
    let listed = |more: &[&str]| -> Vec<String> {
        let arguments = ["snapshot", "ls", &file, "--output", "json"];
        let answer = drydock(&[&arguments[..], more].concat()).ok();
        let list: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap();
        let name = |object: &Value| {
            let part = |key: &str| object[key].as_str().unwrap_or("-").to_owned();
            [part("resource"), part("namespace"), part("name")].join(" ")
        };
        list.iter().map(name).collect()
    };
    let found = [
        "- - /odd/gizmos/a/b",
        "- - /odd/x",
        "widgets.example.com a b",
    ];
    assert_eq!(listed(&[]), found);
    let named = ["gizmos a b", "- - /odd/x", "widgets.example.com a b"];
    for prefix in ["/odd", "odd/"] {
        assert_eq!(listed(&["--etcd-prefix", prefix]), named);
    }
    let history = ["snapshot", "history", &file, "widgets.example.com", "a/b"];
    drydock(&history).ok();
    drydock(&["snapshot", "ls", &file, "--etcd-prefix", ""]).code(64);
}

/// Objects in JSON, which is how custom resources are stored, before and after some changes.
#[test]
fn changes_of_a_cluster_are_told_by_object_and_by_field() {
    let scratch = Scratch::new().unwrap();
    let cluster = runtime()
        .block_on(Cluster::start(EtcdOptions::default()))
        .unwrap();
    put(&cluster, "widgets/a/stays", json!({"spec": {"size": 1}}));
    put(
        &cluster,
        "widgets/a/grows",
        json!({"spec": {"size": 1, "tags": ["x"]}}),
    );
    put(&cluster, "widgets/a/goes", json!({}));
    let before = save(&cluster, &scratch.join("before.db"));
    put(
        &cluster,
        "widgets/a/grows",
        json!({"spec": {"size": 2, "tags": ["x", "y"]}}),
    );
    put(&cluster, "gadgets/comes", json!({}));
    cluster
        .etcdctl(&["del", "/registry/example.com/widgets/a/goes"])
        .unwrap();
    let after = save(&cluster, &scratch.join("after.db"));
    let (a, b) = (before.as_str(), after.as_str());
    let endpoint = cluster.endpoints().remove(0);
    let text = transcript(
        &[
            &["diff", a, b],
            &["diff", a, b, "--output", "json"],
            &["diff", a, b, "widgets.example.com", "a/grows"],
            &["diff", a, b, "widgets.example.com", "a/stays"],
            &["diff", a, b, "widgets.example.com", "a/nothing"],
            &["diff", b, "live", "--endpoints", &endpoint],
            &["history", b, "widgets.example.com", "a/goes"],
            &[
                "history",
                "live",
                "widgets.example.com",
                "a/grows",
                "--endpoints",
                &endpoint,
            ],
            &["get", b, "widgets.example.com", "a/grows", "-o", "yaml"],
        ],
        &[(a, "BEFORE"), (b, "AFTER"), (&endpoint, "ENDPOINT")],
    );
    assert_golden("changes.txt", &text);
}

fn put(cluster: &Cluster, name: &str, mut object: Value) {
    object["kind"] = json!("Widget");
    object["metadata"] = json!({"name": name.rsplit('/').next().unwrap()});
    let key = format!("/registry/example.com/{name}");
    runtime()
        .block_on(cluster.put(&key, &object.to_string()))
        .unwrap();
}
