//! What a run uses is what it began with, whatever becomes of the documents meanwhile.

use std::path::Path;

use drydock_core::PluginDigest;
use serde_json::Value;

use super::kit::Graph;
use crate::world::{World, fixture};

const FILE: &str = "{name: file, action: test-file, config: {path: $files}}";
const GATE: &str = "{name: look, gate: {question: Is it well?, choices: [{name: go-on, means: it goes on}, {name: stop, means: it ends, ends: true}]}}";

/// A node whose verify plugin is a file of its own.
fn with_own_plugin() -> World {
    let mut world = World::new();
    let plugin = world.scratch.join("verify.wasm");
    std::fs::copy(fixture("probe-verify"), &plugin).unwrap();
    let digest = PluginDigest::of(&std::fs::read(&plugin).unwrap());
    world.plugins = format!("    etcd-verify: {{file: {}}}\n", plugin.display());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: probe-verify}}\nspec:\n  digest: {digest}\n  grants: {{}}\n"
    );
    world.write();
    world
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn an_open_run_goes_on_with_what_it_began_with() {
    let graph = Graph::on(
        with_own_plugin(),
        &[
            FILE,
            GATE,
            "{name: snapshot, backup: etcd-backup}",
            "{name: verify, verify: etcd-verify, config: {pass: true}}",
            "{name: store, target: local}",
        ],
    );
    graph.drydock(&["run", "s1"]).code(75);
    let run = graph.newest().run.to_string();
    // Another grant of a plugin, another version of one, and no schedule nor target any more.
    let grants = graph.path("grants/grants.yaml");
    edit(
        &grants,
        "etcd: [member-list, status, snapshot]",
        "etcd: [status]",
    );
    std::fs::copy(fixture("store-gate"), graph.path("verify.wasm")).unwrap();
    let away = ["schedules/s1.yaml", "schedules/target.yaml"].map(|name| {
        let path = graph.path(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        (path, text)
    });
    let decided = graph.drydock(&["run", "decide", &run, "1", "go-on"]);
    decided.ok();
    assert_eq!(graph.shown(&run)["outcome"], "Succeeded");
    assert_eq!(graph.count("files"), 1);
    for (path, text) in away {
        std::fs::write(path, text).unwrap();
    }
    graph.world.write();
    assert_eq!(graph.world.recovery_points(), [run]);
}

#[test]
fn a_pin_that_is_gone_is_a_sentence_and_the_run_stays_open() {
    let graph = Graph::new(&[FILE, GATE]);
    graph.drydock(&["run", "s1"]).code(75);
    let run = graph.newest().run.to_string();
    let (pins, away) = (graph.path("state/pins"), graph.path("away"));
    std::fs::rename(&pins, &away).unwrap();
    for verb in [&["resume", &run][..], &["decide", &run, "1", "go-on"]] {
        let refused = graph.drydock(&[&["run"], verb].concat());
        assert_ne!(refused.code, Some(0));
        for told in ["that the run pinned is gone", "drydock run cancel"] {
            assert!(refused.stderr.contains(told), "{}", refused.stderr);
        }
        assert_eq!(graph.shown(&run)["outcome"], Value::Null);
    }
    assert_eq!(graph.count("files"), 1);
    let _ = std::fs::remove_dir_all(&pins);
    std::fs::rename(&away, &pins).unwrap();
    graph.drydock(&["run", "decide", &run, "1", "go-on"]).ok();
}

#[test]
fn a_run_whose_pins_are_gone_can_be_cancelled_and_says_what_stays() {
    let graph = Graph::new(&[FILE, GATE]);
    graph.drydock(&["run", "s1"]).code(75);
    let run = graph.newest().run.to_string();
    std::fs::remove_dir_all(graph.path("state/pins")).unwrap();
    // It also comes to its end where the first try of that is cut off.
    let cancel = ["run", "cancel", &run];
    graph.killed_at("after-record:2", &cancel).unwrap();
    let ended = graph.drydock(&["run", "resume", &run]).code(1);
    let told = "what step file did was not taken back";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let shown = graph.shown(&run);
    assert_eq!(shown["fault"]["code"], "cancelled", "{shown}");
    assert_eq!(graph.count("files"), 1, "it says that it stays");
    assert!(graph.newest().progress.questions.is_empty());
}
