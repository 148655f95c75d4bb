//! What this binary is, as `--version`, logs and manifests say it.

/// Drydock's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The wasmtime that is linked in.
pub const WASMTIME: &str = env!("DRYDOCK_WASMTIME_VERSION");

/// Both, for `--version`.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (wasmtime ",
    env!("DRYDOCK_WASMTIME_VERSION"),
    ", contract drydock:plugin@0.1.0)"
);
