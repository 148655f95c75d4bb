//! `cargo xtask tools`: the programs that builds, tests and the quickstart need.
//!
//! Each tool has a recipe and a place in the cache folder under `tools/`, named with its
//! version. A tool that is present is not looked at again, so asking for it is instant.

mod debian;
mod go;
mod node;
mod protoc;
mod python;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::program::step;
use crate::workspace::Workspace;

/// A tool that can be asked for by name.
struct Tool {
    /// The name with its version, which is also its folder under `tools/`.
    name: &'static str,
    /// The short name, for the version that is used where nothing else is asked for.
    short: Option<&'static str>,
    recipe: Recipe,
}

/// How a tool comes into the cache folder.
enum Recipe {
    /// Copied out of the crate that carries it.
    Protoc,
    /// Built from the committed Go module of the tool's name: program and package.
    Go(&'static [(&'static str, &'static str)]),
    /// The same, with variables that the linker sets.
    GoLinked(&'static [(&'static str, &'static str)], &'static str),
    /// Copied out of a Go module: the module with its version, as it stands in the committed
    /// Go module of another tool, the folder in it, and the files by how their names end.
    GoFiles {
        of: &'static str,
        module: &'static str,
        folder: &'static str,
        ends: &'static [&'static str],
    },
    /// Installed by pip from the committed requirements of the tool's name, with the
    /// program that starts it.
    Python(python::Start),
    /// Installed by npm from the committed lock file of the tool's name: the program, and
    /// the package's script that it starts.
    Node {
        program: &'static str,
        script: &'static str,
    },
    /// The system's program if there is one, else the file of this name out of the first
    /// of these Debian packages; the others hold libraries that it needs.
    Debian {
        program: &'static str,
        packages: &'static [&'static str],
    },
}

/// The three programs of etcd, the same packages in every version.
const ETCD: Recipe = Recipe::Go(&[
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("etcdctl", "go.etcd.io/etcd/etcdctl/v3"),
    ("etcdutl", "go.etcd.io/etcd/etcdutl/v3"),
]);

/// An API server that does not know its version refuses to serve some of its own kinds.
const KUBERNETES_LINK: &str = "-X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=36";

/// Every tool there is. Those with a short name are the default set.
const TOOLS: &[Tool] = &[
    Tool {
        name: "protoc-3.3",
        short: Some("protoc"),
        recipe: Recipe::Protoc,
    },
    Tool {
        name: "etcd-3.6.16",
        short: Some("etcd"),
        recipe: ETCD,
    },
    Tool {
        name: "etcd-3.5.35",
        short: None,
        recipe: ETCD,
    },
    Tool {
        name: "etcd-3.7.3",
        short: None,
        recipe: ETCD,
    },
    Tool {
        name: "kubernetes-1.36.3",
        short: Some("kubernetes"),
        recipe: Recipe::GoLinked(
            &[
                ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
                ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
            ],
            KUBERNETES_LINK,
        ),
    },
    Tool {
        name: "kubernetes-api-0.36.3",
        short: Some("kubernetes-api"),
        recipe: Recipe::GoFiles {
            of: "kubernetes-1.36.3",
            module: "k8s.io/api",
            folder: "testdata/HEAD",
            ends: &[".pb", ".json"],
        },
    },
    Tool {
        name: "age-1.3.2",
        short: Some("age"),
        recipe: Recipe::Go(&[
            ("age", "filippo.io/age/cmd/age"),
            ("age-keygen", "filippo.io/age/cmd/age-keygen"),
        ]),
    },
    Tool {
        name: "minisign-0.3.0",
        short: Some("minisign"),
        recipe: Recipe::Go(&[("minisign", "aead.dev/minisign/cmd/minisign")]),
    },
    Tool {
        name: "azurite-3.35.0",
        short: Some("azurite"),
        recipe: Recipe::Node {
            program: "azurite-blob",
            script: "azurite/dist/src/blob/main.js",
        },
    },
    Tool {
        name: "versitygw-1.8.0",
        short: Some("versitygw"),
        recipe: Recipe::Go(&[("versitygw", "github.com/versity/versitygw/cmd/versitygw")]),
    },
    Tool {
        name: "fake-gcs-server-1.56.1",
        short: Some("fake-gcs-server"),
        recipe: Recipe::Go(&[("fake-gcs-server", "github.com/fsouza/fake-gcs-server")]),
    },
    Tool {
        name: "componentize-py-0.25.1",
        short: Some("componentize-py"),
        recipe: Recipe::Python(python::Start {
            program: "componentize-py",
            module: "componentize_py",
            function: "script",
        }),
    },
    Tool {
        name: "componentize-js-0.23.0",
        short: Some("componentize-js"),
        recipe: Recipe::Node {
            program: "componentize-js",
            script: "@bytecodealliance/componentize-js/src/cli.js",
        },
    },
    Tool {
        name: "restic-0.18.0",
        short: None,
        recipe: Recipe::Go(&[("restic", "github.com/restic/restic/cmd/restic")]),
    },
    Tool {
        name: "awscli-1.46.3",
        short: None,
        recipe: Recipe::Python(python::Start {
            program: "aws",
            module: "awscli.clidriver",
            function: "main",
        }),
    },
    Tool {
        name: "zstd",
        short: Some("zstd"),
        recipe: Recipe::Debian {
            program: "zstd",
            packages: &["zstd"],
        },
    },
    Tool {
        name: "strace",
        short: Some("strace"),
        recipe: Recipe::Debian {
            program: "strace",
            packages: &["strace", "libunwind8"],
        },
    },
];

