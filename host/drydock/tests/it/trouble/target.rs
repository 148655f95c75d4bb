//! Targets that are full, read-only, gone, taken, or that lie.

use std::os::unix::fs::symlink;
use std::process::{Child, Stdio};
use std::time::Duration;

use drydock_testkit::mounts::Mounts;
use drydock_testkit::wait_until;
use serde_json::Value;

use super::endpoints::plain_cluster;
use super::{assert_nothing_stored, ended, ends, ends_with, impatient, with_store};
use crate::bad_input::Case;
use crate::faulty::KILL;
use crate::world::{Answer, TARGET_OBJECT, World, files_under, runtime};

/// How long a test waits for something that takes well under a second.
const SOON: Duration = Duration::from_secs(60);

/// The transactions after which the journal is copied, and whether its spool comes with
/// it: while parts are stored, while the upload is completed, while it is committed.
const PUT_BACK: [(u32, bool); 5] = [(6, true), (8, false), (9, true), (10, false), (11, true)];

/// Nobody gives up before the gate while a test gets ready.
const GATE_TRIES_MAX: u32 = 1000;

fn case(name: &'static str) -> Case {
    impatient(name, named(World::of(plain_cluster())))
}

/// Gives the artifact a name without an instant in it.
fn named(mut world: World) -> World {
    world.backup_config = "{name: snapshot.db}".to_owned();
    world.write();
    world
}

#[test]
fn a_full_target() {
    let mut case = case("target-full");
    case.hides_numbers = true;
    let folder = case.world.folder();
    let kept = case.world.scratch.join("kept");
    let mounts = Mounts::new().small(&folder, 65_536).keep(&folder, &kept);
    ends_with(&case, 1, |command| mounts.around(&command));
    let only_its_own = files_under(&kept)
        .iter()
        .all(|file| file.ends_with(TARGET_OBJECT));
    assert!(only_its_own, "{:?}", files_under(&kept));
    case.world.assert_spool_empty();
}

#[test]
fn a_target_that_cannot_be_written() {
    let case = case("target-read-only");
    let mounts = Mounts::new().read_only(&case.world.folder());
    ends_with(&case, 1, |command| mounts.around(&command));
    assert_nothing_stored(&case);
}

#[test]
fn a_target_that_is_a_file() {
    let case = case("target-is-a-file");
    std::fs::write(case.world.folder(), b"mine").unwrap();
    ends(&case, 1);
    assert_eq!(std::fs::read(case.world.folder()).unwrap(), b"mine");
    case.world.assert_spool_empty();
}

#[test]
fn a_target_below_a_file() {
    let mut world = named(World::of(plain_cluster()));
    std::fs::write(world.folder(), b"mine").unwrap();
    world.target_config = format!("{{folder: {}/backups}}", world.folder().display());
    world.write();
    let case = impatient("target-below-a-file", world);
    ends(&case, 1);
    assert_eq!(std::fs::read(case.world.folder()).unwrap(), b"mine");
}

#[test]
fn a_link_that_leads_out_of_the_target() {
    let case = case("target-link-leads-out");
    let elsewhere = case.world.scratch.join("elsewhere");
    std::fs::create_dir_all(case.world.folder()).unwrap();
    std::fs::create_dir_all(&elsewhere).unwrap();
    symlink(&elsewhere, case.world.folder().join("c1")).unwrap();
    ends(&case, 1);
    assert_eq!(files_under(&elsewhere), Vec::<std::path::PathBuf>::new());
    case.world.assert_spool_empty();
}

/// A folder that is not there may be a mount that is not: without a word of its document
/// nobody makes it.
#[test]
fn a_target_that_is_not_there() {
    let case = case("target-place-missing");
    case.edit("schedules/target.yaml", "  create: true\n", "");
    ends(&case, 1);
    assert!(!case.world.folder().exists());
    case.world.assert_spool_empty();
}

#[test]
fn a_target_whose_plugin_only_says_that_it_made_it() {
    let mut world = named(World::of(plain_cluster()));
    with_store(&mut world, "hostile-store", "do: place-not-made");
    let case = impatient("target-place-not-made", world);
    ends(&case, 1);
    assert!(!case.world.folder().exists());
}

/// What a store cannot do is told before anything is asked of a cluster, by who checks as by
/// who runs.
#[test]
fn a_lock_of_a_store_that_has_none() {
    let case = case("target-locks-nothing");
    case.edit(
        "schedules/target.yaml",
        "  create: true\n",
        "  create: true\n  retainDays: 30\n",
    );
    for verb in [
        &["schedule", "check"][..],
        &["target", "check", "local"],
        &["run", "s1"],
    ] {
        case.refused(64, verb);
    }
    assert_nothing_stored(&case);
}

