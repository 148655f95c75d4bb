//! One run with two backup steps: etcd and a folder's archive in one recovery point. What
//! the first step finished outlives every trouble of the second.

use std::path::{Path, PathBuf};

use drydock_core::PluginDigest;
use serde_json::Value;

use crate::faulty::KILL;
use crate::world::{Answer, World, etcdutl, fixture};

/// Name of the archive at the target.
const ARCHIVE: &str = "pki.tar";

/// A sound snapshot of a real etcd.
const SNAPSHOT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../snapshot/fixtures/etcd-3.6.16.db"
);

/// A node that backs up etcd and then, by the act of `probe`, `{folder}/pki.tar`.
fn world(act: &str) -> World {
    let mut world = World::new();
    let folder = world.scratch.folder("source").unwrap();
    std::fs::write(folder.join(ARCHIVE), archive(&folder)).unwrap();
    let file = |name: &str| fixture(name).display().to_string();
    world.plugins = format!(
        "    probe: {{file: {}}}\n    probe-verify: {{file: {}}}\n",
        file("probe"),
        file("probe-verify")
    );
    world.extra_grants = grant(
        "probe",
        &format!(
            "{{etcd: [member-list, status, snapshot, hash-kv], files: [{{directory: {}, access: write}}]}}",
            folder.display()
        ),
    ) + &grant("probe-verify", "{}");
    world.front_steps = vec![
        "{name: snapshot, backup: etcd-backup}".to_owned(),
        format!("{{name: pki, backup: probe, config: {}}}", act.replace("FOLDER", &folder.display().to_string())),
        "{name: verify, verify: etcd-verify, verifies: [snapshot]}".to_owned(),
        "{name: look, verify: probe-verify, verifies: [pki], config: {facts: [archive.entries, archive.bytes, archive.problems]}}".to_owned(),
    ];
    world.target_config = format!("{{folder: {}, partMebibytes: 1}}", world.folder().display());
    world.write();
    world
}

const COPY: &str = "{do: output-file, folder: FOLDER, path: pki.tar, name: pki.tar, at_most: 100}";
const SECOND_TIME: &str =
    "{do: output-file-second-time, folder: FOLDER, path: pki.tar, name: pki.tar, mark: mark}";

fn grant(name: &str, grants: &str) -> String {
    let digest = PluginDigest::of(&std::fs::read(fixture(name)).unwrap());
    format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: {name}}}\nspec:\n  digest: {digest}\n  grants: {grants}\n"
    )
}

/// What GNU tar makes of a folder with two files.
fn archive(scratch: &Path) -> Vec<u8> {
    let pki = scratch.join("pki");
    std::fs::create_dir(&pki).unwrap();
    std::fs::write(pki.join("ca.crt"), b"certificate\n").unwrap();
    std::fs::write(pki.join("ca.key"), [7; 3000]).unwrap();
    let made = std::process::Command::new("tar")
        .args(["--format=ustar", "-cf", "-", "-C"])
        .arg(scratch)
        .arg("pki")
        .output()
        .unwrap();
    assert!(made.status.success());
    made.stdout
}

fn source(world: &World) -> PathBuf {
    world.scratch.join("source").join(ARCHIVE)
}

/// Both artifacts of the only recovery point are there, whole, and what they were.
fn assert_both_are_there(world: &World) {
    let points = world.recovery_points();
    assert_eq!(points.len(), 1, "{points:?}");
    world.assert_spool_empty();
    // Two artifacts, one signature, one manifest.
    assert_eq!(world.stored_files().len(), 4, "{:?}", world.stored_files());
    let to = world.scratch.join("fetched");
    let identity = world.path("sealing.key");
    let to_text = to.display().to_string();
    let fetch = ["recovery-point", "fetch", &points[0], "--to", &to_text];
    let answer = world
        .drydock(&[&fetch[..], &["--identity", &identity]].concat())
        .ok();
    assert!(answer.stdout.contains(ARCHIVE), "{}", answer.stdout);
    assert_no_two_in_one_file(world, &points[0]);
    let fetched = std::fs::read(to.join(ARCHIVE)).unwrap();
    assert_eq!(fetched, std::fs::read(source(world)).unwrap());
    let snapshot = std::fs::read_dir(&to)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "db"))
        .expect("the snapshot is there too");
    let restored = world.path("restored");
    let snapshot = snapshot.display().to_string();
    etcdutl(&["snapshot", "restore", &snapshot, "--data-dir", &restored]);
}

