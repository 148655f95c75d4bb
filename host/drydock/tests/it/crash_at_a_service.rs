//! The process is killed at each phase of an upload to a service, while the service has done
//! what was asked and before anybody heard of it; the run goes on to one recovery point.

use drydock_testkit::fault_proxy::{Fault, Order, Requests, Stage};
use serde_json::Value;

use crate::stores::node::Node;
use crate::world::files_under;

const MANIFEST: Requests = Requests::of("PUT").with(&["/manifest.json"]);

/// What the service is asked when the process dies, and whether it did it.
type Phase = (&'static str, Requests, Stage);

fn die_at_each(new: fn() -> Node, phases: &[Phase]) {
    for (phase, requests, stage) in phases {
        let node = new();
        node.kill_at(Order::first(*requests, Fault::Stall, *stage));
        let resumed = node.world.resume();
        let runs: Vec<Value> = serde_json::from_str(&resumed.stdout).unwrap_or_default();
        let outcome = runs.first().map(|run| &run["outcome"]);
        let succeeded = Value::from("Succeeded");
        assert_eq!(outcome, Some(&succeeded), "{phase}: {}", resumed.stderr);
        node.assert_one_recovery_point();
        node.assert_no_secret_is_told(&resumed.stderr);
    }
}

#[test]
fn killed_at_any_phase_of_an_upload_to_s3_a_run_ends_with_one_recovery_point() {
    let part = Requests::of("PUT").with(&["?partNumber"]);
    let complete = Requests::of("POST").with(&["?uploadId"]);
    die_at_each(
        Node::s3,
        &[
            (
                "begun",
                Requests::of("POST").with(&["?uploads"]),
                Stage::After,
            ),
            ("part sent", part, Stage::After),
            ("completed", complete, Stage::After),
            ("before the manifest", MANIFEST, Stage::Before),
            ("after the manifest", MANIFEST, Stage::After),
        ],
    );
}

/// A server acknowledges whatever it gets under a checksum of just that, so nothing else than this
/// node can know.
#[test]
fn a_spool_that_rots_while_nobody_runs_is_not_stored() {
    let node = Node::s3();
    let part = Requests::of("PUT").with(&["?partNumber"]);
    node.kill_at(Order::first(part, Fault::Stall, Stage::Before));
    let spools = files_under(&node.world.scratch.join("state/spool"));
    let [spool] = &spools[..] else {
        panic!("one sealed output: {spools:?}");
    };
    let mut bytes = std::fs::read(spool).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(spool, bytes).unwrap();
    let resumed = node.world.resume();
    let runs: Vec<Value> = serde_json::from_str(&resumed.stdout).unwrap_or_default();
    let run = runs.first().cloned().unwrap_or_default();
    assert_eq!(run["outcome"], "Succeeded", "{}", resumed.stderr);
    // The backup ran anew: what lay there was of no use.
    assert_eq!(run["steps"][0]["attempts"], 2, "{run}");
    assert!(
        resumed
            .stderr
            .contains("holds other bytes than were written to it")
    );
    node.assert_one_recovery_point();
}

#[test]
fn killed_at_any_phase_of_an_upload_to_azure_a_run_ends_with_one_recovery_point() {
    let block = Requests::of("PUT").with(&["?comp=block"]);
    let list = Requests::of("PUT").with(&["?comp=blocklist"]);
    die_at_each(
        Node::azure,
        &[
            ("begun", block, Stage::Before),
            ("block sent", block, Stage::After),
            ("completed", list, Stage::After),
            ("before the manifest", MANIFEST, Stage::Before),
            ("after the manifest", MANIFEST, Stage::After),
        ],
    );
}
