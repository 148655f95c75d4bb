//! What this build is, as `--version`, logs, manifests and marks say it.

/// Drydock's own version: all crates of the workspace have one.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
