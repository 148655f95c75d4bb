//! Making the objects: a cluster of some namespaces with the usual mixture in them.

use std::collections::BTreeMap;

use serde_json::json;

use super::Object;
use super::wire::{
    ConfigMap, Container, Deployment, DeploymentSpec, DeploymentStatus, Event, Lease, LeaseSpec,
    MAGIC, Namespace, NamespaceSpec, ObjectMeta, ObjectReference, Phase, Pod, PodSpec, PodTemplate,
    Secret, Selector, Time, Variable, store,
};
use crate::random::Random;

/// The moment the cluster of the tests was made: 2026-01-01T00:00:00Z.
const BORN_SECONDS: i64 = 1_767_225_600;

const NAMESPACES: &[&str] = &[
    "default",
    "kube-system",
    "kube-node-lease",
    "monitoring",
    "payments",
    "shop",
];
const NODES: &[&str] = &["node-a", "node-b", "node-c", "node-d", "node-e"];
const APPLICATIONS: &[&str] = &["api", "cart", "ledger", "mailer", "search", "web", "worker"];

/// Makes that many objects, each under another key.
pub fn objects(random: &mut Random, count: usize) -> Vec<Object> {
    let namespaces = NAMESPACES.iter().map(|name| namespace(random, name));
    let mut objects: Vec<Object> = namespaces.collect();
    let leases = NODES.iter().map(|name| node_lease(random, name));
    objects.extend(leases);
    objects.truncate(count);
    while objects.len() < count {
        objects.push(object(random, objects.len()));
    }
    objects
}

/// One object; the shares are roughly those of a busy cluster.
fn object(random: &mut Random, number: usize) -> Object {
    match random.below(100) {
        0..=34 => pod(random, number),
        35..=44 => deployment(random, number),
        45..=59 => config_map(random, number),
        60..=69 => secret(random, number),
        70..=84 => event(random, number),
        _ => custom_resource(random, number),
    }
}

/// The value of an object after an update: some bytes changed, and some more.
pub fn touched(random: &mut Random, value: &[u8]) -> Vec<u8> {
    if value.starts_with(MAGIC) {
        // Fields that a reader does not know are kept at the end of a message: number
        // 127 with bytes, which no object here uses.
        let mut touched = value.to_vec();
        let filler = random.below(100) + 1;
        touched.extend_from_slice(&[0xfa, 0x07, u8::try_from(filler).expect("below 128")]);
        touched.extend(random.bytes(filler));
        return touched;
    }
    let text = String::from_utf8_lossy(value);
    let touched = text.replacen("\"generation\":1", "\"generation\":2", 1);
    touched.into_bytes()
}

fn key(resource: &str, namespace: &str, name: &str) -> String {
    format!("/registry/{resource}/{namespace}/{name}")
}

fn stored(key: String, value: Vec<u8>) -> Object {
    Object {
        key,
        value,
        expires: false,
    }
}

fn moment(random: &mut Random) -> Time {
    let later = i64::try_from(random.below(30 * 86_400)).expect("it is a month");
    Time {
        seconds: BORN_SECONDS + later,
        nanos: 0,
    }
}

fn metadata(random: &mut Random, namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        uid: random.uuid(),
        generation: 1,
        creation_timestamp: Some(moment(random)),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

fn labelled(random: &mut Random, namespace: &str, name: &str, application: &str) -> ObjectMeta {
    let mut metadata = metadata(random, namespace, name);
    metadata.labels = application_labels(application);
    metadata
        .annotations
        .insert("example.com/owner".to_owned(), random.uuid());
    metadata
}

fn application_labels(application: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("app.kubernetes.io/name", application),
        ("app.kubernetes.io/managed-by", "helm"),
    ];
    pairs
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .into()
}

fn namespace(random: &mut Random, name: &str) -> Object {
    let object = Namespace {
        metadata: Some(metadata(random, "", name)),
        spec: Some(NamespaceSpec {
            finalizers: vec!["kubernetes".to_owned()],
        }),
        status: Some(Phase {
            phase: "Active".to_owned(),
        }),
    };
    let key = format!("/registry/namespaces/{name}");
    stored(key, store("v1", "Namespace", &object))
}

fn node_lease(random: &mut Random, node: &str) -> Object {
    let object = Lease {
        metadata: Some(metadata(random, "kube-node-lease", node)),
        spec: Some(LeaseSpec {
            holder_identity: Some(node.to_owned()),
            lease_duration_seconds: Some(40),
            renew_time: Some(moment(random)),
        }),
    };
    let key = key("leases", "kube-node-lease", node);
    stored(key, store("coordination.k8s.io/v1", "Lease", &object))
}

