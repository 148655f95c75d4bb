//! `drydock plugin grant`: a PluginGrant to fill in, for one component or, on a node for
//! development, for whatever is built into a folder. No configuration is read.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use drydock_core::{Power, reason};
use drydock_sandbox::{Inspection, PluginManifest, Request, capabilities};
use drydock_terminal::print;

use super::inspect::{look, words};
use crate::{Exit, Failure, Outcome};

/// What a grant for the plugins of a folder is called where they are several.
const SEVERAL: &str = "development";

/// Prints a document that grants the plugin nothing yet, with every list that it asks for.
pub fn of_component(file: &Path) -> Outcome {
    let (_, found) = look(file)?;
    print::line(for_component(&found).trim_end());
    Ok(Exit::Done)
}

/// The same for the components that lie in a folder, whatever they will be.
pub fn of_folder(folder: &Path) -> Outcome {
    let manifests = components(folder)?
        .iter()
        .map(|file| Ok(look(file)?.1.manifest))
        .collect::<Result<Vec<_>, Failure>>()?;
    let whole = fs::canonicalize(folder).map_err(|error| unreadable(folder, &error))?;
    print::line(for_folder(&whole, &manifests).trim_end());
    Ok(Exit::Done)
}

/// The components of a folder, in order.
fn components(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let paths = paths.collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(|error| unreadable(folder, &error))?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "wasm"));
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::usage(format!(
            "{} has no component, which ends in .wasm: build the plugin into it first, so that the grant lists what it asks for",
            folder.display()
        )));
    }
    Ok(paths)
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "{} cannot be read: {}",
        folder.display(),
        reason(error)
    ))
}

/// As it stands, an operator who applies it unread grants nothing.
fn for_component(found: &Inspection) -> String {
    let manifest = &found.manifest;
    let optional = if manifest.optional.is_empty() {
        String::new()
    } else {
        format!("; it can do without {}", words(&manifest.optional))
    };
    let head = format!(
        "# {} {} of the world {} asks for: {}{optional}.\n\
         # Fill in what it may have; as it stands, it may do nothing.\n",
        manifest.name,
        manifest.version,
        manifest.world,
        words(&manifest.requests),
    );
    let subject = format!("digest: {}", found.digest);
    head + &document(&manifest.name, &subject, std::slice::from_ref(manifest))
}

fn for_folder(folder: &Path, manifests: &[PluginManifest]) -> String {
    let head = format!(
        "# Whatever plugin lies in {} and stands under `plugins:` of the node's configuration.\n\
         # For a node on which plugins are developed, whose configuration says\n\
         # `development: {{pluginFolders: true}}`: whoever can write there has what this gives.\n\
         # Fill in what they may have; as it stands, they may do nothing.\n",
        folder.display()
    );
    let name = match manifests {
        [only] => &only.name,
        _ => SEVERAL,
    };
    // JSON is YAML.
    let subject = format!("folder: {}", serde_json::json!(folder.to_string_lossy()));
    head + &document(name, &subject, manifests)
}

/// The document as YAML. What the plugins ask for stands beside each list as a comment.
fn document(name: &str, subject: &str, manifests: &[PluginManifest]) -> String {
    let mut text = format!(
        "apiVersion: drydock.dev/v1\n\
         kind: PluginGrant\n\
         metadata:\n  name: {name}\n\
         spec:\n  {subject}\n"
    );
    let mut asked: Vec<&Power> = Vec::new();
    for power in manifests
        .iter()
        .flat_map(PluginManifest::asked)
        .map(Request::power)
    {
        if !asked.contains(&power) {
            asked.push(power);
        }
    }
    if asked.is_empty() {
        text.push_str("  grants: {}\n");
        return text;
    }
    text.push_str("  grants:\n");
    for capability in capabilities() {
        let of_it = asked.iter().copied();
        let of_it: Vec<_> = of_it
            .filter(|power| capability.powers.contains(power))
            .collect();
        if !of_it.is_empty() {
            let hint = (capability.hint)(&of_it);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {}: [] # {hint}", capability.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use drydock_core::{Grants, PluginDigest};
    use drydock_documents::{self as documents, Document, GrantSubject};
    use drydock_node::CAPABILITIES;
    use drydock_sandbox::{CONTRACT, World};

    use super::*;

    fn found(requests: &[&str]) -> Inspection {
        let requests = requests.iter().map(|word| Request::named(word).unwrap());
        Inspection {
            manifest: PluginManifest {
                name: "p".to_owned(),
                version: "1".to_owned(),
                world: World::Store,
                contract: CONTRACT.to_owned(),
                requests: requests.collect(),
                optional: Vec::new(),
                action: None,
            },
            digest: PluginDigest::of(b"p"),
            imports: Vec::new(),
            exports: Vec::new(),
        }
    }

    #[test]
    fn a_printed_grant_is_a_document_that_grants_nothing() {
        let all: Vec<&str> = Request::all().map(Request::word).collect();
        let each = all.iter().map(std::slice::from_ref);
        for requests in each.chain([&[][..], &all]) {
            let text = for_component(&found(requests));
            let documents = documents::parse("grant.yaml", &text, &CAPABILITIES).unwrap();
            let [document] = documents.as_slice() else {
                panic!("one document: {text}");
            };
            let Document::PluginGrant(grant) = &document.value else {
                panic!("a grant: {text}");
            };
            assert_eq!(grant.spec.grants, Grants::default());
        }
    }

    #[test]
    fn a_printed_grant_says_what_is_asked_for() {
        let text = for_component(&found(&["etcd.status", "files.write"]));
        assert!(
            text.contains("    etcd: [] # it asks for: status\n"),
            "{text}"
        );
        assert!(
            text.contains("    files: [] # e.g. {directory: /the/folder, access: write}\n"),
            "{text}"
        );
        let text = for_component(&found(&["http", "secret.use"]));
        for line in [
            "    http: [] # e.g. {scheme: https, host: the.host}, or {target: NAME}\n",
            "    secret: [] # to use, unseen; e.g. {name: the-key, use: {sign: {algorithm: hmac-sha256}}}\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_grant_for_a_folder_lists_what_its_plugins_ask_for_together() {
        let manifests = [
            &["etcd.status", "files.read"][..],
            &["files.write", "etcd.status"],
        ]
        .map(|requests| found(requests).manifest);
        let text = for_folder(Path::new("/srv/my builds"), &manifests);
        let documents = documents::parse("grant.yaml", &text, &CAPABILITIES).unwrap();
        let Document::PluginGrant(grant) = &documents[0].value else {
            panic!("a grant: {text}");
        };
        assert_eq!(grant.name.as_str(), SEVERAL);
        let folder = Path::new("/srv/my builds");
        assert_eq!(grant.spec.subject(), GrantSubject::Folder(folder));
        assert_eq!(grant.spec.grants, Grants::default());
        assert_eq!(text.matches("    etcd: []").count(), 1, "{text}");
        assert_eq!(text.matches("    files: []").count(), 1, "{text}");

        let text = for_folder(folder, &manifests[..1]);
        assert!(text.contains("  name: p\n"), "{text}");
    }

    #[test]
    fn a_folder_without_a_component_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("README.md"), "none").unwrap();
        let told = of_folder(folder.path()).unwrap_err().to_string();
        assert!(
            told.contains("has no component, which ends in .wasm: build"),
            "{told}"
        );
    }
}
