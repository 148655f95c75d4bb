//! The documents of a target that is a service: where it is, who this node is there, and the
//! one server that its plugin may speak to.

use drydock_core::{Endpoint, Scheme};

use super::{SEALED_FOR, line, path, scalar};
use crate::answers::{Said, ServiceTarget};

/// The target itself.
pub fn target(target: &ServiceTarget) -> String {
    let mut text = format!(
        "\
# Where recovery points go; docs/storage.md has every key and the least rights.
apiVersion: drydock.dev/v1
kind: Target
metadata:
  name: {name}
spec:
  # The store plugin; it sees sealed bytes only.
  plugin: {plugin}
  config:
",
        name = target.service.name,
        plugin = target.service.plugin,
    );
    for (key, value) in &target.config {
        line(&mut text, format_args!("    {key}: {}", scalar(value)));
    }
    let server = scalar(&url(&target.server));
    line(
        &mut text,
        format_args!("  # The server that the identity is for.\n  endpoints: [{server}]"),
    );
    text.push_str(&identity(target));
    if target.create {
        text.push_str(CREATE);
    }
    text.push_str(SEALED_FOR);
    text
}

/// For a bucket or container that need not be there yet.
const CREATE: &str = concat!(
    "  # Drydock makes the bucket or container where it is missing and nothing was ever stored\n",
    "  # there. When it is gone later, the store step fails.\n",
    "  create: true\n",
);

fn identity(target: &ServiceTarget) -> String {
    let kind = target.login.kind;
    if target.said.is_empty() {
        let value = if kind == "none" {
            "none".to_owned()
        } else {
            format!("{{{kind}: {{}}}}")
        };
        return format!("  identity: {value}\n");
    }
    let mut text = format!(
        "  # Who the plugin is there. The host completes its requests; the plugin sees nothing of
  # it, and a secret never stands in a document.
  identity:
    {kind}:
"
    );
    for (key, said) in &target.said {
        line(&mut text, format_args!("      {key}: {}", value(said)));
    }
    text
}

fn value(said: &Said) -> String {
    match said {
        Said::Word(word) => scalar(word),
        Said::Env(name) => format!("{{valueFrom: {{env: {name}}}}}"),
        Said::File(file) => format!("{{valueFrom: {{file: {}}}}}", scalar(path(file))),
        Said::Path(file) => scalar(path(file)),
    }
}

/// The grant of the store plugin.
pub fn grant(target: &ServiceTarget) -> String {
    format!(
        "\
# Sends sealed parts to the target's server, and nothing anywhere else.
apiVersion: drydock.dev/v1
kind: PluginGrant
metadata:
  name: {plugin}
spec:
  builtin: {plugin}
  grants:
{rule}",
        plugin = target.service.plugin,
        rule = rule(target),
    )
}

/// The rule that allows the server, for the grant and for the ceiling.
pub fn rule(target: &ServiceTarget) -> String {
    let Endpoint { scheme, host, port } = &target.server;
    let port = if *port == scheme.default_port() {
        String::new()
    } else {
        format!(", port: {port}")
    };
    let inside = match &target.inside[..] {
        [] => String::new(),
        // Its name led there when this was written.
        kinds => format!(", addresses: [{}]", kinds.join(", ")),
    };
    let host = scalar(&host.to_string());
    format!("    http:\n      - {{scheme: {scheme}, host: {host}{port}{inside}}}\n")
}

/// What the node's configuration says of requests.
pub fn http(target: &ServiceTarget) -> String {
    target.ca.as_ref().map_or_else(String::new, |ca| {
        format!(
            "  # Certificates that are trusted beside those of the system.\n  http: {{caFile: {}}}\n",
            scalar(path(ca))
        )
    })
}

/// The server as a URL, without the port that the scheme has anyway.
fn url(server: &Endpoint) -> String {
    let Endpoint { scheme, host, port } = server;
    match (scheme, port) {
        (Scheme::Https, 443) | (Scheme::Http, 80) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}
