//! `cargo xtask check-deps`: the crates depend on each other one way only.
//!
//! The rules stand in `RULES` below, a row a crate from the lowest to the highest: what it
//! may use of ours. Some crates from outside belong to one of ours alone. Plugins never
//! depend on the host.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::program::output;
use crate::workspace::{Workspace, cargo_program};

/// The crates of ours that a crate may use.
struct Rule {
    name: &'static str,
    may_use: &'static [&'static str],
}

const CORE: &[&str] = &["drydock-core"];

const RULES: &[Rule] = &[
    rule("drydock-core", &[]),
    rule("drydock-documents", CORE),
    rule("drydock-schedule", &["drydock-core", "drydock-documents"]),
    rule("drydock-journal", CORE),
    rule("drydock-snapshot", CORE),
    rule("drydock-objects", CORE),
    rule("drydock-repository", CORE),
    rule("drydock-engine", &["drydock-core", "drydock-journal"]),
    rule("drydock-capability-artifact", CORE),
    rule("drydock-capability-secret", CORE),
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
    rule("drydock-capability-", CORE),
    rule("drydock-archive", &["drydock-capability-files"]),
    rule(
        "drydock-sandbox",
        &[
            "drydock-core",
            "drydock-repository",
            "drydock-archive",
            "drydock-capability-",
            // In tests.
            "drydock-snapshot",
        ],
    ),
    rule(
        "drydock-node",
        &[
            "drydock-core",
            "drydock-documents",
            "drydock-schedule",
            "drydock-journal",
            "drydock-repository",
            "drydock-capability-",
            "drydock-sandbox",
        ],
    ),
    rule(
        "drydock-scratch",
        &[
            "drydock-core",
            "drydock-documents",
            "drydock-capability-",
            "drydock-node",
        ],
    ),
    rule(
        "drydock-drill",
        &[
            "drydock-core",
            "drydock-documents",
            "drydock-snapshot",
            "drydock-objects",
            "drydock-repository",
            "drydock-archive",
            "drydock-capability-",
            "drydock-node",
            "drydock-scratch",
        ],
    ),
    rule(
        "drydock-runs",
        &[
            "drydock-core",
            "drydock-documents",
            "drydock-journal",
            "drydock-engine",
            "drydock-snapshot",
            "drydock-repository",
            "drydock-archive",
            "drydock-capability-",
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
            "drydock-documents",
            "drydock-schedule",
            "drydock-journal",
            "drydock-engine",
            "drydock-snapshot",
            "drydock-objects",
            "drydock-repository",
            "drydock-archive",
            "drydock-capability-",
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
            "drydock-documents",
            "drydock-schedule",
            "drydock-repository",
            "drydock-capability-",
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
            // In tests.
            "drydock-journal",
            "drydock-snapshot",
            "drydock-sandbox",
        ],
    ),
    rule("drydock-faulty", &["drydock-core", "drydock"]),
    rule(FAKES, &["drydock-core", "drydock-repository"]),
    rule(TESTKIT, CORE),
    rule("drydock-quickstart", &[TESTKIT]),
    rule("drydock-bench", &[TESTKIT, "drydock-quickstart"]),
    rule("xtask", &[]),
];

const fn rule(name: &'static str, may_use: &'static [&'static str]) -> Rule {
    Rule { name, may_use }
}

/// Crates from outside (names ending in `-` stand for all that begin so) and the only
/// crates of ours that may use them. Tests are free to: one that looks at a server or a
/// database behind our back has to speak to it by itself.
const RESERVED: &[(&str, &[&str])] = &[
    (
        "etcd-client",
        &[
            "drydock-capability-etcd",
            "drydock-testkit",
            "drydock-quickstart",
        ],
    ),
    ("kube", &["drydock-capability-kubernetes"]),
    ("kube-", &["drydock-capability-kubernetes"]),
    ("wasmtime", &["drydock-sandbox"]),
    ("wasmtime-", &["drydock-sandbox"]),
    ("rusqlite", &["drydock-journal"]),
    ("reqwest", &["drydock-capability-http"]),
];

/// The crates that others may use in tests, and only there, unless their rule names them.
const TESTKIT: &str = "drydock-testkit";
const FAKES: &str = "drydock-fakes";

/// A crate of one of the two workspaces, as `cargo metadata` tells it.
#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for an ordinary dependency, else `dev` or `build`.
    kind: Option<String>,
    /// Where a crate of ours lies.
    path: Option<String>,
}

