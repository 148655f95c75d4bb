//! The verbs that an author needs: `plugin inspect`, `grant` and `embed`, `target check`.

use std::path::Path;

use drydock_core::PluginDigest;
use drydock_testkit::Scratch;
use serde_json::Value;

use crate::world::{Answer, DRYDOCK, World, fixture};

const MANIFEST: &str = r#"{"name": "embedded", "version": "1.2.3", "world": "backup",
    "contract": "drydock:plugin@0.1.0", "requests": ["files.read"]}"#;

fn bare(arguments: &[&str]) -> Answer {
    let mut command = std::process::Command::new(DRYDOCK);
    // No verb of an author's reads the configuration of a node.
    command.args(["--config", "/nonexistent"]).args(arguments);
    Answer::of(command.output().unwrap())
}

fn embed(manifest: &Path, component: &Path, out: &Path) -> Answer {
    let words = [manifest, component, out].map(|path| path.display().to_string());
    let [manifest, component, out] = &words;
    bare(&[
        "plugin",
        "embed",
        "--manifest",
        manifest,
        "--in",
        component,
        "--out",
        out,
    ])
}

#[test]
fn an_embedded_manifest_is_what_inspect_shows() {
    let scratch = Scratch::new().unwrap();
    let (manifest, out) = (scratch.join("plugin.json"), scratch.join("out.wasm"));
    std::fs::write(&manifest, MANIFEST).unwrap();
    let digest = embed(&manifest, &fixture("no-manifest"), &out).ok().stdout;
    assert_eq!(
        digest.trim(),
        PluginDigest::of(&std::fs::read(&out).unwrap()).as_str()
    );

    let path = out.display().to_string();
    let shown = bare(&["plugin", "inspect", &path, "--output", "json"]).ok();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["name"], "embedded");
    assert_eq!(shown["version"], "1.2.3");
    assert_eq!(shown["requests"], serde_json::json!(["files.read"]));
    assert_eq!(shown["digest"], digest.trim());
    let grant = bare(&["plugin", "grant", &path]).ok().stdout;
    assert!(
        grant.contains(&format!("  digest: {}\n", digest.trim())),
        "{grant}"
    );
    assert!(grant.contains("    files: [] #"), "{grant}");
}

#[test]
fn a_second_manifest_is_refused_and_nothing_is_written() {
    let scratch = Scratch::new().unwrap();
    let (manifest, out) = (scratch.join("plugin.json"), scratch.join("out.wasm"));
    std::fs::write(&manifest, MANIFEST).unwrap();
    let answer = embed(&manifest, &fixture("probe"), &out).code(1);
    assert!(
        answer.stderr.contains("already, and may have only one"),
        "{}",
        answer.stderr
    );
    std::fs::write(&manifest, MANIFEST.replace("files.read", "files.reed")).unwrap();
    let answer = embed(&manifest, &fixture("no-manifest"), &out).code(64);
    assert!(answer.stderr.contains("`files.reed`"), "{}", answer.stderr);
    assert!(answer.stderr.contains("`files.read`"), "{}", answer.stderr);
    let names: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

fn check(world: &World, name: &str) -> (Option<i32>, Vec<(String, String)>) {
    let answer = world.drydock(&["target", "check", name, "--probe", "--output", "json"]);
    let found: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = found
        .iter()
        .map(|one| (text(&one["level"]), text(&one["code"])));
    (answer.code, found.collect())
}

#[test]
fn a_sound_target_is_probed_and_left_as_it_was() {
    let world = World::alone();
    let document = world.scratch.join("schedules/target.yaml");
    let creating = std::fs::read_to_string(&document).unwrap();
    std::fs::write(&document, creating.replace("  create: true\n", "")).unwrap();
    let (code, found) = check(&world, "local");
    let missing = [("failure".to_owned(), "place-missing".to_owned())];
    assert_eq!((code, found.as_slice()), (Some(1), &missing[..]));
    assert!(!world.folder().exists());
    std::fs::write(&document, creating).unwrap();
    let (code, found) = check(&world, "local");
    assert_eq!(code, Some(0), "{found:?}");
    assert!(
        found.iter().any(|(_, code)| code == "probe-read"),
        "{found:?}"
    );
    assert_eq!(world.stored_files(), Vec::<String>::new());

    let answer = world.drydock(&["target", "check", "locale"]).code(64);
    assert_eq!(
        answer.stderr,
        "error: there is no target locale; did you mean local?\n"
    );
}

#[test]
fn a_target_that_loses_or_alters_bytes_fails_its_probe() {
    for (lie, law) in [
        ("damaged", "probe-create"),
        ("damaged-verified", "probe-create"),
        ("lost", "probe-create"),
        ("short-range", "probe-create"),
        ("bad-layout", "probe-layout"),
    ] {
        let world = lying(lie);
        std::fs::create_dir(world.folder()).unwrap();
        let (code, found) = check(&world, "local");
        assert_eq!(code, Some(1), "{lie}: {found:?}");
        let failure = ("failure".to_owned(), law.to_owned());
        assert!(found.contains(&failure), "{lie}: {found:?}");
        assert_eq!(world.stored_files(), Vec::<String>::new(), "{lie}");
    }
}

/// A node whose store tells its host untruths of one kind.
fn lying(lie: &str) -> World {
    let mut world = World::alone();
    let path = fixture("store-lies");
    let digest = PluginDigest::of(&std::fs::read(&path).unwrap());
    let folder = world.folder().display().to_string();
    world.store_plugin = "store-lies".to_owned();
    world.plugins = format!("    store-lies: {{file: {}}}\n", path.display());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: store-lies}}\nspec:\n  digest: {digest}\n  grants:\n    files: [{{directory: {folder}, access: write}}]\n"
    );
    world.target_config = format!("{{folder: {folder}, lie: {lie}}}");
    world.write();
    world
}
