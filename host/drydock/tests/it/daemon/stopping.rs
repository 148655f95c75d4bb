//! Stopping: draining, suspending, and what the service manager is told.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use drydock_core::PluginDigest;
use rustix::process::Signal;

use super::kit::{Daemon, configure, occurrences, runs, set_clock, to_the_hour};
use crate::world::{World, fixture};

/// A node whose run waits until a gate opens.
fn gated(drain_seconds: u64) -> World {
    gated_with(drain_seconds, "")
}

/// The same with more lines for its schedule. The store takes three parts and no more
/// while the gate is closed.
fn gated_with(drain_seconds: u64, more: &str) -> World {
    let mut world = World::new();
    let plugin = fixture("store-gate");
    world.store_plugin = "store-gate".to_owned();
    world.plugins = format!("    store-gate: {{file: {}}}\n", plugin.display());
    let folder = world.folder().display().to_string();
    world.target_config = format!("{{folder: {folder}, partKibibytes: 64, gateAfter: 3}}");
    let digest = PluginDigest::of(&std::fs::read(plugin).unwrap());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: store-gate}}\nspec:\n  digest: {digest}\n  grants:\n    files: [{{directory: {folder}, access: write}}]\n"
    );
    configure(
        &mut world,
        "0 * * * *",
        &format!("  backoffLimit: 1000\n{more}"),
        drain_seconds,
    );
    world
}

fn open_gate(world: &World) {
    std::fs::write(world.folder().join("gate-open"), b"").unwrap();
}

/// Starts the daemon and waits until its run stands at the gate.
fn at_the_gate(world: &World) -> Daemon<'_> {
    set_clock(world, to_the_hour(-600));
    let mut daemon = Daemon::start(world);
    daemon.wait_serving();
    set_clock(world, to_the_hour(0));
    daemon.wait("the run stands at the gate", |_| {
        world
            .runs_so_far()
            .first()
            .is_some_and(|run| run["stores"][0]["parts"] == 3)
    });
    daemon
}

#[test]
fn a_daemon_that_is_told_to_stop_lets_its_run_end() {
    let world = gated(600);
    let mut daemon = at_the_gate(&world);
    daemon.signal(Signal::TERM);
    daemon.wait("it is draining", |daemon| {
        let (code, body) = daemon.get("/readyz");
        code == 503 && body.contains("fail serving: the daemon was told to stop")
    });
    assert_eq!(daemon.get("/healthz").0, 200);
    // What falls due now is nobody's any more.
    set_clock(&world, to_the_hour(3600));
    daemon.wait_said("the daemon was told to stop", 1);
    open_gate(&world);
    let status = daemon.ended();
    assert!(status.success(), "{status}");
    assert_eq!(world.recovery_points().len(), 1);
    assert_eq!(occurrences(&world, "s1").len(), 1);
    assert!(!world.scratch.join("state/daemon.addr").exists());
}

#[test]
fn a_second_signal_suspends_and_the_next_daemon_ends_the_run() {
    let world = gated(600);
    let mut daemon = at_the_gate(&world);
    daemon.signal(Signal::TERM);
    daemon.wait_said("the daemon was told to stop", 1);
    daemon.signal(Signal::INT);
    let status = daemon.ended();
    assert!(status.success(), "{status}");
    assert_eq!(runs(&world)[0]["outcome"], serde_json::Value::Null);
    assert!(world.recovery_points().is_empty());
    open_gate(&world);
    let mut daemon = Daemon::start(&world);
    let ended = daemon.wait_said("the run has ended", 1);
    assert_eq!(ended["outcome"], "Succeeded");
    daemon.stop();
    assert_eq!(world.recovery_points().len(), 1);
}

#[test]
fn a_run_that_takes_longer_than_draining_is_suspended() {
    let world = gated(1);
    let daemon = at_the_gate(&world);
    daemon.stop();
    assert_eq!(runs(&world)[0]["outcome"], serde_json::Value::Null);
}

