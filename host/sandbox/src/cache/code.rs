//! The one place where bytes become machine code without being compiled here.

#![expect(
    unsafe_code,
    reason = "loading compiled code is as trusting as loading a shared library"
)]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Loads compiled code.
///
/// The caller got `code` from this program's own compiler just now, in this process or
/// through a pipe from a worker of the same build. Or it has read it into memory from a
/// folder that only the daemon's own user can write to, and has compared its SHA-256 with
/// the one that was written beside it by this same program for this same engine. Who can
/// write such a file can replace the daemon's own binary as well.
///
/// # Errors
/// When wasmtime sees that the code is of another version or configuration.
pub(crate) fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` was produced by `Engine::precompile_component` and is unchanged, by
    // the checks that the caller has made on the very bytes that are passed in.
    unsafe { Component::deserialize(engine, code) }
}
