//! `drydock plugin inspect` and `grant`: what a component's file says, for its author and
//! for whoever is to grant it something. No configuration is read.

use std::fmt::Write as _;
use std::path::Path;

use drydock_core::{
    Name,
    plugin::{
        Access, Algorithm, EtcdCall, FolderGrant, Grants, Host, HostPattern, HttpGrant, HttpRule,
        Request, Scheme, SecretGrant, SecretPower, SignUse,
    },
};
use drydock_node::{Deps, read_component};
use drydock_sandbox::{Admission, Inspection, Limits, Sandbox, SandboxConfig};
use drydock_terminal::print::{self, Output};
use serde_json::json;
use std::sync::Arc;

use crate::args::Global;
use crate::runtime::block_on;
use crate::{Context as _, Exit, Failure, Outcome};

/// Prints what the file says, then tells whether this host would take the component, had
/// it all that it asks for.
pub fn inspect(global: &Global, file: &Path) -> Outcome {
    let (component, found) = look(file)?;
    match global.output {
        Output::Json => print::line(&serde_json::to_string_pretty(&value(&component, &found))?),
        Output::Table => print::line(&print::table(
            &["FIELD", "VALUE"],
            fields(&component, &found),
        )),
    }
    block_on(async move {
        admit(&component, &found, &global.deps)?;
        Ok(Exit::Done)
    })
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

/// Compiles and links it as a run would; nothing of it runs.
fn admit(component: &[u8], found: &Inspection, deps: &Deps) -> Result<(), Failure> {
    let sandbox = Sandbox::new(SandboxConfig {
        cache: None,
        limits: Limits::default(),
        compiler: Some(drydock_node::compiler()),
        clock: Arc::clone(&deps.clock),
    })?;
    sandbox.admit(Admission {
        component,
        builtin: None,
        grants: Some(&everything(&found.manifest.requests)),
        ceiling: None,
        limits: None,
    })?;
    Ok(())
}

/// All that was asked for. Only its being there matters: nothing is called.
fn everything(requests: &[Request]) -> Grants {
    let files = requests.contains(&Request::FilesRead) || requests.contains(&Request::FilesWrite);
    let folder = FolderGrant {
        directory: "/".into(),
        access: Access::Write,
    };
    Grants {
        etcd: requests
            .iter()
            .filter_map(|request| call(*request))
            .collect(),
        files: files.then_some(folder).into_iter().collect(),
        http: requests
            .contains(&Request::Http)
            .then(any_host)
            .into_iter()
            .collect(),
        secret: requests
            .iter()
            .filter_map(|request| power(*request))
            .collect(),
        output: Vec::new(),
    }
}

fn any_host() -> HttpGrant {
    let host = HostPattern::Exactly(Host::Name("any".to_owned()));
    HttpGrant::Rule(HttpRule::new(Scheme::Https, host, 443))
}

fn power(request: Request) -> Option<SecretGrant> {
    let power = match request {
        Request::SecretReveal => SecretPower::Reveal,
        Request::SecretUse => SecretPower::Sign(SignUse::plain(Algorithm::HmacSha256)),
        _ => return None,
    };
    let name = Name::parse("any").expect("the word is a name");
    Some(SecretGrant { name, power })
}

fn call(request: Request) -> Option<EtcdCall> {
    match request {
        Request::EtcdMemberList => Some(EtcdCall::MemberList),
        Request::EtcdStatus => Some(EtcdCall::Status),
        Request::EtcdSnapshot => Some(EtcdCall::Snapshot),
        Request::EtcdHashKv => Some(EtcdCall::HashKv),
        Request::FilesRead
        | Request::FilesWrite
        | Request::Http
        | Request::SecretUse
        | Request::SecretReveal => None,
    }
}

fn value(component: &[u8], found: &Inspection) -> serde_json::Value {
    let manifest = &found.manifest;
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "world": manifest.world,
        "contract": manifest.contract,
        "requests": manifest.requests,
        "digest": found.digest,
        "size": component.len(),
        "imports": found.imports,
        "exports": found.exports,
    })
}

