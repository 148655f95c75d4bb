//! Whoever should hear us does not: stdout or stderr is full, closed, or its reader sleeps.
//! No run and no daemon takes any notice.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::process::{Command, Stdio};

use rustix::fs::OFlags;
use serde_json::Value;

use crate::daemon::kit::{Daemon, configure, set_clock, to_the_hour};
use crate::world::{Answer, World};

const LOST: &str = "drydock_log_lines_lost_total";

/// Verbs that only tell something, on a node of one schedule.
const TELLING: [&[&str]; 7] = [
    &["--help"],
    &["--version"],
    &["run", "list"],
    &["run", "list", "--output", "json"],
    &["schedule", "list"],
    &["recovery-point", "list"],
    &["plugin", "list"],
];

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe whose reader is gone.
fn closed() -> PipeWriter {
    pipe().unwrap().1
}

/// A pipe that has no room, and the reader who sleeps.
fn asleep() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    while writer.write(b".").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// The only run of the node, which nothing happened to.
fn assert_one_good_run(world: &World) {
    let listed = world.drydock(&["run", "list", "--output", "json"]).ok();
    let runs: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!(runs[0]["outcome"], "Succeeded", "{runs:#?}");
    let name = world.recovery_points().remove(0);
    world.drydock(&["recovery-point", "verify", &name]).ok();
    world.assert_spool_empty();
}

/// A run with everything that it could say, and stderr as given.
fn loud_run(world: &World) -> Command {
    let mut command = world.command(&["run", "s1", "--log-level", "trace"]);
    command.stdout(Stdio::null());
    command
}

#[test]
fn a_run_whose_log_has_no_room_succeeds() {
    let world = World::new();
    let status = loud_run(&world).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_one_good_run(&world);
}

#[test]
fn a_run_whose_readers_left_succeeds() {
    let world = World::new();
    let status = loud_run(&world)
        .stdout(closed())
        .stderr(closed())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0), "its own end counts");
    assert_one_good_run(&world);
}

#[test]
fn a_run_whose_log_nobody_reads_succeeds() {
    let world = World::new();
    let (reader, writer) = asleep();
    let status = loud_run(&world).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_one_good_run(&world);
    drop(reader);
}

/// A file that was opened in the place of a closed descriptor would get the log.
#[test]
fn a_run_without_any_descriptor_succeeds() {
    let world = World::new();
    let closing = "exec \"$0\" \"$@\" <&- >&- 2>&-";
    let mut command = Command::new("sh");
    command.args(["-c", closing, crate::world::DRYDOCK]);
    command.args(
        world
            .command(&["run", "s1", "--log-level", "debug"])
            .get_args(),
    );
    assert_eq!(command.status().unwrap().code(), Some(0));
    assert_one_good_run(&world);
}

#[test]
fn a_daemon_whose_log_has_no_room_works_and_counts_what_is_lost() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    set_clock(&world, to_the_hour(-600));
    let mut daemon = Daemon::start_with(&world, |command| {
        command.stdout(full()).stderr(full());
    });
    daemon.wait_serving();
    set_clock(&world, to_the_hour(0));
    let good = "drydock_runs_total{schedule=\"s1\",outcome=\"Succeeded\"}";
    daemon.wait("the run succeeds", |daemon| {
        daemon.metric(good) == Some(1.0)
    });
    assert!(daemon.metric(LOST) > Some(10.0));
    daemon.stop();
    assert_one_good_run(&world);
}

#[test]
fn a_daemon_whose_log_nobody_reads_works_and_stops() {
    let mut world = World::new();
    configure(&mut world, "0 * * * *", "", 60);
    set_clock(&world, to_the_hour(-600));
    let (mut reader, writer) = asleep();
    let mut daemon = Daemon::start_with(&world, |command| {
        command.stderr(writer);
    });
    daemon.wait_serving();
    set_clock(&world, to_the_hour(0));
    let good = "drydock_runs_total{schedule=\"s1\",outcome=\"Succeeded\"}";
    daemon.wait("the run succeeds", |daemon| {
        daemon.metric(good) == Some(1.0)
    });
    daemon.stop();
    // What waited is there for a reader who wakes up; the process is gone all the same.
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert_one_good_run(&world);
}

/// Data that could not be written is no success.
#[test]
fn data_that_finds_no_room_is_told_by_the_exit_code() {
    let world = World::alone();
    std::fs::create_dir(world.folder()).unwrap();
    for arguments in TELLING {
        let output = world.command(arguments).stdout(full()).output().unwrap();
        let answer = Answer::of(output).code(1);
        let told = "error: stdout cannot be written: No space left on device; what was printed there is not whole";
        assert_eq!(answer.stderr.lines().last(), Some(told), "{arguments:?}");
    }
}

/// As any other program: `drydock run list | head -1`.
#[test]
fn data_whose_reader_left_ends_quietly() {
    let world = World::alone();
    std::fs::create_dir(world.folder()).unwrap();
    for arguments in TELLING {
        let output = world.command(arguments).stdout(closed()).output().unwrap();
        let answer = Answer::of(output).code(141);
        assert!(
            !answer.stderr.contains("rror"),
            "{arguments:?}: {}",
            answer.stderr
        );
    }
}

#[test]
fn a_run_whose_report_finds_no_room_has_succeeded_and_says_what_is_missing() {
    let world = World::new();
    let output = world
        .command(&["run", "s1"])
        .stdout(full())
        .output()
        .unwrap();
    let answer = Answer::of(output).code(1);
    assert!(
        answer.stderr.contains("stdout cannot be written"),
        "{}",
        answer.stderr
    );
    assert_one_good_run(&world);
}

/// Mistakes are told where stdout does not matter, and not told where stderr is closed.
#[test]
fn usage_is_usage_whoever_hears_it() {
    let world = World::alone();
    let status = |command: &mut Command| command.status().unwrap().code();
    let wrong = &["run", "--no-such-flag"];
    assert_eq!(status(world.command(wrong).stderr(full())), Some(64));
    assert_eq!(status(world.command(wrong).stderr(closed())), Some(64));
    let unknown = &["run", "no-such-schedule"];
    assert_eq!(status(world.command(unknown).stderr(full())), Some(64));
}
