//! The process is killed at every record and between every effect and its record; each
//! time the run ends with exactly one recovery point.

use std::os::unix::process::ExitStatusExt as _;

use serde_json::Value;

use crate::faulty::KILL;
use crate::world::{Answer, World};

/// More records than a run of this size has; the loop ends at the first run that lives.
const RECORDS_MAX: u64 = 200;

/// SIGKILL.
const KILLED: i32 = 9;

/// Runs the schedule with a kill at `place`; whether the process was killed.
fn killed(world: &World, place: &str) -> bool {
    let output = world
        .faulty(&["run", "s1"])
        .env(KILL, place)
        .output()
        .unwrap();
    if output.status.signal() == Some(KILLED) {
        return true;
    }
    Answer::of(output).ok();
    false
}

fn die_at_every_record(place: &str) {
    let mut survived = None;
    for record in 1..=RECORDS_MAX {
        let mut world = World::new();
        world.target_config = format!("{{folder: {}, partMebibytes: 1}}", world.folder().display());
        world.write();
        if !killed(&world, &format!("{place}:{record}")) {
            survived = Some(record);
            break;
        }
        let resumed = world.resume();
        let recorded = !(record == 1 && place == "before-record");
        if recorded {
            let runs: Vec<Value> = serde_json::from_str(&resumed.stdout).unwrap_or_default();
            // Killed after its last record, the run has ended: there is nothing to take up.
            if let Some(run) = runs.first() {
                assert_eq!(
                    run["outcome"], "Succeeded",
                    "{place}:{record}: {}",
                    resumed.stderr
                );
            }
        } else {
            world.run().0.ok();
        }
        assert_one_recovery_point(&world, &format!("{place}:{record}"));
    }
    let survived = survived.expect("the run has fewer records than the limit");
    assert!(survived > 10, "only {survived} records were tried");
}

fn assert_one_recovery_point(world: &World, place: &str) {
    let points = world.recovery_points();
    assert_eq!(points.len(), 1, "{place}: {points:?}");
    // One artifact, one signature, one manifest; no upload and no spool is left.
    let mut files = world.stored_files();
    files.retain(|file| !is_unborn(world, file));
    assert_eq!(files.len(), 3, "{place}: {files:?}");
    world.assert_spool_empty();
    world
        .drydock(&[
            "recovery-point",
            "verify",
            &points[0],
            "--identity",
            &world.path("sealing.key"),
        ])
        .ok();
}

/// What a store-file that is killed may leave: an upload that was cut off before it could say of
/// which object it is, of which it asks an operator to remove it; and an object of one request
/// that was cut off before it had its name, which it removes itself after a day.
fn is_unborn(world: &World, file: &str) -> bool {
    let size = || std::fs::metadata(world.folder().join(file)).unwrap().len();
    let upload = file.starts_with(".drydock-uploads/") && file.ends_with("/meta") && size() == 0;
    upload || file.starts_with(".drydock-puts/")
}

#[test]
fn killed_after_any_record_a_run_ends_with_one_recovery_point() {
    die_at_every_record("after-record");
}

#[test]
fn killed_between_any_effect_and_its_record_a_run_ends_with_one_recovery_point() {
    die_at_every_record("before-record");
}

#[test]
fn an_unfinished_run_is_taken_up_before_a_new_one_starts() {
    let world = World::new();
    assert!(killed(&world, "after-record:5"));
    let listed = world.drydock(&["run", "list"]).ok();
    assert!(listed.stdout.contains("Unfinished"), "{}", listed.stdout);
    let answer = world.drydock(&["run", "s1"]).ok();
    assert!(answer.stderr.contains("Taking up"), "{}", answer.stderr);
    assert_eq!(world.recovery_points().len(), 2);
}
