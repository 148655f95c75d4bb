//! Targets at services for a node of the tests: one S3 server and one of Azure for all of them,
//! with a prefix of its own for each node.

use std::sync::OnceLock;

use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use drydock_testkit::versitygw::{BUCKET, REGION, Versitygw, WRITER};

use crate::daemon::kit::put;
use crate::world::{World, runtime};

/// The container that is made at Azure.
const CONTAINER: &str = "backups";

/// Whom a node knows as what at the services: each of these opens a server.
pub const SECRETS: [&str; 2] = [WRITER.secret, ACCOUNT_KEY];

pub fn s3() -> &'static Versitygw {
    static SERVER: OnceLock<Versitygw> = OnceLock::new();
    SERVER.get_or_init(|| runtime().block_on(Versitygw::http()).unwrap())
}

pub fn azure() -> &'static Azurite {
    static SERVER: OnceLock<Azurite> = OnceLock::new();
    SERVER.get_or_init(|| runtime().block_on(Azurite::start()).unwrap())
}

/// What stands below a node's prefix.
fn prefix(world: &World) -> String {
    let name = world.scratch.path().file_name().unwrap().to_str().unwrap();
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.collect::<String>().to_lowercase()
}

/// The target `s3`, by way of this endpoint.
pub fn write_s3(world: &World, endpoint: &str, more: &str) {
    put(world, "s3-id", WRITER.id);
    put(world, "s3-secret", WRITER.secret);
    let identity = format!(
        "{{accessKey: {{id: {{valueFrom: {{file: ../s3-id}}}}, secret: {{valueFrom: {{file: ../s3-secret}}}}, region: {REGION}}}}}"
    );
    let config = format!(
        "{{endpoint: \"{endpoint}\", bucket: {BUCKET}, prefix: {}}}",
        prefix(world)
    );
    write(world, "s3", "store-s3", endpoint, &config, &identity, more);
}

/// The target `azure`, by way of this endpoint.
pub fn write_azure(world: &World, endpoint: &str, more: &str) {
    put(world, "azure-key", ACCOUNT_KEY);
    let identity = format!(
        "{{accountKey: {{account: {ACCOUNT}, key: {{valueFrom: {{file: ../azure-key}}}}}}}}"
    );
    let config = format!(
        "{{endpoint: \"{endpoint}/{ACCOUNT}\", container: {CONTAINER}, prefix: {}}}",
        prefix(world)
    );
    let more = format!("  create: true\n{more}");
    write(
        world,
        "azure",
        "store-azure-blob",
        endpoint,
        &config,
        &identity,
        &more,
    );
}

fn write(
    world: &World,
    name: &str,
    plugin: &str,
    endpoint: &str,
    config: &str,
    identity: &str,
    more: &str,
) {
    let recipient = &world.recipient;
    let target = format!(
        "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {{name: {name}}}\nspec:\n  plugin: {plugin}\n  config: {config}\n  endpoints: [\"{endpoint}\"]\n  identity: {identity}\n  recipients: [{recipient}]\n{more}"
    );
    put(world, &format!("schedules/{name}.yaml"), &target);
    let grant = format!(
        "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: {plugin}}}\nspec:\n  builtin: {plugin}\n  grants: {{http: [{{target: {name}, addresses: [loopback]}}]}}\n"
    );
    put(world, &format!("grants/{plugin}.yaml"), &grant);
}

/// The certificate of Azure's server is trusted.
pub fn trust_azure(world: &mut World) {
    put(world, "azure-ca.pem", azure().ca_pem());
    world
        .extra_node
        .push_str("  http: {caFile: azure-ca.pem}\n");
    world.write();
}

/// The schedule with these store steps, and more keys.
pub fn store_at(world: &World, steps: &[&str], more: &str) {
    store_when(world, "*/15 * * * *", steps, more);
}

/// The same with its timetable.
pub fn store_when(world: &World, cron: &str, steps: &[&str], more: &str) {
    let steps: String = steps.iter().map(|step| format!("    - {step}\n")).collect();
    let schedule = format!(
        "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {{name: s1}}\nspec:\n  cluster: c1\n  schedule: \"{cron}\"\n{more}  steps:\n    - {{name: snapshot, backup: etcd-backup}}\n    - {{name: verify, verify: etcd-verify}}\n{steps}"
    );
    put(world, "schedules/schedule.yaml", &schedule);
}

/// The recovery points of one target.
pub fn points_at(world: &World, target: &str) -> Vec<String> {
    let asked = [
        "recovery-point",
        "list",
        "--target",
        target,
        "--output",
        "json",
    ];
    let answer = world.drydock(&asked).ok();
    let list: Vec<serde_json::Value> = serde_json::from_str(&answer.stdout).unwrap();
    let names = list.iter().map(|point| point["recoveryPoint"].as_str());
    names.map(|name| name.unwrap().to_owned()).collect()
}

/// Fetches a recovery point from a target, and asks etcd's own tool what it holds.
pub fn restored_from(world: &World, target: &str, point: &str) {
    let to = world.path(&format!("{target}-{point}.db"));
    let identity = world.path("sealing.key");
    let asked = ["recovery-point", "fetch", point, "--target", target];
    let to_file = ["--to", &to, "--identity", &identity];
    world.drydock(&[&asked[..], &to_file[..]].concat()).ok();
    let folder = world.path(&format!("{target}-{point}.restored"));
    crate::world::etcdutl(&["snapshot", "restore", &to, "--data-dir", &folder]);
}
