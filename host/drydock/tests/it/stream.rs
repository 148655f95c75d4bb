//! The stream is a pipeline: parts are stored while the snapshot still comes in, and
//! what was stored is not sent again.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use drydock_testkit::etcd::EtcdOptions;
use drydock_testkit::wait_until;
use serde_json::Value;

use crate::world::{Answer, World, fixture, new_cluster, runtime};

/// Bytes that the large snapshot holds.
const LARGE_BYTES: usize = 300 * 1024 * 1024;

#[test]
fn eight_parts_are_stored_by_two_stores_at_once_before_the_stream_ends() {
    let options = EtcdOptions {
        quota_bytes: Some(1 << 30),
        ..EtcdOptions::default()
    };
    let cluster = new_cluster(options, 10);
    runtime().block_on(async {
        let client = cluster.client().await.unwrap();
        drydock_testkit::random_values::fill(&client, LARGE_BYTES, 7)
            .await
            .unwrap();
    });
    let mut world = World::of(Arc::new(cluster));
    // Small parts come faster than one Store can sync them.
    world.target_config = format!("{{folder: {}, partMebibytes: 1}}", world.folder().display());
    world.write();
    let answer = world
        .drydock(&["run", "s1", "--log-format", "json", "--log-level", "debug"])
        .ok();
    let lines: Vec<Value> = answer
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let ended = position(&lines, "the output's stream ended");
    let before = &lines[..ended];
    let stored = before
        .iter()
        .filter(|line| line["message"] == "part stored")
        .count();
    assert!(
        stored >= 8,
        "{stored} parts were stored before the stream ended"
    );
    assert!(most_at_once(before) >= 2, "one Store at a time");
    assert!(
        before
            .iter()
            .all(|line| line["message"] != "upload completed"),
        "something was completed before the stream ended"
    );
}

fn position(lines: &[Value], message: &str) -> usize {
    lines
        .iter()
        .position(|line| line["message"] == message)
        .unwrap_or_else(|| panic!("no line says {message}"))
}

/// Calls of `put-part` that were under way at the same time.
fn most_at_once(lines: &[Value]) -> usize {
    let mut now = 0_usize;
    let mut most = 0;
    for line in lines {
        match line["message"].as_str() {
            Some("part is sent") => now += 1,
            Some("part stored") => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// A node whose store takes three parts and no more until a gate opens.
fn gated() -> World {
    let mut world = World::new();
    world.store_plugin = "store-gate".to_owned();
    world.plugins = format!(
        "    store-gate: {{file: {}}}\n",
        fixture("store-gate").display()
    );
    world.target_config = format!(
        "{{folder: {}, partKibibytes: 64, gateAfter: 3}}",
        world.folder().display()
    );
    let digest = drydock_core::PluginDigest::of(&std::fs::read(fixture("store-gate")).unwrap());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: store-gate}}\nspec:\n  digest: {digest}\n  grants:\n    files: [{{directory: {}, access: write}}]\n",
        world.folder().display()
    );
    world.write();
    world
}

/// How often each part was handed to the store plugin with success.
fn puts(world: &World) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in std::fs::read_dir(world.folder().join(".puts"))
        .into_iter()
        .flatten()
    {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let number = name.split('-').next().unwrap().to_owned();
        *counts.entry(number).or_default() += 1;
    }
    counts
}

#[test]
fn a_killed_daemon_does_not_send_stored_parts_again() {
    let world = gated();
    let mut child = start(&world);
    wait_for(
        &world,
        &mut child,
        "three parts are stored and the verdict is in",
        |run| {
            run["stores"][0]["parts"] == 3
                && run["outputs"][0]["verdicts"][0]["verdict"]["pass"] == true
        },
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let before = puts(&world);
    for part in ["1", "2", "3"] {
        assert_eq!(before.get(part), Some(&1), "{before:?}");
    }
    std::fs::write(world.folder().join("gate-open"), b"").unwrap();
    let answer = world.resume().ok();
    let runs: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(runs[0]["outcome"], "Succeeded");
    let after = puts(&world);
    // Signature and manifest go in one request each, and take no part.
    for part in ["1", "2", "3"] {
        assert_eq!(after.get(part), Some(&1), "sent again: {after:?}");
    }
    assert!(after.len() > 3, "{after:?}");
    let name = world.recovery_points().remove(0);
    let file = world.fetch(&name);
    world
        .drydock(&["snapshot", "verify", &file.display().to_string()])
        .ok();
}

fn start(world: &World) -> Child {
    world
        .command(&["run", "s1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until the only run is as wanted, as `run show` tells of it.
fn wait_for(world: &World, child: &mut Child, what: &str, wanted: impl Fn(&Value) -> bool) {
    runtime()
        .block_on(wait_until(what, Duration::from_secs(60), async || {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the run ended too early"
            );
            shown(world).is_some_and(|run| wanted(&run))
        }))
        .unwrap();
}

fn shown(world: &World) -> Option<Value> {
    world.runs_so_far().into_iter().next()
}

#[test]
fn a_state_folder_is_held_by_one_process_at_a_time() {
    let world = gated();
    let mut child = start(&world);
    wait_for(&world, &mut child, "a part is stored", |run| {
        run["stores"][0]["parts"] != 0
    });
    let second: Answer = world.drydock(&["run", "s1"]).code(75);
    let owner = child.id().to_string();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(second.stderr.contains(&owner), "{}", second.stderr);
}