/// A store that never answers holds nobody up: its call is dropped, and the run is left.
#[test]
fn a_store_that_never_answers_is_left_when_draining_is_over() {
    let mut world = World::new();
    let plugin = fixture("hostile-store");
    world.store_plugin = "hostile-store".to_owned();
    world.plugins = format!("    hostile-store: {{file: {}}}\n", plugin.display());
    let folder = world.folder().display().to_string();
    world.target_config = format!("{{folder: {folder}, do: complete-hangs, partKibibytes: 1024}}");
    let digest = PluginDigest::of(&std::fs::read(plugin).unwrap());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: hostile-store}}\nspec:\n  digest: {digest}\n  grants:\n    files: [{{directory: {folder}, access: write}}]\n"
    );
    configure(&mut world, "0 * * * *", "", 1);
    set_clock(&world, to_the_hour(-600));
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    set_clock(&world, to_the_hour(0));
    daemon.wait("the store is to complete", |_| {
        world.runs().first().is_some_and(|run| {
            run["stores"][0]["parts"].as_u64() > Some(0)
                && run["outputs"][0]["verdicts"][0]["verdict"]["pass"] == true
        })
    });
    daemon.stop();
    // Nobody knows what became of it, and the next process asks.
    assert_eq!(runs(&world)[0]["outcome"], serde_json::Value::Null);
}

#[test]
fn a_run_that_is_replaced_takes_back_what_it_began() {
    let world = gated_with(600, "  concurrencyPolicy: Replace\n");
    let mut daemon = at_the_gate(&world);
    set_clock(&world, to_the_hour(3600));
    daemon.wait_said("the run is replaced", 1);
    let first = daemon.wait_said("the run has ended", 1);
    assert_eq!(first["outcome"], "Failed");
    assert!(
        first["message"]
            .as_str()
            .unwrap()
            .contains("concurrencyPolicy is Replace")
    );
    open_gate(&world);
    assert_eq!(
        daemon.wait_said("the run has ended", 2)["outcome"],
        "Succeeded"
    );
    daemon.stop();
    assert_eq!(world.recovery_points().len(), 1);
}

#[test]
fn an_occurrence_that_meets_a_run_is_skipped_where_that_is_forbidden() {
    let world = gated_with(600, "  concurrencyPolicy: Forbid\n");
    let mut daemon = at_the_gate(&world);
    set_clock(&world, to_the_hour(3600));
    let skipped = daemon.wait_said("the occurrence ended", 1);
    assert_eq!(skipped["outcome"], "Skipped");
    open_gate(&world);
    daemon.wait_said("the run has ended", 1);
    daemon.stop();
    let ends = occurrences(&world, "s1");
    let reason = format!("the run {} of the same cluster is active", ends[1].run);
    assert_eq!(ends[0].end.reason(), Some(reason));
}

#[test]
fn the_service_manager_hears_of_every_step() {
    let mut world = World::alone();
    configure(&mut world, "0 0 1 1 *", "", 60);
    let path = world.scratch.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut daemon = Daemon::start_with(&world, |command| {
        command
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "1000000");
    });
    heard(&socket, "READY=1");
    daemon.wait_serving();
    heard(&socket, "WATCHDOG=1");
    daemon.signal(Signal::HUP);
    let reloading = heard(&socket, "RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    let ready = heard(&socket, "READY=1");
    assert!(
        ready.contains("STATUS=1 schedules, 0 runs under way"),
        "{ready}"
    );
    daemon.signal(Signal::TERM);
    heard(&socket, "STOPPING=1");
    assert!(daemon.ended().success());
}

/// Reads datagrams until one holds the word.
fn heard(socket: &UnixDatagram, word: &str) -> String {
    let mut bytes = [0; 4096];
    loop {
        let length = socket
            .recv(&mut bytes)
            .unwrap_or_else(|error| panic!("{word}: {error}"));
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if text.contains(word) {
            return text;
        }
    }
}
