//! Plugins that may not run: files that are none, contracts and worlds that do not fit,
//! imports and grants that do not match.

use drydock_core::PluginDigest;

use crate::bad_input::Case;
use crate::world::{World, checkout, fixture};

const CHECK: [&str; 2] = ["schedule", "check"];
const SCHEDULE: &str = "schedules/schedule.yaml";
const GRANTS: &str = "grants/grants.yaml";

/// A component as `cargo xtask plugins` built it.
fn shipped(name: &str) -> Vec<u8> {
    let path = checkout().join(format!("plugins/dist/{name}.wasm"));
    std::fs::read(path).unwrap()
}

pub(super) fn built(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// A world whose `etcd-verify` is this file, with a grant that names its digest and
/// allows `grants`.
pub(super) fn verified_by(name: &'static str, component: &[u8], grants: &str) -> Case {
    verified_in(World::alone(), name, component, grants)
}

/// The same for any world.
pub(super) fn verified_in(
    mut world: World,
    name: &'static str,
    component: &[u8],
    grants: &str,
) -> Case {
    let digest = PluginDigest::of(component);
    world.plugins = "    etcd-verify: {file: verify.wasm}\n".to_owned();
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: mine}}\nspec:\n  digest: {digest}\n  grants: {{{grants}}}\n"
    );
    world.write();
    let case = Case::new(name, world);
    case.put("verify.wasm", component);
    case
}

#[test]
fn files_that_are_no_plugins() {
    let rows: [(&str, Vec<u8>); 8] = [
        ("plugin-is-text", b"hello, I am a plugin\n".to_vec()),
        ("plugin-is-empty", Vec::new()),
        ("plugin-is-a-module", b"\0asm\x01\0\0\0".to_vec()),
        ("plugin-is-cut-off", {
            let whole = shipped("etcd-verify");
            whole[..whole.len() / 2].to_vec()
        }),
        ("plugin-without-manifest", built("no-manifest")),
        ("plugin-with-two-manifests", built("two-manifests")),
        ("plugin-of-another-contract", built("wrong-version")),
        ("plugin-of-another-world", shipped("store-file")),
    ];
    for (name, component) in rows {
        let case = verified_by(
            name,
            &component,
            "files: [{directory: /srv, access: write}]",
        );
        case.refused(64, &CHECK);
    }
}

#[test]
fn a_verify_plugin_in_the_place_of_a_store() {
    let mut world = World::alone();
    world.store_plugin = "etcd-verify".to_owned();
    world.write();
    Case::new("store-plugin-is-a-verify-plugin", world).refused(64, &CHECK);
}

#[test]
fn plugin_files_that_cannot_be_read() {
    let case = verified_by("plugin-file-missing", b"x", "");
    std::fs::remove_file(case.world.scratch.join("verify.wasm")).unwrap();
    case.refused(64, &CHECK);

    let case = verified_by("plugin-file-too-large", b"x", "");
    let file = std::fs::File::create(case.world.scratch.join("verify.wasm")).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    drop(file);
    case.refused(64, &CHECK);
}

#[test]
fn a_plugin_that_is_nowhere() {
    let case = Case::new("plugin-unknown", World::alone());
    case.edit(SCHEDULE, "verify: etcd-verify", "verify: etcd-verfy");
    case.refused(64, &CHECK);

    let mut world = World::alone();
    world.store_plugin = "store-fiel".to_owned();
    world.write();
    Case::new("plugin-of-a-target-unknown", world).refused(64, &CHECK);
}

#[test]
fn imports_that_nobody_asked_for() {
    let component = built("asks-too-little");
    let case = verified_by("import-not-requested", &component, "");
    case.refused(64, &CHECK);
}

#[test]
fn grants_that_are_missing_or_too_small() {
    let mut world = World::alone();
    world.backup_grant = "etcd: [member-list, status]".to_owned();
    world.write();
    Case::new("grant-missing", world).refused(64, &CHECK);

    let case = Case::new("grant-for-reading-only", World::alone());
    case.edit(GRANTS, "access: write", "access: read");
    case.refused(64, &CHECK);

    let mut world = World::alone();
    world.extra_node =
        "  ceiling:\n    files: [{directory: /, access: write}]\n    etcd: [status]\n".to_owned();
    world.write();
    Case::new("grant-above-the-ceiling", world).refused(64, &CHECK);

    let case = verified_by("digest-not-granted", &built("probe-verify"), "");
    case.put("verify.wasm", shipped("etcd-verify"));
    case.refused(64, &CHECK);
}

#[test]
fn a_configuration_that_its_plugin_does_not_know() {
    let mut world = World::alone();
    world.verify_config = "{keysFallMaxPercnt: 3}".to_owned();
    world.write();
    Case::new("plugin-config-unknown-key", world).refused(64, &CHECK);
}

/// What `plugin list` says of refused plugins is the same sentence, and it goes on.
#[test]
fn refused_plugins_are_listed_with_the_reason() {
    let case = verified_by(
        "plugin-list-with-a-refused-one",
        &built("wrong-version"),
        "",
    );
    let answer = case.told(0, &["plugin", "list"]);
    assert!(answer.stdout.contains("Refused") && answer.stdout.contains("Admitted"));
}
