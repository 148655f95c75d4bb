//! The sandbox of an author: that of a node, with the code of plugins kept where the user
//! keeps such things. A component of a scripting language takes seconds to compile.

use std::path::PathBuf;
use std::sync::Arc;

use drydock_sandbox::{Limits, Sandbox, SandboxConfig};

use crate::Failure;
use crate::args::Global;

/// Call it on the process's runtime.
pub fn sandbox(global: &Global) -> Result<Sandbox, Failure> {
    Ok(Sandbox::new(SandboxConfig {
        cache: cache(global),
        limits: Limits::default(),
        compiler: Some(drydock_node::compiler()),
        clock: Arc::clone(&global.deps.clock),
    })?)
}

/// `$XDG_CACHE_HOME/drydock/plugins`, else `~/.cache/drydock/plugins`; none where neither is
/// known, or the folder cannot be used.
fn cache(global: &Global) -> Option<PathBuf> {
    let set = |name: &str| global.deps.env.env(name).filter(|value| !value.is_empty());
    let caches = set("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = caches.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")));
    Some(caches?.join("drydock/plugins"))
}
