//! A backup plugin that calls etcd's data public.

use serde_json::Value;

use super::{assert_nothing_stored, ends, impatient};
use crate::bad_input::Case;
use crate::world::{World, fixture};

/// A node whose backup step streams a snapshot into an artifact that it calls public.
fn case(name: &'static str, sealed: bool, output: &str) -> Case {
    let mut world = World::new();
    let path = fixture("probe");
    let digest = drydock_core::PluginDigest::of(&std::fs::read(&path).unwrap());
    let folder = world.folder();
    world.plugins = format!("    etcd-backup: {{file: {}}}\n", path.display());
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: probe}}\nspec:\n  digest: {digest}\n  grants:\n    etcd: [member-list, status, snapshot, hash-kv]\n    files: [{{directory: {}, access: write}}]\n{output}",
        folder.display()
    );
    world.backup_config = format!(
        "{{do: snapshot, endpoint: \"{}\", name: data.db, public: true}}",
        world.endpoints[0]
    );
    world.sealed = sealed;
    world.write();
    impatient(name, world)
}

/// The only artifact of the only recovery point, as its manifest has it.
fn artifact(case: &Case) -> Value {
    let name = case.world.recovery_points().remove(0);
    let show = ["recovery-point", "show", &name, "--output", "json"];
    let manifest: Value = serde_json::from_str(&case.world.drydock(&show).ok().stdout).unwrap();
    manifest["artifacts"][0].clone()
}

#[test]
fn it_lies_at_no_target_without_recipients() {
    let case = case("public-without-a-grant", false, "");
    ends(&case, 1);
    assert_nothing_stored(&case);
}

#[test]
fn it_is_sealed_where_there_are_recipients() {
    let case = case("public-and-sealed", true, "");
    case.world.run().0.ok();
    let artifact = artifact(&case);
    assert_eq!(artifact["sensitivity"], "secret", "{artifact:#}");
    let object = artifact["object"].as_str().unwrap();
    assert!(object.ends_with(".age"), "{artifact:#}");
}

#[test]
fn it_is_public_where_the_grant_says_so_in_words() {
    let case = case("public-with-a-grant", false, "    output: [public]\n");
    case.world.run().0.ok();
    assert_eq!(artifact(&case)["sensitivity"], "public");
}
