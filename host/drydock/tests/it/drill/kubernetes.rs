//! With a real API server on top: drills that list objects, and `drydock open`.

use std::process::Stdio;
use std::sync::Arc;

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::kube::ApiServer;
use drydock_testkit::tools::kubernetes;
use rustix::process::{Pid, Signal, kill_process};

use super::kit::{Node, check, etcd_program};
use crate::world::{Answer, World, runtime};

/// Secrets are encrypted by this.
const ENCRYPTION: &str = "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox:
          keys:
            - {name: key1, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}
      - identity: {}
";

const OBJECTS: &str = "apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: till, namespace: shop}
stringData: {combination: hunter2}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: prices, namespace: shop}
data: {bread: '3'}
";

/// `drill:` of a node with both programs.
pub fn both() -> String {
    let api_server = kubernetes().unwrap().join("kube-apiserver");
    format!(
        "  drill: {{etcd: {{path: {}}}, apiServer: {{path: {}}}, scratch: lab, identity: {{valueFrom: {{file: sealing.key}}}}}}\n",
        etcd_program().display(),
        api_server.display()
    )
}

/// A node with a recovery point of a real API server's cluster, whose secrets are
/// encrypted; with or without the archive that has the key.
fn node(with_archive: bool) -> Node {
    node_of(with_archive, Some(ENCRYPTION), &[])
}

/// The same of an API server with these arguments.
pub fn node_of(with_archive: bool, encryption: Option<&str>, arguments: &[&str]) -> Node {
    let cluster = runtime().block_on(async {
        let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
        let server = ApiServer::start(&cluster, encryption, arguments)
            .await
            .unwrap();
        server.apply(OBJECTS).unwrap();
        drop(server);
        cluster
    });
    let mut world = World::of(Arc::new(cluster));
    if with_archive {
        add_archive(&mut world);
    }
    world.extra_node = both();
    world.write();
    let (answer, run) = world.run();
    answer.ok();
    let point = run["recoveryPoint"].as_str().unwrap().to_owned();
    Node { world, point }
}

fn add_archive(world: &mut World) {
    let folder = world.scratch.join("kubernetes");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("enc.yaml"), ENCRYPTION).unwrap();
    let folder = folder.display();
    world.extra_grants = format!(
        "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: files-backup}}\nspec:\n  builtin: files-backup\n  grants:\n    files: [{{directory: {folder}, access: read}}]\n"
    );
    world.front_steps = vec![
        "{name: snapshot, backup: etcd-backup}".to_owned(),
        format!(
            "{{name: pki, backup: files-backup, config: {{artifact: pki, folders: [{folder}]}}}}"
        ),
        "{name: verify, verify: etcd-verify, verifies: [snapshot]}".to_owned(),
        "{name: verify-pki, verify: files-verify, verifies: [pki]}".to_owned(),
    ];
}

#[test]
fn an_api_server_lists_what_it_decrypts_by_the_recovery_points_own_key() {
    let node = node(true);
    let answer = node.drill(&["--api-server", "--output", "json"]).code(0);
    let report = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(check(&report, "API server")["verdict"], "pass");
    let secrets = check(&report, "secrets listed");
    assert_eq!(
        (&secrets["expected"], &secrets["verdict"]),
        (&"1 or more".into(), &"pass".into())
    );
    assert_eq!(check(&report, "structure of pki.tar")["verdict"], "pass");
    assert!(!answer.stdout.contains("hunter2") && !answer.stderr.contains("hunter2"));

    let kubectl = kubernetes().unwrap().join("kubectl").display().to_string();
    let open = |words: &[&str]| {
        let answer = node
            .world
            .drydock(&[&["open", &node.point, "--", &kubectl], words].concat());
        node.assert_nothing_left();
        answer
    };
    let got = open(&[
        "get",
        "secret",
        "till",
        "-n",
        "shop",
        "-o",
        "jsonpath={.data.combination}",
    ]);
    assert_eq!(got.ok().stdout, "aHVudGVyMg==");
    let refused = open(&["delete", "secret", "till", "-n", "shop"]).code(1);
    assert!(refused.stderr.contains("Forbidden"), "{}", refused.stderr);
    let refused = open(&["create", "namespace", "more"]).code(1);
    assert!(refused.stderr.contains("Forbidden"), "{}", refused.stderr);
    // The code is the command's, and the phases are told.
    let answer = node
        .world
        .drydock(&[
            "open",
            &node.point,
            "--",
            "sh",
            "-c",
            "test -s \"$KUBECONFIG\" && exit 42",
        ])
        .code(42);
    assert!(
        answer.stderr.contains("API server and lists") && answer.stderr.contains("ready after "),
        "{}",
        answer.stderr
    );
    node.assert_nothing_left();
    until_interrupted(&node);
}

