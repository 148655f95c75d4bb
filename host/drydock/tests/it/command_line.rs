//! The command line: what it says, its exit codes, what it refuses.

use std::os::unix::fs::PermissionsExt as _;

use drydock_testkit::Scratch;
use serde_json::{Value, json};

use crate::world::{Answer, DRYDOCK, World, checkout};

fn bare(arguments: &[&str]) -> Answer {
    Answer::of(
        std::process::Command::new(DRYDOCK)
            .args(arguments)
            .output()
            .unwrap(),
    )
}

#[test]
fn help_and_version_are_no_mistakes() {
    assert!(bare(&["--help"]).ok().stdout.contains("recovery-point"));
    assert!(bare(&["--version"]).ok().stdout.contains("wasmtime 48."));
    bare(&["no-such-verb"]).code(64);
    bare(&["run"]).code(64);
}

#[test]
fn keys_are_private_and_never_overwritten() {
    let scratch = Scratch::new().unwrap();
    let key = scratch.join("k").display().to_string();
    let made = bare(&["key", "new", "--kind", "sealing", "--out", &key]).ok();
    assert!(made.stdout.starts_with("age1"));
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read(&key).unwrap();
    bare(&["key", "new", "--kind", "signing", "--out", &key]).code(1);
    assert_eq!(std::fs::read(&key).unwrap(), before);
    assert!(!made.stderr.contains("AGE-SECRET-KEY") && !made.stdout.contains("AGE-SECRET-KEY"));
}

#[test]
fn schedules_are_listed_with_their_next_instant() {
    let world = World::new();
    let answer = world
        .drydock(&["schedule", "list", "--output", "json"])
        .ok();
    let list: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(list[0]["name"], "s1");
    assert!(list[0]["next"].as_str().unwrap().ends_with(":00Z"));
    world.drydock(&["schedule", "check"]).ok();
}

