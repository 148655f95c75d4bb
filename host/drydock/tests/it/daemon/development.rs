//! A node on which a plugin is developed: each build is another component, and one grant is
//! enough for all of them.

use std::fs;

use drydock_core::PluginDigest;

use super::kit::{Daemon, configure, wait};
use crate::world::{World, checkout};

/// The end of a component that was built anew: a section of its own, which does nothing.
const BUILT_ANEW: &[u8] = b"\x00\x05\x04test";

/// A node whose `etcd-verify` lies among builds, granted by what `plugin grant --dev` prints.
fn node(more: &str) -> World {
    let mut world = World::alone();
    world.plugins = "    etcd-verify: {file: builds/verify.wasm}\n".to_owned();
    configure(&mut world, "0 0 1 1 *", "", 60);
    world.extra_node.push_str(more);
    world.write();
    fs::remove_file(world.scratch.join("schedules/schedule.yaml")).unwrap();
    world.scratch.folder("builds").unwrap();
    let empty = world.drydock(&["plugin", "grant", "--dev", &world.path("builds")]);
    assert!(
        empty
            .code(64)
            .stderr
            .contains("has no component, which ends in .wasm")
    );
    build(&world, b"");
    let grant = world.drydock(&["plugin", "grant", "--dev", &world.path("builds")]);
    let grant = grant.ok().stdout;
    assert!(grant.contains("\n  name: etcd-verify\n"), "{grant}");
    fs::write(world.scratch.join("grants/development.yaml"), grant).unwrap();
    world
}

/// Builds the plugin; its digest.
fn build(world: &World, end: &[u8]) -> String {
    let mut component = fs::read(checkout().join("plugins/dist/etcd-verify.wasm")).unwrap();
    component.extend_from_slice(end);
    let fresh = world.scratch.join("builds/.fresh");
    fs::write(&fresh, &component).unwrap();
    fs::rename(fresh, world.scratch.join("builds/verify.wasm")).unwrap();
    PluginDigest::of(&component).to_string()
}

#[test]
fn each_build_is_granted_where_the_node_is_for_development_and_told() {
    let world = node("  development: {pluginFolders: true}\n");
    for end in [b"", BUILT_ANEW] {
        let digest = build(&world, end);
        for verb in [["schedule", "check"], ["plugin", "list"]] {
            let answer = world.drydock(&verb).ok();
            let told = format!(
                "spec.folder grants plugin etcd-verify ({digest}) for no better reason than that it lies in "
            );
            assert!(answer.stderr.contains(&told), "{}", answer.stderr);
            assert!(!answer.stdout.contains("Refused"), "{}", answer.stdout);
        }
    }
}

#[test]
fn no_other_node_grants_by_folder() {
    let world = node("");
    let refused = world.drydock(&["schedule", "check"]).code(64).stderr;
    assert!(refused.contains("spec.folder grants whatever is put into a folder, which a node allows that is for development"), "{refused}");
    // Files on their own are of no node.
    let files = ["schedule", "check", &world.path("grants/development.yaml")];
    let told = world.drydock(&files).ok().stderr;
    assert!(
        told.contains("warning: ")
            && told.contains("no node takes it but one whose configuration says"),
        "{told}"
    );
    let listed = world.drydock(&["plugin", "list"]).ok();
    let line = listed
        .stdout
        .lines()
        .find(|line| line.starts_with("etcd-verify "));
    assert!(line.unwrap().contains(" Refused "), "{}", listed.stdout);
}

#[test]
fn a_daemon_takes_a_new_build_and_says_what_it_grants_by() {
    let world = node("  development: {pluginFolders: true}\n");
    let first = build(&world, b"");
    let mut daemon = Daemon::start(&world);
    daemon.wait_serving();
    let ready = |daemon: &Daemon<'_>, digest: &str| {
        let (code, body) = daemon.get("/readyz");
        let line = body.lines().find(|line| line.starts_with("warn grants: "));
        code == 200 && line.is_some_and(|line| line.contains(digest))
    };
    wait("the first build is told", || ready(&daemon, &first));
    let second = build(&world, BUILT_ANEW);
    wait("the second build is told", || ready(&daemon, &second));
    assert!(daemon.get("/readyz").1.contains("ok documents"));
    daemon.stop();
}
