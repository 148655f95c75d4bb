//! Each target's result is its own, and the document says which ones a run may not be without.

use std::time::Duration;

use drydock_testkit::free_port;
use drydock_testkit::proxy::{Accident, Proxy};
use serde_json::Value;

use super::kit::{points_at, restored_from, s3, store_at, write_s3};
use crate::daemon::kit::wait;
use crate::world::{Answer, World, runtime};

const LOCAL: &str = "{name: store, target: local}";
const OFFSITE: &str = "{name: offsite, target: s3}";
const REQUIRED: &str = "{name: offsite, target: s3, required: true}";

/// Nothing is tried twice: what a test is about is how it ends.
const ONCE: &str = "  backoffLimit: 0\n";

/// A node whose second target nobody serves.
fn half_dead() -> World {
    let world = World::new();
    write_s3(&world, &format!("http://127.0.0.1:{}", free_port()), "");
    world
}

fn run(world: &World, steps: &[&str], more: &str) -> (Answer, Value) {
    store_at(world, steps, &format!("{ONCE}{more}"));
    world.run()
}

#[test]
fn a_target_that_is_missing_degrades_a_run_or_fails_it_as_the_document_says() {
    let world = half_dead();
    let cases = [
        (&[LOCAL, OFFSITE], "", "Degraded", 2),
        (&[LOCAL, OFFSITE], "  minimumTargets: 1\n", "Degraded", 2),
        (&[LOCAL, OFFSITE], "  minimumTargets: 2\n", "Failed", 1),
        (&[LOCAL, REQUIRED], "", "Failed", 1),
    ];
    for (number, (steps, more, outcome, code)) in cases.into_iter().enumerate() {
        let (answer, run) = run(&world, steps, more);
        assert_eq!(run["outcome"], outcome, "{more}: {run}");
        answer.code(code);
        // The recovery point is there all the same, and is told.
        let points = points_at(&world, "local");
        assert_eq!(points.len(), number + 1);
        assert!(points.contains(&run["recoveryPoint"].as_str().unwrap().to_owned()));
        world.assert_spool_empty();
    }
    let shown = |run: &Value| run["cause"].as_str().unwrap().to_owned();
    let runs = world.runs();
    let (required, minimum) = (shown(&runs[0]), shown(&runs[1]));
    let told = "targets-missing: the recovery point is not at target s3, which is required; it is committed at local, from where it can be restored: target s3 was given up: ";
    assert!(required.starts_with(told), "{required}");
    let told = "targets-missing: the recovery point is at 1 of the 2 targets that it has to be at; it is committed at local, ";
    assert!(minimum.starts_with(told), "{minimum}");
    restored_from(&world, "local", runs[0]["recoveryPoint"].as_str().unwrap());
}

#[test]
fn what_a_step_may_not_be_without_is_judged_before_anything_runs() {
    let world = half_dead();
    let cases = [
        (
            &[LOCAL, OFFSITE][..],
            "  minimumTargets: 3\n",
            "spec.minimumTargets of a Schedule asks for 3 targets, and the store steps name only 2 (local, s3); add store steps, or lower it",
        ),
        (
            &[
                LOCAL,
                "{name: drill, drill: {target: local}, required: true}",
            ],
            "",
            "spec.steps[3].required of a Schedule belongs to store steps: it says which targets a run may not be without; remove it",
        ),
    ];
    for (steps, more, told) in cases {
        store_at(&world, steps, more);
        let answer = world.drydock(&["schedule", "check"]).code(64);
        assert!(answer.stderr.contains(told), "{}", answer.stderr);
    }
}

#[test]
fn a_target_that_hangs_holds_back_no_other() {
    let world = World::new();
    let proxy = runtime()
        .block_on(Proxy::before(&format!("127.0.0.1:{}", s3().port())))
        .unwrap();
    write_s3(&world, &proxy.url("http"), "");
    store_at(&world, &[LOCAL, REQUIRED], "");
    proxy.order(Accident::Hold, 0, u32::MAX);
    let mut command = world.command(&["run", "s1", "--output", "json"]);
    let child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let happened = proxy.wait_for_accidents(1, Duration::from_secs(60));
    runtime().block_on(happened).unwrap();
    wait("the other target has it", || {
        let files = world.stored_files();
        files.iter().any(|file| file.ends_with("manifest.json"))
    });
    proxy.order(Accident::Hold, u64::MAX, 0);
    proxy.release();
    let answer = Answer::of(child.wait_with_output().unwrap());
    let runs: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap();
    // Whoever waited in vain for what was stored there before says so.
    let outcome = runs[0]["outcome"].as_str().unwrap();
    assert!(["Succeeded", "Degraded"].contains(&outcome), "{}", runs[0]);
    let point = runs[0]["recoveryPoint"].as_str().unwrap();
    for target in ["local", "s3"] {
        assert_eq!(points_at(&world, target), [point]);
        restored_from(&world, target, point);
    }
}