/// It says that it has locks, and shows none: what it holds does not count.
#[test]
fn a_lock_that_is_only_claimed() {
    for (name, act) in [
        ("target-claims-locks", "retain-nothing"),
        ("target-locks-too-short", "retain-short"),
    ] {
        let mut world = named(World::of(plain_cluster()));
        with_store(&mut world, "hostile-store", &format!("do: {act}"));
        let mut case = impatient(name, world);
        case.hides_numbers = true;
        case.edit(
            "schedules/target.yaml",
            "  create: true\n",
            "  create: true\n  retainDays: 30\n",
        );
        ends(&case, 1);
        assert_eq!(objects(&case), Vec::<String>::new(), "{act}");
    }
}

/// A small object that is not there, or another one, a part under another checksum, uploads that
/// expire at once.
#[test]
fn a_store_that_lies_about_small_objects_parts_or_itself() {
    for (name, act) in [
        ("store-takes-nothing", "object-nothing"),
        ("store-takes-another", "object-other"),
        ("store-expires-at-once", "expire-at-once"),
        ("store-takes-parts-otherwise", "other-algorithm"),
        ("store-changes-parts", "other-checksum"),
    ] {
        let mut case = lying(name, act);
        // Several leave side by side: whichever is answered first.
        for part in ["part 1 ", "part 2 ", "part 3 "] {
            case.hide(part, "part <number> ");
        }
        ends(&case, 1);
        assert_eq!(objects(&case), Vec::<String>::new(), "{act}");
        case.world.assert_spool_empty();
    }
}

/// What is read afterwards counts: the objects are there, whatever it calls them.
#[test]
fn a_store_that_tells_of_other_names() {
    let case = lying("store-tells-of-another-name", "object-elsewhere");
    ends(&case, 2);
    assert_eq!(case.world.recovery_points().len(), 1);
}

fn lying(name: &'static str, act: &str) -> Case {
    let mut world = named(World::of(plain_cluster()));
    with_store(&mut world, "hostile-store", &format!("do: {act}"));
    let mut case = impatient(name, world);
    case.hides_numbers = true;
    case
}

/// A node whose store takes three parts and no more until a gate opens.
fn gated(name: &'static str) -> Case {
    let mut world = named(World::of(plain_cluster()));
    with_store(&mut world, "store-gate", "partKibibytes: 64, gateAfter: 3");
    let mut case = Case::new(name, world);
    case.edit(
        "schedules/schedule.yaml",
        "  steps:\n",
        &format!("  backoffLimit: {GATE_TRIES_MAX}\n  steps:\n"),
    );
    case.hides_numbers = true;
    case
}

/// Starts a run and waits until it stands at the gate, with its verdict in.
fn started_and_gated(case: &Case) -> Child {
    let mut child = case
        .command(&["run", "s1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let at_the_gate = async || {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended too early"
        );
        shown(case).is_some_and(|run| {
            run["stores"][0]["parts"] == 3
                && run["outputs"][0]["verdicts"][0]["verdict"]["pass"] == true
        })
    };
    runtime()
        .block_on(wait_until("the run stands at the gate", SOON, at_the_gate))
        .unwrap();
    child
}

fn shown(case: &Case) -> Option<Value> {
    case.world.runs_so_far().into_iter().next()
}

/// The folder goes away between two parts, as a file system does that is unmounted.
#[test]
fn a_target_that_goes_away_midway() {
    let case = gated("target-gone-midway");
    let child = started_and_gated(&case);
    let away = case.world.scratch.join("away");
    std::fs::rename(case.world.folder(), &away).unwrap();
    open_gate(&case);
    let answer = Answer::of(child.wait_with_output().unwrap());
    ended(&case, 1, answer);
    let objects = files_under(&away)
        .into_iter()
        .chain(files_under(&case.world.folder()))
        .filter(|path| path.to_string_lossy().contains("/c1/"))
        .count();
    assert_eq!(objects, 0, "something was completed");
    case.world.assert_spool_empty();
}

/// Kills the run at the gate, so that what it wants to write next can be planted.
fn killed_at_the_gate(case: &Case) -> Value {
    let mut child = started_and_gated(case);
    child.kill().unwrap();
    child.wait().unwrap();
    open_gate(case);
    shown(case).unwrap()
}

fn open_gate(case: &Case) {
    std::fs::create_dir_all(case.world.folder()).unwrap();
    std::fs::write(case.world.folder().join("gate-open"), b"").unwrap();
}

fn plant(case: &Case, object: &str) -> std::path::PathBuf {
    let path = case.world.folder().join(object);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, b"mine").unwrap();
    path
}

