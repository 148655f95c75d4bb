//! What operators can grant on this node: the sandbox's capabilities, as the vocabulary of
//! documents.

use std::collections::BTreeSet;

use drydock_core::tree::Node;
use drydock_core::{DecodeError, Grants};
use drydock_documents::{Vocabulary, parse_grants};
use drydock_sandbox::{Request, capabilities};

/// All capabilities. The sandbox has the list, since there is none that it does not link.
pub static CAPABILITIES: Capabilities = Capabilities;

/// The type of [`CAPABILITIES`].
pub struct Capabilities;

impl Vocabulary for Capabilities {
    fn grants(&self, written: &Node) -> Result<Grants, DecodeError> {
        Grants::parse(written, capabilities())
    }
}

/// Some grant of each power, from the line that operators are told for it.
///
/// # Panics
/// When one of these lines is none: the tests read all of them.
#[must_use]
pub fn example_grants(requests: &[Request]) -> Grants {
    let lines = requests.iter().map(|request| request.grant_line());
    // A plugin may ask for the same power over and over.
    let lines: BTreeSet<_> = lines.collect();
    let text = lines.into_iter().collect::<Vec<_>>().join("\n---\n");
    let grants = parse_grants("grants", &text, &CAPABILITIES);
    grants.expect("the lines of powers are grants")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use drydock_capability_files::FolderGrant;
    use drydock_core::TargetName;
    use drydock_documents::{self as documents, DocumentSet};

    use super::*;

    #[test]
    fn the_line_that_is_told_for_a_power_allows_it() {
        for request in Request::all() {
            let grants = example_grants(&[request]);
            assert!(grants.allow(request.power()), "{request}");
            assert_eq!(grants.problems(), [], "{request}");
        }
        let all: Vec<Request> = Request::all().collect();
        let grants = example_grants(&all);
        assert!(all.iter().all(|request| grants.allow(request.power())));
    }

    /// The first mistake in a grant of a plugin.
    fn told(grants: &str) -> String {
        let text = format!(
            "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: g}}\nspec:\n  builtin: store-file\n  grants:\n    {grants}\n"
        );
        let parsed = documents::parse("g.yaml", &text, &CAPABILITIES);
        parsed.unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_grant_is_told_by_its_place_and_with_the_nearest_word() {
        let table = [
            (
                "fiels: []",
                "7:5: spec.grants.fiels is no key of a PluginGrant; did you mean files?",
            ),
            (
                "etcd: [status, everything]",
                "7:20: spec.grants.etcd[1] of a PluginGrant must be one of member-list, status, snapshot, hash-kv, health, defragment, compact, alarm-disarm, move-leader, member-add-learner, member-promote, member-remove, probe-put, not everything",
            ),
            (
                "etcd: all",
                "7:11: spec.grants.etcd of a PluginGrant must be a list, but it is text",
            ),
            (
                "files: [{directory: var/backups, access: read}]",
                "7:25: spec.grants.files[0].directory of a PluginGrant must be an absolute path without .., e.g. /var/backups/drydock",
            ),
            (
                "files: [{directory: /var/../etc, access: read}]",
                "7:25: spec.grants.files[0].directory of a PluginGrant must be an absolute path without .., e.g. /var/backups/drydock",
            ),
        ];
        for (grants, sentence) in table {
            assert_eq!(told(grants), format!("g.yaml:{sentence}"));
        }
        let names: Vec<&str> = capabilities().map(|capability| capability.name).collect();
        assert_eq!(
            told("x: []"),
            format!(
                "g.yaml:7:5: spec.grants.x is no key of a PluginGrant; valid here: {}",
                names.join(", ")
            )
        );
    }

    #[test]
    fn the_shipped_grants_are_grants() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schedules/examples");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let grants = documents::parse("grants.yaml", &read("grants.yaml"), &CAPABILITIES);
        let targets = documents::parse("nightly.yaml", &read("nightly.yaml"), &CAPABILITIES);
        let set = DocumentSet::from_folders(targets.unwrap(), grants.unwrap()).unwrap();
        for grant in set.grants() {
            let text =
                documents::Document::PluginGrant(grant.value.clone()).canonical(Path::new(""));
            let again = documents::parse("pinned", &text, &CAPABILITIES).unwrap();
            assert_eq!(again[0].value.canonical(Path::new("")), text);
        }
        for target in set.targets() {
            let text = documents::Document::Target(target.value.clone()).canonical(Path::new(""));
            let again = documents::parse("pinned", &text, &CAPABILITIES).unwrap();
            assert_eq!(again[0].value.canonical(Path::new("")), text);
        }
        let offsite = set.target(&TargetName::new("offsite")).unwrap();
        let own = offsite.value.spec.grants.as_ref().unwrap();
        let store = set
            .grants()
            .find(|grant| grant.value.name.as_str() == "store-offsite");
        let given = &store.unwrap().value.spec.grants;
        let endpoints = |name: &TargetName| set.endpoints(name);
        let given = given.at_endpoints(&endpoints);
        assert_eq!(own.apart_from(&given, &endpoints), []);
        let own = own.at_endpoints(&endpoints);
        assert_eq!(own.within(&given), own);
        let folders = set
            .grants()
            .map(|grant| grant.value.spec.grants.of::<FolderGrant>());
        assert!(folders.flatten().count() > 0);
        let node = documents::parse("/etc/node.yaml", &read("node.yaml"), &CAPABILITIES).unwrap();
        let text = node[0].value.canonical(Path::new(""));
        let again = documents::parse("pinned", &text, &CAPABILITIES).unwrap();
        assert_eq!(again[0].value, node[0].value);
    }
}
