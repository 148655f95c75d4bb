//! What steps and targets leave of the grants of one plugin that serves several: when a run
//! begins, and when it goes on.

use std::sync::Arc;

use drydock_core::{ClusterName, PluginDigest, TargetName, chain};
use drydock_node::{PluginRegistry, RegistryError, step_plugin};
use drydock_sandbox::{Plugin, World};

use super::node::{Node, built, schedule};
use crate::pins::PinnedWorkflow;

/// `near` says what it needs, `far` nothing.
const TARGETS: &str = "apiVersion: drydock.dev/v1
kind: Target
metadata: {name: near}
spec:
  plugin: keeper
  endpoints: ['https://near.example']
  grants:
    files: [{directory: /backups/near, access: write}]
    http: [{target: near}]
---
apiVersion: drydock.dev/v1
kind: Target
metadata: {name: far}
spec: {plugin: keeper, endpoints: ['https://far.example:9000']}
";

const SCHEDULE: &str = "apiVersion: drydock.dev/v1
kind: Schedule
metadata: {name: s1}
spec:
  cluster: c1
  schedule: '@daily'
  steps:
  - {name: snapshot, backup: etcd-backup}
  - {name: verify, verify: looker, secrets: {shown: {valueFrom: {file: shown}}}, grants: {http: [{target: far}], secret: [{name: shown, reveal: true}]}}
  - {name: store, target: near}
  - {name: store-far, target: far}
";

const KEEPER_GRANTS: &str = "files: [{directory: /backups, access: write}], http: [{target: near}, {target: far}, {scheme: https, host: log-in.example}]";

const LOOKER_GRANTS: &str = "http: [{target: near}, {target: far}], secret: [{name: shown, reveal: true}, {name: other, reveal: true}, {name: key, use: {sign: {algorithm: hmac-sha256}}}]";