fn resumed(case: &Case) -> Answer {
    let run = case.world.newest_run().unwrap();
    let resume = ["run", "resume", &run];
    Answer::of(case.command(&resume).output().unwrap())
}

/// The objects of a target, without what the gate's fixture keeps there.
fn objects(case: &Case) -> Vec<String> {
    let files = case.world.stored_files();
    files
        .into_iter()
        .filter(|file| file.starts_with("c1/") || file.starts_with(".drydock-uploads/"))
        .collect()
}

#[test]
fn something_else_under_the_manifests_name() {
    let case = gated("manifest-name-taken");
    let run = killed_at_the_gate(&case);
    let id = run["run"].as_str().unwrap();
    let object = format!("c1/{id}/manifest.json");
    let path = plant(&case, &object);
    ended(&case, 1, resumed(&case));
    assert_eq!(std::fs::read(path).unwrap(), b"mine");
    assert_eq!(objects(&case), [object]);
}

#[test]
fn something_else_under_the_artifacts_name() {
    let case = gated("artifact-name-taken");
    killed_at_the_gate(&case);
    let files = case.world.stored_files();
    let meta = files.iter().find(|file| file.ends_with("/meta")).unwrap();
    let upload = std::fs::read(case.world.folder().join(meta)).unwrap();
    let upload: Value = serde_json::from_slice(&upload).unwrap();
    let object = upload["object"].as_str().unwrap();
    plant(&case, object);
    ended(&case, 1, resumed(&case));
    // The name was this run's alone, so that what stands there is its own to remove.
    assert_eq!(objects(&case), Vec::<String>::new());
}

/// The same run twice, from one journal: the second finds what the first committed.
#[test]
fn a_recovery_point_that_another_run_committed_first() {
    let case = impatient("superseded", named(World::of(plain_cluster())));
    // The run is recorded, and nothing of it is named yet.
    let killed = case
        .world
        .faulty(&["run", "s1"])
        .env(KILL, "after-record:1")
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "it was not killed");
    let state = case.world.scratch.join("state");
    let copy = case.world.scratch.join("copy");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&state, &copy])
        .status();
    assert!(copied.unwrap().success());
    resumed(&case).ok();
    let before = objects(&case);
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&copy, &state).unwrap();
    case.judge(0, resumed(&case));
    assert_eq!(objects(&case), before);
    assert_eq!(case.world.recovery_points().len(), 1);
}

/// The journal is put back to an earlier instant, as docs/operating.md tells to do with a
/// damaged one: a run that had committed meanwhile goes on from there, and takes nothing
/// away of what it made.
#[test]
fn a_journal_that_is_put_back_before_its_runs_commit() {
    for (transactions, with_spool) in PUT_BACK {
        let world = named(World::of(plain_cluster()));
        let kill = format!("after-record:{transactions}");
        let killed = world
            .faulty(&["run", "s1"])
            .env(KILL, kill)
            .output()
            .unwrap();
        assert_eq!(killed.status.code(), None, "{transactions}: not killed");
        let (state, copy) = (world.scratch.join("state"), world.scratch.join("copy"));
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([&state, &copy])
            .status();
        assert!(copied.unwrap().success());
        world.resume().ok();
        std::fs::remove_dir_all(&state).unwrap();
        std::fs::rename(&copy, &state).unwrap();
        if !with_spool {
            let spool = state.join("spool");
            std::fs::remove_dir_all(spool).unwrap();
        }
        world.resume();
        let points = world.recovery_points();
        assert_eq!(points.len(), 1, "{transactions}");
        let identity = world.path("sealing.key");
        let verify = [
            "recovery-point",
            "verify",
            &points[0],
            "--identity",
            &identity,
        ];
        world.drydock(&verify).ok();
    }
}

/// A store that tells untruths is found out, whatever it says.
#[test]
fn a_store_that_lies() {
    for (name, lie) in [
        ("store-lies-wrong-size", "wrong-size"),
        ("store-lies-wrong-digest", "wrong-digest"),
        ("store-lies-wrong-object", "wrong-object"),
        ("store-lies-lost", "lost"),
        ("store-lies-damaged", "damaged"),
        ("store-lies-bad-layout", "bad-layout"),
        ("store-lies-large-receipt", "large-receipt"),
    ] {
        let mut world = named(World::of(plain_cluster()));
        with_store(&mut world, "store-lies", &format!("lie: {lie}"));
        let mut case = impatient(name, world);
        case.hides_numbers = true;
        ends(&case, 1);
        assert_eq!(objects(&case), Vec::<String>::new(), "{lie}");
        case.world.assert_spool_empty();
    }
}