#[test]
fn runs_are_listed_and_shown_with_their_attempts() {
    let world = World::new();
    let (answer, run) = world.run();
    answer.ok();
    let id = run["run"].as_str().unwrap();
    let listed = world.drydock(&["run", "list"]).ok();
    assert!(listed.stdout.contains(id) && listed.stdout.contains("Succeeded"));
    let shown = world.drydock(&["run", "show", id, "--output", "json"]).ok();
    let value: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert!(value["run"]["created"].as_str().unwrap().ends_with('Z'));
    let steps: Vec<_> = value["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["step"].as_str().unwrap().to_owned())
        .collect();
    assert!(steps.contains(&"snapshot".to_owned()) && steps.contains(&"verify".to_owned()));
    world.drydock(&["run", "show", "nothing"]).code(1);
}

#[test]
fn a_list_of_runs_tells_what_each_is_and_comes_in_pages() {
    let world = World::new();
    let made = [world.run(), world.run()].map(|(answer, run)| {
        answer.ok();
        run["run"].as_str().unwrap().to_owned()
    });
    let page = |more: &[&str]| -> (Vec<Value>, String) {
        let list = ["run", "list", "--output", "json"];
        let answer = world.drydock(&[&list, more].concat()).ok();
        (serde_json::from_str(&answer.stdout).unwrap(), answer.stderr)
    };
    let [older, newer] = made;
    let (runs, said) = page(&["--limit", "1"]);
    assert_eq!(runs.len(), 1);
    assert_eq!(
        said,
        format!("There are older runs: add `--before {newer}` to see them.\n")
    );
    let run = &runs[0];
    assert_eq!(run["run"], newer);
    assert_eq!(
        (&run["kind"], &run["phase"]),
        (&json!("backup"), &json!("finished"))
    );
    assert_eq!(run["subjects"][0]["kind"], "cluster");
    assert_eq!(run["subjects"][0]["access"], "reads");
    assert_eq!(run["recoveryPoint"], newer);
    let (runs, said) = page(&["--limit", "1", "--before", &newer]);
    assert_eq!((runs[0]["run"].as_str(), runs.len()), (Some(&*older), 1));
    assert_eq!(said, "");
    assert_eq!(page(&["--before", &older]).0, [Value::Null; 0]);
    assert_eq!(page(&[]).0.len(), 2);
    let list = ["run", "list", "--before", "nothing"];
    let unknown = world.drydock(&list).code(64);
    assert!(
        unknown.stderr.contains("there is no run nothing"),
        "{}",
        unknown.stderr
    );
    world.drydock(&["run", "list", "--limit", "0"]).code(64);
}

#[test]
fn a_snapshot_that_is_none_is_refused_with_one_sentence() {
    let scratch = Scratch::new().unwrap();
    let file = scratch.join("x.db");
    std::fs::write(&file, b"not a database").unwrap();
    let path = file.display().to_string();
    for verb in ["status", "verify", "hashkv"] {
        let answer = bare(&["snapshot", verb, &path]).code(1);
        // `verify` lists every problem that it finds, a line each.
        let lines = answer.stderr.lines().count();
        assert!(lines == 1 || verb == "verify", "{}", answer.stderr);
        assert!(answer.stderr.contains("x.db"), "{}", answer.stderr);
    }
}

/// A sound bbolt file of another program would come back as a cluster that boots empty.
#[test]
fn a_database_that_is_not_etcds_is_told_from_a_damaged_one_and_not_restored() {
    let scratch = Scratch::new().unwrap();
    let file = checkout().join("host/snapshot/fixtures/other-program.db");
    let path = file.display().to_string();
    let why = "this is a bbolt database but not etcd's: it has the bucket v1, and lacks the buckets key and meta";
    for (verb, before) in [
        ("status", "error: PATH has no status: "),
        ("hashkv", "error: PATH has no such hash: "),
        ("ls", "error: PATH cannot be looked into: "),
    ] {
        let answer = bare(&["snapshot", verb, &path]).code(1);
        let told = format!("{}{why}\n", before.replace("PATH", &path));
        assert_eq!((answer.stderr, answer.stdout), (told, String::new()));
    }
    let answer = bare(&["snapshot", "verify", &path, "--output", "json"]).code(1);
    let value: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(value["verdict"], "not etcd's");
    assert_eq!(answer.stderr, format!("{path}: {why}\n"));
    let to = scratch.join("restored").display().to_string();
    for more in [&[][..], &["--skip-hash-check"]] {
        let restore = ["snapshot", "restore", &path, "--data-dir", &to];
        let cluster = ["--initial-cluster", "m1=http://127.0.0.1:1001"];
        let answer = bare(&[&restore[..], &cluster, more].concat()).code(1);
        assert!(answer.stderr.contains(why), "{}", answer.stderr);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}

#[test]
fn what_is_neither_a_file_nor_a_recovery_point_is_said_to_be_so() {
    let scratch = Scratch::new().unwrap();
    let missing = scratch.join("x.db").display().to_string();
    let answer = bare(&["snapshot", "status", &missing]).code(1);
    assert_eq!(
        answer.stderr.trim_end(),
        format!("error: there is no file {missing}, and no recovery point can have that name")
    );
    let config = scratch.join("none.yaml").display().to_string();
    let answer = bare(&["snapshot", "status", "nightly", "--config", &config]).code(64);
    assert_eq!(
        answer.stderr.trim_end(),
        format!(
            "error: there is no file nightly, and a recovery point nightly cannot be looked for: the node's configuration {config} cannot be read: No such file or directory; name another with --config, or make one with `drydock init`"
        )
    );
    let folder = scratch.join("").display().to_string();
    let answer = bare(&["snapshot", "status", &folder]).code(64);
    assert_eq!(
        answer.stderr.trim_end(),
        format!("error: {folder} is a folder: name a snapshot file, or a recovery point")
    );
}
