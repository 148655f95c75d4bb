//! `latest`: the newest, or a sentence why it is not taken.

use super::{Machine, back_up, plain, stored};
use crate::world::assert_golden;

const POINT: &str = "recovery-point";

#[test]
fn the_newest_is_never_passed_over_in_silence() {
    let (world, first) = stored();
    let second = loop {
        // Their names tell which is newer by the second.
        let second = back_up(&world);
        if second[..19] != first[..19] {
            break second;
        }
    };
    let latest = world.drydock(&[POINT, "show", "latest"]).ok();
    assert!(latest.stdout.contains(&second), "{}", latest.stdout);
    let manifest = world
        .folder()
        .join("c1")
        .join(&second)
        .join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replacen(' ', "  ", 1)).unwrap();
    let refused = world.drydock(&[POINT, "show", "latest"]).code(1);
    world.drydock(&[POINT, "show", &first]).ok();
    let told = refused.stderr.replace(&second, "<second>");
    assert_golden("rescue-latest.txt", &plain(&world, &told));
}

#[test]
fn of_several_clusters_one_has_to_be_named() {
    let (world, point) = stored();
    for file in ["schedules/cluster.yaml", "schedules/schedule.yaml"] {
        let path = world.scratch.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("c1", "c2")).unwrap();
    }
    let other = back_up(&world);
    let machine = Machine::new(&world);
    let which = machine.trusting(&[POINT, "show", "latest"]).code(64);
    let told = "error: whose newest recovery point is meant? Name it, or say --cluster: there are c1, c2\n";
    assert!(which.stderr.ends_with(told), "{}", which.stderr);
    let of = |cluster| {
        machine
            .trusting(&[POINT, "show", "latest", "--cluster", cluster])
            .ok()
    };
    assert!(of("c1").stdout.contains(&point) && of("c2").stdout.contains(&other));
    // By its name each is found, whatever documents define.
    machine.trusting(&[POINT, "show", &point]).ok();
    world.drydock(&[POINT, "show", &point]).ok();
    let ours = world.drydock(&[POINT, "show", "latest"]).ok();
    assert!(ours.stdout.contains(&other), "{}", ours.stdout);
}