fn pod_spec(random: &mut Random, application: &str, node: &str) -> PodSpec {
    let variable = |random: &mut Random, name: &str| Variable {
        name: name.to_owned(),
        value: random.uuid(),
    };
    let container = Container {
        name: application.to_owned(),
        image: format!(
            "registry.example.com/shop/{application}:1.{}",
            random.below(40)
        ),
        args: vec!["--listen=:8080".to_owned(), "--log=json".to_owned()],
        env: vec![variable(random, "INSTANCE"), variable(random, "RELEASE")],
        image_pull_policy: "IfNotPresent".to_owned(),
    };
    PodSpec {
        containers: vec![container],
        restart_policy: "Always".to_owned(),
        termination_grace_period_seconds: Some(30),
        dns_policy: "ClusterFirst".to_owned(),
        node_name: node.to_owned(),
    }
}

fn pod(random: &mut Random, number: usize) -> Object {
    let (namespace, application) = (random.pick(NAMESPACES), random.pick(APPLICATIONS));
    let name = format!("{application}-{number:05}");
    let node = random.pick(NODES);
    let object = Pod {
        metadata: Some(labelled(random, namespace, &name, application)),
        spec: Some(pod_spec(random, application, node)),
        status: Some(Phase {
            phase: "Running".to_owned(),
        }),
    };
    stored(key("pods", namespace, &name), store("v1", "Pod", &object))
}

fn deployment(random: &mut Random, number: usize) -> Object {
    let (namespace, application) = (random.pick(NAMESPACES), random.pick(APPLICATIONS));
    let name = format!("{application}-{number:05}");
    let template = PodTemplate {
        metadata: Some(ObjectMeta {
            labels: application_labels(application),
            ..ObjectMeta::default()
        }),
        spec: Some(pod_spec(random, application, "")),
    };
    let object = Deployment {
        metadata: Some(labelled(random, namespace, &name, application)),
        spec: Some(DeploymentSpec {
            replicas: Some(2),
            selector: Some(Selector {
                match_labels: application_labels(application),
            }),
            template: Some(template),
        }),
        status: Some(DeploymentStatus {
            observed_generation: 1,
            replicas: 2,
        }),
    };
    let key = key("deployments", namespace, &name);
    stored(key, store("apps/v1", "Deployment", &object))
}

fn config_map(random: &mut Random, number: usize) -> Object {
    let namespace = random.pick(NAMESPACES);
    let name = format!("settings-{number:05}");
    let lines = random.below(40) + 1;
    let text: String = (0..lines)
        .map(|line| format!("setting.{line} = {}\n", random.uuid()))
        .collect();
    let object = ConfigMap {
        metadata: Some(metadata(random, namespace, &name)),
        data: BTreeMap::from([("settings.conf".to_owned(), text)]),
    };
    let key = key("configmaps", namespace, &name);
    stored(key, store("v1", "ConfigMap", &object))
}

fn secret(random: &mut Random, number: usize) -> Object {
    let namespace = random.pick(NAMESPACES);
    let name = format!("credentials-{number:05}");
    let length = random.below(1_000) + 24;
    let object = Secret {
        metadata: Some(metadata(random, namespace, &name)),
        data: BTreeMap::from([("token".to_owned(), random.bytes(length))]),
        kind: "Opaque".to_owned(),
    };
    let key = key("secrets", namespace, &name);
    stored(key, store("v1", "Secret", &object))
}

fn event(random: &mut Random, number: usize) -> Object {
    let (namespace, application) = (random.pick(NAMESPACES), random.pick(APPLICATIONS));
    let name = format!("{application}.{:016x}", random.next_u64());
    let time = moment(random);
    let object = Event {
        metadata: Some(metadata(random, namespace, &name)),
        involved_object: Some(ObjectReference {
            kind: "Pod".to_owned(),
            namespace: namespace.to_owned(),
            name: format!("{application}-{number:05}"),
            api_version: "v1".to_owned(),
        }),
        reason: "Scheduled".to_owned(),
        message: format!("Assigned {namespace}/{application}-{number:05} to a node"),
        first_timestamp: Some(time),
        last_timestamp: Some(time),
        count: 1,
        kind: "Normal".to_owned(),
    };
    Object {
        key: key("events", namespace, &name),
        value: store("v1", "Event", &object),
        expires: true,
    }
}

/// Objects of custom resource definitions are stored as JSON.
fn custom_resource(random: &mut Random, number: usize) -> Object {
    let namespace = random.pick(NAMESPACES);
    let name = format!("widget-{number:05}");
    let object = json!({
        "apiVersion": "stable.example.com/v1",
        "kind": "Widget",
        "metadata": {
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 1,
            "name": name,
            "namespace": namespace,
            "uid": random.uuid(),
        },
        "spec": {"size": random.below(100), "token": random.uuid()},
    });
    let key = key("stable.example.com/widgets", namespace, &name);
    stored(key, object.to_string().into_bytes())
}