impl Dependency {
    fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The chore: fails with every broken rule.
pub fn run(workspace: &Workspace) -> Result<()> {
    let host = packages(&workspace.root)?;
    let mut broken = host_violations(&host);
    let mut count = host.len();
    let plugins = workspace.plugins();
    if plugins.join("Cargo.toml").is_file() {
        let guests = packages(&plugins)?;
        count += guests.len();
        broken.extend(plugin_violations(&guests, &workspace.root.join("host")));
    }
    if !broken.is_empty() {
        bail!(
            "the dependency rules are broken:\n  {}",
            broken.join("\n  ")
        );
    }
    println!("{count} crates keep the dependency rules");
    Ok(())
}

fn packages(folder: &Path) -> Result<Vec<Package>> {
    let mut command = Command::new(cargo_program());
    command
        .current_dir(folder)
        .args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Metadata = serde_json::from_str(&output(&mut command)?)
        .with_context(|| format!("cargo metadata of {} is not readable", folder.display()))?;
    Ok(metadata.packages)
}

/// What the crates of the host do that they may not, one sentence each.
fn host_violations(packages: &[Package]) -> Vec<String> {
    let mut broken = Vec::new();
    for package in packages {
        let Some(rule) = RULES.iter().find(|rule| matches(rule.name, &package.name)) else {
            broken.push(format!(
                "{} has no rule: say in host/xtask/src/deps.rs what it may use",
                package.name
            ));
            continue;
        };
        let uses = package.dependencies.iter();
        broken.extend(uses.filter_map(|dependency| violation(package, rule, dependency, packages)));
    }
    broken
}

fn violation(
    package: &Package,
    rule: &Rule,
    dependency: &Dependency,
    packages: &[Package],
) -> Option<String> {
    let (user, used) = (&package.name, &dependency.name);
    let ours = packages.iter().any(|other| other.name == *used);
    if ours && !may_use(rule, dependency) {
        return Some(format!("{user} must not depend on {used}"));
    }
    if dependency.is_for_tests() {
        return None;
    }
    let (_, owners) = RESERVED.iter().find(|(name, _)| matches(name, used))?;
    let allowed = owners.iter().any(|owner| user == owner);
    (!allowed).then(|| {
        format!(
            "{user} must not depend on {used}: only {} may",
            owners.join(", ")
        )
    })
}

fn may_use(rule: &Rule, dependency: &Dependency) -> bool {
    if dependency.is_for_tests() && matches!(dependency.name.as_str(), TESTKIT | FAKES) {
        return true;
    }
    let mut allowed = rule.may_use.iter();
    allowed.any(|name| matches(name, &dependency.name))
}

/// A name, or with a `-` at the end every name that begins so.
fn matches(pattern: &str, name: &str) -> bool {
    if pattern.ends_with('-') {
        return name.starts_with(pattern);
    }
    name == pattern
}

/// What the plugins do that they may not: use anything that lies in the host's folder.
fn plugin_violations(packages: &[Package], host: &Path) -> Vec<String> {
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
mod tests {
    use super::*;

    fn package(name: &str, uses: &[(&str, Option<&str>)]) -> Package {
        let dependencies = uses.iter().map(|(name, kind)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
            path: None,
        });
        Package {
            name: name.to_owned(),
            dependencies: dependencies.collect(),
        }
    }

    /// The sentences about one crate that uses another, both of the workspace.
    fn use_of(user: &str, used: &str, kind: Option<&str>) -> Vec<String> {
        host_violations(&[package(user, &[(used, kind)]), package(used, &[])])
    }

    #[test]
    fn the_way_down_is_open() {
        let ways = [
            ("drydock-engine", "drydock-core"),
            ("drydock-engine", "drydock-journal"),
            ("drydock-capability-etcd", "drydock-core"),
            ("drydock-sandbox", "drydock-capability-files"),
            ("drydock-capability-files", "drydock-capability-artifact"),
            ("drydock-archive", "drydock-capability-files"),
            ("drydock", "drydock-sandbox"),
            ("drydock", "drydock-snapshot"),
        ];
        for (user, used) in ways {
            assert_eq!(use_of(user, used, None), [""; 0], "{user} -> {used}");
        }
    }

    #[test]
    fn the_way_up_and_sideways_is_closed() {
        let ways = [
            ("drydock-core", "drydock-engine"),
            ("drydock-journal", "drydock-engine"),
            ("drydock-repository", "drydock-snapshot"),
            ("drydock-capability-etcd", "drydock-capability-artifact"),
            ("drydock-capability-artifact", "drydock-capability-files"),
            ("drydock-sandbox", "drydock"),
            ("drydock", "xtask"),
            ("drydock-testkit", "drydock-sandbox"),
        ];
        for (user, used) in ways {
            let expected = format!("{user} must not depend on {used}");
            for kind in [None, Some("dev"), Some("build")] {
                assert_eq!(use_of(user, used, kind), std::slice::from_ref(&expected));
            }
        }
    }

    #[test]
    fn the_testkit_and_the_fakes_are_for_tests_only() {
        for used in [TESTKIT, FAKES] {
            assert_eq!(use_of("drydock-snapshot", used, Some("dev")), [""; 0]);
            assert_eq!(
                use_of("drydock-snapshot", used, None),
                [format!("drydock-snapshot must not depend on {used}")]
            );
        }
        assert_eq!(use_of("drydock-bench", TESTKIT, None), [""; 0]);
    }

    #[test]
    fn reserved_crates_stay_with_their_owner() {
        let owned = [
            package("drydock-capability-etcd", &[("etcd-client", None)]),
            package("drydock-sandbox", &[("wasmtime-wasi", None)]),
            package("drydock-journal", &[("rusqlite", None)]),
        ];
        assert_eq!(host_violations(&owned), [""; 0]);
        for kind in [None, Some("build")] {
            let strayed = [package("drydock-engine", &[("wasmtime-wasi", kind)])];
            assert_eq!(
                host_violations(&strayed),
                ["drydock-engine must not depend on wasmtime-wasi: only drydock-sandbox may"]
            );
        }
        let tests = [package("drydock-engine", &[("rusqlite", Some("dev"))])];
        assert_eq!(host_violations(&tests), [""; 0]);
        let near = [package("drydock-engine", &[("kubert", None)])];
        assert_eq!(host_violations(&near), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_rule_is_refused() {
        let unknown = [package("drydock-novelty", &[])];
        assert!(host_violations(&unknown)[0].starts_with("drydock-novelty has no rule"));
    }

    #[test]
    fn plugins_stay_clear_of_the_host() {
        let mut guest = package("etcd-backup", &[("drydock-core", None)]);
        guest.dependencies[0].path = Some("/w/host/core".to_owned());
        let broken = plugin_violations(&[guest], Path::new("/w/host"));
        assert_eq!(broken.len(), 1);
        let mut fine = package("etcd-backup", &[("drydock-sdk", None)]);
        fine.dependencies[0].path = Some("/w/plugins/sdk".to_owned());
        assert_eq!(plugin_violations(&[fine], Path::new("/w/host")), [""; 0]);
    }
}
