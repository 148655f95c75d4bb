//! A schedule that is moved from one service to another while the daemon runs.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::kit::{
    SECRETS, azure, points_at, restored_from, s3, store_when, trust_azure, write_azure, write_s3,
};
use crate::daemon::kit::{Daemon, assert_no_secret, occurrences, put, real_now, runs, set_clock};
use crate::world::{World, files_under};

/// The step as it is written: two lines say where a recovery point goes.
const AZURE: &str = "name: to-azure\n      target: azure";
const S3: &str = "name: to-s3\n      target: s3";

/// Longer than the first part of the test takes on a busy machine, and less than services allow a
/// clock to be wrong.
const MINUTES_BETWEEN: i64 = 7;

#[test]
fn a_schedule_moves_from_azure_to_s3_by_a_change_of_two_lines() {
    let mut world = World::new();
    world.extra_node = "  daemon: {listen: \"127.0.0.1:0\"}\n".to_owned();
    trust_azure(&mut world);
    write_azure(&world, &azure().url(""), "");
    write_s3(&world, &s3().url(""), "");
    // Near the real time, since services refuse what is signed at another.
    let first = real_now() / 60 + 1;
    let second = first + MINUTES_BETWEEN;
    let cron = format!("{},{} * * * *", first % 60, second % 60);
    store_when(&world, &cron, &[AZURE], "");
    set_clock(&world, 0);
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    set_clock(&world, first * 60 + 1 - real_now());
    daemon.wait("a recovery point at Azure", |_| finished(&world) == 1);

    let file = "schedules/schedule.yaml";
    let text = std::fs::read_to_string(world.scratch.join(file)).unwrap();
    let moved = text.replace(AZURE, S3);
    let changed = text.lines().zip(moved.lines()).filter(|(a, b)| a != b);
    assert_eq!(changed.count(), 2);
    put(&world, file, &moved);
    daemon.wait_said("the documents are in force", 2);
    set_clock(&world, second * 60 + 1 - real_now());
    daemon.wait("a recovery point at S3", |_| finished(&world) == 2);
    assert_eq!(occurrences(&world, "s1").len(), 2);
    let log = daemon.log();
    daemon.stop();

    for run in runs(&world) {
        assert_eq!(run["outcome"], "Succeeded", "{run}");
    }
    for target in ["azure", "s3"] {
        let points = points_at(&world, target);
        assert_eq!(points.len(), 1, "{target}: {points:?}");
        restored_from(&world, target, &points[0]);
    }
    assert_no_secret(&world, &log);
    assert_no_service_secret(&world);
}

fn finished(world: &World) -> usize {
    let finished = runs(world)
        .into_iter()
        .filter(|run| !run["finished"].is_null());
    finished.count()
}

/// No file of the node holds a key of the services but those in which the operator keeps it:
/// neither journal, spool, caches nor log, whatever they are encoded in.
fn assert_no_service_secret(world: &World) {
    let keeps = ["s3-secret", "azure-key"];
    for file in files_under(world.scratch.path()) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if keeps.contains(&name) {
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        for secret in SECRETS {
            for needle in encoded(secret) {
                let found = bytes.windows(needle.len()).any(|bytes| bytes == needle);
                assert!(!found, "{} holds a key of a service", file.display());
            }
        }
    }
}

/// A text as it is, for a URL, in hex, and in base64 wherever in other bytes it may stand.
fn encoded(text: &str) -> Vec<Vec<u8>> {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let url = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    let aligned = (0..3).map(|before| {
        let shifted = [&[b' '; 3][..before], text.as_bytes()].concat();
        let whole = shifted.len() / 3 * 3;
        // The letters that what stands before has a part of are left out.
        BASE64_STANDARD.encode(&shifted[..whole])[4 * before.min(1)..].to_owned()
    });
    let texts = [text.to_owned(), hex, url.collect()].into_iter();
    texts.chain(aligned).map(String::into_bytes).collect()
}
