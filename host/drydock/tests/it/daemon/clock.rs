//! A clock that is wrong by a day, in either direction.

use super::kit::{Daemon, configure, occurrences, runs, set_clock, to_the_hour};
use crate::faulty::CLOCK_OFFSET;
use crate::world::{Answer, World};

const DAY: i64 = 86_400;

/// A command with the clock of the test.
fn at_clock(world: &World, arguments: &[&str]) -> Answer {
    let mut command = world.faulty(arguments);
    command.env(CLOCK_OFFSET, format!("@{}", world.path("clock")));
    Answer::of(command.output().unwrap())
}

#[test]
fn a_clock_a_day_back_is_refused_until_it_is_set() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    set_clock(&world, 0);
    at_clock(&world, &["run", "s1"]).ok();
    set_clock(&world, -DAY);
    let refused = at_clock(&world, &["run", "s1"]).code(75);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    for part in [
        "earlier than",
        "when run s1.",
        "set this machine's clock",
        "--accept-clock",
    ] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    let mut daemon = Daemon::start(&world);
    daemon.wait_said("nothing is planned until then", 1);
    daemon.wait("it is not ready and says why", |daemon| {
        let (code, body) = daemon.get("/readyz");
        code == 503 && body.contains("fail clock: the clock shows ")
    });
    assert_eq!(daemon.metric("drydock_clock_sane"), Some(0.0));
    set_clock(&world, 0);
    daemon.wait_said("the clock is right again", 1);
    daemon.wait_serving();
    assert_eq!(daemon.get("/readyz").0, 200);
    daemon.stop();
}

#[test]
fn a_clock_that_was_a_day_ahead_is_refused_until_it_is_accepted() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    set_clock(&world, to_the_hour(DAY - 600));
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    set_clock(&world, to_the_hour(DAY));
    daemon.wait_said("the run has ended", 1);
    // Corrected while it runs: it plans nothing more, and neither does one that starts.
    set_clock(&world, to_the_hour(-600));
    daemon.wait_said("nothing is planned until then", 1);
    daemon.wait("it is not ready", |daemon| daemon.get("/readyz").0 == 503);
    daemon.stop();
    at_clock(&world, &["run", "s1"]).code(75);
    assert_eq!(occurrences(&world, "s1").len(), 1);

    let mut daemon = Daemon::start_with(&world, |command| {
        command.arg("--accept-clock");
    });
    daemon.wait_serving();
    assert!(
        occurrences(&world, "s1").is_empty(),
        "tomorrow is not decided yet"
    );
    set_clock(&world, to_the_hour(0));
    daemon.wait_said("the run has ended", 2);
    daemon.stop();
    // Accepted once is enough.
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    assert_eq!(daemon.get("/readyz").0, 200);
    // Tomorrow's run was made, and tomorrow's occurrence says so.
    set_clock(&world, to_the_hour(DAY));
    daemon.wait_said("was made before, while the clock was ahead", 1);
    daemon.stop();
    assert_eq!(occurrences(&world, "s1")[0].end.word(), "Failed");
    assert_eq!(runs(&world).len(), 2);
}
