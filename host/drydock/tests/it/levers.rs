//! The shipped program has no lever for tests: whatever variable is set, it does what it
//! does without.

use drydock_core::UnixTime;
use drydock_testkit::Scratch;
use serde_json::Value;

use crate::daemon::kit::real_now;
use crate::faulty::{CLOCK_OFFSET, KILL, faulty};
use crate::world::{Answer, DRYDOCK, World, checkout};

/// What the names of all variables begin with that a test could pull.
const PREFIX: &[u8] = b"DRYDOCK_TEST_";

/// A day and a bit.
const AHEAD: &str = "91800";

#[test]
fn no_variable_kills_a_run_or_moves_its_clock() {
    let world = World::new();
    let begun = UnixTime(real_now()).to_string();
    for place in ["before-record:1", "after-record:1"] {
        let mut command = world.command(&["run", "s1"]);
        command.env(KILL, place).env(CLOCK_OFFSET, AHEAD);
        Answer::of(command.output().unwrap()).ok();
    }
    let ended = UnixTime(real_now()).to_string();
    let listed = world.drydock(&["recovery-point", "list", "--output", "json"]);
    let points: Vec<Value> = serde_json::from_str(&listed.ok().stdout).unwrap();
    assert_eq!(points.len(), 2);
    for point in points {
        let taken = point["taken"].as_str().unwrap();
        assert!(*begun <= *taken && *taken <= *ended, "{taken}");
    }
}

#[test]
fn no_variable_kills_a_restore() {
    let scratch = Scratch::new().unwrap();
    let fixture = checkout().join("host/snapshot/fixtures/etcd-3.6.16.db");
    let data = scratch.join("data");
    let mut command = std::process::Command::new(DRYDOCK);
    command
        .args(["snapshot", "restore", "--config", "/nowhere"])
        .args(["--initial-cluster", "m1=https://10.0.0.1:2380"])
        .arg("--data-dir")
        .arg(&data)
        .arg(fixture)
        .env(KILL, "after-phase:1");
    let answer = Answer::of(command.output().unwrap());
    assert!(answer.code.is_some(), "it was killed: {}", answer.stderr);
    assert!(data.exists(), "{}", answer.stderr);
}

#[test]
fn the_shipped_program_does_not_even_know_the_names() {
    let names = |program: &std::path::Path| {
        let bytes = std::fs::read(program).unwrap();
        let mut places = bytes.windows(PREFIX.len());
        places.any(|place| place == PREFIX)
    };
    assert!(names(faulty()), "the one that does is found out by this");
    assert!(!names(DRYDOCK.as_ref()));
}
