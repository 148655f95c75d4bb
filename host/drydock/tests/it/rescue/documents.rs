//! One wrong document stops no verb that does not need it.

use crate::world::{World, assert_golden};

use super::{plain, stored};

const POINT: &str = "recovery-point";

/// Files that have nothing to do with the recovery point, and are wrong.
const WRONG: [(&str, &str); 7] = [
    ("schedules/a-note.yaml", "buy: [milk\n"),
    ("schedules/b-compose.yaml", "services: {web: {image: x}}\n"),
    (
        "schedules/c-cluster.yaml",
        "apiVersion: drydock.dev/v1\nkind: Cluster\nmetadata: {name: c9}\nspec: {etcd: {endpoints: []}}\n",
    ),
    (
        "schedules/d-target.yaml",
        "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {name: t9}\nspec: {plugni: x}\n",
    ),
    (
        "schedules/e-grant.yaml",
        "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {name: g9}\nspec: {builtin: etcd-verify}\n",
    ),
    ("schedules/f-latin.yaml", "name: \u{0}\n"),
    (
        "grants/z-grant.yaml",
        "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {name: g8}\nspec: {builtin: etcd-verify, limits: {handles: lots}}\n",
    ),
];

/// Documents that can be read and do not fit together.
const UNFIT: &str = "apiVersion: drydock.dev/v1
kind: Schedule
metadata: {name: s8}
spec:
  cluster: nowhere
  schedule: \"0 0 * * *\"
  steps: [{name: a, backup: etcd-backup}, {name: b, verify: etcd-verify}, {name: c, target: local}]
---
apiVersion: drydock.dev/v1
kind: Schedule
metadata: {name: s9}
spec:
  cluster: c1
  schedule: \"99 0 * * *\"
  steps: [{name: a, backup: no-such}, {name: b, verify: etcd-verify}, {name: c, target: local}]
---
apiVersion: drydock.dev/v1
kind: Target
metadata: {name: twice}
spec: {plugin: store-file, config: {folder: /a}}
---
apiVersion: drydock.dev/v1
kind: Target
metadata: {name: twice}
spec: {plugin: store-file, config: {folder: /b}}
";

fn put(world: &World, file: &str, text: &str) {
    std::fs::write(world.scratch.join(file), text).unwrap();
}

/// Everything that somebody may need while documents are broken.
fn verbs(point: &str, identity: &str, run: &str) -> Vec<Vec<String>> {
    let rows: [&[&str]; 11] = [
        &[POINT, "list"],
        &[POINT, "list", "--cluster", "c1"],
        &[POINT, "show", point],
        &[POINT, "verify", point],
        &["snapshot", "status", point, "--identity", identity],
        &["snapshot", "status", "latest", "--identity", identity],
        &["target", "check", "local"],
        &["plugin", "list"],
        &["schedule", "list"],
        &["run", "list"],
        &["run", "show", run],
    ];
    let owned = |row: &&[&str]| row.iter().map(|word| (*word).to_owned()).collect();
    rows.iter().map(owned).collect()
}

#[test]
fn no_verb_is_stopped_by_what_it_does_not_need() {
    let (world, point) = stored();
    let identity = world.path("sealing.key");
    for (file, text) in WRONG {
        put(&world, file, text);
    }
    std::os::unix::fs::symlink("gone", world.scratch.join("schedules/g-link.yaml")).unwrap();
    for words in verbs(&point, &identity, &point) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = world.drydock(&words).ok();
        let warned = answer.stderr.matches("warning: ").count();
        // What happened stands in the journal, and no document is read for it.
        let wanted = if words[0] == "run" { 0 } else { 8 };
        assert_eq!(warned, wanted, "{words:?}\n{}", answer.stderr);
    }
    let told = world.drydock(&[POINT, "list"]).stderr;
    let checked = world.drydock(&["schedule", "check"]).code(64);
    for (file, _) in WRONG {
        assert!(checked.stderr.contains(file), "{file}\n{}", checked.stderr);
    }
    // A broken grant may be that of one of its plugins, so it stops a run.
    let grant = world.drydock(&["run", "s1"]).code(64);
    std::fs::remove_file(world.scratch.join("grants/z-grant.yaml")).unwrap();
    let ran = world.drydock(&["run", "s1"]).ok();
    assert!(ran.stderr.contains("warning: "), "{}", ran.stderr);
    let text = [
        "# recovery-point list",
        &told,
        "# schedule check",
        &checked.stderr,
        "# run s1, with a broken grant",
        &grant.stderr,
    ];
    assert_golden("rescue-documents.txt", &plain(&world, &text.join("\n")));
}

