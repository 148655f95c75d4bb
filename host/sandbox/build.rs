//! Finds the version of wasmtime that is linked in.

use std::path::{Path, PathBuf};

fn main() {
    wasmtime_version(&PathBuf::from(env("CARGO_MANIFEST_DIR")));
}

/// The exact wasmtime that the lock file pins, for `--version` and for manifests.
fn wasmtime_version(manifest: &Path) {
    let lock = manifest.join("../../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = std::fs::read_to_string(&lock).unwrap_or_default();
    let version = text
        .split("[[package]]")
        .find(|entry| entry.contains("name = \"wasmtime\"\n"))
        .and_then(|entry| entry.lines().find_map(|l| l.strip_prefix("version = ")))
        .map_or("unknown", |version| version.trim_matches('"'));
    println!("cargo::rustc-env=DRYDOCK_WASMTIME_VERSION={version}");
}

fn env(name: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo speaks to build scripts through the environment"
    )]
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}
