//! Limits that documents set too high, and components that are too much for a node.

use drydock_core::PluginDigest;
use drydock_sandbox::{CONTRACT, PluginManifest, World as PluginWorld};

use crate::bad_input::Case;
use crate::world::World;

const CHECK: [&str; 2] = ["schedule", "check"];
const GRANTS: &str = "grants/grants.yaml";

/// Bytes of a single function that a compiler needs seconds for, on one thread.
const FUNCTION_BYTES: usize = 4 * 1024 * 1024;

#[test]
fn a_grant_that_raises_a_limit_too_far() {
    let mut world = World::alone();
    world.extra_node =
        "  limitsMax: {guestMemoryMebibytes: 64, idleSeconds: 600, hostCalls: 5000}\n".to_owned();
    world.write();
    let case = Case::new("limit-above-the-most", world);
    case.edit(
        GRANTS,
        "  builtin: store-file\n",
        "  builtin: store-file\n  limits:\n    guestMemoryMebibytes: 65\n    idleSeconds: 600\n    hostCalls: 5001\n    handles: 100000\n",
    );
    case.refused(64, &CHECK);
}

#[test]
fn a_limit_of_the_node_above_its_own_most() {
    let mut world = World::alone();
    world.extra_node = "  limits: {handles: 200}\n  limitsMax: {handles: 100}\n".to_owned();
    world.write();
    Case::new("limit-of-the-node-above-the-most", world).refused(64, &CHECK);
}

#[test]
fn a_limit_that_is_out_of_its_bounds_or_unknown() {
    let mut world = World::alone();
    world.extra_node = "  limits: {logKibibytes: 0}\n".to_owned();
    world.write();
    Case::new("limit-out-of-bounds", world).refused(64, &CHECK);
    let case = Case::new("limit-unknown", World::alone());
    case.edit(
        GRANTS,
        "  builtin: store-file\n",
        "  builtin: store-file\n  limits: {guestMemoryMebibyte: 64}\n",
    );
    case.refused(64, &CHECK);
}

#[test]
fn a_component_that_its_node_has_no_room_for() {
    let component = component(&module(1000));
    // What its own grant allows is read; what no grant allows is not even that.
    let case = verified_by("component-too-large", &component, 1, &vec![0; 1024 * 1024]);
    case.refused(64, &CHECK);
}

#[test]
fn a_component_that_takes_too_long_to_compile() {
    let component = component(&module(FUNCTION_BYTES));
    let case = verified_by("compile-takes-too-long", &component, 64, &[]);
    case.refused(64, &CHECK);
}

/// A world whose `etcd-verify` is this component with `filler` behind it.
fn verified_by(name: &'static str, component: &[u8], mebibytes: u32, filler: &[u8]) -> Case {
    let whole = [component, &custom(filler)].concat();
    let digest = PluginDigest::of(&whole);
    let mut world = World::alone();
    world.plugins = "    etcd-verify: {file: verify.wasm}\n".to_owned();
    world.extra_node = "  limits: {compileSeconds: 1}\n".to_owned();
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: mine}}\nspec:\n  digest: {digest}\n  limits: {{componentMebibytes: {mebibytes}}}\n---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: other}}\nspec:\n  builtin: etcd-verify\n  limits: {{componentMebibytes: 64}}\n"
    );
    world.write();
    let case = Case::new(name, world);
    case.put("verify.wasm", whole);
    case
}

/// A verify plugin by its manifest, around a core module.
fn component(module: &[u8]) -> Vec<u8> {
    let bare = [b"\0asm\x0d\0\x01\0", &section(1, module)[..]].concat();
    let manifest = PluginManifest {
        name: "heavy".to_owned(),
        version: "1.0.0".to_owned(),
        world: PluginWorld::Verify,
        contract: CONTRACT.to_owned(),
        requests: Vec::new(),
        optional: Vec::new(),
        action: None,
    };
    drydock_sandbox::embed(&bare, &manifest).unwrap()
}

/// A core module with one function of about so many bytes: jumps and sums over many
/// variables, all of which live to its end.
fn module(bytes: usize) -> Vec<u8> {
    const LOCALS: usize = 2000;
    let mut body = vec![1];
    leb128(&mut body, LOCALS);
    body.push(0x7e); // i64
    let mut seed = 1_usize;
    let mut local = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % LOCALS
    };
    while body.len() < bytes {
        body.extend([0x02, 0x40]); // block
        get(&mut body, local());
        body.extend([0xa7, 0x0d, 0]); // i32.wrap_i64, br_if 0
        get(&mut body, local());
        get(&mut body, local());
        body.push(0x7c); // i64.add
        body.push(0x21); // local.set
        leb128(&mut body, local());
        body.push(0x0b); // end
    }
    body.push(0x0b);
    let mut code = vec![1];
    leb128(&mut code, body.len());
    code.extend(body);
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        section(10, &code),
    ]
    .concat()
}

fn get(body: &mut Vec<u8>, local: usize) {
    body.push(0x20);
    leb128(body, local);
}

fn custom(bytes: &[u8]) -> Vec<u8> {
    section(0, &[b"\x06filler", bytes].concat())
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    let mut section = vec![id];
    leb128(&mut section, bytes.len());
    section.extend(bytes);
    section
}

/// An unsigned number as WebAssembly writes it: seven bits a byte, the lowest first.
fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
