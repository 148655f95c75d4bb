//! A node whose documents and plugins change while a run is open. No plugin runs here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drydock_core::{Clock, NoCrash, ScheduleName, UnixTime};
use drydock_documents::Lookup;
use drydock_node::action::NoActions;
use drydock_node::{BuiltIn, Configuration, Deps, Need, PluginRegistry};
use drydock_sandbox::{Admission, Sandbox, SandboxConfig};
use tempfile::TempDir;

use crate::pins::{PinBatch, PinnedWorkflow, Pins};
use drydock_core::Pin;

/// A section that no engine reads: with it a component has another digest.
const NEXT_VERSION: [u8; 4] = [0, 2, 1, b'v'];

const CLUSTER: &str = "apiVersion: drydock.dev/v1\nkind: Cluster\nmetadata: {name: c1}\nspec: {etcd: {endpoints: ['https://127.0.0.1:1'], ca: {valueFrom: {file: ca.pem}}}}\n";

const SCHEDULE: &str = "apiVersion: drydock.dev/v1\nkind: Schedule\nmetadata: {name: s1}\nspec:\n  cluster: c1\n  schedule: '@daily'\n  steps:\n  - {name: snapshot, backup: etcd-backup}\n  - {name: verify, verify: etcd-verify}\n  - {name: store, target: local}\n";

/// Where the plugin of target `far` may send requests is for that document to say.
const TARGETS: &str = "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {name: local}\nspec: {plugin: keeper, config: {folder: /backups}}\n---\napiVersion: drydock.dev/v1\nkind: Target\nmetadata: {name: far}\nspec: {plugin: store-far, endpoints: ['https://far.example']}\n---\napiVersion: drydock.dev/v1\nkind: Target\nmetadata: {name: unused}\nspec: {plugin: keeper}\n";

const BACKUP_GRANT: &str = "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {name: etcd-backup}\nspec: {builtin: etcd-backup, grants: {etcd: [member-list, status, snapshot]}}\n";

/// Of a plugin that the schedule does not use.
pub const OTHER_GRANT: &str = "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {name: store-file}\nspec: {builtin: store-file, grants: {files: [{directory: /other, access: write}]}}\n";

/// What the ceiling of a node is where it has one.
pub const CEILING: &str = "  ceiling: {etcd: [member-list, status, snapshot], files: [{directory: /elsewhere, access: write}]}\n";

/// A node in a folder.
pub struct Node {
    folder: TempDir,
    built_in: BuiltIn,
    pub pins: Pins,
}

struct Files;

struct StoppedClock;

impl Lookup for Files {
    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| error.to_string())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        UnixTime(1_800_000_000)
    }
}

impl Node {
    /// One on which schedule `s1` could run.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = ["etcd-backup", "etcd-verify"];
        let built_in = names.map(|name| (name, &*built(name).leak()));
        let node = Self {
            pins: Pins::new(&folder.path().join("state")),
            folder,
            built_in: BuiltIn(Box::leak(Box::new(built_in))),
        };
        fs::create_dir(node.folder.path().join("state")).unwrap();
        node.write("keeper.wasm", built("store-file"));
        node.write_config("");
        node.write("docs/c.yaml", CLUSTER);
        node.write("docs/s.yaml", SCHEDULE);
        node.write("docs/t.yaml", TARGETS);
        node.write("grants/b.yaml", BACKUP_GRANT);
        node.write("grants/k.yaml", node.keeper_grant("write"));
        node.write("grants/o.yaml", OTHER_GRANT);
        node
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    /// The node's configuration, with more lines of its `spec`.
    pub fn write_config(&self, more: &str) {
        self.write(
            "drydock.yaml",
            format!(
                "apiVersion: drydock.dev/v1\nkind: NodeConfig\nmetadata: {{name: n1}}\nspec:\n  state: state\n  schedules: [docs]\n  grants: [grants]\n  signingKey: {{valueFrom: {{file: key}}}}\n  plugins: {{keeper: {{file: keeper.wasm}}}}\n{more}"
            ),
        );
    }

    pub fn keeper_grant(&self, access: &str) -> String {
        let digest = drydock_core::PluginDigest::of(&built("store-file"));
        format!(
            "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: keeper}}\nspec: {{digest: '{digest}', grants: {{files: [{{directory: /backups, access: {access}}}], http: [{{target: far}}]}}}}\n"
        )
    }

    /// Another version of the plugin of target `local`, which no grant names.
    pub fn upgrade_keeper(&self) {
        self.write(
            "keeper.wasm",
            [&built("store-file")[..], &NEXT_VERSION].concat(),
        );
    }

    pub fn registry(&self) -> PluginRegistry {
        PluginRegistry::open(self.load()).unwrap()
    }

    /// The documents as they are now.
    pub fn load(&self) -> Configuration {
        let deps = Deps {
            clock: Arc::new(StoppedClock),
            crash: Arc::new(NoCrash),
            env: Arc::new(Files),
            built_in: self.built_in,
            actions: Arc::new(NoActions),
        };
        Configuration::load(&self.folder.path().join("drydock.yaml"), &Need::ALL, deps).unwrap()
    }

    /// A later program, which carries no plugin of the earlier one's.
    pub fn upgrade(&mut self) {
        self.built_in = BuiltIn(&[]);
    }

    /// Puts what a run of `s1` uses.
    pub fn pin(&self, registry: &PluginRegistry, batch: &mut PinBatch) -> Vec<Pin> {
        used(registry).put(batch).unwrap()
    }

    /// Compiles the plugin of target `local`: this program cannot start itself to do it.
    pub fn compile_keeper(&self) {
        self.compile(&built("store-file"));
    }

    /// The same for any.
    pub fn compile(&self, component: &[u8]) {
        let node = self.load();
        let sandbox = Sandbox::new(SandboxConfig {
            cache: Some(node.state().join("cache")),
            limits: drydock_sandbox::Limits::default(),
            compiler: None,
            clock: Arc::new(StoppedClock),
        });
        let digest = drydock_core::PluginDigest::of(component);
        let grants = node.documents.grants_of(None, &digest);
        let admitted = sandbox.unwrap().admit(Admission {
            component,
            builtin: None,
            grants: grants.as_ref(),
            ceiling: None,
            limits: None,
        });
        admitted.unwrap();
    }
}

/// What a run of `s1` uses.
pub fn used(registry: &PluginRegistry) -> PinnedWorkflow {
    let workflow = registry.node.workflow(&schedule()).unwrap();
    PinnedWorkflow::of_workflow(registry, &workflow).unwrap()
}

pub fn schedule() -> ScheduleName {
    ScheduleName::new("s1")
}

/// The bytes of a plugin that was built from `plugins/`.
pub fn built(name: &str) -> Vec<u8> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist");
    let places = [dist.join(name), dist.join("fixtures").join(name)];
    let read = |place: &PathBuf| fs::read(place.with_extension("wasm")).ok();
    places
        .iter()
        .find_map(read)
        .unwrap_or_else(|| panic!("plugins/dist holds no {name}.wasm: run `cargo xtask plugins`"))
}