fn fields(component: &[u8], found: &Inspection) -> Vec<Vec<String>> {
    let manifest = &found.manifest;
    let field = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        field("name", manifest.name.clone()),
        field("version", manifest.version.clone()),
        field("world", manifest.world.to_string()),
        field("contract", manifest.contract.clone()),
        field("requests", words(&manifest.requests)),
        field("digest", found.digest.to_string()),
        field("size", drydock_core::human_bytes(component.len() as u64)),
    ];
    rows.extend(
        found
            .imports
            .iter()
            .map(|name| field("import", name.clone())),
    );
    rows.extend(
        found
            .exports
            .iter()
            .map(|name| field("export", name.clone())),
    );
    rows
}

fn words(requests: &[Request]) -> String {
    if requests.is_empty() {
        return "nothing".to_owned();
    }
    let words: Vec<_> = requests.iter().map(|request| request.word()).collect();
    words.join(", ")
}

/// The document as YAML. What the plugin asks for stands beside each list as a comment:
/// an operator decides, so that a grant printed and applied unread grants nothing.
fn document(found: &Inspection) -> String {
    let manifest = &found.manifest;
    let mut text = format!(
        "# {} {}, a {} plugin, asks for: {}.\n\
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
    let calls: Vec<_> = manifest
        .requests
        .iter()
        .filter_map(|request| request.word().strip_prefix("etcd."))
        .collect();
    let access = match (
        manifest.requests.contains(&Request::FilesWrite),
        manifest.requests.contains(&Request::FilesRead),
    ) {
        (true, _) => Some("write"),
        (false, true) => Some("read"),
        (false, false) => None,
    };
    let asks = |request| manifest.requests.contains(&request);
    if manifest.requests.is_empty() {
        text.push_str("  grants: {}\n");
        return text;
    }
    text.push_str("  grants:\n");
    // Writing to a string cannot fail.
    if !calls.is_empty() {
        let _ = writeln!(text, "    etcd: [] # it asks for: {}", calls.join(", "));
    }
    if let Some(access) = access {
        let _ = writeln!(
            text,
            "    files: [] # e.g. {{directory: /the/folder, access: {access}}}"
        );
    }
    if asks(Request::Http) {
        text.push_str("    http: [] # e.g. {scheme: https, host: the.host}, or {target: NAME}\n");
    }
    let secret = match (asks(Request::SecretUse), asks(Request::SecretReveal)) {
        (true, true) => {
            "to use and to see; e.g. {name: the-key, use: {sign: {algorithm: hmac-sha256}}}, {name: the-token, reveal: true}"
        }
        (true, false) => {
            "to use, unseen; e.g. {name: the-key, use: {sign: {algorithm: hmac-sha256}}}"
        }
        (false, true) => "to see; e.g. {name: the-token, reveal: true}",
        (false, false) => return text,
    };
    let _ = writeln!(text, "    secret: [] # {secret}");
    text
}

#[cfg(test)]
mod tests {
    use drydock_core::PluginDigest;
    use drydock_core::plugin::{CONTRACT, PluginManifest, World};
    use drydock_documents::{self as documents, Document};

    use super::*;

    fn found(requests: &[Request]) -> Inspection {
        Inspection {
            manifest: PluginManifest {
                name: "p".to_owned(),
                version: "1".to_owned(),
                world: World::Store,
                contract: CONTRACT.to_owned(),
                requests: requests.to_vec(),
            },
            digest: PluginDigest::of(b"p"),
            imports: Vec::new(),
            exports: Vec::new(),
        }
    }

    #[test]
    fn a_printed_grant_is_a_document_that_grants_nothing() {
        for requests in [
            &[][..],
            &Request::ALL,
            &[Request::FilesRead],
            &[Request::EtcdStatus],
            &[Request::Http],
            &[Request::SecretUse],
            &[Request::SecretReveal],
        ] {
            let text = document(&found(requests));
            let documents = documents::parse("grant.yaml", &text).unwrap();
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
        let text = document(&found(&[Request::EtcdStatus, Request::FilesWrite]));
        assert!(
            text.contains("    etcd: [] # it asks for: status\n"),
            "{text}"
        );
        assert!(
            text.contains("    files: [] # e.g. {directory: /the/folder, access: write}\n"),
            "{text}"
        );
        let text = document(&found(&[Request::Http, Request::SecretUse]));
        for line in [
            "    http: [] # e.g. {scheme: https, host: the.host}, or {target: NAME}\n",
            "    secret: [] # to use, unseen; e.g. {name: the-key, use: {sign: {algorithm: hmac-sha256}}}\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
