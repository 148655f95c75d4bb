//! How the last run of each schedule ended, and why: /readyz says it, and says it again
//! after a restart.

use super::kit::{Daemon, configure, runs, set_clock, to_the_hour};
use crate::world::World;

const GOOD: &str = "drydock_runs_total{schedule=\"s1\",outcome=\"Succeeded\"}";

/// The line of /readyz about it.
fn outcome(daemon: &Daemon<'_>) -> String {
    let (code, body) = daemon.get("/readyz");
    assert_eq!(
        code, 200,
        "one that failed is no reason to send nobody here: {body}"
    );
    let mut lines = body.lines();
    let line = lines.find(|line| {
        line.split(' ')
            .nth(1)
            .is_some_and(|w| w.starts_with("outcomes"))
    });
    line.unwrap_or_default().to_owned()
}

#[test]
fn a_run_that_failed_is_told_with_its_cause_until_one_succeeds() {
    let mut world = World::new();
    let endpoints = std::mem::replace(&mut world.endpoints, vec!["https://127.0.0.1:1".to_owned()]);
    impatient(&mut world);
    set_clock(&world, to_the_hour(-600));
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    assert_eq!(outcome(&daemon), "ok outcomes");
    set_clock(&world, to_the_hour(0));
    let said = daemon.wait_said("the run has ended", 1);
    assert_eq!(said["outcome"], "Failed");
    daemon.wait("the outcome is shown", |daemon| {
        outcome(daemon) != "ok outcomes"
    });
    let told = outcome(&daemon);
    let run = runs(&world).remove(0);
    let begins = format!(
        "warn outcomes: s1: the last run, {}, ended Failed: unreachable: ",
        run["run"].as_str().unwrap()
    );
    assert!(told.starts_with(&begins), "{told}");
    daemon.stop();
    let cause = run["cause"].as_str().unwrap();
    let listed = world.drydock(&["run", "list"]).ok().stdout;
    assert!(listed.contains(&cause[..100]), "{listed}");
    let id = run["run"].as_str().unwrap();
    let shown = world.drydock(&["run", "show", id]).ok().stdout;
    let last = shown.lines().last().unwrap();
    assert_eq!(format!("unreachable: {last}"), cause, "{shown}");

    // Another process knows it as well.
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    assert_eq!(outcome(&daemon), told);
    daemon.stop();
    world.endpoints = endpoints;
    impatient(&mut world);
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    assert_eq!(outcome(&daemon), told);
    set_clock(&world, to_the_hour(3600));
    daemon.wait("the next one succeeds", |daemon| {
        daemon.metric(GOOD) == Some(1.0)
    });
    daemon.wait("nothing is to be told", |daemon| {
        outcome(daemon) == "ok outcomes"
    });
    daemon.stop();
}

fn impatient(world: &mut World) {
    configure(world, "0 * * * *", "  backoffLimit: 0\n", 60);
}

/// An occurrence whose run could not even be started is a backup that failed.
#[test]
fn a_run_that_could_not_be_started_is_told_too() {
    let mut world = World::new();
    world.store_plugin = "no-such-plugin".to_owned();
    configure(
        &mut world,
        "0 * * * *",
        "  startingDeadlineSeconds: 60\n",
        60,
    );
    set_clock(&world, to_the_hour(-600));
    let mut daemon = Daemon::start(&world);
    // It answers before its documents are in force.
    daemon.wait_said("the daemon is there", 1);
    set_clock(&world, to_the_hour(0));
    daemon.wait_said("the run could not be started yet", 1);
    set_clock(&world, to_the_hour(100));
    daemon.wait_said("its run could not be started", 1);
    let shows = |daemon: &Daemon<'_>| {
        let (_, body) = daemon.get("/readyz");
        body.lines().any(|line| {
            line.starts_with("warn outcomes: s1: the last run, due 20")
                && line.contains("could not be started: ")
        })
    };
    daemon.wait("it is shown", shows);
    daemon.stop();
    let mut daemon = Daemon::start(&world);
    daemon.wait("it is shown again", |daemon| {
        daemon.connect().is_some() && shows(daemon)
    });
    daemon.stop();
}
