//! What a run keeps of its documents reads back as what it was.

use std::path::Path;

use drydock_core::tree::Node;
use drydock_core::{DecodeError, Grants};
use serde_json::Value as Json;

use super::{VALID, parse, with_steps};
use crate::{Document, Kind, Located, Vocabulary};

/// Every key of a step, and texts that JSON and YAML write each in its own way.
const STEPS: &str = r#"    - {name: freeze, action: x, hold: {seconds: 60, acquireSeconds: 5}, config: {text: "a: \"b\" # \\ \u0007 \u007f \u2028 \U0001F6A2 yes ~", big: 18446744073709551615, small: -9223372036854775808, part: 1.5e300, none: null, list: [1, [], {}]}}
    - {name: image, action: x, during: [freeze], orWithout: true, noReturn: true, backoffLimit: 0, activeDeadlineSeconds: 7, when: always, secrets: {key: {valueFrom: {file: key}}}, grants: {etcd: [status], http: [{target: full}]}}
    - {name: take, action: x, needs: [image], inputs: {handle: {valueFrom: {step: image, output: handle}}}}
    - {name: ask, gate: {question: "Go on?", frees: subjects, choices: [{name: go, means: "yes"}, {name: stop, means: "no", ends: true}]}}
    - {name: snapshot, backup: etcd-backup, secrets: {key: {valueFrom: {env: KEY}}}, grants: {}}
    - {name: verify, verify: etcd-verify, verifies: [snapshot]}
    - {name: store, target: local}
    - {name: drill, drill: {target: local, apiServer: true}, when: failure}
"#;

const REST: &str = r#"---
apiVersion: drydock.dev/v1
kind: NodeConfig
metadata: {name: full}
spec:
  state: /s
  schedules: [/a]
  daemon: {listen: none, drainSeconds: 3}
  limits: {hostCalls: 5000}
  limitsMax: {hostCalls: 6000}
  sealingKeyMade: key
  http: {proxy: {valueFrom: {env: PROXY}}, noProxy: [a, 10.0.0.0/8], caFile: ca.pem}
  drill: {etcd: {path: etcd}, apiServer: {url: "https://a", sha256: "0000000000000000000000000000000000000000000000000000000000000000", member: a/b}, identity: {valueFrom: {file: id}}, members: 3, scratch: x, reports: y}
---
apiVersion: drydock.dev/v1
kind: Cluster
metadata: {name: places}
spec: {etcd: {endpoints: {valueFrom: {env: ENDPOINTS}}, connectTimeoutSeconds: 4}}
---
apiVersion: drydock.dev/v1
kind: Target
metadata: {name: full}
spec: {plugin: store-s3, create: true, retainDays: 30, endpoints: ["https://a.example"], identity: {servicePrincipal: {tenant: {valueFrom: {env: TENANT}}, clientId: c, federatedTokenFile: token, authority: "https://login.example", audience: "https://x"}}, secrets: {key: {valueFrom: {file: key}}}, grants: {http: [{target: full}], files: [{directory: /a, access: read}]}}
---
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata: {name: digest}
spec: {digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000", limits: {handles: 50}, grants: {http: [{target: full}]}}
"#;

/// Reads whatever grants there are as none: those of files that ship are read by whoever knows
/// the capabilities.
struct AnyGrants;

impl Vocabulary for AnyGrants {
    fn grants(&self, _: &Node) -> Result<Grants, DecodeError> {
        Ok(Grants::default())
    }
}

fn read(text: &str) -> Vec<Located<Document>> {
    parse("/conf/a.yaml", text).unwrap()
}

/// Reads the canonical text of a document back.
fn read_back(document: &Document) -> Document {
    let text = document.canonical(Path::new(""));
    let read = parse("pinned", &text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(read.len(), 1, "{text}");
    read[0].value.clone()
}

#[test]
fn a_document_of_every_kind_reads_back() {
    let texts = [VALID.to_owned(), with_steps(STEPS), REST.to_owned()];
    let documents: Vec<_> = texts.iter().flat_map(|text| read(text)).collect();
    for kind in Kind::ALL {
        assert!(documents.iter().any(|d| d.value.kind() == kind), "{kind}");
    }
    for Located { value, .. } in documents {
        let again = read_back(&value);
        assert_eq!(again, value);
        assert_eq!(
            again.canonical(Path::new("")),
            value.canonical(Path::new(""))
        );
    }
}

#[test]
fn every_shipped_schedule_reads_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schedules");
    let names = [
        "quickstart.yaml",
        "azure-six-hourly.yaml",
        "azure-six-hourly-key.yaml",
        "examples/nightly.yaml",
        "examples/policies.yaml",
        "examples/drill.yaml",
        "examples/maintenance.yaml",
        "examples/notify.yaml",
    ];
    for name in names {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        for Located { value, .. } in crate::parse("/conf/a.yaml", &text, &AnyGrants).unwrap() {
            let text = value.canonical(Path::new(""));
            let again = crate::parse("pinned", &text, &AnyGrants).unwrap();
            assert_eq!(again[0].value, value, "{name}");
        }
    }
}

#[test]
fn the_text_does_not_depend_on_how_a_document_was_written() {
    let one = &read(
        "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {name: a}\nspec: {plugin: p, config: {b: 1, a: [x]}, secrets: {key: {valueFrom: {file: key}}}}\n",
    )[0];
    let other = &read(
        "# the same\nspec:\n  secrets: {key: {valueFrom: {file: /conf/key}}}\n  config:\n    a: [\"x\"]\n    b: 1\n  plugin: p\nmetadata:\n  name: a\nkind: Target\napiVersion: drydock.dev/v1\n",
    )[0];
    let text = one.value.canonical(Path::new(""));
    assert_eq!(text, other.value.canonical(Path::new("")));
    assert_eq!(
        text,
        r#"{"apiVersion":"drydock.dev/v1","kind":"Target","metadata":{"name":"a"},"spec":{"config":{"a":["x"],"b":1},"plugin":"p","recipients":[],"secrets":{"key":{"valueFrom":{"file":"/conf/key"}}}}}"#
    );
    assert!(serde_json::from_str::<Json>(&text).is_ok());
}

#[test]
fn what_a_step_or_target_leaves_of_grants_is_part_of_what_is_kept() {
    let texts = [with_steps(STEPS), REST.to_owned()];
    let kept: Vec<_> = texts.iter().flat_map(|text| read(text)).collect();
    let kept = kept
        .iter()
        .map(|document| document.value.canonical(Path::new("")));
    let kept = kept.collect::<Vec<_>>().join("\n");
    for told in [
        r#""grants":{"etcd":["status"],"http":[{"at":null,"target":"full"}]}"#,
        r#""grants":{}"#,
        r#""grants":{"files":[{"access":"read","directory":"/a"}],"http":[{"at":null,"target":"full"}]},"identity":{"servicePrincipal""#,
    ] {
        assert!(kept.contains(told), "{told}: {kept}");
    }
}