/// `--to x.db` is one file, and no folder of that name comes of it.
fn assert_no_two_in_one_file(world: &World, point: &str) {
    let (file, identity) = (world.path("one.db"), world.path("sealing.key"));
    let asked = ["recovery-point", "fetch", point, "--to", &file];
    let answer = world.drydock(&[&asked[..], &["--identity", &identity]].concat());
    assert_eq!(answer.code, Some(64), "{}", answer.stderr);
    let sentence = format!("--to {file} reads as one file, and the recovery point has ");
    assert!(answer.stderr.contains(&sentence), "{}", answer.stderr);
    assert!(!Path::new(&file).exists());
}

/// Attempts of each step as `run show` tells of them.
fn attempts(world: &World) -> Vec<(String, u64)> {
    let runs = world.runs();
    let steps = runs[0]["steps"].as_array().unwrap().iter();
    steps
        .map(|backup| {
            let step = backup["step"].as_str().unwrap().to_owned();
            (step, backup["attempts"].as_u64().unwrap())
        })
        .collect()
}

fn times(snapshot: u64, pki: u64) -> Vec<(String, u64)> {
    vec![("snapshot".to_owned(), snapshot), ("pki".to_owned(), pki)]
}

#[test]
fn etcd_and_an_archive_lie_in_one_recovery_point() {
    let world = world(COPY);
    let (answer, run) = world.run();
    answer.ok();
    assert_eq!(run["outcome"], "Succeeded", "{run}");
    assert_both_are_there(&world);
    assert_eq!(attempts(&world), times(1, 1));

    let name = run["recoveryPoint"].as_str().unwrap();
    let shown = world
        .drydock(&["recovery-point", "show", name, "--output", "json"])
        .ok();
    let manifest: Value = serde_json::from_str(&shown.stdout).unwrap();
    let types: Vec<_> = manifest["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| artifact["mediaType"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        ["application/vnd.etcd.snapshot", "application/x-tar"]
    );
    assert_eq!(manifest["consistency"]["level"], "separate-cuts");
    assert!(manifest["etcd"]["revision"].as_i64().unwrap() > 1);
    let judged: Vec<_> = manifest["verification"]
        .as_array()
        .unwrap()
        .iter()
        .map(|verdict| verdict["step"].as_str().unwrap())
        .collect();
    assert_eq!(judged, ["verify", "look"]);
    let table = world.drydock(&["recovery-point", "show", name]).ok().stdout;
    assert!(
        table.contains("tar archive") && table.contains("etcd snapshot"),
        "{table}"
    );
    let identity = world.path("sealing.key");
    let verified = world
        .drydock(&["recovery-point", "verify", name, "--identity", &identity])
        .ok();
    assert_eq!(
        verified.stdout.matches("sound, opened").count(),
        2,
        "{}",
        verified.stdout
    );
}

#[test]
fn an_archive_has_facts_that_its_judge_sees() {
    let world = world(COPY);
    let (answer, run) = world.run();
    answer.ok();
    let shown = world
        .drydock(&["run", "show", run["run"].as_str().unwrap()])
        .ok();
    // The folder and two files; the bytes of both.
    for fact in [
        "archive.entries = FactValue::Unsigned(3)",
        "archive.bytes = FactValue::Unsigned(3012)",
        "archive.problems = FactValue::Unsigned(0)",
    ] {
        assert!(shown.stdout.contains(fact), "{fact}: {}", shown.stdout);
    }
}

