//! What is measured: a sandbox and the plugin `store-bench`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use drydock_capability_files::{Access, FolderGrant};
use drydock_core::{Clock, ClusterName, Grants, TargetName, UnixTime};
use drydock_sandbox::{
    Admission, Limits, Plugin, Sandbox, SandboxConfig, StepCall, StoreContext, StoreTarget,
    Throttle,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A sandbox with a folder that its plugins were granted.
pub struct Stage {
    pub sandbox: Sandbox,
    pub plugin: Arc<Plugin>,
    folder: TempDir,
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        UnixTime(1_767_323_045)
    }
}

impl Stage {
    pub fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = sandbox(None);
        let plugin = admit(&sandbox, &component("store-bench"), folder.path());
        Self {
            sandbox,
            plugin,
            folder,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The plugin with these words beside its folder.
    pub fn target(&self, plugin: &Arc<Plugin>, words: &Value) -> StoreTarget {
        let mut config = json!({"folder": self.folder()});
        let all = words.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(all);
        let context = StoreContext {
            target: TargetName::new("bench"),
            config: config.to_string(),
            step: StepCall::idle(ClusterName::new("bench"), StoppedClock.now()),
            observer: Arc::new(|_, _| {}),
            throttle: Throttle::default(),
        };
        StoreTarget::new(Arc::clone(plugin), context)
    }
}

pub fn sandbox(cache: Option<PathBuf>) -> Sandbox {
    let limits = Limits::default();
    let clock = Arc::new(StoppedClock);
    Sandbox::new(SandboxConfig {
        cache,
        limits,
        compiler: None,
        clock,
    })
    .unwrap()
}

pub fn admit(sandbox: &Sandbox, component: &[u8], folder: &Path) -> Arc<Plugin> {
    let grants = Grants::default().with([FolderGrant::new(folder, Access::Write)]);
    let admission = Admission {
        component,
        builtin: None,
        grants: Some(&grants),
        ceiling: None,
        limits: None,
    };
    sandbox.admit(admission).unwrap()
}

/// A component that `cargo xtask plugins` built.
pub fn component(name: &str) -> Vec<u8> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist");
    let file = format!("{name}.wasm");
    std::fs::read(dist.join("fixtures").join(&file))
        .or_else(|_| std::fs::read(dist.join(&file)))
        .unwrap_or_else(|_| panic!("plugins/dist holds no {file}: run `cargo xtask plugins`"))
}