/// A store plugin that asks for folders and servers: the one for folders, whose manifest says
/// more in as many bytes.
fn keeper() -> Vec<u8> {
    let manifest = |name: &str, more: &str| {
        format!(
            r#"{{"name":"{name}","version":"0.1.0","world":"store","contract":"drydock:plugin@0.1.0","requests":["files.read","files.write"{more}]}}"#
        )
    };
    let (from, to) = (manifest("store-file", ""), manifest("kee", r#","http""#));
    assert_eq!(from.len(), to.len());
    let mut component = built("store-file");
    // It stands among the plugin's data too.
    let places = component.windows(from.len()).enumerate();
    let places = places.filter(|(_, bytes)| *bytes == from.as_bytes());
    let places: Vec<usize> = places.map(|(at, _)| at).collect();
    assert!(
        !places.is_empty(),
        "the manifest stands there as it was written"
    );
    for at in places {
        component[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    component
}

fn grant(name: &str, component: &[u8], grants: &str) -> String {
    let digest = PluginDigest::of(component);
    format!(
        "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: {name}}}\nspec: {{digest: '{digest}', grants: {{{grants}}}}}\n"
    )
}

/// One on which `keeper` serves two targets, and `looker` verifies.
fn node() -> Node {
    let node = Node::new();
    let (keeper, looker) = (keeper(), built("signer"));
    node.write("keeper.wasm", &keeper);
    node.write("looker.wasm", &looker);
    node.write("docs/shown", "value");
    node.write("docs/t.yaml", TARGETS);
    node.write("docs/s.yaml", SCHEDULE);
    node.write("grants/k.yaml", grant("keeper", &keeper, KEEPER_GRANTS));
    node.write("grants/l.yaml", grant("looker", &looker, LOOKER_GRANTS));
    configure(&node, "");
    node.compile(&keeper);
    node.compile(&looker);
    node
}

fn configure(node: &Node, more: &str) {
    node.write_config(more);
    let config = node.read("drydock.yaml");
    let plugins = "plugins: {keeper: {file: keeper.wasm}, looker: {file: looker.wasm}}";
    node.write(
        "drydock.yaml",
        config.replace("plugins: {keeper: {file: keeper.wasm}}", plugins),
    );
}

fn at_target(registry: &PluginRegistry, name: &str) -> Result<Vec<String>, RegistryError> {
    let target = registry.node.documents.target(&TargetName::new(name));
    let target = registry.idle_target(target.unwrap(), &ClusterName::new("c1"))?;
    Ok(target.plugin().grants().lines())
}

fn looker(registry: &PluginRegistry) -> Result<Arc<Plugin>, RegistryError> {
    let workflow = registry.node.workflow(&schedule()).unwrap();
    step_plugin(registry, &workflow, workflow.steps[1], World::Verify)
}

fn told<T>(refused: Result<T, RegistryError>) -> String {
    let told = chain(&refused.err().unwrap());
    let (_, told) = told.rsplit_once("/docs/").unwrap();
    told.to_owned()
}

#[tokio::test]
async fn one_plugin_reaches_at_each_target_what_that_leaves_it() {
    let node = node();
    let registry = node.registry();
    assert_eq!(
        at_target(&registry, "near").unwrap(),
        ["files: write /backups/near", "http: https://near.example"]
    );
    // Of endpoints, those of its own; of the rest, what was granted.
    assert_eq!(
        at_target(&registry, "far").unwrap(),
        [
            "files: write /backups",
            "http: https://far.example:9000, https://log-in.example"
        ]
    );
    // A step takes the endpoints that it names, and needs no place for a secret that it
    // leaves alone.
    assert_eq!(
        looker(&registry).unwrap().grants().lines(),
        ["http: https://far.example:9000", "secret: shown itself"]
    );
    assert_eq!(
        registry.plugin("keeper").unwrap().grants().lines()[1],
        "http: https://near.example, https://far.example:9000, https://log-in.example"
    );
}

#[tokio::test]
async fn a_target_that_is_read_is_narrowed_too() {
    let node = node();
    let registry = node.registry();
    let near = registry.node.documents.target(&TargetName::new("near"));
    let near = registry.target_to_read(near.unwrap(), &ClusterName::new("c1"));
    assert_eq!(
        near.unwrap().plugin().grants().lines(),
        [
            "files: read /backups/near",
            "http: GET, HEAD https://near.example"
        ]
    );
}

#[tokio::test]
async fn what_a_binding_names_and_nobody_granted_is_told_with_the_mend() {
    let node = node();
    let at_near = |from: &str, to: &str| {
        assert!(TARGETS.contains(from), "{from}");
        node.write("docs/t.yaml", TARGETS.replace(from, to));
        told(at_target(&node.registry(), "near"))
    };
    let grants = "(<grants>/k.yaml:4:99)";
    let here = |told: String| {
        let folder = told.find("(/").map(|at| at + 1);
        let end = told.find("/grants/").map(|at| at + "/grants".len());
        match folder.zip(end) {
            Some((from, to)) => format!("{}<grants>{}", &told[..from], &told[to..]),
            None => told,
        }
    };
    let table = [
        (
            at_near("/backups/near", "/backup/near"),
            format!(
                "t.yaml:8:13: spec.grants.files[0] narrows target near to write /backup/near, which the PluginGrant keeper {grants} does not give plugin keeper for it: add it there, or correct it here"
            ),
        ),
        (
            // Another target's endpoints are none of its own.
            at_near("{target: near}", "{target: near}, {target: far}"),
            format!(
                "t.yaml:9:28: spec.grants.http[1] narrows target near to the endpoints of target far, which the PluginGrant keeper {grants} does not give plugin keeper for it: add it there, or correct it here"
            ),
        ),
        (
            at_near("http: [{target: near}]", "etcd: [status]"),
            format!(
                "t.yaml:9:12: spec.grants.etcd[0] narrows target near to status, which the PluginGrant keeper {grants} does not give plugin keeper for it: add it there, or correct it here"
            ),
        ),
    ];
    for (told, expected) in table {
        assert_eq!(here(told), expected);
    }
    node.write("docs/t.yaml", TARGETS);
    let wider = format!("{KEEPER_GRANTS}, etcd: [status]");
    node.write("grants/k.yaml", grant("keeper", &keeper(), &wider));
    assert_eq!(
        at_near("http: [{target: near}]", "etcd: [status]"),
        "t.yaml:9:12: spec.grants.etcd[0] narrows target near to status, and plugin keeper asks for no such thing: remove it"
    );
}

#[tokio::test]
async fn a_target_of_which_the_grant_says_nothing_is_told() {
    let node = node();
    let less = KEEPER_GRANTS.replace("{target: far}, {scheme: https, host: log-in.example}", "");
    node.write("grants/k.yaml", grant("keeper", &keeper(), &less));
    let registry = node.registry();
    at_target(&registry, "near").unwrap();
    let told = told(at_target(&registry, "far"));
    assert!(
        told.starts_with("t.yaml:14:16: spec.plugin names plugin keeper, which asks for http, and the PluginGrant keeper (")
            && told.ends_with("gives that for other targets only: add `{target: far}` beside them"),
        "{told}"
    );
}

#[tokio::test]
async fn a_secret_that_a_step_takes_needs_its_place() {
    let node = node();
    let more = SCHEDULE.replace(
        "{name: shown, reveal: true}]",
        "{name: shown, reveal: true}, {name: other, reveal: true}]",
    );
    node.write("docs/s.yaml", more);
    let told = told(looker(&node.registry()));
    assert!(
        told.contains("spec.steps[1].secrets has no other, which plugin signer was granted"),
        "{told}"
    );
}

#[tokio::test]
async fn a_run_goes_on_with_the_bindings_that_it_pinned_within_the_ceiling_of_today() {
    let node = node();
    let mut batch = node.pins.batch();
    let pins = node.pin(&node.registry(), &mut batch);
    // Today both targets say more, and less.
    let wider = TARGETS.replace("/backups/near", "/backups");
    let wider = wider.replace("plugin: keeper, endp", "plugin: keeper, grants: {}, endp");
    node.write("docs/t.yaml", wider);
    let in_force = node.registry();
    assert_eq!(
        at_target(&in_force, "near").unwrap()[0],
        "files: write /backups"
    );
    assert_eq!(at_target(&in_force, "far").unwrap(), Vec::<String>::new());
    let resumed = |ceiling: &str| {
        configure(&node, ceiling);
        let read = PinnedWorkflow::read(&node.pins, &pins).unwrap();
        read.registry(&node.registry()).unwrap()
    };
    let registry = resumed("");
    let near = ["files: write /backups/near", "http: https://near.example"];
    assert_eq!(at_target(&registry, "near").unwrap(), near);
    let lowered = resumed(
        "  ceiling: {files: [{directory: /backups/near/c1, access: write}], http: [{scheme: https, host: '*.example'}]}\n",
    );
    assert_eq!(
        at_target(&lowered, "near").unwrap(),
        [
            "files: write /backups/near/c1",
            "http: https://near.example"
        ]
    );
    // Nothing is left of what the target says that it needs.
    let gone = resumed(
        "  ceiling: {files: [{directory: /backups/else, access: write}], http: [{scheme: https, host: '*.example'}]}\n",
    );
    let told = chain(&at_target(&gone, "near").err().unwrap());
    assert!(
        told.contains(": spec.grants narrows target near to what this node's ceiling does not allow, and plugin keeper asks for files.read: add it under `ceiling:`"),
        "{told}"
    );
}
