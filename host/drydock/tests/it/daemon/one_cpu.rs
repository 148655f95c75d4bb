//! A node with one processor, and plugins on it that compute without end.

use drydock_core::PluginDigest;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::kit::{Daemon, configure, put, put_schedule};
use crate::world::{World, fixture};

/// More than there are threads for plugins.
const SPINNERS: [&str; 3] = ["spin1", "spin2", "spin3"];

#[test]
fn plugins_that_compute_without_end_hold_up_no_backup_and_no_answer() {
    let mut world = World::new();
    let probe = fixture("probe");
    world.plugins = format!("    probe: {{file: {}}}\n", probe.display());
    world.extra_grants = grant(&PluginDigest::of(&std::fs::read(&probe).unwrap()));
    configure(&mut world, "0 0 1 1 *", "", 0);
    SPINNERS.iter().for_each(|name| put_spinner(&world, name));
    let mut daemon = on_one_processor(&world);
    daemon.wait("the spinners run", |daemon| {
        daemon.said("the run is under way").len() == SPINNERS.len()
            && daemon.metric("drydock_sandbox_tick_age_seconds") > Some(0.0)
    });

    put_schedule(&world, "s2", "* * * * *", "");
    let ended = |daemon: &Daemon<'_>| {
        let lines = daemon.said("the run has ended");
        let of = |line: &serde_json::Value, key| line[key].as_str().unwrap_or("").to_owned();
        let ends = lines
            .iter()
            .map(|line| (of(line, "schedule"), of(line, "outcome")));
        ends.collect::<Vec<_>>()
    };
    daemon.wait("a backup beside them", |daemon| {
        // Every look is answered, and nothing is late enough to be told of.
        assert_eq!(daemon.get("/healthz"), (200, "ok\n".to_owned()));
        let (status, report) = daemon.get("/readyz");
        assert_eq!(status, 200, "{report}");
        assert!(report.contains("ok ticks\n"), "{report}");
        !ended(daemon).is_empty()
    });
    // Only now, and nobody but the backup: the others spin on.
    assert_eq!(ended(&daemon), [("s2".to_owned(), "Succeeded".to_owned())]);
    assert_eq!(world.recovery_points().len(), 1);
    daemon.stop();
}

/// Starts the daemon with the first processor alone, as a child inherits it.
fn on_one_processor(world: &World) -> Daemon<'_> {
    std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            let all = sched_getaffinity(None).unwrap();
            let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
            let mut one = CpuSet::new();
            one.set(first);
            sched_setaffinity(None, &one).unwrap();
            Daemon::start(world)
        });
        started.join().unwrap()
    })
}

/// A cluster of its own, since the runs of one cluster exclude each other, and a backup of
/// it that never ends.
fn put_spinner(world: &World, name: &str) {
    let cluster = std::fs::read_to_string(world.scratch.join("schedules/cluster.yaml")).unwrap();
    let cluster = cluster.replace("{name: c1}", &format!("{{name: {name}}}"));
    put(world, &format!("schedules/{name}-cluster.yaml"), &cluster);
    put(
        world,
        &format!("schedules/{name}.yaml"),
        &format!(
            "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: {name}}}\nspec:\n  cluster: {name}\n  schedule: \"* * * * *\"\n  steps:\n    - {{name: spin, backup: probe, config: {{do: loop}}}}\n    - {{name: verify, verify: etcd-verify}}\n    - {{name: store, target: local}}\n"
        ),
    );
}

/// All that the probe asks for, and time enough.
fn grant(digest: &PluginDigest) -> String {
    format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: probe}}\nspec:\n  digest: {digest}\n  limits: {{guestCpuSeconds: 3600}}\n  grants:\n    etcd: [member-list, status, snapshot, hash-kv]\n    files: [{{directory: /nowhere, access: write}}]\n"
    )
}
