//! Embeds the built-in plugins: writes a table of `include_bytes!` for every plugin
//! that the workspace under `plugins/` builds. A missing one is a build error.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The plugins that the program carries.
const BUILT_IN: [&str; 10] = [
    "etcd-backup",
    "etcd-maintain",
    "etcd-verify",
    "files-backup",
    "files-verify",
    "notify-webhook",
    "store-azure-blob",
    "store-file",
    "store-gcs",
    "store-s3",
];

fn main() {
    let manifest = PathBuf::from(env("CARGO_MANIFEST_DIR"));
    let dist = manifest.join("../../plugins/dist");
    let mut table = String::from(
        "/// The plugins that the program carries.\npub const BUILT_IN: BuiltIn = BuiltIn(&[\n",
    );
    for name in BUILT_IN {
        let component = dist.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", component.display());
        match component.canonicalize() {
            Ok(path) => writeln!(table, "    ({name:?}, include_bytes!({path:?})),")
                .expect("writing to a string cannot fail"),
            Err(_) => missing(name, &component),
        }
    }
    table.push_str("]);\n");
    let out = PathBuf::from(env("OUT_DIR")).join("built_in.rs");
    std::fs::write(&out, table).expect("cargo gives a writable OUT_DIR");
}

fn missing(name: &str, component: &Path) {
    println!(
        "cargo::error=the built-in plugin {name} is missing ({}): run `cargo xtask plugins` first",
        component.display()
    );
}

fn env(name: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo speaks to build scripts through the environment"
    )]
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}
