//! Health and metrics over HTTP.

use std::io::{Read as _, Write as _};

use super::kit::{Daemon, configure, put, wait};
use crate::world::World;

/// Resident memory of an idle daemon, built without optimisation of our own crates.
const IDLE_BYTES_MAX: f64 = 64.0 * 1024.0 * 1024.0;

#[test]
fn health_and_metrics_are_answered_and_nothing_else() {
    let mut world = World::alone();
    configure(&mut world, "0 0 1 1 *", "", 60);
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    assert_eq!(daemon.get("/healthz"), (200, "ok\n".to_owned()));
    let (code, body) = daemon.get("/readyz");
    assert_eq!(code, 200, "{body}");
    for check in [
        "clock",
        "journal",
        "documents",
        "started",
        "serving",
        "schedules",
        "outcomes",
        "runs",
    ] {
        assert!(
            body.lines().any(|line| line == format!("ok {check}")),
            "{body}"
        );
    }
    assert_eq!(daemon.get("/").0, 404);
    let posted = daemon.exchange("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert!(posted.unwrap().starts_with("HTTP/1.1 405 "));
    daemon.stop();
}

#[test]
fn metrics_are_open_metrics_with_a_series_for_every_schedule() {
    let mut world = World::alone();
    configure(&mut world, "0 0 1 1 *", "", 60);
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    let answer = daemon
        .exchange("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"));
    let (_, body) = daemon.get("/metrics");
    assert!(body.ends_with("# EOF\n"));
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(
            series.starts_with("drydock_") || series.starts_with("process_"),
            "{line}"
        );
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
    }
    let now = super::kit::real_now();
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let now = now as f64;
    for (series, low, high) in [
        ("drydock_ready", 1.0, 1.0),
        ("drydock_documents_valid", 1.0, 1.0),
        ("drydock_runs_active", 0.0, 0.0),
        (
            "drydock_runs_total{schedule=\"s1\",outcome=\"Succeeded\"}",
            0.0,
            0.0,
        ),
        (
            "drydock_occurrences_total{schedule=\"s1\",end=\"Started\"}",
            0.0,
            0.0,
        ),
        (
            "drydock_schedule_next_due_timestamp_seconds{schedule=\"s1\"}",
            now,
            now + 366.0 * 86_400.0,
        ),
        (
            "drydock_documents_loaded_timestamp_seconds",
            now - 300.0,
            now + 1.0,
        ),
        ("process_start_time_seconds", now - 300.0, now + 1.0),
        ("process_resident_memory_bytes", 1e6, IDLE_BYTES_MAX),
    ] {
        let value = daemon
            .metric(series)
            .unwrap_or_else(|| panic!("{series} in {body}"));
        assert!((low..=high).contains(&value), "{series} {value}");
    }
    daemon.stop();
}

#[test]
fn nobody_can_use_up_the_daemon_by_asking() {
    let mut world = World::alone();
    configure(&mut world, "0 0 1 1 *", "", 60);
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    // More silent connections than there may be: they end by themselves.
    let mut silent: Vec<_> = (0..20).map(|_| daemon.connect().unwrap()).collect();
    let first = silent.first_mut().unwrap();
    let mut nothing = Vec::new();
    assert_eq!(first.read_to_end(&mut nothing).unwrap_or(0), 0);
    wait("somebody else is answered", || {
        daemon.get("/healthz").0 == 200
    });
    // A head without end is cut off.
    let mut endless = daemon.connect().unwrap();
    let _ = endless.write_all(b"GET /healthz HTTP/1.1\r\n");
    let header = format!("X: {}\r\n", "x".repeat(1000));
    wait("the head is cut off", || {
        endless.write_all(header.as_bytes()).is_err()
    });
    assert_eq!(daemon.get("/healthz").0, 200);
    daemon.stop();
}

fn listen(world: &World, listen: &str) {
    let node = std::fs::read_to_string(world.scratch.join("drydock.yaml")).unwrap();
    put(
        world,
        "drydock.yaml",
        &node.replace("\"127.0.0.1:0\"", listen),
    );
}

#[test]
fn an_address_that_is_taken_is_named() {
    let mut world = World::alone();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    configure(&mut world, "0 0 1 1 *", "", 60);
    listen(&world, &format!("\"{address}\""));
    let answer = world.drydock(&["daemon"]).code(1);
    let sentence = format!("cannot listen on {address}: stop whoever uses that address");
    assert!(answer.stderr.contains(&sentence), "{}", answer.stderr);
}

#[test]
fn a_daemon_may_answer_nowhere() {
    let mut world = World::alone();
    configure(&mut world, "0 0 1 1 *", "", 60);
    listen(&world, "none");
    let mut daemon = Daemon::start(&world);
    let there = daemon.wait_said("the daemon is there", 1);
    assert_eq!(there["listen"], "nowhere");
    assert!(!world.scratch.join("state/daemon.addr").exists());
    daemon.stop();
}
