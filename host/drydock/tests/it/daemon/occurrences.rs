//! What is due: real occurrences end to end, those that were missed or skipped, those that
//! could not be prepared.

use drydock_core::{OccurrenceEnd, SkipReason};
use drydock_testkit::etcd::{Cluster, EtcdOptions};

use super::kit::{
    Daemon, assert_no_secret, configure, occurrences, put_schedule, runs, schedule, set_clock,
    to_the_hour,
};
use crate::backup::all_keys;
use crate::world::{World, runtime, shared_cluster};

#[test]
fn every_minute_makes_a_recovery_point_that_restores_to_the_same_keys() {
    let mut world = World::new();
    configure(&mut world, "* * * * *", "", 60);
    let mut daemon = Daemon::start(&world);
    daemon.wait_said("the run has ended", 2);
    // Beside the daemon, lists work and a run by hand has to wait.
    let listed = world.drydock(&["schedule", "list"]).ok();
    assert!(listed.stdout.contains("Succeeded"), "{}", listed.stdout);
    let refused = world.drydock(&["run", "s1"]).code(75);
    assert!(
        refused.stderr.contains("in use by process"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("`drydock daemon` since"),
        "{}",
        refused.stderr
    );
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    let late = daemon.said("the run is under way");
    assert!(
        late.iter()
            .all(|line| line["late_ms"].as_u64().unwrap() < 30_000)
    );
    daemon.stop();

    let points = world.recovery_points();
    assert!(points.len() >= 2, "{points:?}");
    let ends = occurrences(&world, "s1");
    assert!(
        ends.iter()
            .all(|occurrence| occurrence.end.word() == "Started"),
        "{ends:?}"
    );
    assert_eq!(ends[0].due.0 - ends[1].due.0, 60);
    for name in &points[..2] {
        assert_restores(&world, name);
    }
    assert_no_secret(
        &world,
        &std::fs::read_to_string(world.scratch.join("daemon.log")).unwrap(),
    );
}

fn assert_restores(world: &World, name: &str) {
    let file = world.fetch(name);
    runtime().block_on(async {
        let restored = Cluster::start_restored(EtcdOptions::default(), &file, &[]).await;
        let ours = all_keys(&restored.unwrap()).await;
        assert!(ours.len() > 1000);
        assert_eq!(ours, all_keys(&shared_cluster()).await);
    });
}

#[test]
fn what_fell_due_while_nobody_was_there_is_recorded_with_its_reason() {
    let mut world = World::new();
    configure(&mut world, "*/15 * * * *", "", 60);
    put_schedule(&world, "s2", "*/15 * * * *", "  catchUp: none\n");
    put_schedule(&world, "s3", "*/15 * * * *", "  suspend: true\n");
    put_schedule(&world, "s4", "*/15 * * * *", "  nodes: [somebody-else]\n");
    set_clock(&world, to_the_hour(100));
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    assert!(
        occurrences(&world, "s1").is_empty(),
        "nothing before it was seen is due"
    );
    daemon.stop();

    // Two hours later, and late for the last one.
    set_clock(&world, to_the_hour(7200 + 100));
    let mut daemon = Daemon::start(&world);
    daemon.wait_said("the run has ended", 1);
    assert_eq!(
        daemon.metric("drydock_occurrences_total{schedule=\"s1\",end=\"Missed\"}"),
        Some(7.0)
    );
    daemon.stop();

    let s1 = occurrences(&world, "s1");
    assert_eq!(s1.len(), 8);
    assert_eq!(s1[0].end.word(), "Started");
    assert!(
        s1[1..]
            .iter()
            .all(|occurrence| occurrence.end.word() == "Missed")
    );
    let reason = s1[1].end.reason().unwrap();
    assert_eq!(
        reason,
        format!("a later occurrence was due as well, at {}", s1[0].due)
    );
    let s2 = occurrences(&world, "s2");
    assert_eq!((s2.len(), s2[0].end.word()), (8, "Missed"));
    let reason = s2[0].end.reason().unwrap();
    assert!(reason.ends_with("s late, and catchUp is none"), "{reason}");
    let s3 = occurrences(&world, "s3");
    assert_eq!((s3.len(), s3[7].end.word()), (8, "Skipped"));
    let suspended = OccurrenceEnd::Skipped(SkipReason::Suspended);
    assert_eq!(s3[7].end, suspended);
    assert_eq!(suspended.reason().unwrap(), "the schedule is suspended");
    assert!(
        occurrences(&world, "s4").is_empty(),
        "another node's schedule"
    );
    // The list tells of what was skipped last as well.
    let runs = runs(&world);
    let begun = runs.iter().filter(|run| run["phase"] != "skipped");
    assert_eq!(begun.count(), 1, "{runs:?}");
}

#[test]
fn a_clock_that_jumps_ahead_fires_once_and_old_runs_are_pruned() {
    let mut world = World::new();
    configure(
        &mut world,
        "0 * * * *",
        "  successfulRunsHistoryLimit: 1\n",
        60,
    );
    set_clock(&world, to_the_hour(-600));
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    set_clock(&world, to_the_hour(5));
    daemon.wait_said("the clock was set", 1);
    daemon.wait_said("the run has ended", 1);
    // Back a little: nothing is fired again; and on to the next hour.
    set_clock(&world, to_the_hour(-60));
    daemon.wait_said("the clock was set", 2);
    set_clock(&world, to_the_hour(3600 + 5));
    daemon.wait_said("the run has ended", 2);
    daemon.wait("the first run's records are pruned", |_| {
        runs(&world).len() == 1
    });
    let revision = daemon.metric("drydock_recovery_point_revision{schedule=\"s1\"}");
    assert!(
        revision.is_some_and(|revision| revision > 1.0),
        "{revision:?}"
    );
    daemon.stop();
    assert_eq!(occurrences(&world, "s1").len(), 2);
    assert_eq!(world.recovery_points().len(), 2);
}

#[test]
fn what_cannot_be_prepared_is_tried_again_until_it_can() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    let cluster = world.scratch.join("schedules/cluster.yaml");
    let text = std::fs::read_to_string(&cluster).unwrap();
    let key = shared_cluster().client_certificate().unwrap().key.clone();
    let moved = world.path("client.key");
    std::fs::write(&cluster, text.replace(&key.display().to_string(), &moved)).unwrap();
    set_clock(&world, to_the_hour(-600));
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    // It is said at the start already, and nobody else could run here.
    assert_eq!(
        daemon.said("the schedule cannot run as things are").len(),
        1
    );
    let (code, body) = daemon.get("/readyz");
    assert!(
        code == 503 && body.contains("fail schedules: s1: "),
        "{code} {body}"
    );
    assert!(body.contains("client.key"), "{body}");
    set_clock(&world, to_the_hour(1));
    daemon.wait_said("the run could not be started yet", 1);
    std::fs::copy(key, &moved).unwrap();
    daemon.wait_said("the run has ended", 1);
    daemon.wait("it is ready", |daemon| daemon.get("/readyz").0 == 200);
    daemon.stop();
    assert_eq!(occurrences(&world, "s1")[0].end.word(), "Started");
}

