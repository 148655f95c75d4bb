//! The node itself: a state folder without room, a process without file handles.

use std::process::Command;

use drydock_testkit::mounts::Mounts;

use super::endpoints::plain_cluster;
use super::{assert_nothing_stored, impatient};
use crate::bad_input::Case;
use crate::world::{Answer, World};

fn case(name: &'static str) -> Case {
    impatient(name, World::of(plain_cluster()))
}

#[test]
fn a_state_folder_without_room() {
    let case = case("state-full");
    let state = case.world.scratch.join("state");
    let command = Mounts::new()
        .full(&state)
        .around(&case.command(&["run", "s1"]));
    case.judge(1, answer_of(command));
    assert_nothing_stored(&case);
}

#[test]
fn a_state_folder_that_cannot_be_written() {
    let case = case("state-read-only");
    let state = case.world.scratch.join("state");
    let command = Mounts::new()
        .read_only(&state)
        .around(&case.command(&["run", "s1"]));
    case.judge(1, answer_of(command));
    assert_nothing_stored(&case);
}

#[test]
fn too_few_file_handles() {
    let case = case("too-few-file-handles");
    let inner = case.command(&["run", "s1"]);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 16; exec \"$@\"", "limited"])
        .arg(inner.get_program())
        .args(inner.get_args());
    case.judge(1, answer_of(command));
    assert_nothing_stored(&case);
}

fn answer_of(mut command: Command) -> Answer {
    Answer::of(command.output().unwrap())
}
