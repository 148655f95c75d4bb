//! What a target and a node allow to be sent at once.

use std::time::Instant;

use super::kit::{points_at, restored_from, s3, store_at, write_s3};
use crate::world::World;

/// The slowest that there is: several times as long as a run takes without a limit.
const KIBIBYTES_PER_SECOND: u64 = 128;

/// Seconds that the sealed bytes of a run take at the limit, but for the first piece.
fn seconds_at_the_limit(run: &serde_json::Value) -> f64 {
    let outputs = run["outputs"].as_array().unwrap().iter();
    let sealed: u64 = outputs
        .map(|output| output["sealedBytes"].as_u64().unwrap())
        .sum();
    assert!(sealed > 512 * 1024, "too little to feel a limit: {sealed}");
    (sealed - 64 * 1024) as f64 / (KIBIBYTES_PER_SECOND * 1024) as f64
}

#[test]
fn bytes_go_no_faster_than_a_target_or_its_node_allows() {
    let limit =
        format!("{{uploadKibibytesPerSecond: {KIBIBYTES_PER_SECOND}, parallelRequests: 1}}");
    let of_target = (format!("  limits: {limit}\n"), String::new());
    let of_node = (String::new(), format!("  targetLimits: {limit}\n"));
    for (target, node) in [of_target, of_node] {
        let mut world = World::new();
        world.extra_node = node;
        world.write();
        write_s3(&world, &s3().url(""), &target);
        store_at(&world, &["{name: offsite, target: s3}"], "");
        let begun = Instant::now();
        let (answer, run) = world.run();
        let took = begun.elapsed().as_secs_f64();
        answer.ok();
        let least = seconds_at_the_limit(&run);
        assert!(took >= least, "{took} s, and {least} s is the least");
        let points = points_at(&world, "s3");
        restored_from(&world, "s3", &points[0]);
    }
}

#[test]
fn a_limit_that_is_none_is_told() {
    let world = World::alone();
    write_s3(
        &world,
        "http://127.0.0.1:1",
        "  limits: {uploadKibibytesPerSecond: 1}\n",
    );
    let answer = world.drydock(&["schedule", "check"]).code(64);
    let told = "spec.limits.uploadKibibytesPerSecond of a Target must be a whole number from 128 to 104857600, but it is 1";
    assert!(answer.stderr.contains(told), "{}", answer.stderr);
}
