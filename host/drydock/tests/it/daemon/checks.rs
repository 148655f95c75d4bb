//! A plugin that hangs while it is asked about its configuration: its own schedule waits
//! for it, and nobody else.

use drydock_core::PluginDigest;

use super::kit::{Daemon, configure, put, schedule, set_clock, to_the_hour};
use crate::world::{World, fixture};

/// A node with a healthy schedule, s1, and others whose plugin never answers.
fn with_a_hanging_plugin() -> World {
    let mut world = World::new();
    let plugin = fixture("hostile");
    let folder = world.folder().display().to_string();
    world.plugins = format!("    hostile: {{file: {}}}\n", plugin.display());
    let digest = PluginDigest::of(&std::fs::read(plugin).unwrap());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: hostile}}\nspec:\n  digest: {digest}\n  grants:\n    files: [{{directory: {folder}, access: write}}]\n"
    );
    configure(&mut world, "0 * * * *", "", 60);
    put(&world, "schedules/s2.yaml", &hanging("30 * * * *"));
    world
}

/// Five of them: more than there are places for checks.
fn hanging(cron: &str) -> String {
    let step = "{name: snapshot, backup: hostile, config: {do: endless-loop-in-check}}";
    let one = |number: usize| {
        let text = schedule(&format!("s{number}"), cron, "");
        text.replace("{name: snapshot, backup: etcd-backup}", step)
    };
    (2..7).map(one).collect::<Vec<_>>().join("---\n")
}

#[test]
fn a_plugin_that_hangs_holds_up_its_own_schedule_only() {
    let world = with_a_hanging_plugin();
    set_clock(&world, to_the_hour(-600));
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    assert_eq!(daemon.get("/healthz").0, 200);
    let hangs = "plugin hostile is asked whether it accepts the configuration of step snapshot";
    daemon.wait("the plugin is named", |daemon| {
        let (code, body) = daemon.get("/readyz");
        let mut lines = body.lines();
        code == 200 && lines.any(|line| line.starts_with("warn checks: s") && line.contains(hangs))
    });
    set_clock(&world, to_the_hour(0));
    let good = "drydock_runs_total{schedule=\"s1\",outcome=\"Succeeded\"}";
    daemon.wait("the healthy one succeeds", |daemon| {
        daemon.metric(good) == Some(1.0)
    });

    // New documents wait for no plugin either.
    put(&world, "schedules/s2.yaml", &hanging("45 * * * *"));
    daemon.wait_said("the documents are in force", 2);
    let why = "plugin hostile does not say within 10 s whether it accepts the configuration of step snapshot";
    daemon.wait("it is told in the end", |daemon| {
        daemon
            .get("/readyz")
            .1
            .lines()
            .any(|line| line.starts_with("warn schedules: s") && line.contains(why))
    });
    assert_eq!(daemon.get("/readyz").0, 200);
    daemon.stop();
    assert_eq!(world.recovery_points().len(), 1);
}
