//! `identity:` of a Target, right and wrong.

use drydock_core::TargetName;

use super::{FILE, set};
use crate::{DocumentSet, FileError, Identity, Source};

/// A target with these endpoints and this identity, which stands in line 6.
fn target(endpoints: &str, identity: &str) -> Result<DocumentSet, Vec<FileError>> {
    set(&format!(
        "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {{name: offsite}}\nspec:\n  endpoints: [{endpoints}]\n  identity: {identity}\n  plugin: store-s3\n"
    ))
}

const HTTPS: &str = "'https://s3.example'";

fn told(endpoints: &str, identity: &str) -> String {
    target(endpoints, identity).unwrap_err()[0].to_string()
}

#[test]
fn each_kind_is_read_and_named() {
    let secret = "{valueFrom: {file: keys/a}}";
    let kinds = [
        ("none".to_owned(), "none"),
        (format!("{{accountKey: {{account: abc123, key: {secret}}}}}"), "accountKey"),
        (format!("{{sas: {{token: {secret}}}}}"), "sas"),
        (format!("{{servicePrincipal: {{tenant: t, clientId: {secret}, certificate: {secret}}}}}"), "servicePrincipal"),
        ("{servicePrincipal: {tenant: t, clientId: c, federatedTokenFile: f, authority: 'https://login.microsoftonline.us'}}".to_owned(), "servicePrincipal"),
        ("{managedIdentity: {}}".to_owned(), "managedIdentity"),
        ("{managedIdentity: {objectId: x, endpoint: 'http://169.254.169.254'}}".to_owned(), "managedIdentity"),
        (format!("{{accessKey: {{id: AKIA, secret: {secret}, region: eu-central-1}}}}"), "accessKey"),
        ("{webIdentity: {role: 'arn:aws:iam::1:role/r', tokenFile: t, region: eu-central-1, durationSeconds: 900}}".to_owned(), "webIdentity"),
        ("{instanceRole: {region: us-east-1}}".to_owned(), "instanceRole"),
        ("{containerCredentials: {uri: {valueFrom: {env: URI}}, tokenFile: t, region: us-east-1}}".to_owned(), "containerCredentials"),
        (format!("{{serviceAccountKey: {{key: {secret}}}}}"), "serviceAccountKey"),
        ("{workloadIdentity: {}}".to_owned(), "workloadIdentity"),
        ("{workloadIdentity: {audience: a, tokenFile: t, serviceAccount: a@b.example}}".to_owned(), "workloadIdentity"),
    ];
    for (identity, kind) in kinds {
        let set =
            target(HTTPS, &identity).unwrap_or_else(|errors| panic!("{identity}: {errors:?}"));
        let document = set.target(&TargetName::new("offsite")).unwrap();
        let read = document.value.spec.identity.as_ref().unwrap();
        assert_eq!(read.kind(), kind);
        // What a run keeps of it is read again as it was.
        let kept = serde_json::to_value(read).unwrap();
        assert_eq!(&serde_json::from_value::<Identity>(kept).unwrap(), read);
        if let Identity::AccountKey(key) = read {
            assert_eq!(key.key.value_from, Source::File("conf/keys/a".into()));
        }
    }
}

#[test]
fn what_is_wrong_is_told_by_its_line_and_with_the_nearest_key() {
    let table = [
        (
            "{webIdentiy: {}}",
            "spec.identity.webIdentiy is no key of a Target; did you mean webIdentity?",
        ),
        (
            "{accessKey: {id: a, secret: hunter2, region: r}}",
            "spec.identity.accessKey.secret of a Target is a secret and must not stand in the document; write {valueFrom: {file: PATH}} or {valueFrom: {env: NAME}}",
        ),
        (
            "{instanceRole: {regoin: us-east-1}}",
            "spec.identity.instanceRole.regoin is no key of a Target; did you mean region?",
        ),
        (
            "{instanceRole: {}}",
            "spec.identity.instanceRole.region is missing in this Target; add it",
        ),
        (
            "{instanceRole: {region: us-east-1}, managedIdentity: {}}",
            "spec.identity of a Target must name exactly one kind: one of accountKey, sas, servicePrincipal, managedIdentity, accessKey, webIdentity, instanceRole, containerCredentials, serviceAccountKey, workloadIdentity, or `identity: none`; one that needs no more is written {}",
        ),
        (
            "nobody",
            "spec.identity of a Target must be none, or a mapping with one of accountKey, sas, servicePrincipal, managedIdentity, accessKey, webIdentity, instanceRole, containerCredentials, serviceAccountKey, workloadIdentity, but it is text",
        ),
        (
            "{servicePrincipal: {tenant: t, clientId: c}}",
            "spec.identity.servicePrincipal.secret of a Target stands for itself: say exactly one of secret, certificate and federatedTokenFile",
        ),
        (
            "{servicePrincipal: {tenant: t, clientId: c, federatedTokenFile: f, authority: 'http://login.example'}}",
            "spec.identity.servicePrincipal.authority of a Target is asked with a secret, and so must begin with https://",
        ),
        (
            "{instanceRole: {region: Frankfurt}}",
            "spec.identity.instanceRole.region of a Target must be a region, e.g. eu-central-1; servers that have none take us-east-1",
        ),
        (
            "{workloadIdentity: {audience: a}}",
            "spec.identity.workloadIdentity.audience of a Target and tokenFile go together: say both, or neither for what this machine or pod is given",
        ),
    ];
    for (identity, expected) in table {
        let told = told(HTTPS, identity);
        assert!(told.starts_with(&format!("{FILE}:6:")), "{told}");
        assert!(told.ends_with(expected), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn an_identity_has_servers_and_a_bare_one_tls() {
    let key = "{accessKey: {id: a, secret: {valueFrom: {file: f}}, region: us-east-1}}";
    let sas = "{sas: {token: {valueFrom: {file: f}}}}";
    let without = told("", key);
    assert!(
        without.contains(
            "spec.identity of a Target is for the servers under `endpoints:`, and there are none"
        ),
        "{without}"
    );
    target("'http://10.0.0.5:9000'", key).unwrap();
    let clear = told("'https://a.example', 'http://b.example'", sas);
    assert!(
        clear.contains("spec.endpoints[1] of a Target is in the clear, where whoever sees what the identity sas adds to a request could use it: write https://"),
        "{clear}"
    );
    target("", "none").unwrap();
}
