//! The sandbox with real plugins: the shipped ones, and fixtures of which each does one
//! wrong thing. `cargo xtask plugins` builds them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod action;
mod admission;
mod archive;
mod cache;
mod compile;
mod etcd;
mod etcd_writes;
#[path = "../faults/mod.rs"]
#[expect(dead_code, reason = "the torture goes through the whole grid")]
mod faults;
mod files;
mod hostile;
mod limits;
mod maintain;
mod network;
mod one_cpu;
mod outputs;
mod powers;
mod speech;
mod stopping;
mod store;
mod stores;
#[path = "../torture/mod.rs"]
mod torture;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use drydock_capability_artifact::OutputSink;
use drydock_capability_etcd::EtcdCall;
use drydock_capability_files::{Access, FolderGrant};
use drydock_core::{Clock, ClusterName, Fault, Grants, UnixTime};
use drydock_sandbox::{
    Admission, Attempt, BackupCall, BackupReport, Limits, Plugin, Sandbox, SandboxConfig, StepCall,
};

/// 2026-01-02T03:04:05Z.
const DUE: UnixTime = UnixTime(1_767_323_045);

/// What a test's plugin sees of the time.
struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        UnixTime(DUE.0 + 1)
    }
}

/// The bytes of a plugin that was built from `plugins/`.
fn built(name: &str) -> Vec<u8> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist");
    let places = [dist.join(name), dist.join("fixtures").join(name)];
    let read = |place: &PathBuf| std::fs::read(place.with_extension("wasm")).ok();
    places
        .iter()
        .find_map(read)
        .unwrap_or_else(|| panic!("plugins/dist holds no {name}.wasm: run `cargo xtask plugins`"))
}

fn sandbox() -> Sandbox {
    sandbox_with(Limits::default())
}

fn sandbox_with(limits: Limits) -> Sandbox {
    Sandbox::new(SandboxConfig {
        cache: None,
        limits,
        compiler: None,
        clock: Arc::new(StoppedClock),
    })
    .unwrap()
}

/// Every etcd call, and this folder.
fn all_grants(folder: &Path, access: Access) -> Grants {
    Grants::default()
        .with(EtcdCall::ALL)
        .with([FolderGrant::new(folder, access)])
}

fn admit(sandbox: &Sandbox, name: &str, grants: &Grants) -> Arc<Plugin> {
    sandbox
        .admit(Admission {
            component: &built(name),
            builtin: None,
            grants: Some(grants),
            ceiling: None,
            limits: None,
        })
        .unwrap()
}

/// The plugin with limits of its own, everything granted.
fn admit_limited(sandbox: &Sandbox, name: &str, limits: &Limits) -> Arc<Plugin> {
    let grants = all_grants(Path::new("/nowhere"), Access::Write);
    sandbox
        .admit(Admission {
            component: &built(name),
            builtin: None,
            grants: Some(&grants),
            ceiling: None,
            limits: Some(limits),
        })
        .unwrap()
}

/// The probe with everything granted, its folder being `/nowhere`.
fn probe(sandbox: &Sandbox) -> Arc<Plugin> {
    admit(
        sandbox,
        "probe",
        &all_grants(Path::new("/nowhere"), Access::Write),
    )
}

fn call(config: &str) -> StepCall {
    StepCall {
        config: config.to_owned(),
        ..StepCall::idle(ClusterName::new("quickstart"), DUE)
    }
}

/// Lets the probe do what `config` says; its outputs go nowhere.
async fn run(plugin: &Plugin, config: &str) -> Attempt<BackupReport> {
    run_call(plugin, call(config)).await
}

async fn run_call(plugin: &Plugin, context: StepCall) -> Attempt<BackupReport> {
    let outputs = Box::new(Shelf::default());
    plugin.run_backup(BackupCall { context, outputs }).await
}

/// What the probe saw.
fn seen(attempt: Attempt<BackupReport>) -> Vec<String> {
    let findings = attempt.result.unwrap().findings;
    findings
        .into_iter()
        .map(|finding| finding.message)
        .collect()
}

/// Keeps outputs in memory. Clones share the shelf.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Vec<Item>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    name: String,
    secret: bool,
    bytes: Vec<u8>,
    /// `open`, `finished`, or the code it was discarded with.
    state: String,
}

impl Shelf {
    fn items(&self) -> Vec<Item> {
        self.0.lock().unwrap().clone()
    }

    fn last(&self, change: impl FnOnce(&mut Item)) {
        change(self.0.lock().unwrap().last_mut().unwrap());
    }
}

impl OutputSink for Shelf {
    fn open(&mut self, name: &str, secret: bool) -> Result<(), Fault> {
        self.0.lock().unwrap().push(Item {
            name: name.to_owned(),
            secret,
            bytes: Vec::new(),
            state: "open".to_owned(),
        });
        Ok(())
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        self.last(|item| item.bytes.extend(bytes));
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.last(|item| item.state = "finished".to_owned());
        Ok(())
    }

    fn discard(&mut self, reason: Fault) {
        self.last(|item| item.state = reason.code.into());
    }
}
