//! What becomes of what a document says.

use drydock_documents::{self as documents, Document};

use super::*;
use crate::CAPABILITIES;

/// Files and variables that are there.
struct Known;

impl Lookup for Known {
    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        if path.ends_with("there") {
            return Ok(b"value\n".to_vec());
        }
        Err("No such file or directory".to_owned())
    }

    fn env(&self, name: &str) -> Option<String> {
        match name {
            "THERE" => Some("value".to_owned()),
            "NO_REGION" => Some("Frankfurt am Main".to_owned()),
            _ => None,
        }
    }
}

fn target(identity: &str) -> Located<Target> {
    let text = format!(
        "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {{name: offsite}}\nspec:\n  plugin: store-s3\n  endpoints: ['https://s3.example']\n  identity: {identity}\n"
    );
    let documents = documents::parse("t.yaml", &text, &CAPABILITIES).unwrap();
    let document = documents.into_iter().next().unwrap();
    let Document::Target(value) = document.value else {
        panic!("it is a target");
    };
    Located {
        value,
        file: document.file,
        positions: document.positions,
    }
}

fn judged(identity: &str) -> Result<(), String> {
    let target = target(identity);
    let identity = target.value.spec.identity.clone().unwrap();
    let env: Arc<dyn Lookup> = Arc::new(Known);
    let places = Places {
        document: &target,
        kind: identity.kind(),
        env: &env,
    };
    let source = places.source(&identity);
    source.map(drop).map_err(|error| error.to_string())
}

const THERE: &str = "{valueFrom: {file: there}}";

#[test]
fn each_kind_becomes_a_source_where_its_places_hold_something() {
    for identity in [
        format!("{{accountKey: {{account: abc, key: {THERE}}}}}"),
        format!("{{accountKey: {{account: {THERE}, key: {THERE}}}}}"),
        format!("{{managedIdentity: {{clientId: {THERE}}}}}"),
        format!("{{instanceRole: {{region: {THERE}}}}}"),
        format!("{{sas: {{token: {THERE}}}}}"),
        format!("{{servicePrincipal: {{tenant: t, clientId: {THERE}, secret: {THERE}}}}}"),
        format!("{{servicePrincipal: {{tenant: t, clientId: c, certificate: {THERE}}}}}"),
        "{servicePrincipal: {tenant: t, clientId: c, federatedTokenFile: there}}".to_owned(),
        "{managedIdentity: {}}".to_owned(),
        format!(
            "{{accessKey: {{id: {THERE}, secret: {THERE}, sessionToken: {THERE}, region: r}}}}"
        ),
        "{webIdentity: {role: {valueFrom: {env: THERE}}, tokenFile: there, region: r}}".to_owned(),
        "{instanceRole: {region: r}}".to_owned(),
        "{containerCredentials: {uri: {valueFrom: {env: THERE}}, tokenFile: there, region: r}}"
            .to_owned(),
        format!("{{serviceAccountKey: {{key: {THERE}}}}}"),
        "{workloadIdentity: {}}".to_owned(),
        "{workloadIdentity: {audience: a, tokenFile: there, serviceAccount: a@b}}".to_owned(),
    ] {
        judged(&identity).unwrap_or_else(|error| panic!("{identity}: {error}"));
    }
}

#[test]
fn a_place_that_holds_nothing_is_told_by_its_line() {
    let table = [
        (
            "{sas: {token: {valueFrom: {file: away}}}}",
            "spec.identity.sas.token names the file away, which cannot be read: No such file or directory; put it there, or correct the path",
        ),
        (
            "{webIdentity: {role: r, tokenFile: away, region: r}}",
            "spec.identity.webIdentity.tokenFile names the file away, which cannot be read: No such file or directory; put it there, or correct the path",
        ),
        (
            "{servicePrincipal: {tenant: {valueFrom: {env: AWAY}}, clientId: c, federatedTokenFile: there}}",
            "spec.identity.servicePrincipal.tenant names the environment variable AWAY, which is not set; set it for this process",
        ),
        (
            "{managedIdentity: {objectId: {valueFrom: {env: AWAY}}}}",
            "spec.identity.managedIdentity.objectId names the environment variable AWAY, which is not set; set it for this process",
        ),
        (
            "{instanceRole: {region: {valueFrom: {env: NO_REGION}}}}",
            "spec.identity.instanceRole.region comes from the environment variable NO_REGION, and must be a region, e.g. eu-central-1; servers that have none take us-east-1",
        ),
        (
            "{workloadIdentity: {audience: a, tokenFile: there, serviceAccount: {valueFrom: {env: THERE}}}}",
            "spec.identity.workloadIdentity.serviceAccount comes from the environment variable THERE, and must be a service account's address, e.g. backups@project.iam.gserviceaccount.com",
        ),
    ];
    for (identity, expected) in table {
        let told = judged(identity).unwrap_err();
        assert!(
            told.starts_with("t.yaml:7:") && told.ends_with(expected),
            "{told}"
        );
    }
}

#[test]
fn a_url_is_written_as_everybody_writes_it() {
    let endpoint = |text: &str| text.parse::<Endpoint>().unwrap();
    let standard = endpoint("https://login.example:443/");
    assert_eq!(url_or(Some(&standard), "x"), "https://login.example");
    let other = endpoint("http://[fd00:ec2::254]:8080");
    assert_eq!(url_or(Some(&other), "x"), "http://[fd00:ec2::254]:8080");
    assert_eq!(url_or(None, "https://otherwise"), "https://otherwise");
}
