//! What a real API server stored, beside what kubectl says of it.

use drydock_testkit::Scratch;
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::kube::ApiServer;
use serde_json::{Value, json};

use super::{drydock, save};
use crate::world::runtime;

/// One object of each kind; the last one is of a kind that the one before defines.
const OBJECTS: &[(&str, &str)] = &[
    ("namespace", "shop"),
    ("configmap", "shop/settings"),
    ("secret", "shop/password"),
    ("sa", "shop/robot"),
    ("svc", "shop/web"),
    ("pod", "shop/web-0"),
    ("deployment.apps", "shop/web"),
    ("cj", "shop/nightly"),
    ("role", "shop/reader"),
    ("rolebinding", "shop/reader"),
    ("clusterroles", "shop:reader"),
    ("pvc", "shop/data"),
    ("sc", "fast"),
    ("ing", "shop/web"),
    ("hpa", "shop/web"),
    ("pdb", "shop/web"),
    ("node", "node-1"),
    ("crd", "widgets.example.com"),
    ("apiservices", "v1.apps"),
    ("wd", "shop/gear"),
];

/// What no API serves: allocations of addresses and ports, and the servers' own records.
const OWN: [&str; 2] = ["ranges", "peerserverleases"];

/// Providers in the order in which each is the one that writes.
const PROVIDERS: [&str; 3] = ["secretbox", "aescbc", "aesgcm"];

#[test]
fn every_kind_is_shown_as_kubectl_shows_it() {
    let scratch = Scratch::new().unwrap();
    let cluster = runtime()
        .block_on(Cluster::start(EtcdOptions::default()))
        .unwrap();
    let server = runtime()
        .block_on(ApiServer::start(&cluster, None, &[]))
        .unwrap();
    server.apply(include_str!("objects.yaml")).unwrap();
    server
        .kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd",
            "widgets.example.com",
        ])
        .unwrap();
    server.apply(include_str!("widget.yaml")).unwrap();
    let shown: Vec<Value> = OBJECTS
        .iter()
        .map(|(resource, name)| kubectl_get(&server, resource, name))
        .collect();
    let file = save(&cluster, &scratch.join("kube.db"));
    for ((resource, name), expected) in OBJECTS.iter().zip(shown) {
        let answer = drydock(&["snapshot", "get", &file, resource, name, "-o", "json"]).ok();
        let found: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(found, as_stored(resource, expected), "{resource} {name}");
    }
    every_key_is_of_a_resource_that_discovery_names(&server, &file);
}

fn kubectl_get(server: &ApiServer, resource: &str, name: &str) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    server
        .kubectl_json(&[
            "get",
            resource,
            name,
            "-n",
            namespace,
            "--show-managed-fields",
        ])
        .unwrap()
}

/// What the server stored differs from what it serves in two kinds: the phase of a new claim
/// it fills in while it reads, and definitions it keeps in the version before the served one,
/// whose only schema stands outside of the versions.
fn as_stored(resource: &str, mut expected: Value) -> Value {
    if resource == "pvc" {
        expected["status"].as_object_mut().unwrap().remove("phase");
    }
    if resource == "crd" {
        expected["apiVersion"] = json!("apiextensions.k8s.io/v1beta1");
        let version = expected["spec"]["versions"][0].as_object_mut().unwrap();
        let schema = version.remove("schema").unwrap();
        expected["spec"]["validation"] = schema;
        expected["spec"]["version"] = json!("v1");
        expected["spec"]["preserveUnknownFields"] = json!(false);
    }
    expected
}

/// The words for resources are the server's own.
fn every_key_is_of_a_resource_that_discovery_names(server: &ApiServer, file: &str) {
    let known = server
        .kubectl(&["api-resources", "-o", "name"])
        .unwrap()
        .stdout;
    let answer = drydock(&[
        "snapshot", "ls", file, "--by", "resource", "--output", "json",
    ])
    .ok();
    let lines: Vec<Value> = serde_json::from_str(&answer.stdout).unwrap();
    assert!(lines.len() > 20);
    for line in lines {
        let Some(word) = line["name"].as_str() else {
            continue;
        };
        assert!(
            OWN.contains(&word) || known.lines().any(|name| name == word),
            "{word} is not in:\n{known}"
        );
    }
}

#[test]
fn secrets_that_were_encrypted_at_rest_are_opened() {
    let scratch = Scratch::new().unwrap();
    let cluster = runtime()
        .block_on(Cluster::start(EtcdOptions::default()))
        .unwrap();
    let mut shown = Vec::new();
    for (turn, name) in PROVIDERS.into_iter().enumerate() {
        let config = encryption(turn);
        std::fs::write(scratch.join("config.yaml"), &config).unwrap();
        let server = runtime()
            .block_on(ApiServer::start(&cluster, Some(&config), &[]))
            .unwrap();
        server
            .apply(&format!(
                "{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: default}}, stringData: {{word: open-{name}}}}}"
            ))
            .unwrap();
        shown.push(kubectl_get(&server, "secret", name));
    }
    let file = save(&cluster, &scratch.join("sealed.db"));
    let config = scratch.join("config.yaml").display().to_string();
    for (name, expected) in PROVIDERS.iter().zip(&shown) {
        let get = ["snapshot", "get", &file, "secret", name, "-o", "json"];
        let answer = drydock(&[&get[..], &["--encryption-config", &config]].concat()).ok();
        let found: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(&found, expected);
        let sealed = drydock(&get).code(1);
        assert_eq!(
            sealed.stderr.trim_end(),
            format!(
                "error: secrets default/{name} cannot be shown: it is encrypted with the key k1 of {name}: give the cluster's EncryptionConfiguration with --encryption-config"
            )
        );
    }
    let other = scratch.join("other.yaml");
    std::fs::write(&other, encryption(0).replace("AAEC", "BBEC")).unwrap();
    let other = other.display().to_string();
    let get = [
        "snapshot",
        "get",
        &file,
        "secret",
        "aesgcm",
        "--encryption-config",
        &other,
    ];
    let answer = drydock(&get).code(1);
    assert_eq!(
        answer.stderr.trim_end(),
        "error: secrets default/aesgcm cannot be shown: the key k1 of aesgcm in the EncryptionConfiguration does not open it: it is another key, or the value was changed or moved"
    );
}

/// All providers, that of this turn first: it writes. Keys of each length that AES has.
fn encryption(turn: usize) -> String {
    let secret = |provider| match provider {
        "aesgcm" => "AAECAwQFBgcICQoLDA0ODw==",
        "aescbc" => "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        _ => "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    };
    let mut providers = PROVIDERS;
    providers.rotate_left(turn);
    let lines = providers.map(|provider| {
        format!(
            "  - {provider}: {{keys: [{{name: k1, secret: \"{}\"}}]}}\n",
            secret(provider)
        )
    });
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n{}",
        lines.concat()
    )
}
