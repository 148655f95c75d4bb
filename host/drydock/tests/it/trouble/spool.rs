//! A spool without room, and one that may not be written.

use drydock_testkit::mounts::{Mounts, seen_by};

use super::endpoints::plain_cluster;
use super::stream::{behind_proxy, started_and_held};
use super::{assert_nothing_stored, ended, ends_with, hide_endpoints, impatient};
use crate::bad_input::Case;
use crate::world::{Answer, World};

const MEBIBYTE: u64 = 1024 * 1024;

fn case(name: &'static str) -> Case {
    impatient(name, World::of(plain_cluster()))
}

#[test]
fn too_little_room_from_the_start() {
    let mut case = case("spool-too-small");
    case.hides_numbers = true;
    let spool = case.world.scratch.join("state/spool");
    let mounts = Mounts::new().small(&spool, 16 * MEBIBYTE);
    ends_with(&case, 1, |command| mounts.around(&command));
    assert_nothing_stored(&case);
}

#[test]
fn a_spool_that_cannot_be_written() {
    let case = case("spool-read-only");
    let spool = case.world.scratch.join("state/spool");
    let mounts = Mounts::new().read_only(&spool);
    ends_with(&case, 1, |command| mounts.around(&command));
    assert_nothing_stored(&case);
}

/// Somebody else takes the room while the snapshot streams in.
#[test]
fn a_spool_that_fills_up_midway() {
    let cluster = plain_cluster();
    let (world, proxy) = behind_proxy(&cluster);
    let mut case = impatient("spool-fills-up", world);
    hide_endpoints(&mut case, &cluster);
    case.hide(&proxy.url("http"), "http://<member-0>");
    case.hides_numbers = true;
    let spool = case.world.scratch.join("state/spool");
    let kept = case.world.scratch.join("kept");
    let mounts = Mounts::new()
        .small(&spool, 128 * MEBIBYTE)
        .keep(&spool, &kept);
    let command = mounts.around(&case.command(&["run", "s1"]));
    let child = started_and_held(command, &proxy);
    let filler = seen_by(child.id(), &spool).join("filler");
    // It ends with the last byte that there is room for.
    std::fs::write(&filler, vec![0; 128 << 20]).unwrap_err();
    proxy.release();
    let answer = Answer::of(child.wait_with_output().unwrap());
    ended(&case, 1, answer);
    assert_nothing_stored(&case);
    let left: Vec<_> = std::fs::read_dir(kept).unwrap().collect();
    assert_eq!(left.len(), 1, "more than the filler is left: {left:?}");
}
