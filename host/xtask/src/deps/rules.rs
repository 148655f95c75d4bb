//! What the crates may use: of ours, row by row, and of those from outside.

use std::path::Path;

use super::packages::{Dependency, Package};

/// The crates of ours that a crate uses, all of them: what a row allows and nobody uses is
/// as wrong as what is used and not allowed.
struct Rule {
    name: &'static str,
    may_use: &'static [&'static str],
    /// Those that only its tests use.
    in_tests: &'static [&'static str],
}

const CORE: &[&str] = &["drydock-core"];

/// A row a crate, from the lowest to the highest.
const RULES: &[Rule] = &[
    rule("drydock-core", &[]),
    rule("drydock-api-types", CORE),
    rule("drydock-documents", CORE),
    rule("drydock-schedule", &["drydock-core", "drydock-documents"]),
    rule("drydock-journal", CORE),
    rule("drydock-snapshot", CORE),
    rule("drydock-objects", CORE),
    rule("drydock-repository", CORE),
    rule("drydock-point", CORE),
    rule(
        "drydock-engine",
        &["drydock-core", "drydock-journal", "drydock-point"],
    ),
    rule("drydock-capability-artifact", CORE),
    rule("drydock-capability-secret", CORE),
    rule("drydock-capability-etcd", CORE),
    rule(
        "drydock-capability-files",
        &["drydock-core", "drydock-capability-artifact"],
    ),
    rule(
        "drydock-capability-http",
        &[
            "drydock-core",
            "drydock-capability-artifact",
            "drydock-capability-secret",
        ],
    ),
    rule(
        "drydock-capability-identity",
        &[
            "drydock-core",
            "drydock-capability-http",
            "drydock-capability-secret",
        ],
    ),
    rule("drydock-archive", &["drydock-capability-files"]),
    rule(
        "drydock-sandbox",
        &[
            "drydock-core",
            "drydock-repository",
            "drydock-capability-artifact",
            "drydock-capability-files",
            "drydock-capability-http",
            "drydock-capability-secret",
            "drydock-capability-etcd",
        ],
    )
    .in_tests(&[
        "drydock-archive",
        "drydock-capability-identity",
        "drydock-snapshot",
    ]),
    rule(
        "drydock-node",
        &[
            "drydock-core",
            "drydock-documents",
            "drydock-schedule",
            "drydock-journal",
            "drydock-engine",
            "drydock-repository",
            "drydock-capability-http",
            "drydock-capability-identity",
            "drydock-capability-secret",
            "drydock-capability-etcd",
            "drydock-sandbox",
        ],
    )
    .in_tests(&["drydock-capability-files"]),
    rule(
        "drydock-scratch",
        &[
            "drydock-core",
            "drydock-documents",
            "drydock-capability-http",
            "drydock-capability-etcd",
            "drydock-node",
        ],
    ),
    rule(
        "drydock-drill",
        &[
            "drydock-core",
            "drydock-api-types",
            "drydock-documents",
            "drydock-snapshot",
            "drydock-objects",
            "drydock-repository",
            "drydock-archive",
            "drydock-capability-artifact",
            "drydock-capability-http",
            "drydock-node",
            "drydock-scratch",
        ],
    ),
    rule(
        "drydock-runs",
        &[
            "drydock-core",
            "drydock-api-types",
            "drydock-documents",
            "drydock-journal",
            "drydock-point",
            "drydock-engine",
            "drydock-snapshot",
            "drydock-repository",
            "drydock-archive",
            "drydock-capability-artifact",
            "drydock-capability-etcd",
            "drydock-sandbox",
            "drydock-node",
            "drydock-drill",
        ],
    ),
    rule(
        "drydock-scheduler",
        &[
            "drydock-core",
            "drydock-documents",
            "drydock-schedule",
            "drydock-journal",
            "drydock-engine",
            "drydock-sandbox",
            "drydock-node",
            "drydock-runs",
        ],
    ),
    rule("drydock-terminal", &["drydock-node"]),
    rule(
        "drydock-cli",
        &[
            "drydock-core",
            "drydock-api-types",
            "drydock-documents",
            "drydock-schedule",
            "drydock-journal",
            "drydock-point",
            "drydock-engine",
            "drydock-snapshot",
            "drydock-objects",
            "drydock-repository",
            "drydock-archive",
            "drydock-capability-artifact",
            "drydock-capability-etcd",
            "drydock-capability-secret",
            "drydock-sandbox",
            "drydock-node",
            "drydock-scratch",
            "drydock-drill",
            "drydock-runs",
            "drydock-scheduler",
            "drydock-terminal",
        ],
    ),
    rule(
        "drydock-init",
        &[
            "drydock-core",
            "drydock-api-types",
            "drydock-documents",
            "drydock-schedule",
            "drydock-repository",
            "drydock-capability-files",
            "drydock-capability-etcd",
            "drydock-sandbox",
            "drydock-node",
            "drydock-runs",
            "drydock-terminal",
            "drydock-cli",
        ],
    ),
    rule(
        "drydock",
        &[
            "drydock-core",
            "drydock-documents",
            "drydock-node",
            "drydock-cli",
            "drydock-init",
        ],
    )
    .in_tests(&["drydock-journal", "drydock-snapshot", "drydock-sandbox"]),
    rule(
        "drydock-faulty",
        &["drydock-core", "drydock-engine", "drydock-node", "drydock"],
    ),
    rule("drydock-fakes", &["drydock-core", "drydock-repository"]),
    rule("drydock-testkit", &[]),
    rule("drydock-quickstart", &["drydock-testkit"]),
    rule(
        "drydock-bench",
        &[
            "drydock",
            "drydock-core",
            "drydock-node",
            "drydock-repository",
            "drydock-testkit",
            "drydock-quickstart",
        ],
    ),
    rule("xtask", &[]),
];

