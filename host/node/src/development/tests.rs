use std::fs;

use drydock_documents as documents;

use super::*;
use crate::CAPABILITIES;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The node, with these lines under `spec:`.
    fn node(&self, lines: &str) -> Located<NodeConfig> {
        let text = format!(
            "apiVersion: drydock.dev/v1\nkind: NodeConfig\nmetadata: {{name: n}}\nspec:\n  state: s\n  schedules: [s]\n{lines}"
        );
        let file = self.path().join("node.yaml");
        documents::parse_node_config(file.to_str().unwrap(), &text, &CAPABILITIES).unwrap()
    }

    fn grants(&self, subject: &str) -> Vec<Located<Document>> {
        let text = format!(
            "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: mine}}\nspec: {{{subject}, grants: {{etcd: [status]}}}}\n"
        );
        let file = self.path().join("grant.yaml");
        documents::parse(file.to_str().unwrap(), &text, &CAPABILITIES).unwrap()
    }
}

const FOR_DEVELOPMENT: &str = "  development: {pluginFolders: true}\n";

fn names(by_folder: &ByFolder) -> Vec<(String, String)> {
    let grants = by_folder.grants.iter().map(|grant| match &grant.value {
        Document::PluginGrant(grant) => (
            grant.name.to_string(),
            format!("{:?}", grant.spec.subject()),
        ),
        other => panic!("{other:?}"),
    });
    grants.collect()
}

#[test]
fn a_folder_is_granted_by_the_digests_of_the_plugins_that_lie_there() {
    let place = Place::new();
    for (name, bytes) in [("a.wasm", "a"), ("b.wasm", "b"), ("unused.wasm", "c")] {
        fs::write(place.path().join(name), bytes).unwrap();
    }
    let one = "  plugins: {a: {file: a.wasm}, far: {file: /elsewhere/b.wasm}}\n";
    let node = place.node(&format!("{one}{FOR_DEVELOPMENT}"));
    let found = expand(&node, place.grants("folder: ."));
    let digest = |bytes: &str| format!("Digest({:?})", PluginDigest::of(bytes.as_bytes()));
    assert_eq!(names(&found), [("mine".to_owned(), digest("a"))]);
    let told = found.in_force[0].to_string();
    assert!(
        told.contains("grant.yaml:4:16: spec.folder grants plugin a (sha256:"),
        "{told}"
    );
    assert!(told.ends_with(": this node is for development"), "{told}");
    assert!(found.refused.is_empty());

    // Each build is another component, and each is granted.
    fs::write(place.path().join("a.wasm"), "a2").unwrap();
    let found = expand(&node, place.grants("folder: ."));
    assert_eq!(names(&found), [("mine".to_owned(), digest("a2"))]);

    let two = "  plugins: {a: {file: a.wasm}, b: {file: b.wasm}, again: {file: b.wasm}}\n";
    let node = place.node(&format!("{two}{FOR_DEVELOPMENT}"));
    let found = expand(&node, place.grants("folder: ."));
    let expected = [("mine-a", digest("a2")), ("mine-again", digest("b"))];
    assert_eq!(
        names(&found),
        expected.map(|(name, digest)| (name.to_owned(), digest))
    );
    assert_eq!(found.in_force.len(), 3);
}

#[test]
fn only_a_node_for_development_grants_by_folder() {
    let place = Place::new();
    fs::write(place.path().join("a.wasm"), "a").unwrap();
    let plugins = "  plugins: {a: {file: a.wasm}}\n";
    for off in [
        "",
        "  development: {}\n",
        "  development: {pluginFolders: false}\n",
    ] {
        let node = place.node(&format!("{plugins}{off}"));
        let found = expand(&node, place.grants("folder: ."));
        assert!(
            found.grants.is_empty() && found.in_force.is_empty(),
            "{off}"
        );
        let (name, error) = &found.refused[0];
        assert_eq!(name.as_str(), "mine");
        let told = error.to_string();
        assert!(
            told.contains("grant.yaml:4:16: spec.folder grants whatever is put into a folder"),
            "{told}"
        );
        assert!(
            told.contains("say `development: {pluginFolders: true}` in "),
            "{told}"
        );
        // Other grants stay what they are.
        let digest = format!("digest: 'sha256:{}'", "0".repeat(64));
        assert_eq!(expand(&node, place.grants(&digest)).grants.len(), 1);
    }
}

#[test]
fn a_folder_that_gives_nothing_says_why() {
    let place = Place::new();
    let node = place.node(FOR_DEVELOPMENT);
    let found = expand(&node, place.grants("folder: builds"));
    assert!(found.grants.is_empty() && found.refused.is_empty());
    let told = found.in_force[0].to_string();
    assert!(told.contains("and none of `plugins:` of "), "{told}");

    let node = place.node(&format!(
        "  plugins: {{a: {{file: builds/a.wasm}}}}\n{FOR_DEVELOPMENT}"
    ));
    let found = expand(&node, place.grants("folder: builds"));
    let told = found.refused[0].1.to_string();
    assert!(told.contains("spec.folder grants plugin a, and "), "{told}");
    assert!(told.contains("builds/a.wasm cannot be read: "), "{told}");
}

#[test]
fn a_grant_names_one_subject() {
    let place = Place::new();
    for subject in ["folder: ., builtin: x", "folder: ., digest: 'sha256:00'"] {
        let text = format!(
            "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: mine}}\nspec: {{{subject}}}\n"
        );
        let error = documents::parse("grant.yaml", &text, &CAPABILITIES).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("must name one plugin"), "{told}");
    }
    drop(place);
}
