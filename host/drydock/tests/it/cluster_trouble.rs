//! Access to a cluster that comes from the environment, as from a Kubernetes Secret.

use std::sync::Arc;

use crate::world::{World, new_cluster, three_with_tls};

#[test]
fn endpoints_and_keys_come_from_the_environment_of_a_secret() {
    let cluster = Arc::new(new_cluster(three_with_tls(), 100));
    let world = World::of(Arc::clone(&cluster));
    let document = "apiVersion: drydock.dev/v1\nkind: Cluster\nmetadata: {name: c1}\nspec:\n  etcd:\n    endpoints: {valueFrom: {env: ENDPOINTS}}\n    ca: {valueFrom: {env: CA}}\n    certificate: {valueFrom: {env: CRT}}\n    key: {valueFrom: {env: KEY}}\n";
    std::fs::write(world.scratch.join("schedules/cluster.yaml"), document).unwrap();
    let client = cluster.client_certificate().unwrap();
    let text = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let key = text(&client.key);
    let output = world
        .command(&["run", "s1", "--log-level", "trace"])
        .env("ENDPOINTS", cluster.endpoints().join(","))
        .env("CA", text(cluster.ca().unwrap()))
        .env("CRT", text(&client.certificate))
        .env("KEY", &key)
        .output()
        .unwrap();
    let answer = crate::world::Answer::of(output).ok();
    let body = key.lines().nth(1).unwrap();
    assert!(
        !answer.stderr.contains(body) && !answer.stdout.contains(body),
        "the key was shown"
    );
}
