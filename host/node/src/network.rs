//! How requests of plugins leave this node: what the node's configuration says, and what
//! the environment does where that says nothing.

use drydock_capability_etcd::certificates::judge_authorities;
use drydock_capability_http::{HttpConfig, Proxies};
use drydock_documents::{FileError, Located, Lookup, NodeConfig, Source};

/// What turns a proxy off that the environment names.
const NO_PROXY: &str = "none";

/// Reads it all.
///
/// # Errors
/// A file that cannot be read or holds no certificate, a proxy that is none.
pub fn http_config(
    config: &Located<NodeConfig>,
    lookup: &dyn Lookup,
) -> Result<HttpConfig, FileError> {
    Ok(HttpConfig {
        proxies: proxies(config, lookup)?,
        ca_pem: ca(config, lookup)?,
        ..HttpConfig::default()
    })
}

fn ca(config: &Located<NodeConfig>, lookup: &dyn Lookup) -> Result<Option<Vec<u8>>, FileError> {
    let Some(file) = &config.value.spec.http.ca_file else {
        return Ok(None);
    };
    let read = Source::File(file.clone()).read_certificates(lookup);
    let refused = |rule: String| config.error("spec.http.caFile", rule);
    let pem = read.map_err(|error| refused(error.to_string()))?;
    judge_authorities(&pem).map_err(|why| {
        refused(format!(
            "comes from the file {}, which {why}",
            file.display()
        ))
    })?;
    Ok(Some(pem))
}

fn proxies(config: &Located<NodeConfig>, lookup: &dyn Lookup) -> Result<Proxies, FileError> {
    let http = &config.value.spec.http;
    let told = http
        .proxy
        .as_ref()
        .map(|proxy| proxy.text(lookup))
        .transpose();
    let told = told.map_err(|error| config.error("spec.http.proxy", error))?;
    let direct = match &http.no_proxy {
        Some(direct) => direct.clone(),
        None => list(variable(lookup, "NO_PROXY")),
    };
    let (for_http, for_https) = match told.as_deref() {
        Some(NO_PROXY) => (None, None),
        Some(proxy) => (Some(proxy.to_owned()), Some(proxy.to_owned())),
        None => (
            variable(lookup, "HTTP_PROXY"),
            variable(lookup, "HTTPS_PROXY"),
        ),
    };
    Proxies::new(for_http, for_https, &direct).map_err(|rule| match &http.proxy {
        Some(_) => config.error("spec.http.proxy", rule),
        None => config.sentence(
            "spec",
            format!("the environment variable HTTP_PROXY or HTTPS_PROXY {rule}, or say `http: {{proxy: ...}}`"),
        ),
    })
}

/// A variable in capitals or, as other programs have it, in small letters. An empty one
/// is none.
fn variable(lookup: &dyn Lookup, name: &str) -> Option<String> {
    let value = lookup
        .env(name)
        .or_else(|| lookup.env(&name.to_lowercase()));
    value.filter(|value| !value.trim().is_empty())
}

fn list(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split(',')
        .map(|entry| entry.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use drydock_documents as documents;

    use super::*;
    use crate::CAPABILITIES;

    struct Environment(BTreeMap<&'static str, &'static str>);

    impl Lookup for Environment {
        fn file(&self, _: &Path) -> Result<Vec<u8>, String> {
            Ok(b"http://from-file:1".to_vec())
        }

        fn env(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|value| (*value).to_owned())
        }
    }

    /// What `Debug` shows of the proxies: whether there is one, and for whom not.
    fn shown(http: &str, environment: &[(&'static str, &'static str)]) -> String {
        let text = format!(
            "apiVersion: drydock.dev/v1\nkind: NodeConfig\nmetadata: {{name: n}}\nspec: {{state: /s, schedules: [/x], signingKey: {{valueFrom: {{file: /k}}}}, http: {http}}}\n"
        );
        let config = documents::parse_node_config("node.yaml", &text, &CAPABILITIES).unwrap();
        let environment = Environment(environment.iter().copied().collect());
        match proxies(&config, &environment) {
            Ok(proxies) => format!("{proxies:?}"),
            Err(error) => error.to_string(),
        }
    }

    fn expected(http: bool, https: bool, direct: &str) -> String {
        format!("Proxies {{ http: {http}, https: {https}, direct: {direct} }}")
    }

    #[test]
    fn the_document_comes_before_the_environment() {
        let both = [
            ("HTTPS_PROXY", "http://e:1"),
            ("http_proxy", "http://e:2"),
            ("NO_PROXY", "a.example, ,b"),
        ];
        let names = "[Name(\"a.example\"), Name(\"b\")]";
        assert_eq!(shown("{}", &both), expected(true, true, names));
        assert_eq!(shown("{}", &both[..1]), expected(false, true, "[]"));
        assert_eq!(shown("{proxy: none}", &both), expected(false, false, names));
        assert_eq!(
            shown("{proxy: 'http://d:1', noProxy: []}", &both),
            expected(true, true, "[]")
        );
        assert_eq!(
            shown("{proxy: {valueFrom: {file: p}}}", &[]),
            expected(true, true, "[]")
        );
        assert_eq!(
            shown("{}", &[("HTTPS_PROXY", " ")]),
            expected(false, false, "[]")
        );
    }

    #[test]
    fn what_is_no_proxy_is_told_without_repeating_it() {
        let told = shown("{}", &[("HTTPS_PROXY", "user:secret@p")]);
        assert!(
            told.contains("HTTP_PROXY or HTTPS_PROXY is no URL of a proxy")
                && !told.contains("secret"),
            "{told}"
        );
        let told = shown("{proxy: proxy.example}", &[]);
        assert!(
            told.starts_with("node.yaml:4:") && told.contains("spec.http.proxy is no URL"),
            "{told}"
        );
    }
}
