//! What a run pins, and that nothing else moves it.

use std::fs;

use drydock_core::{Pin, PinKind, PluginDigest, chain, pin::workflow_digest};
use drydock_node::RegistryError;

use super::node::{CEILING, Node, OTHER_GRANT, built, schedule, used};
use crate::pins::{PinError, PinnedError, PinnedWorkflow};

/// As they are written: what stands elsewhere is read anew when a run resumes.
fn values(workflow: &PinnedWorkflow) -> Vec<serde_json::Value> {
    let documents = workflow.documents.iter();
    documents
        .map(|document| serde_json::to_value(&document.value).unwrap())
        .collect()
}

fn told(pins: &[Pin]) -> Vec<String> {
    pins.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_run_pins_what_its_schedule_leads_to_and_gets_the_same_back() {
    let node = Node::new();
    let used = used(&node.registry());
    let mut batch = node.pins.batch();
    let pins = used.put(&mut batch).unwrap();
    assert_eq!(
        told(&pins),
        [
            "document Schedule/s1",
            "document Cluster/c1",
            // A grant gives its endpoints to the store plugin.
            "document Target/far",
            "document Target/local",
            "document PluginGrant/etcd-backup",
            "document PluginGrant/keeper",
            "built-in etcd-backup",
            "built-in etcd-verify",
            "component keeper",
        ]
    );
    let read = PinnedWorkflow::read(&node.pins, &pins).unwrap();
    assert_eq!(values(&read), values(&used));
    assert_eq!(
        &*read.documents[0].file,
        format!("pins/{}", &pins[0].sha256[..12])
    );
    let backup = &read.components["etcd-backup"];
    assert!(backup.is_built_in && backup.bytes == built("etcd-backup"));
    assert!(!read.components["keeper"].is_built_in);
}

#[tokio::test]
async fn the_digest_of_a_workflow_moves_with_what_it_uses_alone() {
    let node = Node::new();
    let digest = || {
        let mut batch = node.pins.batch();
        workflow_digest(&node.pin(&node.registry(), &mut batch))
    };
    let first = digest();
    node.write("grants/o.yaml", OTHER_GRANT.replace("/other", "/another"));
    assert_eq!(
        digest(),
        first,
        "the grant of a plugin that it does not use"
    );
    node.remove("grants/o.yaml");
    assert_eq!(digest(), first);
    node.write_config("  limits: {handles: 20}\n");
    assert_eq!(digest(), first, "the node");
    node.write("grants/k.yaml", node.keeper_grant("read"));
    let second = digest();
    assert_ne!(second, first, "the grant of a plugin that it uses");
    node.upgrade_keeper();
    assert_ne!(digest(), second, "another version of a plugin that it uses");
}

#[tokio::test]
async fn what_changes_after_a_run_began_does_not_reach_it() {
    let mut node = Node::new();
    node.compile_keeper();
    let mut batch = node.pins.batch();
    let pins = node.pin(&node.registry(), &mut batch);
    // Another version of a plugin, no grants, no targets, no schedule, another program.
    node.upgrade_keeper();
    for file in [
        "grants/k.yaml",
        "grants/b.yaml",
        "docs/t.yaml",
        "docs/s.yaml",
    ] {
        node.remove(file);
    }
    node.upgrade();
    let in_force = node.registry();
    assert!(in_force.plugin("keeper").is_err());
    assert!(in_force.node.workflow(&schedule()).is_err());
    let read = PinnedWorkflow::read(&node.pins, &pins).unwrap();
    let registry = read.registry(&in_force).unwrap();
    let keeper = registry.plugin("keeper").unwrap();
    assert_eq!(*keeper.digest(), PluginDigest::of(&built("store-file")));
    let granted = serde_json::to_value(keeper.grants()).unwrap();
    assert_eq!(granted["files"][0]["directory"], "/backups");
    assert_eq!(registry.names(), ["etcd-backup", "etcd-verify", "keeper"]);
    assert_eq!(
        registry.component("etcd-verify").unwrap().0,
        built("etcd-verify")
    );
    let workflow = registry.node.workflow(&schedule()).unwrap();
    assert_eq!(
        workflow
            .stores()
            .next()
            .unwrap()
            .1
            .value
            .spec
            .plugin
            .as_str(),
        "keeper"
    );
}

#[tokio::test]
async fn a_pinned_run_has_no_other_plugin() {
    let node = Node::new();
    let in_force = node.registry();
    let registry = used(&in_force).registry(&in_force).unwrap();
    let error = registry.component("store-file").unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin store-file is not among what the run pinned, and the run goes on with nothing else: end it with `drydock run cancel RUN`"
    );
}

