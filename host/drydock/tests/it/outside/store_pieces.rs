//! `docs/plugins.md`: a store plugin in Rust, from an empty folder to a recovery point
//! that etcd's own tool accepts, without a rebuild of the host.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use drydock_core::{ClusterName, Grants, TargetName, UnixTime};
use drydock_sandbox::{
    Admission, Limits, Sandbox, SandboxConfig, StepCall, StoreContext, StoreTarget,
};
use drydock_testkit::Scratch;
use drydock_testkit::guests::GuestToolchain;
use serde_json::{Value, json};

use super::page::{self, Step};
use super::rust::SharedTarget;
use super::walk::Walk;
use crate::world::{Answer, DRYDOCK, checkout, etcdutl, runtime};

/// The sections that lead to it.
pub const STORE_PIECES: &[&str] = &["The plugin", "Build", "Grant", "Try", "A new version"];

/// The page, walked once for all tests.
fn walked() -> &'static Walk {
    static WALKED: OnceLock<Result<Walk, String>> = OnceLock::new();
    let walked = WALKED.get_or_init(walk).as_ref();
    walked.unwrap_or_else(|why| panic!("{why}"))
}

fn walk() -> Result<Walk, String> {
    let toolchain = GuestToolchain::find().unwrap();
    let walk = Walk::new("store-pieces");
    let shared = SharedTarget::lock();
    std::fs::create_dir_all(&walk.home).unwrap();
    shared.lend(&walk.home, "store_pieces");
    walk.run(&page_steps(), |command| {
        toolchain.apply(command);
        command.env("CARGO_NET_OFFLINE", "true");
    })?;
    Ok(walk)
}

fn page_steps() -> Vec<Step> {
    page::steps_under(&checkout().join("docs/plugins.md"), STORE_PIECES)
}

#[test]
fn every_block_of_the_page_does_what_the_page_says() {
    let walk = walked();
    for file in ["src/lib.rs", "try/node.yaml", "try/snapshot.db"] {
        assert!(walk.home.join(file).is_file(), "{file}");
    }
}

#[test]
fn its_recovery_points_are_what_etcd_has() {
    let walk = walked();
    let file = walk.home.join("try/snapshot.db").display().to_string();
    let theirs = etcdutl(&["snapshot", "status", &file, "-w", "json"]);
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    let ours = drydock(walk, &["snapshot", "status", &file, "--output", "json"]).ok();
    assert_eq!(serde_json::from_str::<Value>(&ours.stdout).unwrap(), theirs);
    let listed = listed(walk);
    assert_eq!(listed.len(), 2, "one of each version: {listed:?}");
    for point in &listed {
        // The page verified the older one.
        let state = point["state"].as_str().unwrap();
        assert!(["Complete", "Verified"].contains(&state), "{state}");
        let name = point["recoveryPoint"].as_str().unwrap();
        let identity = walk.home.join("try/sealing.key").display().to_string();
        let verify = ["recovery-point", "verify", name, "--identity", &identity];
        drydock(walk, &verify).ok();
    }
}

#[test]
fn it_was_its_component_that_stored_them() {
    let walk = walked();
    let told = inspected();
    let digest = told["digest"].as_str().unwrap();
    assert_eq!(told["version"], "0.2.0");
    let newest = &listed(walk)[0];
    let name = newest["recoveryPoint"].as_str().unwrap();
    let shown = drydock(walk, &["recovery-point", "show", name, "--output", "json"]).ok();
    assert!(shown.stdout.contains(digest), "{}", shown.stdout);
    assert!(walk.home.join("try/backups/pieces").is_dir());
    assert_eq!(
        std::fs::read_dir(walk.home.join("try/backups/open")).map_or(0, Iterator::count),
        0
    );
}

#[test]
fn it_keeps_the_whole_contract_of_a_store() {
    let component = std::fs::read(component()).unwrap();
    let scratch = Scratch::new().unwrap();
    runtime().block_on(async {
        let config = json!({"folder": scratch.path(), "pieceMebibytes": 1});
        let target = target(&component, None, scratch.path(), &config);
        drydock_fakes::contract::run(&target).await.unwrap();
    });
}

/// The recovery points, newest first.
fn listed(walk: &Walk) -> Vec<Value> {
    let answer = drydock(walk, &["recovery-point", "list", "--output", "json"]).ok();
    serde_json::from_str(&answer.stdout).unwrap()
}

fn component() -> PathBuf {
    walked().home.join("try/store_pieces.wasm")
}

fn inspected() -> Value {
    let path = component().display().to_string();
    let answer = drydock(walked(), &["plugin", "inspect", &path, "--output", "json"]).ok();
    serde_json::from_str(&answer.stdout).unwrap()
}

/// The binary on the node that the page made.
fn drydock(walk: &Walk, arguments: &[&str]) -> Answer {
    let mut command = Command::new(DRYDOCK);
    command
        .env("DRYDOCK_CONFIG", walk.home.join("try/node.yaml"))
        .args(arguments);
    Answer::of(command.output().unwrap())
}

/// A component as a target, granted the folder that it works in.
pub fn target(
    component: &[u8],
    cache: Option<&Path>,
    folder: &Path,
    config: &Value,
) -> StoreTarget {
    let sandbox = Sandbox::new(SandboxConfig {
        cache: cache.map(Path::to_owned),
        limits: Limits::default(),
        compiler: None,
        clock: Arc::new(SystemClock),
    })
    .unwrap();
    let grants = json!({"files": [{"directory": folder, "access": "write"}]});
    let grants = Grants::parse(&(&grants).into(), drydock_sandbox::capabilities()).unwrap();
    let plugin = sandbox
        .admit(Admission {
            component,
            builtin: None,
            grants: Some(&grants),
            ceiling: None,
            limits: None,
        })
        .unwrap();
    let context = StoreContext {
        target: TargetName::new("outside"),
        config: config.to_string(),
        step: StepCall::idle(ClusterName::new("lab"), UnixTime(0)),
        observer: Arc::new(|_, _| {}),
        throttle: drydock_sandbox::Throttle::default(),
    };
    StoreTarget::new(plugin, context)
}

/// Time as it is: the Python plugin makes its ids of it.
struct SystemClock;

impl drydock_core::Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        UnixTime(i64::try_from(since.as_secs()).unwrap())
    }
}