const fn rule(name: &'static str, may_use: &'static [&'static str]) -> Rule {
    Rule {
        name,
        may_use,
        in_tests: &[],
    }
}

impl Rule {
    const fn in_tests(self, in_tests: &'static [&'static str]) -> Self {
        Self { in_tests, ..self }
    }
}

/// Crates from outside (names ending in `-` stand for all that begin so) and the only
/// crates of ours that may use them. Tests and [`TOOLS`] are free to: one that looks at a
/// server or a database behind our back has to speak to it by itself.
const RESERVED: &[(&[&str], &[&str])] = &[
    (&["strsim", "url"], CORE),
    (&["serde-saphyr"], &["drydock-documents", "drydock-objects"]),
    (&["chrono", "cron"], &["drydock-schedule"]),
    (&["rusqlite"], &["drydock-journal"]),
    (
        &["aes", "aes-gcm", "cbc", "crypto_secretbox"],
        &["drydock-objects"],
    ),
    (&["age", "minisign", "zstd"], &["drydock-repository"]),
    (&["etcd-client", "tonic"], &["drydock-capability-etcd"]),
    (&["kube", "kube-"], &["drydock-capability-kubernetes"]),
    (&["reqwest"], &["drydock-capability-http"]),
    (
        &["wasmtime", "wasmtime-", "wasmparser", "http-body-util"],
        &["drydock-sandbox"],
    ),
    (&["rcgen", "tokio-rustls"], &["drydock-scratch"]),
    (&["axum", "sd-notify"], &["drydock-scheduler"]),
    (
        &["prometheus-client"],
        &["drydock-scheduler", "drydock-terminal"],
    ),
    (
        &["comfy-table", "tracing-subscriber"],
        &["drydock-terminal"],
    ),
    (&["indicatif"], &["drydock-cli"]),
    (&["dialoguer"], &["drydock-cli", "drydock-init"]),
    (
        &["clap"],
        &["drydock-terminal", "drydock-cli", "drydock-init"],
    ),
];

/// What is never installed, and so may use whatever it needs from outside.
const TOOLS: &[&str] = &[TESTKIT, "drydock-quickstart", "drydock-bench", "xtask"];

/// The crates that others may use in tests, and only there, unless their rule names them.
const TESTKIT: &str = "drydock-testkit";
const FAKES: &str = "drydock-fakes";

/// What the crates of the host do that they may not, one sentence each.
pub fn host_violations(packages: &[Package]) -> Vec<String> {
    let mut broken = Vec::new();
    for package in packages {
        let Some(rule) = RULES.iter().find(|rule| rule.name == package.name) else {
            broken.push(format!(
                "{} has no rule: say in host/xtask/src/deps/rules.rs what it may use",
                package.name
            ));
            continue;
        };
        let uses = package.dependencies.iter();
        broken.extend(uses.filter_map(|dependency| violation(package, rule, dependency, packages)));
        broken.extend(unused(package, rule));
    }
    broken
}

fn violation(
    package: &Package,
    rule: &Rule,
    dependency: &Dependency,
    packages: &[Package],
) -> Option<String> {
    let (user, used) = (package.name.as_str(), dependency.name.as_str());
    let ours = packages.iter().any(|other| other.name == used);
    if ours && !may_use(rule, dependency) {
        let where_at = if rule.in_tests.contains(&used) {
            " outside of its tests"
        } else {
            ""
        };
        return Some(format!("{user} must not depend on {used}{where_at}"));
    }
    if dependency.is_for_tests() || TOOLS.contains(&user) {
        return None;
    }
    let is_reserved = |names: &[&str]| names.iter().any(|name| matches(name, used));
    let (_, owners) = RESERVED.iter().find(|(names, _)| is_reserved(names))?;
    (!owners.contains(&user)).then(|| {
        format!(
            "{user} must not depend on {used}: only {} may",
            owners.join(", ")
        )
    })
}

fn may_use(rule: &Rule, dependency: &Dependency) -> bool {
    let used = dependency.name.as_str();
    let for_tests = matches!(used, TESTKIT | FAKES) || rule.in_tests.contains(&used);
    rule.may_use.contains(&used) || (for_tests && dependency.is_for_tests())
}

/// What a row allows in vain.
fn unused(package: &Package, rule: &Rule) -> Vec<String> {
    let is_used = |name: &str, for_tests: bool| {
        let mut uses = package.dependencies.iter();
        uses.any(|used| used.name == name && used.is_for_tests() == for_tests)
    };
    let in_vain = rule.may_use.iter().filter(|name| !is_used(name, false));
    let in_tests = rule.in_tests.iter().filter(|name| !is_used(name, true));
    let told = in_vain.chain(in_tests).map(|name| {
        let user = &package.name;
        format!("{user} may use {name} and does not: take that out of its row")
    });
    told.collect()
}

/// A name, or with a `-` at the end every name that begins so.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern.ends_with('-') {
        return name.starts_with(pattern);
    }
    name == pattern
}

/// What the plugins do that they may not: use anything that lies in the host's folder.
pub fn plugin_violations(packages: &[Package], host: &Path) -> Vec<String> {
    let mut broken = Vec::new();
    for package in packages {
        for dependency in &package.dependencies {
            let path = dependency.path.as_deref().map(Path::new);
            if path.is_some_and(|path| path.starts_with(host)) {
                broken.push(format!(
                    "the plugin crate {} must not depend on {}, a crate of the host",
                    package.name, dependency.name
                ));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests;