/// Without a command it waits, and an interrupt ends it well.
fn until_interrupted(node: &Node) {
    let mut command = node.world.command(&["open", &node.point]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.as_mut().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let path = line
        .trim()
        .strip_prefix("export KUBECONFIG=")
        .unwrap()
        .to_owned();
    assert!(std::path::Path::new(&path).is_file());
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
    Answer::of(child.wait_with_output().unwrap()).code(0);
    assert!(!std::path::Path::new(&path).exists());
    node.assert_nothing_left();
}

/// The prefix is found by what lies under it, for counts, for the API server and for looking
/// inside.
#[test]
fn an_api_server_with_a_prefix_of_its_own_is_found_drilled_and_opened() {
    let node = node_of(false, None, &["--etcd-prefix", "/my/own"]);
    let shown = node
        .world
        .drydock(&["recovery-point", "show", &node.point, "--output", "json"])
        .ok();
    let manifest: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let named = manifest["etcd"]["keysPerResource"]["named"]
        .as_array()
        .unwrap();
    assert!(named.iter().any(|line| line["resource"] == "secrets"));
    let answer = node.drill(&["--api-server", "--output", "json"]).code(0);
    let report = serde_json::from_str(&answer.stdout).unwrap();
    for name in ["secrets listed", "configmaps listed"] {
        assert_ne!(check(&report, name)["expected"], "0 or more");
        assert_eq!(check(&report, name)["verdict"], "pass", "{name}");
    }
    assert_eq!(check(&report, "secrets in etcd")["found"], "1");

    let kubectl = kubernetes().unwrap().join("kubectl").display().to_string();
    let words = ["get", "configmap", "prices", "-n", "shop", "-o"];
    let open = ["open", &node.point, "--", &kubectl];
    let form = ["jsonpath={.data.bread}"];
    let got = node.world.drydock(&[&open[..], &words, &form].concat());
    assert_eq!(got.ok().stdout, "3");
    let got = node
        .world
        .drydock(&["snapshot", "get", "live", "cm", "shop/prices"]);
    assert!(got.ok().stdout.contains("bread: \"3\""));
    // Nothing would lie under this one, and nothing is what would be compared.
    let answer = node
        .drill(&["--api-server", "--etcd-prefix", "/else"])
        .code(64);
    assert_eq!(
        answer.stderr.lines().last(),
        Some(
            "error: the snapshot has no objects of an API server under /else; those that it has are under /my/own: name that one, or leave --etcd-prefix out"
        )
    );
}

#[test]
fn a_recovery_point_without_its_encryption_key_fails() {
    let node = node(false);
    // Without the API server nobody notices.
    node.drill(&["--no-mark"]).code(0);
    let answer = node.drill(&["--api-server", "--output", "json"]).code(1);
    let report = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(
        check(&report, "API server")["verdict"],
        "fail",
        "{report:#}"
    );
    assert_eq!(node.listed_mark()["mark"], "failed");
    let key = node.world.scratch.join("enc.yaml");
    std::fs::write(&key, ENCRYPTION).unwrap();
    let key = key.display().to_string();
    node.drill(&["--api-server", "--encryption-config", &key])
        .code(0);
}
