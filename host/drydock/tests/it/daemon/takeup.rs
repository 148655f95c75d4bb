//! What a process that died leaves is taken up by the next one.

use std::os::unix::process::ExitStatusExt as _;

use super::kit::{Daemon, configure, occurrences, put, runs, set_clock, to_the_hour};
use crate::faulty::KILL;
use crate::world::World;

/// SIGKILL.
const KILLED: i32 = 9;

/// Lets the daemon die at a place, when the hour comes.
fn killed_at(world: &World, place: &str) {
    set_clock(world, to_the_hour(-600));
    let mut daemon = Daemon::start_with(world, |command| {
        command.env(KILL, place);
    });
    daemon.wait_serving();
    set_clock(world, to_the_hour(0));
    assert_eq!(daemon.ended().signal(), Some(KILLED));
}

#[test]
fn an_occurrence_that_was_recorded_and_not_begun_is_started_by_the_next_daemon() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    killed_at(&world, "after-decision:1");
    assert_eq!(occurrences(&world, "s1")[0].end.word(), "Started");
    assert!(runs(&world).is_empty());
    let mut daemon = Daemon::start(&world);
    daemon.wait_said("an occurrence whose run had not begun is started", 1);
    daemon.wait_said("the run has ended", 1);
    daemon.stop();
    assert_eq!(occurrences(&world, "s1").len(), 1);
    assert_eq!(world.recovery_points().len(), 1);
}

#[test]
fn an_unfinished_run_is_taken_up_by_the_next_daemon_and_ends_once() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    killed_at(&world, "after-record:6");
    assert_eq!(runs(&world)[0]["outcome"], serde_json::Value::Null);
    let mut daemon = Daemon::start(&world);
    let ended = daemon.wait_said("the run has ended", 1);
    assert_eq!(ended["outcome"], "Succeeded");
    // The last success is told by the next one without any run.
    let success = "drydock_schedule_last_success_timestamp_seconds{schedule=\"s1\"}";
    let told = daemon.metric(success);
    daemon.stop();
    assert_eq!(world.recovery_points().len(), 1);
    world.assert_spool_empty();
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    assert!(told.is_some() && daemon.metric(success) == told);
    daemon.stop();
}

#[test]
fn a_run_whose_schedule_is_gone_goes_on_with_what_it_pinned() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    killed_at(&world, "after-record:6");
    let file = world.scratch.join("schedules/s1.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    put(
        &world,
        "schedules/s1.yaml",
        &text.replace("name: s1", "name: s2"),
    );
    let mut daemon = Daemon::start(&world);
    let ended = daemon.wait_said("the run has ended", 1);
    assert_eq!(ended["outcome"], "Succeeded");
    daemon.stop();
    assert_eq!(world.recovery_points().len(), 1);
}

#[test]
fn a_run_whose_pins_are_gone_is_halted_until_they_are_back() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    killed_at(&world, "after-record:6");
    let (pins, away) = (world.scratch.join("state/pins"), world.scratch.join("away"));
    std::fs::rename(&pins, &away).unwrap();
    let mut daemon = Daemon::start(&world);
    let halted = daemon.wait_said("the run cannot be taken up", 1);
    assert_eq!(halted["outcome"], "Halted");
    daemon.wait_serving();
    assert_eq!(daemon.metric("drydock_runs_halted"), Some(1.0));
    assert_eq!(daemon.metric("drydock_runs_stuck"), Some(0.0));
    let (code, body) = daemon.get("/readyz");
    assert!(code == 200 && body.contains("warn runs: s1."), "{body}");
    let _ = std::fs::remove_dir_all(&pins);
    std::fs::rename(&away, &pins).unwrap();
    daemon.wait_said("the run has ended", 1);
    daemon.wait("nothing is halted", |daemon| {
        daemon.metric("drydock_runs_halted") == Some(0.0)
    });
    daemon.stop();
    assert_eq!(world.recovery_points().len(), 1);
}
