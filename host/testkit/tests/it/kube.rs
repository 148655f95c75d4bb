//! The API server that tests start.

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::kube::ApiServer;

const SECRETS_SEALED: &str = r#"
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - aesgcm: {keys: [{name: k1, secret: "AAECAwQFBgcICQoLDA0ODw=="}]}
"#;

#[tokio::test]
async fn what_kubectl_makes_lies_in_etcd() {
    let cluster = Cluster::start(EtcdOptions::default()).await.unwrap();
    let server = ApiServer::start(&cluster, Some(SECRETS_SEALED), &[])
        .await
        .unwrap();
    server
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: default}, stringData: {a: b}}")
        .unwrap();
    let secret = server.kubectl_json(&["get", "secret", "s"]).unwrap();
    assert_eq!(secret["data"]["a"], "Yg==");
    let stored = cluster.get("/registry/secrets/default/s").await.unwrap();
    assert!(stored.unwrap().starts_with(b"k8s:enc:aesgcm:v1:k1:"));
    let version = server.kubectl_json(&["version"]).unwrap();
    assert_eq!(version["serverVersion"]["gitVersion"], "v1.36.3");
}
