//! `docs/operating.md`, "The rescue from a bare folder", as it is written: every line of its
//! blocks runs on a machine that has the binary, a copy of the folder, the sealing key and
//! the signer's public key, and an etcd for the drill; and nothing else.

use drydock_testkit::tools::{ETCD_VERSION, etcd};

use super::node::{Node, answer};
use super::readme::{chapter, lay_out, on};
use crate::world::{Answer, World, assert_golden, files_under};

#[test]
fn every_command_of_the_rescue_works_as_written() {
    let world = World::new();
    world.run().0.ok();
    let machine = bare_machine(&world);
    let before = files_under(&machine.path("root/mnt/backups"));
    let lines = chapter("docs/operating.md", "The rescue from a bare folder");
    assert!(lines.len() > 7, "{lines:#?}");
    for line in &lines {
        let Answer {
            code,
            stdout,
            stderr,
        } = answer(&mut on(&machine, line));
        assert_eq!(code, Some(0), "{line}\n{stdout}{stderr}");
    }
    assert_eq!(files_under(&machine.path("root/mnt/backups")), before);
    for member in ["m1", "m2", "m3"] {
        let db = format!("work/restored/{member}/member/snap/db");
        assert!(machine.path(&db).is_file(), "{db}");
    }
    assert_eq!(files_under(&machine.path("work/fetched")).len(), 1);
}

/// The folder and two keys; no journal, no configuration.
fn bare_machine(world: &World) -> Node {
    let machine = Node::bare();
    lay_out(&machine);
    let copy = |from: &std::path::Path, to: &str| {
        let to = machine.path(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    };
    for file in world.stored_files() {
        let to = format!("root/mnt/backups/{file}");
        copy(&world.folder().join(&file), &to);
    }
    for key in ["sealing.key", "signing.key.pub"] {
        copy(&world.scratch.join(key), &format!("root/root/{key}"));
    }
    copy(&etcd(ETCD_VERSION).unwrap().join("etcd"), "bin/etcd");
    machine
}

#[test]
fn a_machine_that_only_restores_is_made_without_keys_and_etcd() {
    let world = World::new();
    let node = Node::bare();
    let key = world.path("signing.key.pub");
    let line = std::fs::read_to_string(&key).unwrap();
    let line = line.lines().last().unwrap();
    let folder = world.folder().display().to_string();
    std::fs::create_dir_all(&folder).unwrap();
    let flags = [
        "--restore-only",
        "--target-folder",
        &folder,
        "--signer",
        line,
    ];
    let shown = answer(&mut node.init(&[&flags[..], &["--dry-run"]].concat())).ok();
    node.assert_untouched();
    let empty = answer(&mut node.init(&flags)).code(2);
    let used = answer(&mut node.init(&flags)).code(1);
    node.drydock(&["recovery-point", "list"]).ok();
    let daemon = node.drydock(&["daemon"]).code(64);
    let drill = node.drydock(&["drill"]).code(64);
    world.run().0.ok();
    let listed = node.drydock(&["recovery-point", "list"]).ok();
    assert!(!listed.stdout.contains("Refused"), "{}", listed.stdout);
    checks_by_reading_alone(&node, &world);
    misses_what_is_not_there(&node, &world);
    let etcd = ["--endpoint", "http://127.0.0.1:1", "--sealing-key-out", "k"];
    let clash = answer(&mut node.init(&[&flags[..], &etcd].concat())).code(64);
    let missing = ["--restore-only", "--target-folder", "/no/such"];
    let missing = answer(&mut Node::bare().init(&missing)).code(64);
    for (answer, wanted) in [
        (
            &daemon,
            "spec has no signingKey, so nothing can be signed here",
        ),
        (&drill, "give --identity FILE"),
        (&clash, "cannot be used with"),
    ] {
        assert!(answer.stderr.contains(wanted), "{}", answer.stderr);
    }
    assert!(
        used.stderr.contains("init overwrites nothing"),
        "{}",
        used.stderr
    );
    let text = [
        "# --dry-run",
        &shown.stdout,
        "# in an empty folder",
        &empty.stderr,
        "# a folder that is not there",
        &missing.stderr,
    ];
    let text = text
        .join("\n")
        .replace(line, "<key>")
        .replace(&folder, "<target>")
        .replace(&node.scratch.path().display().to_string(), "<node>");
    assert_golden("restore-only.txt", &text);
}

/// Nobody makes on this machine what is not there.
fn misses_what_is_not_there(node: &Node, world: &World) {
    let away = world.scratch.join("away");
    std::fs::rename(world.folder(), &away).unwrap();
    let gone = node.drydock(&["target", "check", "local"]).code(1);
    assert!(gone.stdout.contains("target-missing"), "{}", gone.stdout);
    std::fs::create_dir(world.folder()).unwrap();
    let emptied = node.drydock(&["target", "check", "local"]).code(2);
    assert!(
        emptied.stdout.contains("target-unmade"),
        "{}",
        emptied.stdout
    );
    let listed = node.drydock(&["recovery-point", "list"]).ok();
    assert!(
        listed
            .stderr
            .contains("see that what holds them is mounted"),
        "{}",
        listed.stderr
    );
    std::fs::remove_dir(world.folder()).unwrap();
    std::fs::rename(&away, world.folder()).unwrap();
}

/// A machine that may only read says what reading shows, and that it did not write.
fn checks_by_reading_alone(node: &Node, world: &World) {
    let before = files_under(&world.folder());
    let found = |arguments: &[&str], code| {
        let words = ["target", "check", "local", "--output", "json"];
        let answer = node.drydock(&[&words[..], arguments].concat()).code(code);
        let found: Vec<serde_json::Value> = serde_json::from_str(&answer.stdout).unwrap();
        let text = |one: &serde_json::Value, key: &str| one[key].as_str().unwrap().to_owned();
        let found = found
            .iter()
            .map(|one| ["level", "code", "message"].map(|key| text(one, key)));
        found.collect::<Vec<_>>()
    };
    let looked = found(&[], 0);
    assert_eq!(looked[0][1], "target-id", "{looked:?}");
    let told = "local can only be read from here, and writing was not tried";
    assert_eq!(looked[1], ["note", "target-to-read", told]);
    let probed = found(&["--probe"], 2);
    assert_eq!(probed[1][..2], ["warning", "probe-not-tried"]);
    let why = &probed[1][2];
    assert!(why.starts_with(&format!("{told}: ")), "{why}");
    assert!(
        why.contains("asks for files.write, which no grant allows"),
        "{why}"
    );
    assert_eq!(files_under(&world.folder()), before);
}