#[test]
fn documents_that_do_not_fit_together_are_warnings_too() {
    let (world, point) = stored();
    put(&world, "schedules/unfit.yaml", UNFIT);
    let identity = world.path("sealing.key");
    for words in verbs(&point, &identity, &point) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        world.drydock(&words).ok();
    }
    let told = world.drydock(&[POINT, "list"]).stderr;
    let twice = world
        .drydock(&[POINT, "list", "--target", "twice"])
        .code(64);
    let run = world.drydock(&["run", "s8"]).code(64);
    world.drydock(&["schedule", "check"]).code(64);
    let text = [
        "# recovery-point list",
        &told,
        "# recovery-point list --target twice",
        &twice.stderr,
        "# run s8",
        &run.stderr,
    ];
    assert_golden("rescue-unfit.txt", &plain(&world, &text.join("\n")));
}

#[test]
fn what_is_needed_and_broken_is_an_error_by_its_line() {
    let (world, point) = stored();
    let target = world.scratch.join("schedules/target.yaml");
    let text = std::fs::read_to_string(&target).unwrap();
    std::fs::write(&target, text.replace("plugin:", "plugni:")).unwrap();
    let mut told = String::new();
    for words in [
        &[POINT, "list"][..],
        &[POINT, "list", "--target", "local"],
        &[POINT, "show", &point],
        &["target", "check", "local"],
        &["snapshot", "status", &point],
        &["run", "s1"],
    ] {
        let answer = world.drydock(words).code(64);
        told.push_str(&format!("# {}\n{}\n", words.join(" "), answer.stderr));
    }
    world.drydock(&["run", "list"]).ok();
    assert_golden(
        "rescue-needed.txt",
        &plain(&world, &told.replace(&point, "<point>")),
    );
}

#[test]
fn keys_of_the_configuration_that_are_not_used_are_warnings() {
    let (mut world, point) = stored();
    world.extra_node =
        "  drill: {etdc: {path: /x}}\n  daemon: {listen: here}\n  http: {caFile: nope.crt}\n"
            .to_owned();
    world.write();
    for words in [
        &[POINT, "list"][..],
        &[POINT, "verify", &point],
        &["target", "check", "local"],
    ] {
        let answer = world.drydock(words).ok();
        assert_eq!(
            answer.stderr.matches("warning: ").count(),
            2,
            "{}",
            answer.stderr
        );
    }
    world.drydock(&["drill"]).code(64);
    world.drydock(&["schedule", "check"]).code(64);
    // Whoever bounds plugins is never passed over.
    world.extra_node = "  ceiling: {fiels: []}\n".to_owned();
    world.write();
    world.drydock(&[POINT, "list"]).code(64);
    world.drydock(&["run", "list"]).ok();
}

/// A target that cannot be looked at hides no other, and is not taken for empty.
#[test]
fn a_target_that_fails_hides_no_other() {
    let (world, point) = stored();
    put(
        &world,
        "schedules/a-gone.yaml",
        "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {name: gone}\nspec: {plugin: no-such-store}\n",
    );
    let listed = world.drydock(&[POINT, "list"]).code(2);
    assert!(listed.stdout.contains(&point), "{}", listed.stdout);
    assert!(
        listed
            .stderr
            .contains("warning: what is at gone cannot be told"),
        "{}",
        listed.stderr
    );
    world.drydock(&[POINT, "show", &point]).ok();
    world.drydock(&[POINT, "show", "latest"]).ok();
    world.drydock(&[POINT, "list", "--target", "gone"]).code(64);
}
