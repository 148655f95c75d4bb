//! Documents that change while the daemon runs.

use rustix::process::Signal;

use super::kit::{
    Daemon, configure, occurrences, put, put_schedule, schedule, set_clock, to_the_hour,
};
use crate::world::World;

const VALID: &str = "drydock_documents_valid";

#[test]
fn a_folder_comes_into_force_whole_or_not_at_all() {
    let mut world = World::alone();
    configure(&mut world, "0 0 1 1 *", "", 60);
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    let next = "drydock_schedule_next_due_timestamp_seconds{schedule=\"s2\"}";
    assert_eq!(daemon.metric(next), None);

    put_schedule(&world, "s2", "0 0 1 1 *", "");
    daemon.wait("s2 is in force", |daemon| daemon.metric(next).is_some());

    // One file is wrong: the other, which is right, does not come into force either.
    let wrong =
        schedule("s2", "0 0 1 1 *", "").replace("cluster: c1", "cluster: c1\n  tomeZone: UTC");
    put(&world, "schedules/s2.yaml", &wrong);
    put_schedule(&world, "s3", "0 0 1 1 *", "");
    daemon.wait("the folder is refused", |daemon| {
        daemon.metric(VALID) == Some(0.0)
    });
    let (code, body) = daemon.get("/readyz");
    assert_eq!(code, 200, "{body}");
    assert!(
        body.contains("warn documents: ") && body.contains("s2.yaml:6:3"),
        "{body}"
    );
    assert!(body.contains("timeZone"), "{body}");
    let third = "drydock_schedule_next_due_timestamp_seconds{schedule=\"s3\"}";
    assert!(daemon.metric(third).is_none() && daemon.metric(next).is_some());
    assert_eq!(
        daemon.said("the documents were refused").len(),
        1,
        "said once a change"
    );

    std::fs::remove_file(world.scratch.join("schedules/s2.yaml")).unwrap();
    // The series of schedules come into being a moment before the folder counts as valid.
    daemon.wait("s3 is in force", |daemon| {
        daemon.metric(third).is_some() && daemon.metric(VALID) == Some(1.0)
    });
    assert!(daemon.metric(next).is_none());
    assert!(daemon.get("/readyz").1.contains("ok documents"));
    daemon.stop();
}

#[test]
fn what_cannot_change_while_the_daemon_runs_is_said() {
    let mut world = World::alone();
    configure(&mut world, "0 0 1 1 *", "", 60);
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    let file = world.scratch.join("drydock.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    put(
        &world,
        "drydock.yaml",
        &text.replace("state: state", "state: elsewhere"),
    );
    let said = daemon.wait_said("until the daemon is restarted", 1);
    assert_eq!(said["key"], "spec.state");
    assert!(!world.scratch.join("elsewhere").exists());
    daemon.signal(Signal::HUP);
    daemon.wait_said("a reload was asked for", 1);
    daemon.wait_said("the documents are in force", 3);
    daemon.stop();
}

#[test]
fn another_timetable_owes_nothing_of_the_past() {
    let mut world = World::alone();
    configure(&mut world, "0 0 1 1 *", "", 60);
    set_clock(&world, to_the_hour(1800));
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    put_schedule(&world, "s1", "*/5 * * * *", "");
    daemon.wait_said("the documents are in force", 2);
    set_clock(&world, to_the_hour(1800 + 301));
    daemon.wait("the new timetable's first occurrence", |_| {
        !occurrences(&world, "s1").is_empty()
    });
    daemon.stop();
    assert_eq!(occurrences(&world, "s1").len(), 1);
}

#[test]
fn wrong_documents_at_the_start_are_all_named() {
    let mut world = World::alone();
    configure(&mut world, "0 0 1 1 *", "", 60);
    put(
        &world,
        "schedules/s2.yaml",
        &schedule("s2", "99 * * * *", ""),
    );
    put(
        &world,
        "schedules/s3.yaml",
        &schedule("s3", "0 25 * * *", ""),
    );
    let answer = world.drydock(&["daemon"]).code(64);
    assert!(answer.stderr.contains("s2.yaml:6:13"), "{}", answer.stderr);
    assert!(answer.stderr.contains("s3.yaml:6:13"), "{}", answer.stderr);
    assert!(!world.scratch.join("state/journal.db").exists());
}