/// A verify plugin may pass what the host found to be damaged. It is kept as what it is.
#[test]
fn a_damaged_snapshot_that_is_passed_is_told_as_damaged() {
    let mut world = world(&COPY.replace("at_most: 100", "at_most: 65536"));
    let look = "{name: look, verify: probe-verify}".to_owned();
    world.front_steps = vec![world.front_steps[1].clone(), look];
    world.write();
    let mut bytes = std::fs::read(SNAPSHOT).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(source(&world), &bytes).unwrap();
    let (answer, run) = world.run();
    let told = "the snapshot is damaged: the SHA-256 trailer is ";
    let said = answer.code(2).stderr;
    assert!(said.contains(told), "{said}");
    assert_eq!(run["outcome"], "Degraded");
    let name = &world.recovery_points()[0];
    let show = ["recovery-point", "show", name];
    let json = [&show[..], &["--output", "json"]].concat();
    let manifest: Value = serde_json::from_str(&world.drydock(&json).ok().stdout).unwrap();
    assert_eq!(
        manifest["artifacts"][0]["mediaType"],
        "application/vnd.etcd.snapshot"
    );
    assert_eq!(manifest["etcd"]["member"], Value::Null);
    assert_eq!(manifest["etcd"]["revision"], Value::Null);
    let damage = &manifest["etcd"]["damage"];
    assert_eq!(damage["trailer"], "mismatch");
    assert_eq!(manifest["consistency"]["level"], "separate-cuts");
    let problem = damage["problems"][0].as_str().unwrap();
    let table = world.drydock(&show).ok().stdout;
    assert!(table.contains(problem), "{table}");
    let shown = world.drydock(&["run", "show", run["run"].as_str().unwrap()]);
    let rows = shown.ok().stdout;
    let row = rows.lines().find(|line| line.ends_with("damaged"));
    assert!(row.is_some_and(|row| row.starts_with("- ")), "{rows}");
    assert_eq!(std::fs::read(world.fetch(name)).unwrap(), bytes);
    assert_nobody_takes_it_for_sound(&world, name, told);
}

/// By its name it comes back as it was stored, which is told; `latest` is none such.
fn assert_nobody_takes_it_for_sound(world: &World, name: &str, told: &str) {
    let (to, identity) = (world.path("again.db"), world.path("sealing.key"));
    let fetch = |name| {
        let asked = ["recovery-point", "fetch", name, "--to", &to];
        world.drydock(&[&asked[..], &["--identity", &identity]].concat())
    };
    let refused = fetch("latest").code(1).stderr;
    let wanted = format!("is not taken for `latest`: its manifest says that {told}");
    assert!(refused.contains(&wanted), "{refused}");
    let noted = fetch(name).ok().stderr;
    let wanted = format!(
        "warning: {ARCHIVE} is fetched as it was stored, and the manifest says that {told}"
    );
    assert!(noted.contains(&wanted), "{noted}");
    let verify = ["snapshot", "verify", name, "--identity", &identity];
    let verified = world.drydock(&verify).code(1).stdout;
    assert!(verified.contains("damaged"), "{verified}");
}

