//! Every folder under `plugins/fixtures` is claimed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::torture::scene::names;

/// Each fixture, and the file that uses it by its name.
const CLAIMED: [(&str, &str); 17] = [
    ("actor", "host/sandbox/tests/it/action.rs"),
    ("asks-too-little", "host/sandbox/tests/it/admission.rs"),
    ("etcd-writer", "host/sandbox/tests/it/etcd_writes.rs"),
    ("hooked-store", "plugins/Cargo.toml"),
    ("hostile", "host/sandbox/tests/torture/company.rs"),
    ("hostile-store", "host/sandbox/tests/torture/company.rs"),
    ("hostile-verify", "host/sandbox/tests/torture/company.rs"),
    ("no-manifest", "host/sandbox/tests/it/admission.rs"),
    ("probe", "host/sandbox/tests/it/main.rs"),
    ("probe-verify", "host/sandbox/tests/it/verify.rs"),
    ("signer", "host/sandbox/tests/it/network/kit.rs"),
    ("store-bench", "host/sandbox/benches/sandbox/stage.rs"),
    ("store-falls", "host/drydock/tests/it/trouble/commit.rs"),
    ("store-gate", "host/drydock/tests/it/trouble/target.rs"),
    ("store-lies", "host/sandbox/tests/it/store.rs"),
    ("two-manifests", "host/sandbox/tests/it/admission.rs"),
    ("wrong-version", "host/sandbox/tests/it/admission.rs"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_fixture_is_claimed() {
    let there: BTreeSet<String> = names(&root().join("plugins/fixtures"))
        .into_iter()
        .collect();
    let claimed = CLAIMED.iter().map(|(name, _)| (*name).to_owned());
    let claimed: BTreeSet<String> = claimed.collect();
    assert_eq!(
        there, claimed,
        "claim a fixture where it is tested, or remove it"
    );
}

#[test]
fn every_claim_is_true() {
    for (name, file) in CLAIMED {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let quoted = format!("\"{name}\"");
        let path = format!("fixtures/{name}\"");
        assert!(
            text.contains(&quoted) || text.contains(&path),
            "{file} does not use {name}"
        );
    }
}
