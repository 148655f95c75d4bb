//! What clients of Kubernetes notice of a restore: a watch from a revision that the restored
//! cluster never had must not go on as if nothing had happened.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use drydock_testkit::Scratch;
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::kube::ApiServer;
use serde_json::Value;

use super::save;
use crate::world::{DRYDOCK, runtime};

/// How long a client may take from a ready server to what the server lists.
const RELIST_LIMIT: Duration = Duration::from_secs(30);

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
fn a_watch_from_before_a_restore_is_told_to_list_again() {
    let scratch = Scratch::new().unwrap();
    let (file, revision) = history(&scratch);
    let cluster = restored(&file);
    let server = runtime()
        .block_on(ApiServer::start(&cluster, None, &[]))
        .unwrap();
    let ready = Instant::now();
    let event = watched(&server, &revision);
    assert_eq!(event["type"], "ERROR", "{event}");
    assert_eq!(event["object"]["code"], 410, "{event}");
    let listed = names(&server);
    assert!(ready.elapsed() < RELIST_LIMIT);
    assert!(listed.contains(&"before".to_owned()), "{listed:?}");
    assert!(!listed.contains(&"after".to_owned()), "{listed:?}");
    // And the server goes on from there.
    server.kubectl(&["create", "configmap", "later"]).unwrap();
    assert!(names(&server).contains(&"later".to_owned()));
}

/// A snapshot, and a revision after it that a watch had reached.
fn history(scratch: &Scratch) -> (String, String) {
    let cluster = runtime()
        .block_on(Cluster::start(EtcdOptions::default()))
        .unwrap();
    let server = runtime()
        .block_on(ApiServer::start(&cluster, None, &[]))
        .unwrap();
    server.kubectl(&["create", "configmap", "before"]).unwrap();
    let mut watch = open_watch(&server);
    let file = save(&cluster, &scratch.join("kube.db"));
    server.kubectl(&["create", "configmap", "after"]).unwrap();
    let after = server.kubectl_json(&["get", "configmap", "after"]).unwrap();
    let revision = after["metadata"]["resourceVersion"].as_str().unwrap();
    // The client loses its server, and keeps the revision that it had come to.
    server.kill();
    watch.wait().unwrap();
    (file, revision.to_owned())
}

fn open_watch(server: &ApiServer) -> Child {
    server
        .kubectl_command()
        .args(["get", "--raw", &format!("{MAPS}?watch=true")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A cluster on what `drydock snapshot restore` made, with the bump that it takes by itself.
fn restored(file: &str) -> Cluster {
    let options = EtcdOptions::default();
    let token = options.token.clone();
    let prepared = Cluster::start_prepared(options, |cluster| {
        let member = cluster.member(0);
        let initial = format!("{}={}", member.name(), member.peer_url());
        let all = member.data_folder().with_extension("restored");
        let mut command = Command::new(DRYDOCK);
        command
            .args(["snapshot", "restore", file])
            .args(["--initial-cluster", &initial])
            .args(["--initial-cluster-token", &token])
            .arg("--data-dir")
            .arg(&all);
        drydock_testkit::program::run(&mut command)?;
        std::fs::rename(all.join(member.name()), member.data_folder())?;
        Ok(())
    });
    runtime().block_on(prepared).unwrap()
}

/// The first event of a watch that goes on from `revision`, or the refusal of it.
fn watched(server: &ApiServer, revision: &str) -> Value {
    let query = format!("{MAPS}?watch=true&timeoutSeconds=10&resourceVersion={revision}");
    let output = server
        .kubectl_command()
        .args(["get", "--raw", &query])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let first = text.lines().next().unwrap_or_default();
    serde_json::from_str(first).unwrap_or_else(|_| {
        panic!("{text}{}", String::from_utf8_lossy(&output.stderr));
    })
}

fn names(server: &ApiServer) -> Vec<String> {
    let list = server.kubectl_json(&["get", "configmaps"]).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}
