//! Recovery points whose data is not what it should be: each fails, and is marked so.

use std::io::{Seek as _, SeekFrom, Write as _};

use serde_json::{Value, json};

use super::kit::{Node, check};

/// The drill fails by this check, and the recovery point is marked failed.
fn fails_by(node: &Node, name: &str) -> Value {
    let report = node.report(1);
    assert_eq!(report["verdict"], "fail");
    assert_eq!(check(&report, name)["verdict"], "fail", "{report:#}");
    let marks = node.marks();
    assert_eq!(marks.len(), 1);
    assert!(marks[0].starts_with("mark.failed."), "{marks:?}");
    let mark = node.listed_mark();
    assert_eq!(mark["mark"], "failed");
    assert_eq!(mark["reason"], report["reason"]);
    assert_eq!(node.listed()["state"], "Failed");
    report
}

#[test]
fn an_object_that_was_damaged_at_the_target_fails() {
    let node = Node::new();
    let object = node.object();
    let middle = std::fs::metadata(&object).unwrap().len() / 2;
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&object)
        .unwrap();
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.write_all(b"damage").unwrap();
    drop(file);
    let report = fails_by(&node, "snapshot as stored");
    assert_eq!(report["recoveryMilliseconds"], Value::Null);
    let reason = report["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("snapshot as stored: expected "),
        "{reason}"
    );
}

#[test]
fn an_object_that_is_gone_fails() {
    let node = Node::new();
    std::fs::remove_file(node.object()).unwrap();
    let report = fails_by(&node, "snapshot as stored");
    assert_eq!(check(&report, "snapshot as stored")["found"], "nothing");
}

#[test]
fn a_manifest_that_promises_another_hash_fails() {
    let node = Node::new();
    node.forge(|manifest| manifest["etcd"]["hashKv"]["hash"] = json!(12345));
    let report = fails_by(&node, "HashKV of the snapshot");
    for member in 1..=3 {
        let member = check(&report, &format!("HashKV of member-{member}"));
        assert_eq!(
            (&member["expected"], &member["verdict"]),
            (&json!("12345"), &json!("fail"))
        );
    }
}

#[test]
fn a_manifest_that_promises_other_counts_fails() {
    let node = Node::new();
    node.forge(|manifest| {
        manifest["etcd"]["totalKeys"] = json!(1);
        let named = manifest["etcd"]["keysPerResource"]["named"]
            .as_array_mut()
            .unwrap();
        let pods = named
            .iter_mut()
            .find(|line| line["resource"] == "pods")
            .unwrap();
        pods["keys"] = json!(7);
    });
    let report = fails_by(&node, "keys of the snapshot");
    let pods = check(&report, "pods in the snapshot");
    assert_eq!(
        (&pods["expected"], &pods["verdict"]),
        (&json!("7"), &json!("fail"))
    );
}

/// Whatever the bytes are: figures that nobody has compare with none.
#[test]
fn a_snapshot_that_was_stored_as_damaged_fails() {
    let node = Node::new();
    node.forge(|manifest| {
        manifest["etcd"]["damage"] = json!({
            "trailer": "mismatch", "problemsTotal": 2, "problems": ["a problem"], "notEtcd": null,
        });
    });
    let report = fails_by(&node, "snapshot by its manifest");
    let told = "the snapshot is damaged, 2 problems, the first of them: a problem";
    assert_eq!(check(&report, "snapshot by its manifest")["found"], told);
    assert_eq!(report["recoveryMilliseconds"], Value::Null);
}

#[test]
fn a_manifest_that_promises_a_later_revision_fails() {
    let node = Node::new();
    node.forge(|manifest| manifest["etcd"]["revision"] = json!(999_999_999));
    let report = fails_by(&node, "revision of the snapshot");
    assert_eq!(check(&report, "HashKV of member-1")["verdict"], "fail");
    // It is looked at by this name and not used by it: nobody is told of an older one by
    // silence.
    node.world
        .drydock(&["recovery-point", "show", "latest"])
        .ok();
    let fetch = ["recovery-point", "fetch", "latest", "--to", "out"];
    let told = node.world.drydock(&fetch).code(1).stderr;
    let wanted = format!(
        "error: {}, the newest recovery point of local, is not taken for `latest`: it failed its drill at ",
        node.point
    );
    assert!(told.starts_with(&wanted), "{told}");
}

#[test]
fn an_untrusted_signer_is_refused_and_nothing_is_marked() {
    let mut node = Node::new();
    let stranger = node.world.path("stranger.key");
    node.world
        .drydock(&["key", "new", "--kind", "signing", "--out", &stranger])
        .ok();
    let own = node.world.scratch.join("signing.key");
    std::fs::copy(&stranger, &own).unwrap();
    let answer = node.drill(&[]).code(1);
    assert!(
        answer.stderr.contains("which is not trusted here"),
        "{}",
        answer.stderr
    );
    assert_eq!(node.marks(), Vec::<String>::new());
    // Named, it is refused as well.
    let point = node.point.clone();
    node.drill(&[&point]).code(1);
    node.drill_by("");
}
