//! The test data of `k8s.io/api`: one object of every kind with every field set, as its
//! protobuf and JSON encoders write it. `cargo xtask tools kubernetes-api` takes it out of
//! the module.

use std::fs;
use std::path::PathBuf;

use drydock_objects::stored::decode;
use drydock_objects::table::Table;
use drydock_testkit::tools;
use serde_json::Value;

/// Kinds of the module at v0.36.3, but for `WatchEvent`: the message of a watch, which has
/// neither apiVersion nor kind.
const KINDS: usize = 184;

/// Each object: the name of its file, its stored value and its JSON.
pub fn objects() -> Vec<(String, Vec<u8>, Value)> {
    let folder = tools::kubernetes_api().unwrap();
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pb"))
        .filter(|path| {
            path.file_stem()
                .is_none_or(|name| name != "core.v1.WatchEvent")
        })
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let json = fs::read(path.with_extension("json")).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (
            name,
            fs::read(&path).unwrap(),
            serde_json::from_slice(&json).unwrap(),
        )
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_kind_has_the_json_that_go_gives() {
    let objects = objects();
    assert_eq!(objects.len(), KINDS);
    let mut wrong = Vec::new();
    for (name, stored, expected) in objects {
        match decode(&stored) {
            Ok(found) if Value::Object(found.clone()) == expected => {}
            Ok(found) => wrong.push(format!("{name}: {}", differing(&found.into(), &expected))),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} kinds:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The test data has every field set; this is the other end: what Go leaves out, and what it
/// writes as null, 0 or an empty text. `tools/table` prints it.
#[test]
fn an_empty_object_of_every_kind_has_the_json_that_go_gives() {
    let lines = include_str!("zero.jsonl").lines();
    assert_eq!(lines.clone().count(), Table::get().kinds().count());
    for line in lines {
        let (name, json) = line.split_once(' ').unwrap();
        let (api_version, kind) = name.rsplit_once('/').unwrap();
        let message = Table::get().kind(api_version, kind).unwrap();
        let found = Value::Object(drydock_objects::decode::decode(message, &[]).unwrap());
        let expected: Value = serde_json::from_str(json).unwrap();
        assert_eq!(found, expected, "{name}");
    }
}

/// The first place at which two values differ.
fn differing(found: &Value, expected: &Value) -> String {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys());
            let differs = |name: &&String| a.get(*name) != b.get(*name);
            let name = names.into_iter().find(differs).unwrap();
            let inner = |object: &serde_json::Map<String, Value>| {
                object.get(name).cloned().unwrap_or("(absent)".into())
            };
            format!("{name}.{}", differing(&inner(a), &inner(b)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let at = (0..a.len()).find(|at| a[*at] != b[*at]).unwrap();
            format!("{at}.{}", differing(&a[at], &b[at]))
        }
        _ => format!(" {found} is not {expected}"),
    }
}
