//! A target's folder by its path: no configuration, no journal, no state folder.

use serde_json::Value;

use super::{Machine, back_up, plain, stored};
use crate::world::assert_golden;

const POINT: &str = "recovery-point";

#[test]
fn every_reading_verb_works_on_a_bare_folder() {
    let (world, point) = stored();
    let machine = Machine::new(&world);
    // Things of others, as they lie in real folders.
    for folder in ["lost+found", "#recycle", ".snapshot", "c1/lost+found"] {
        std::fs::create_dir_all(world.folder().join(folder)).unwrap();
        std::fs::write(world.folder().join(folder).join("x"), "x").unwrap();
    }
    let _ = std::fs::remove_file(world.folder().join("drydock-target.json"));
    let listed = machine.trusting(&[POINT, "list", "--output", "json"]).ok();
    let list: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(list.len(), 1, "{}", listed.stdout);
    assert_eq!(list[0]["recoveryPoint"], point.as_str());
    machine.trusting(&[POINT, "show", &point]).ok();
    machine.trusting(&[POINT, "verify", "latest"]).ok();
    machine.opening(&[POINT, "verify", &point]).ok();
    machine
        .opening(&[POINT, "fetch", "latest", "--to", "."])
        .ok();
    for words in [
        &["snapshot", "status", &point][..],
        &["snapshot", "verify", &point],
        &["snapshot", "hashkv", &point],
        &["snapshot", "ls", "latest", "--by", "resource"],
        &["snapshot", "diff", &point, "latest"],
    ] {
        machine.opening(words).ok();
    }
    let restored = machine.opening(&[
        "snapshot",
        "restore",
        "latest",
        "--data-dir",
        "restored",
        "--initial-cluster",
        "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380",
    ]);
    restored.ok();
    for member in ["m1", "m2"] {
        let db = format!("work/restored/{member}/member/snap/db");
        assert!(machine.scratch.join(&db).is_file(), "{db}");
    }
}

/// What is no object in the place of a manifest, or of a recovery point, hides it, and no
/// older one is taken for the newest without a word.
#[test]
fn what_stands_where_a_recovery_point_was_is_no_absence() {
    let (world, older) = stored();
    let newest = back_up(&world);
    let machine = Machine::new(&world);
    let folder = world.folder().join("c1").join(&newest);
    let (manifest, away) = (
        folder.join("manifest.json"),
        world.folder().join("c1/.away"),
    );
    let unread = || {
        let listed = machine
            .trusting(&[POINT, "list", "--output", "json"])
            .code(2);
        let list: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
        let states: Vec<(&Value, &Value)> = list
            .iter()
            .map(|point| (&point["recoveryPoint"], &point["state"]))
            .collect();
        assert_eq!(states.len(), 2, "{}", listed.stdout);
        assert_eq!(states[0], (&newest.as_str().into(), &"Unread".into()));
        assert_eq!(states[1].0, older.as_str());
        let latest = machine.trusting(&[POINT, "show", "latest"]).code(1);
        assert!(latest.stderr.contains(&newest), "{}", latest.stderr);
    };
    std::fs::rename(&manifest, &away).unwrap();
    fifo(&manifest);
    unread();
    std::fs::remove_file(&manifest).unwrap();
    std::fs::rename(&away, &manifest).unwrap();
    std::fs::rename(&folder, &away).unwrap();
    fifo(&folder);
    unread();
}

fn fifo(path: &std::path::Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn signers_are_told_once_with_the_line_to_add() {
    let (world, point) = stored();
    back_up(&world);
    let machine = Machine::new(&world);
    let listed = machine.run(&[POINT, "list"]).ok();
    assert_eq!(
        listed.stdout.matches("Refused").count(),
        2,
        "{}",
        listed.stdout
    );
    let shown = machine.run(&[POINT, "show", &point]).code(1);
    let any = machine
        .run(&[POINT, "show", &point, "--signer", "any"])
        .ok();
    let manifest = world.folder().join("c1").join(&point).join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen(' ', "  ", 1)).unwrap();
    let changed = machine
        .run(&[POINT, "show", &point, "--signer", "any"])
        .code(1);
    let line = std::fs::read_to_string(world.path("signing.key.pub")).unwrap();
    let line = line.lines().last().unwrap().to_owned();
    machine
        .run(&[POINT, "show", "latest", "--signer", &line])
        .ok();
    let wrong = machine
        .run(&[POINT, "list", "--signer", "RWno-key"])
        .code(64);
    let missing = machine
        .run(&[POINT, "list", "--signer", "none.pub"])
        .code(64);
    let text = [
        "# recovery-point list",
        &listed.stderr,
        "# recovery-point show NAME",
        &shown.stderr,
        "# recovery-point show NAME --signer any",
        &any.stderr,
        "# the same with a manifest that was changed",
        &changed.stderr,
        "# --signer RWno-key",
        &wrong.stderr,
        "# --signer none.pub",
        &missing.stderr,
    ];
    assert_golden("rescue-signers.txt", &plain(&world, &text.join("\n")));
}

#[test]
fn folders_that_are_another_level_or_none_are_told() {
    let (world, point) = stored();
    let machine = Machine::new(&world);
    let mut told = String::new();
    let folder = world.folder();
    std::fs::write(machine.scratch.join("work/file"), "x").unwrap();
    for (title, path) in [
        ("a cluster's", folder.join("c1")),
        ("a recovery point's", folder.join("c1").join(&point)),
        ("none", folder.join("nowhere")),
        ("a file", machine.scratch.join("work/file")),
    ] {
        let path = path.display().to_string();
        let answer = machine
            .bare(&[POINT, "list", "--target-folder", &path])
            .code(64);
        told.push_str(&format!("# {title}\n{}", answer.stderr));
    }
    let empty = machine.scratch.join("tmp").display().to_string();
    machine
        .bare(&[POINT, "list", "--target-folder", &empty])
        .ok();
    let none = machine
        .bare(&[POINT, "show", "latest", "--target-folder", &empty])
        .code(1);
    told.push_str(&format!("# an empty one\n{}", none.stderr));
    let told = told
        .replace(&machine.scratch.path().display().to_string(), "<machine>")
        .replace(&point, "<point>");
    assert_golden("rescue-folders.txt", &plain(&world, &told));
}
