//! Something else answers under the target's name: it was moved away, emptied, exchanged,
//! or its file system is not mounted. A backup on the node's own disk in its place would be
//! one that nobody finds.

use std::path::Path;
use std::process::Command;

use drydock_testkit::mounts::Mounts;
use serde_json::Value;

use super::endpoints::plain_cluster;
use super::{ends, impatient};
use crate::bad_input::Case;
use crate::world::{Answer, TARGET_OBJECT, World, files_under};

/// A node that has stored one recovery point.
fn stored(name: &'static str) -> Case {
    let case = impatient(name, World::of(plain_cluster()));
    case.world.run().0.ok();
    case
}

/// Verbs that only look.
const LOOKS: [&[&str]; 4] = [
    &["recovery-point", "list"],
    &["target", "check", "local"],
    &["target", "check", "local", "--probe"],
    &["schedule", "check"],
];

/// The run fails before it writes anything, whoever looks makes nothing, and `accept`
/// makes the place a target again.
fn is_refused(case: &Case) {
    let folder = case.world.folder();
    let before = (folder.exists(), files_under(&folder));
    ends(case, 1);
    for look in LOOKS {
        case.world.drydock(look);
    }
    assert_eq!((folder.exists(), files_under(&folder)), before);
    case.world.assert_spool_empty();
    let listed = case.world.drydock(&["recovery-point", "list"]);
    assert_ne!(listed.code, Some(0), "{listed:?}");
    accepted(case);
}

fn accepted(case: &Case) {
    let accept = ["target", "accept", "local", "--output", "json"];
    let told: Value = serde_json::from_str(&case.world.drydock(&accept).ok().stdout).unwrap();
    assert_ne!(told["id"], told["before"], "{told}");
    case.world.drydock(&["target", "check", "local"]).ok();
    assert_eq!(case.world.recovery_points(), Vec::<String>::new());
    // It begins a lineage there, and that is a note at most.
    case.world.run().0.ok();
    assert_eq!(case.world.recovery_points().len(), 1);
}

#[test]
fn a_target_that_was_moved_away() {
    let case = stored("target-moved-away");
    let gone = case.world.scratch.join("gone");
    std::fs::rename(case.world.folder(), gone).unwrap();
    is_refused(&case);
}

#[test]
fn a_target_that_was_emptied() {
    let case = stored("target-emptied");
    std::fs::remove_dir_all(case.world.folder()).unwrap();
    std::fs::create_dir(case.world.folder()).unwrap();
    is_refused(&case);
}

#[test]
fn a_target_of_another_cluster() {
    let other = World::of(plain_cluster());
    other.run().0.ok();
    let case = stored("target-of-another");
    std::fs::remove_dir_all(case.world.folder()).unwrap();
    std::fs::rename(other.folder(), case.world.folder()).unwrap();
    std::fs::remove_dir_all(case.world.folder().join("c1")).unwrap();
    is_refused(&case);
}

#[test]
fn a_target_whose_object_is_damaged() {
    let case = stored("target-object-damaged");
    let object = case.world.folder().join(TARGET_OBJECT);
    std::fs::write(&object, b"").unwrap();
    ends(&case, 1);
    let accept = case.world.drydock(&["target", "accept", "local"]).code(1);
    assert!(accept.stderr.contains("move it away"), "{}", accept.stderr);
    std::fs::remove_file(object).unwrap();
    case.world.drydock(&["target", "accept", "local"]).ok();
    case.world.run().0.ok();
}

/// Another file system where the target was.
#[test]
fn a_target_under_another_mount() {
    let case = stored("target-under-another-mount");
    let folder = case.world.folder();
    let kept = case.world.scratch.join("kept");
    let mounts = Mounts::new().small(&folder, 1 << 20).keep(&folder, &kept);
    super::ends_with(&case, 1, |command| mounts.around(&command));
    assert_eq!(files_under(&kept), Vec::<std::path::PathBuf>::new());
    assert_eq!(case.world.recovery_points().len(), 1);
}

#[test]
fn a_target_that_has_to_be_mounted_and_is_not() {
    let mut world = World::of(plain_cluster());
    let folder = world.folder();
    world.target_config = format!("{{folder: {}, requireMount: true}}", folder.display());
    world.write();
    let case = impatient("target-not-mounted", world);
    // On its mount it is stored at.
    let kept = case.world.scratch.join("kept");
    let mounts = Mounts::new().small(&folder, 64 << 20).keep(&folder, &kept);
    let run = case.world.command(&["run", "s1"]);
    Answer::of(mounts.around(&run).output().unwrap()).ok();
    assert!(kept.join(TARGET_OBJECT).exists());
    // What is left of the mount point is not.
    ends(&case, 1);
    let check = case.world.drydock(&["target", "check", "local"]).code(1);
    assert!(
        check.stdout.contains("is not on a mount of its own"),
        "{}",
        check.stdout
    );
    assert_eq!(files_under(&folder), Vec::<std::path::PathBuf>::new());
}

