//! `drydock plugin inspect` and `grant`: what a component's file says, for its author and
//! for whoever is to grant it something. No configuration is read, and nothing is judged:
//! that is [`check`](super::check)'s.

use std::fmt::Write as _;
use std::path::Path;

use drydock_api_types::plugin::PluginDetails;
use drydock_node::read_component;
use drydock_sandbox::{Inspection, Limits, Request, capabilities};
use drydock_terminal::print;

use crate::args::Global;
use crate::{Context as _, Exit, Failure, Outcome};

/// Prints what the file says.
pub fn inspect(global: &Global, file: &Path) -> Outcome {
    let (component, found) = look(file)?;
    let details = details(&component, &found);
    print::rows(
        global.output,
        &details,
        &["FIELD", "VALUE"],
        fields(&details),
    )?;
    Ok(Exit::Done)
}

/// Prints a document that grants the plugin nothing yet, with every list that it asks for.
pub fn grant(file: &Path) -> Outcome {
    let (_, found) = look(file)?;
    print::line(document(&found).trim_end());
    Ok(Exit::Done)
}

fn look(file: &Path) -> Result<(Vec<u8>, Inspection), Failure> {
    let component = read_component(file, Limits::default().component_bytes_max)?;
    let found = drydock_sandbox::inspect(&component)
        .with_context(|| format!("{} is no plugin", file.display()))?;
    Ok((component, found))
}

fn details(component: &[u8], found: &Inspection) -> PluginDetails {
    let manifest = &found.manifest;
    PluginDetails {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        world: manifest.world.to_string(),
        contract: manifest.contract.clone(),
        requests: strings(&manifest.requests),
        optional: strings(&manifest.optional),
        digest: found.digest.clone(),
        bytes: component.len() as u64,
        imports: found.imports.clone(),
        exports: found.exports.clone(),
    }
}

fn fields(plugin: &PluginDetails) -> Vec<Vec<String>> {
    let field = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        field("name", plugin.name.clone()),
        field("version", plugin.version.clone()),
        field("world", plugin.world.clone()),
        field("contract", plugin.contract.clone()),
        field("requests", words(&plugin.requests)),
        field("digest", plugin.digest.to_string()),
        field("size", drydock_core::human_bytes(plugin.bytes)),
    ];
    if !plugin.optional.is_empty() {
        rows.push(field("optional", words(&plugin.optional)));
    }
    let imports = plugin.imports.iter();
    rows.extend(imports.map(|name| field("import", name.clone())));
    let exports = plugin.exports.iter();
    rows.extend(exports.map(|name| field("export", name.clone())));
    rows
}

fn words(requests: &[impl ToString]) -> String {
    if requests.is_empty() {
        return "nothing".to_owned();
    }
    strings(requests).join(", ")
}

fn strings(requests: &[impl ToString]) -> Vec<String> {
    requests.iter().map(ToString::to_string).collect()
}

/// The document as YAML. What the plugin asks for stands beside each list as a comment:
/// an operator decides, so that a grant printed and applied unread grants nothing.
fn document(found: &Inspection) -> String {
    let manifest = &found.manifest;
    let optional = if manifest.optional.is_empty() {
        String::new()
    } else {
        format!("; it can do without {}", words(&manifest.optional))
    };
    let mut text = format!(
        "# {} {}, a {} plugin, asks for: {}{optional}.\n\
         # Fill in what it may have; as it stands, it may do nothing.\n\
         apiVersion: drydock.dev/v1\n\
         kind: PluginGrant\n\
         metadata:\n  name: {}\n\
         spec:\n  digest: {}\n",
        manifest.name,
        manifest.version,
        manifest.world,
        words(&manifest.requests),
        manifest.name,
        found.digest
    );
    if manifest.asked().next().is_none() {
        text.push_str("  grants: {}\n");
        return text;
    }
    text.push_str("  grants:\n");
    for capability in capabilities() {
        let asked = manifest.asked().map(Request::power);
        let asked: Vec<_> = asked
            .filter(|power| capability.powers.contains(power))
            .collect();
        if !asked.is_empty() {
            let hint = (capability.hint)(&asked);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {}: [] # {hint}", capability.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use drydock_core::{Grants, PluginDigest};
    use drydock_documents::{self as documents, Document};
    use drydock_node::CAPABILITIES;
    use drydock_sandbox::{CONTRACT, PluginManifest, World};

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
            let text = document(&found(requests));
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
        let text = document(&found(&["etcd.status", "files.write"]));
        assert!(
            text.contains("    etcd: [] # it asks for: status\n"),
            "{text}"
        );
        assert!(
            text.contains("    files: [] # e.g. {directory: /the/folder, access: write}\n"),
            "{text}"
        );
        let text = document(&found(&["http", "secret.use"]));
        for line in [
            "    http: [] # e.g. {scheme: https, host: the.host}, or {target: NAME}\n",
            "    secret: [] # to use, unseen; e.g. {name: the-key, use: {sign: {algorithm: hmac-sha256}}}\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
