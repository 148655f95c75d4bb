//! Compiled code across starts.

use std::path::Path;
use std::sync::Arc;

use drydock_capability_files::Access;
use drydock_sandbox::{CompiledFrom, Limits, Plugin, Sandbox, SandboxConfig};

use crate::{StoppedClock, admit, all_grants, run, seen};

/// A daemon that starts with this cache.
fn started(cache: &Path) -> Arc<Plugin> {
    let sandbox = Sandbox::new(SandboxConfig {
        cache: Some(cache.to_owned()),
        limits: Limits::default(),
        compiler: None,
        clock: Arc::new(StoppedClock),
    });
    let grants = all_grants(Path::new("/nowhere"), Access::Write);
    admit(&sandbox.unwrap(), "probe", &grants)
}

async fn works(plugin: &Plugin) -> bool {
    seen(run(plugin, r#"{"do":"count"}"#).await) == ["1"]
}

#[tokio::test]
async fn a_plugin_is_compiled_once_and_anew_after_tampering() {
    let scratch = tempfile::tempdir().unwrap();
    let cache = scratch.path().join("cache");
    let first = started(&cache);
    assert!(first.compiled_from() == CompiledFrom::Component && works(&first).await);
    let second = started(&cache);
    assert!(second.compiled_from() == CompiledFrom::Cache && works(&second).await);
    let file = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap();
    let mut code = std::fs::read(file.path()).unwrap();
    let last = code.len() - 1;
    code[last] ^= 1;
    std::fs::write(file.path(), code).unwrap();
    let third = started(&cache);
    assert!(third.compiled_from() == CompiledFrom::Component && works(&third).await);
}

#[tokio::test]
async fn a_folder_that_others_can_enter_means_compiling_each_time() {
    use std::os::unix::fs::PermissionsExt as _;
    let cache = tempfile::tempdir().unwrap();
    std::fs::set_permissions(cache.path(), std::fs::Permissions::from_mode(0o770)).unwrap();
    for _ in 0..2 {
        assert_eq!(
            started(cache.path()).compiled_from(),
            CompiledFrom::Component
        );
    }
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
}