/// The chore: prepares the named tools, or the default set, and prints their places.
pub fn run(workspace: &Workspace, names: &[String]) -> Result<()> {
    for tool in chosen(names)? {
        let place = prepare_tool(workspace, tool)?;
        println!("{} {}", tool.name, place.display());
    }
    Ok(())
}

/// Prepares tools for another chore, without printing where they are.
pub fn prepare(workspace: &Workspace, names: &[&str]) -> Result<()> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    for tool in chosen(&names)? {
        prepare_tool(workspace, tool)?;
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Tool>> {
    if names.is_empty() {
        return Ok(TOOLS.iter().filter(|tool| tool.short.is_some()).collect());
    }
    names.iter().map(|name| named(name)).collect()
}

fn named(name: &str) -> Result<&'static Tool> {
    let found = TOOLS
        .iter()
        .find(|tool| tool.name == name || tool.short == Some(name));
    let Some(tool) = found else {
        let valid: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        bail!(
            "there is no tool `{name}`; choose from {}",
            valid.join(", ")
        );
    };
    Ok(tool)
}

/// Makes the tool unless it is present, and returns the program or the folder of programs.
fn prepare_tool(workspace: &Workspace, tool: &Tool) -> Result<PathBuf> {
    let place = workspace.cache.folder("tools")?.join(tool.name);
    if is_present(tool, &place) {
        return Ok(place);
    }
    let _lock = workspace.cache.lock(&format!("tool-{}", tool.name))?;
    // Another run may have made it while this one waited for the lock.
    if !is_present(tool, &place) {
        step(&format!("prepare {}", tool.name), || {
            make(workspace, tool, &place)
        })?;
    }
    Ok(place)
}

fn is_present(tool: &Tool, place: &Path) -> bool {
    match &tool.recipe {
        Recipe::Protoc => place.join(protoc::PROGRAM).is_file(),
        Recipe::Go(programs) | Recipe::GoLinked(programs, _) => programs
            .iter()
            .all(|(program, _)| place.join(program).is_file()),
        // The folder appears whole.
        Recipe::GoFiles { .. } => place.is_dir(),
        Recipe::Python(start) => place.join(start.program).is_file(),
        Recipe::Node { program, .. } | Recipe::Debian { program, .. } => {
            place.join(program).is_file()
        }
    }
}

fn make(workspace: &Workspace, tool: &Tool, place: &Path) -> Result<()> {
    match &tool.recipe {
        Recipe::Protoc => protoc::copy(place),
        Recipe::Go(programs) => go::build(workspace, tool.name, programs, "", place),
        Recipe::GoLinked(programs, link) => go::build(workspace, tool.name, programs, link, place),
        Recipe::GoFiles {
            of,
            module,
            folder,
            ends,
        } => go::copy_files(workspace, of, (module, folder, ends), place),
        Recipe::Python(start) => python::install(workspace, tool.name, *start, place),
        Recipe::Node { program, script } => {
            node::install(workspace, tool.name, (program, script), place)
        }
        Recipe::Debian { program, packages } => debian::provide(program, packages, place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_means_the_version_in_use() {
        assert_eq!(named("etcd").unwrap().name, "etcd-3.6.16");
        assert_eq!(named("etcd-3.5.35").unwrap().name, "etcd-3.5.35");
    }

    #[test]
    fn an_unknown_tool_lists_the_valid_ones() {
        let error = named("etcd-9").err().unwrap().to_string();
        assert!(
            error.starts_with("there is no tool `etcd-9`; choose from protoc-3.3, etcd-3.6.16")
        );
    }

    #[test]
    fn every_go_tool_has_a_committed_module_that_names_its_packages() {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools");
        for tool in TOOLS {
            let (Recipe::Go(programs) | Recipe::GoLinked(programs, _)) = &tool.recipe else {
                continue;
            };
            let module = std::fs::read_to_string(modules.join(tool.name).join("go.mod")).unwrap();
            for (_, package) in *programs {
                assert!(module.contains(package), "{} lacks {package}", tool.name);
            }
        }
    }
}