/// The other stores of the run go on.
#[test]
fn one_target_of_two_that_changed() {
    let case = impatient("target-of-two-changed", World::of(plain_cluster()));
    let second = case.world.scratch.join("second");
    let target = case.world.scratch.join("schedules/target.yaml");
    let text = std::fs::read_to_string(&target).unwrap();
    let folder = case.world.folder().display().to_string();
    let other = text
        .replace("{name: local}", "{name: second}")
        .replace(&folder, &second.display().to_string());
    case.put("schedules/second.yaml", other);
    case.edit(
        "schedules/schedule.yaml",
        "    - {name: store, target: local}\n",
        "    - {name: store, target: local}\n    - {name: again, target: second}\n",
    );
    case.edit(
        "grants/grants.yaml",
        &format!("files: [{{directory: {folder}, access: write}}]"),
        &format!(
            "files: [{{directory: {folder}, access: write}}, {{directory: {}, access: write}}]",
            second.display()
        ),
    );
    case.world.run().0.ok();
    std::fs::rename(case.world.folder(), case.world.scratch.join("gone")).unwrap();
    ends(&case, 2);
    assert!(!case.world.folder().exists());
    let listed = case
        .world
        .drydock(&["recovery-point", "list", "--output", "json"]);
    let listed: Value = serde_json::from_str(&listed.code(2).stdout).unwrap();
    let points = listed.as_array().unwrap();
    assert_eq!(points.len(), 2);
    assert!(points.iter().all(|point| point["target"] == "second"));
}

/// A node whose state folder is lost takes the target as it is, and says so.
#[test]
fn a_node_that_lost_its_journal_goes_on_at_its_target() {
    let case = stored("journal-lost");
    let id = |case: &Case| std::fs::read(case.world.folder().join(TARGET_OBJECT)).unwrap();
    let before = id(&case);
    std::fs::remove_dir_all(case.world.scratch.join("state")).unwrap();
    super::notes(&case, case.world.drydock(&["run", "s1"]));
    assert_eq!(id(&case), before);
    assert_eq!(case.world.recovery_points().len(), 2);
}

/// Permissions stop nobody who is root, but for those who gave that power away.
fn as_anybody(command: &Command) -> Command {
    let powers = "-dac_override,-dac_read_search";
    let mut restricted = Command::new("setpriv");
    restricted
        .args(["--bounding-set", powers, "--inh-caps", powers])
        .arg(command.get_program())
        .args(command.get_args());
    restricted
}

fn closed(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(folder).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o000)).unwrap();
}

fn last_lineage(case: &Case, run: &str) -> String {
    let shown = ["recovery-point", "show", run, "--output", "json"];
    let shown: Value = serde_json::from_str(&case.world.drydock(&shown).ok().stdout).unwrap();
    shown["lineage"]["id"].as_str().unwrap().to_owned()
}

/// What file systems, shares and people put there is passed over, and told.
#[test]
fn foreign_folders_that_cannot_be_read() {
    let case = stored("target-with-foreign-folders");
    let first = case.world.recovery_points().remove(0);
    let folder = case.world.folder();
    for name in ["lost+found", "#recycle", ".snapshot", "c1/lost+found"] {
        closed(&folder.join(name));
    }
    std::os::unix::fs::symlink("/nowhere", folder.join("c1/broken link")).unwrap();
    let ran = as_anybody(&case.world.command(&["run", "s1"]))
        .output()
        .unwrap();
    super::notes(&case, Answer::of(ran));
    let list = case
        .world
        .command(&["recovery-point", "list", "--output", "json"]);
    let listed = Answer::of(as_anybody(&list).output().unwrap()).ok();
    for foreign in [
        "lost+found",
        "#recycle",
        ".snapshot",
        "c1/lost+found",
        "c1/broken link",
    ] {
        assert!(
            listed.stderr.contains(foreign),
            "{foreign}: {}",
            listed.stderr
        );
    }
    let points: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(points.len(), 2);
    let second = points[0]["recoveryPoint"].as_str().unwrap();
    assert_eq!(last_lineage(&case, second), last_lineage(&case, &first));
}

/// An earlier recovery point that cannot be read is not one that is not there.
#[test]
fn an_earlier_recovery_point_that_cannot_be_read() {
    let case = stored("earlier-point-unreadable");
    let first = case.world.recovery_points().remove(0);
    closed(&case.world.folder().join("c1").join(&first));
    let run = super::ends_with(&case, 2, |command| {
        let mut restricted = as_anybody(&command);
        restricted.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        restricted
    });
    let second = run["run"].as_str().unwrap().to_owned();
    let list = case.world.command(&["recovery-point", "list"]);
    let listed = Answer::of(as_anybody(&list).output().unwrap()).code(2);
    assert!(listed.stdout.contains("Unread"), "{}", listed.stdout);
    assert_eq!(last_lineage(&case, &second), "0".repeat(16));
    // Once it can be read again, the lineage goes on where it was.
    let point = case.world.folder().join("c1").join(&first);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(point, open).unwrap();
    let (answer, run) = case.world.run();
    answer.ok();
    let third = run["recoveryPoint"].as_str().unwrap();
    assert_eq!(last_lineage(&case, third), last_lineage(&case, &first));
}