#[test]
fn what_can_never_be_prepared_ends_failed_with_its_sentence() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    // s2 asks for a plugin that is not there; s1 must run nevertheless.
    let text = schedule("s2", "0 * * * *", "  startingDeadlineSeconds: 8\n");
    let text = text.replace("etcd-verify", "etcd-verifi");
    std::fs::write(world.scratch.join("schedules/s2.yaml"), text).unwrap();
    set_clock(&world, to_the_hour(-600));
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    let (code, body) = daemon.get("/readyz");
    assert!(
        code == 200
            && body.contains("warn schedules: s2: ")
            && body.contains("no plugin etcd-verifi"),
        "{body}"
    );
    set_clock(&world, to_the_hour(0));
    daemon.wait_said("its run could not be started", 1);
    daemon.wait_said("the run has ended", 1);
    daemon.wait("the failure is counted", |daemon| {
        daemon.metric("drydock_occurrences_total{schedule=\"s2\",end=\"Failed\"}") == Some(1.0)
    });
    daemon.stop();
    let failed = occurrences(&world, "s2").remove(0);
    assert_eq!(failed.end.word(), "Failed");
    let reason = failed.end.reason().unwrap();
    assert!(reason.contains("did you mean etcd-verify?"), "{reason}");
    assert_eq!(runs(&world).len(), 1);
}