#[tokio::test]
async fn the_ceiling_of_today_holds_for_a_run_of_yesterday() {
    let node = Node::new();
    let mut batch = node.pins.batch();
    let pins = node.pin(&node.registry(), &mut batch);
    node.write_config(CEILING);
    let in_force = node.registry();
    let read = PinnedWorkflow::read(&node.pins, &pins).unwrap();
    let registry = read.registry(&in_force).unwrap();
    let refused = chain(&registry.plugin("keeper").err().unwrap());
    assert!(
        refused.contains("which a grant allows and this node's ceiling does not: add `"),
        "{refused}"
    );
    // As for a run that begins today.
    assert_eq!(refused, chain(&in_force.plugin("keeper").err().unwrap()));
}

#[tokio::test]
async fn a_missing_pin_stops_the_run_and_is_named() {
    let node = Node::new();
    let mut batch = node.pins.batch();
    let pins = node.pin(&node.registry(), &mut batch);
    for pin in &pins {
        let path = node.pins.store.path(&pin.sha256);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        match PinnedWorkflow::read(&node.pins, &pins).unwrap_err() {
            PinnedError::Pin(PinError::Missing { pin: missing, .. }) => assert_eq!(missing, *pin),
            other => panic!("{other}"),
        }
        fs::write(&path, bytes).unwrap();
    }
}

#[tokio::test]
async fn a_document_of_another_drydock_is_told_with_the_mend() {
    let node = Node::new();
    let text = "{apiVersion: drydock.dev/v2, kind: Cluster, metadata: {name: c1}, spec: {}}";
    let mut batch = node.pins.batch();
    let pin = batch.put(PinKind::Document, "Cluster/c1", text.as_bytes());
    let pin = pin.unwrap();
    let error = PinnedWorkflow::read(&node.pins, std::slice::from_ref(&pin)).unwrap_err();
    assert_eq!(
        chain(&error),
        format!(
            "the document Cluster/c1 that the run pinned cannot be understood by this Drydock: resume the run with the one that began it, or end the run with `drydock run cancel RUN`: pins/{}:1:14: apiVersion must be drydock.dev/v1, the only one that this Drydock reads",
            &pin.sha256[..12]
        )
    );
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_told_by_the_line_that_names_it() {
    let node = Node::new();
    node.remove("keeper.wasm");
    let registry = node.registry();
    let workflow = registry.node.workflow(&schedule()).unwrap();
    let errors = PinnedWorkflow::of_workflow(&registry, &workflow).unwrap_err();
    let [RegistryError::Document(error)] = &errors[..] else {
        panic!("{errors:?}");
    };
    assert!(error.file.ends_with("drydock.yaml"), "{error}");
    node.write_config("");
    node.write(
        "docs/t2.yaml",
        "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {name: lost}\nspec: {plugin: keepr}\n---\napiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {name: s2}\nspec:\n  cluster: c1\n  schedule: '@daily'\n  steps:\n  - {name: drill, drill: {target: lost}}\n",
    );
    let registry = node.registry();
    let schedule = drydock_core::ScheduleName::new("s2");
    let work = registry.node.workflow(&schedule).unwrap();
    let errors = PinnedWorkflow::of_workflow(&registry, &work).unwrap_err();
    let told: Vec<_> = errors.iter().map(|error| chain(error)).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("docs/t2.yaml:4:"), "{told:?}");
    assert!(told[0].contains("there is no plugin keepr"), "{told:?}");
}