#[test]
fn a_run_says_what_its_plugins_could_do() {
    let world = world(COPY);
    let (answer, run) = world.run();
    answer.ok();
    let id = run["run"].as_str().unwrap();
    let table = world.drydock(&["run", "show", id]).ok().stdout;
    let folder = world.scratch.join("source");
    assert!(
        table.contains("etcd: member-list, status, snapshot"),
        "{table}"
    );
    assert!(
        table.contains(&format!("files: write {}", folder.display())),
        "{table}"
    );
    let shown = world.drydock(&["run", "show", id, "--output", "json"]).ok();
    let value: Value = serde_json::from_str(&shown.stdout).unwrap();
    let pins = value["run"]["pins"].as_array().unwrap();
    let steps: Vec<_> = pins
        .iter()
        .map(|pin| pin["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["snapshot", "pki", "verify", "look", "store"]);
    assert_eq!(pins[0]["grants"]["etcd"][2], "snapshot");
    assert_eq!(pins[2]["grants"], serde_json::json!({}));
    assert_eq!(pins[2]["verifies"], serde_json::json!(["snapshot"]));
    assert!(!pins[0]["version"].as_str().unwrap().is_empty());
}

#[test]
fn a_second_step_that_fails_once_does_not_take_the_snapshot_again() {
    let world = world(SECOND_TIME);
    let (answer, run) = world.run();
    answer.ok();
    assert_eq!(run["outcome"], "Succeeded", "{run}");
    assert_eq!(attempts(&world), times(1, 2));
    assert_both_are_there(&world);
}

#[test]
fn a_second_step_that_fails_for_good_leaves_nothing() {
    let world = world("{do: folder-open, folder: /not/granted}");
    let answer = world.drydock(&["run", "s1"]).code(1);
    assert!(answer.stderr.contains("/not/granted"), "{}", answer.stderr);
    assert_eq!(attempts(&world), times(1, 1));
    world.assert_nothing_left();
}

#[test]
fn a_second_artifact_of_one_name_is_refused_at_once() {
    let mut world = world(COPY);
    world.front_steps[0] = world.front_steps[1].replace("name: pki,", "name: snapshot,");
    world.front_steps[2] = "{name: verify, verify: probe-verify}".to_owned();
    world.write();
    let answer = world.drydock(&["run", "s1"]).code(1);
    let told = "step snapshot has made an artifact pki.tar already";
    assert!(answer.stderr.contains(told), "{}", answer.stderr);
    assert_eq!(attempts(&world), times(1, 1));
    world.assert_nothing_left();
}

#[test]
fn a_second_snapshot_is_refused_before_all_of_it_came() {
    let mut world = world(COPY);
    world.front_steps[1] = "{name: pki, backup: etcd-backup, config: {name: other.db}}".to_owned();
    world.front_steps[2] = "{name: verify, verify: etcd-verify}".to_owned();
    world.front_steps.truncate(3);
    world.write();
    let answer = world.drydock(&["run", "s1"]).code(1);
    let told = "which is one too: it can hold one only";
    assert!(answer.stderr.contains(told), "{}", answer.stderr);
    assert_eq!(attempts(&world), times(1, 1));
    world.assert_nothing_left();
}

/// The run keeps what it was granted; the node's own ceiling takes a power away from it, and
/// it goes on with the rest.
#[test]
fn a_run_goes_on_within_a_ceiling_that_was_lowered_under_it() {
    let mut world = world(COPY);
    let one = format!("directory: {}, access: write}}]", world.path("source"));
    let other = world.path("other");
    let two = format!(
        "directory: {}, access: write}}, {{directory: {other}, access: read}}]",
        world.path("source")
    );
    world.extra_grants = world.extra_grants.replace(&one, &two);
    world.write();
    let output = world
        .faulty(&["run", "s1"])
        .env(KILL, "after-record:6")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), None, "it was killed");
    world.extra_node = format!(
        "  ceiling:\n    etcd: [member-list, status, snapshot, hash-kv]\n    files:\n      - {{directory: {}, access: write}}\n      - {{directory: {}, access: write}}\n",
        world.path("source"),
        world.folder().display()
    );
    world.write();
    world.resume().ok();
    assert_both_are_there(&world);
}

/// More records than such a run has; the loop ends at the first run that lives.
const RECORDS_MAX: u64 = 200;

/// Kills the process at every record, and takes the run up.
fn die_at_every_record(place: &str) {
    let mut survived = None;
    for record in 1..=RECORDS_MAX {
        let world = world(COPY);
        let kill = format!("{place}:{record}");
        let output = world
            .faulty(&["run", "s1"])
            .env(KILL, &kill)
            .output()
            .unwrap();
        if output.status.code().is_some() {
            Answer::of(output).ok();
            survived = Some(record);
            break;
        }
        let resumed = world.resume();
        let begun = world.drydock(&["run", "list", "--output", "json"]).ok();
        if begun.stdout.trim() == "[]" {
            // Killed before its first record, the run never was.
            world.run().0.ok();
        }
        assert_both_are_there(&world);
        assert!(
            attempts(&world).iter().all(|(_, times)| *times <= 2),
            "{kill}: {}",
            resumed.stderr
        );
        // A step is made anew only when it was cut off itself.
        let again = attempts(&world)
            .iter()
            .filter(|(_, times)| *times > 1)
            .count();
        assert!(again <= 1, "{kill}: {:?}", attempts(&world));
    }
    let survived = survived.expect("the run has fewer records than the limit");
    assert!(survived > 15, "only {survived} records were tried");
}

#[test]
fn killed_after_a_record_a_run_of_two_steps_ends_with_both_artifacts() {
    die_at_every_record("after-record");
}

#[test]
fn killed_before_a_record_a_run_of_two_steps_ends_with_both_artifacts() {
    die_at_every_record("before-record");
}
